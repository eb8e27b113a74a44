//! The gradient of the input, gathered: each input pixel sums over just the taps that reach it.
//!
//! Pixels with the same taps form a class (inner pixels, each border, each phase of a stride), and a class is a
//! batch-reduce matrix product like the forward pass, with rows at output pixels and runs along the output channels. So
//! padding, strides and dilation cost nothing, and every pixel is written once.

use super::forward::WHOLE_WEIGHTS;
use super::work::{self, PIECE, PIECES, for_each_tile};
use crate::elementwise::Bounds;
use crate::gemm::brgemm::{Ahead, Run, Tile};
use crate::gemm::{Kernels, MAX_ROWS, pack};
use crate::geometry::{Axis, ConvGeometry};
use crate::par::{self, Shared};
use std::ops::Range;

/// Input pixels reached by the same taps.
#[derive(Clone, Debug)]
struct Class {
    runs: Vec<Run>,
    /// For each pixel, where it lies in its image of the input, and where in that of the output the first tap's pixel
    /// lies.
    pixels: Vec<(usize, usize)>,
}

/// Tables and pieces of the gradient of the input.
#[derive(Clone, Debug)]
pub(super) struct DataPlan {
    classes: Vec<Class>,
    /// Images of a piece.
    images: usize,
    /// Parts in which each class is cut within those images.
    parts: usize,
    /// Panels of a piece.
    panels: usize,
    packed_len: usize,
}

/// Positions of an axis that the same taps reach: the taps, and for each position that of the first tap's window.
struct AxisClass {
    taps: Vec<usize>,
    positions: Vec<(usize, usize)>,
}

fn axis_classes(axis: &Axis) -> Vec<AxisClass> {
    let mut classes: Vec<AxisClass> = Vec::new();
    for position in 0..axis.input {
        let window = |tap: usize| {
            let start = (position + axis.pad_before).checked_sub(tap * axis.dilation)?;
            let window = start / axis.stride;
            (start.is_multiple_of(axis.stride) && window < axis.output()).then_some(window)
        };
        let taps: Vec<usize> = (0..axis.kernel).filter(|&tap| window(tap).is_some()).collect();
        let first = taps.first().and_then(|&tap| window(tap)).unwrap_or(0);
        match classes.iter_mut().find(|class| class.taps == taps) {
            Some(class) => class.positions.push((position, first)),
            None => classes.push(AxisClass { taps, positions: vec![(position, first)] }),
        }
    }
    classes
}

impl Class {
    fn new(g: &ConvGeometry, parts: [&AxisClass; 3]) -> Self {
        let [d, h, w] = &g.window.axes;
        let [_, out_h, out_w] = g.window.output();
        let shift = |axis: &Axis, taps: &[usize], tap: usize| {
            ((tap - taps[0]) * axis.dilation / axis.stride) as isize
        };
        let (out_h, out_w, channels) = (out_h as isize, out_w as isize, g.out_channels as isize);
        let mut runs = Vec::new();
        for &kd in &parts[0].taps {
            for &kh in &parts[1].taps {
                for &kw in &parts[2].taps {
                    let tap = (kd * h.kernel + kh) * w.kernel + kw;
                    let (d, h, w) = (
                        shift(d, &parts[0].taps, kd),
                        shift(h, &parts[1].taps, kh),
                        shift(w, &parts[2].taps, kw),
                    );
                    runs.push(Run { a: -((d * out_h + h) * out_w + w) * channels, b: tap * g.out_channels });
                }
            }
        }
        let (out_h, out_w) = (out_h as usize, out_w as usize);
        let mut pixels = Vec::new();
        for &(id, od) in &parts[0].positions {
            for &(ih, oh) in &parts[1].positions {
                for &(iw, ow) in &parts[2].positions {
                    pixels.push((
                        ((id * h.input + ih) * w.input + iw) * g.in_channels,
                        ((od * out_h + oh) * out_w + ow) * g.out_channels,
                    ));
                }
            }
        }
        Self { runs, pixels }
    }
}

impl DataPlan {
    pub(super) fn new(g: &ConvGeometry, kernels: &Kernels) -> Self {
        let width = kernels.columns();
        let axes = g.window.axes.each_ref().map(axis_classes);
        let mut classes = Vec::new();
        for d in &axes[0] {
            for h in &axes[1] {
                for w in &axes[2] {
                    classes.push(Class::new(g, [d, h, w]));
                }
            }
        }
        let panels = g.in_channels.div_ceil(width);
        let wanted = (g.multiply_adds() / PIECE).clamp(1, PIECES as u64) as usize;
        let positions = g.window.input_positions();
        // In a small picture a class may have a single pixel, so the images of a piece fill whole tiles, a few of them
        // for each panel of weights that is read.
        let is_small = positions < 64 * kernels.rows;
        let unit = if is_small { (256 / positions).clamp(1, 3) * kernels.rows } else { 1 };
        let images = g.batch.div_ceil(wanted).next_multiple_of(unit).min(g.batch);
        let groups = g.batch.div_ceil(images);
        let tiles = if is_small { 1 } else { (images * positions).div_ceil(12 * kernels.rows) };
        let parts = wanted.div_ceil(groups).min(tiles);
        let panel_pieces = wanted.div_ceil(groups * parts).min(panels);
        Self {
            classes,
            images,
            parts,
            panels: panels.div_ceil(panel_pieces),
            packed_len: pack::packed_len(g.window.taps() * g.out_channels, g.in_channels, width),
        }
    }

    pub(super) fn scratch(&self) -> usize {
        self.packed_len
    }

    pub(super) fn run(
        &self,
        g: &ConvGeometry,
        kernels: &Kernels,
        output_gradient: &[f32],
        weights: &[f32],
        input_gradient: &mut [f32],
        packed: &mut [f32],
    ) {
        let width = kernels.columns();
        pack::pack_transposed(weights, g.window.taps(), g.in_channels, g.out_channels, width, packed);
        let call = Call {
            plan: self,
            g,
            kernels,
            output_gradient,
            packed,
            input_gradient: Shared::new(input_gradient),
        };
        let groups = g.batch.div_ceil(self.images);
        let panel_pieces = g.in_channels.div_ceil(width).div_ceil(self.panels);
        let pieces = groups * self.parts * panel_pieces;
        par::for_each(pieces, work::cost(g.multiply_adds()), |index| {
            call.piece(
                index / panel_pieces / self.parts,
                index / panel_pieces % self.parts,
                index % panel_pieces,
            );
        });
    }
}

/// One call, shared by its pieces.
struct Call<'a> {
    plan: &'a DataPlan,
    g: &'a ConvGeometry,
    kernels: &'a Kernels,
    output_gradient: &'a [f32],
    packed: &'a [f32],
    input_gradient: Shared<'a>,
}

impl Call<'_> {
    fn piece(&self, group: usize, part: usize, panel_piece: usize) {
        let plan = self.plan;
        let first_image = group * plan.images;
        let images = plan.images.min(self.g.batch - first_image);
        let panels = self.g.in_channels.div_ceil(self.kernels.columns());
        let panel_start = panel_piece * plan.panels;
        let panel_end = (panel_start + plan.panels).min(panels);
        for class in &plan.classes {
            let rows = class.pixels.len() * images;
            let share = rows.div_ceil(plan.parts).next_multiple_of(self.kernels.rows);
            let start = (part * share).min(rows);
            let rows = share.min(rows - start);
            let inner = class.runs.len() * self.g.out_channels;
            if (panel_end - panel_start) * self.kernels.columns() * inner <= WHOLE_WEIGHTS {
                for_each_tile(rows, self.kernels.rows, |tile, height| {
                    self.tiles(class, first_image, start + tile, height, panel_start..panel_end);
                });
            } else {
                for panel in panel_start..panel_end {
                    for_each_tile(rows, self.kernels.rows, |tile, height| {
                        self.tiles(class, first_image, start + tile, height, panel..panel + 1);
                    });
                }
            }
        }
    }

    /// One tile of rows, for some panels.
    #[inline]
    fn tiles(&self, class: &Class, first_image: usize, first: usize, height: usize, panels: Range<usize>) {
        let (g, kernels) = (self.g, self.kernels);
        let width = kernels.columns();
        let input_len = g.window.input_positions() * g.in_channels;
        let output_len = g.window.output_positions() * g.out_channels;
        let pixels = class.pixels.len();
        let (mut image, mut pixel) = (first_image + first / pixels, first % pixels);
        let mut a = [self.output_gradient.as_ptr(); MAX_ROWS];
        let mut c = [std::ptr::null_mut(); MAX_ROWS];
        for row in 0..height {
            let (to, from) = class.pixels[pixel];
            a[row] = self.output_gradient[image * output_len + from..].as_ptr();
            c[row] = self.input_gradient.pointer_at(image * input_len + to);
            pixel += 1;
            if pixel == pixels {
                (image, pixel) = (image + 1, 0);
            }
        }
        let inner = g.window.taps() * g.out_channels;
        let mut tile = Tile {
            a,
            c,
            c_offset: 0,
            runs: &class.runs,
            length: g.out_channels,
            offsets: &[],
            b: self.packed.as_ptr(),
            ahead: Ahead::none(self.packed.as_ptr()),
            columns: 0,
            bias: std::ptr::null(),
            residual: [std::ptr::null(); MAX_ROWS],
            bounds: Bounds::NONE,
        };
        for panel in panels {
            let start = panel * width;
            tile.c_offset = start;
            tile.columns = width.min(g.in_channels - start);
            tile.b = self.packed[panel * inner * width..].as_ptr();
            // SAFETY: the kernels are of a supported instruction set; every run leads from a row's first output pixel to
            // another one of the same image, because all taps of a class reach all its pixels; rows of C are different
            // pixels with `columns` elements from `start`, and no other piece has them; packed panels are full rows.
            unsafe { kernels.brgemm[kernels.width_index(tile.columns)][height - 1](&tile) };
        }
    }
}
