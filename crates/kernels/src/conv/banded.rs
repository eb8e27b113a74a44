//! Three convolutions one behind the other, some lines at a time: a dense one that widens, a depthwise one, and a 1 × 1 one that
//! narrows again. What is between them, by far the largest maps of networks for small machines, never leaves the second-level
//! cache.
//!
//! A piece goes down some lines of the output. It keeps the wide lines that the depthwise convolution still reads in a ring;
//! those around its first line it computes itself, though the piece above does too. Sums are those of the three convolutions one
//! by one, with the same bits.

use super::forward::{Call, ForwardPlan};
use super::layout::Layout;
use super::{ALIGNMENT, Convolution, Epilogue, Residual, Way, aligned, check, check_residual, work};
use crate::cpu::{self, Isa};
use crate::depthwise::{Depthwise, RingLines};
use crate::gemm::pack;
use crate::geometry::{Axis, ConvGeometry};
use crate::par::slots::{self, Slots};
use crate::par::{self, Shared};
use crate::winograd::Pass;
use std::ops::Range;

/// Elements that a piece holds between its convolutions: half of a second-level cache.
const HELD: usize = 1 << 16;

/// Elements of a wide map from which on it leaves the second-level caches before it is read.
const LARGE: usize = 1 << 18;

/// Lines of the output of a piece for each line that it computes though another piece does too.
const FEWEST: usize = 7;

/// Most pieces of an image.
const PIECES: usize = 8;

/// Weights and what is done to the sums of one of the convolutions.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a> {
    /// Packed by [`Convolution::pack_weights`]; those of the depthwise convolution as they are.
    pub weights: &'a [f32],
    /// Only the last one may have a residual, and that must not lie in the output.
    pub epilogue: Epilogue<'a>,
}

/// A dense, a depthwise and a 1 × 1 convolution of fixed shapes.
#[derive(Clone, Debug)]
pub struct Banded {
    wide: Convolution,
    depthwise: Depthwise,
    narrow: ConvGeometry,
    /// The narrow convolution of the lines of a band.
    product: (ConvGeometry, Layout, ForwardPlan),
    /// Lines of the ring.
    places: usize,
    /// Those of an image.
    pieces: Vec<Vec<Band>>,
}

/// Some lines of the output.
#[derive(Clone, Debug)]
struct Band {
    lines: Range<usize>,
    /// Lines of the wide map that are not in the ring yet.
    sources: Range<usize>,
    reads: RingLines,
}

impl Banded {
    /// The three as one, on the instruction set in use; `None` if they cannot be: images without depth, a dense convolution that is not
    /// computed by tiles, then one with a group for each channel, then a 1 × 1 one.
    pub fn new(wide: ConvGeometry, depthwise: ConvGeometry, narrow: ConvGeometry) -> Option<Self> {
        Self::with_isa(wide, depthwise, narrow, cpu::isa())
    }

    /// The same on a given instruction set.
    pub fn with_isa(
        wide: ConvGeometry,
        depthwise: ConvGeometry,
        narrow: ConvGeometry,
        isa: Isa,
    ) -> Option<Self> {
        let is_chain = wide.batch == depthwise.batch
            && wide.out_channels == depthwise.in_channels
            && wide.window.output() == depthwise.window.axes.map(|axis| axis.input)
            && depthwise.output_len() == narrow.input_len()
            && depthwise.out_channels == narrow.in_channels;
        let is_flat = wide.window.axes[0] == Axis::UNIT && depthwise.window.axes[0] == Axis::UNIT;
        let is_each =
            depthwise.groups == depthwise.in_channels && depthwise.in_channels == depthwise.out_channels;
        let is_pixelwise = narrow.groups == 1
            && narrow.input_len() / narrow.in_channels == narrow.output_len() / narrow.out_channels
            && narrow.window.taps() == 1;
        if !(is_chain && is_flat && is_each && is_pixelwise) {
            return None;
        }
        let wide = Convolution::with_isa(wide, isa);
        let is_packed = matches!(wide.way(Pass::ForwardPacked), Way::Direct)
            && wide.packed_weights_len().is_some()
            && Convolution::with_isa(narrow, isa).packed_weights_len().is_some();
        if !is_packed {
            return None;
        }
        Some(Self::of(wide, Depthwise::new(depthwise, isa), &depthwise, narrow))
    }

    fn of(wide: Convolution, depthwise: Depthwise, g: &ConvGeometry, narrow: ConvGeometry) -> Self {
        let [_, height, width] = &g.window.axes;
        let reach = (height.kernel - 1) * height.dilation + 1;
        let output_line = width.output() * g.out_channels;
        let held =
            |lines: usize| ((lines - 1) * height.stride + reach) * depthwise.line_len() + lines * output_line;
        let band = (2..=height.output()).take_while(|&lines| held(lines) <= HELD).last().unwrap_or(1);
        let places = ((band - 1) * height.stride + reach).min(height.input);
        let shared = reach.saturating_sub(height.stride).div_ceil(height.stride);
        let count = work::power_of_two((height.output() / (FEWEST * shared).max(1)).min(PIECES));
        let lines = |piece: usize| height.output() * piece / count..height.output() * (piece + 1) / count;
        let pieces = (0..count).map(|piece| bands(&depthwise, lines(piece), band, places)).collect();
        let product = ConvGeometry::matrix(band * width.output(), g.out_channels, narrow.out_channels);
        let layout = Layout::new(&product);
        let plan = ForwardPlan::new(&product, &layout, wide.kernels);
        Self { wide, depthwise, narrow, product: (product, layout, plan), places, pieces }
    }

    /// Whether the wide map is so large that this is faster than one convolution after the other.
    pub fn pays(&self) -> bool {
        let g = &self.wide.geometry;
        g.output_len() / g.batch >= LARGE
    }

    /// Elements of the ring, and of the depthwise convolution's output of a band.
    fn held(&self) -> [usize; 2] {
        [self.places * self.depthwise.line_len(), self.product.0.input_len()]
    }

    fn slots(&self) -> usize {
        self.work_pieces().min(slots::MAX)
    }

    /// Pieces of images of all the batch.
    fn units(&self) -> usize {
        self.pieces.len() * self.wide.geometry.batch
    }

    fn work_pieces(&self) -> usize {
        self.units().min(work::PIECES)
    }

    fn slot_len(&self) -> usize {
        self.held().iter().sum::<usize>().next_multiple_of(ALIGNMENT)
    }

    /// Elements of scratch that [`Banded::forward`] needs.
    pub fn scratch(&self) -> usize {
        self.copy_len() + self.slots() * self.slot_len() + ALIGNMENT
    }

    fn copy_len(&self) -> usize {
        self.wide.forward_plan().packed_scratch().next_multiple_of(ALIGNMENT)
    }

    /// The last one's output, as of [`Convolution::forward_packed`] of one after the other.
    ///
    /// # Panics
    /// If a slice does not have the length of its shape.
    pub fn forward(&self, input: &[f32], filters: [Filters<'_>; 3], output: &mut [f32], scratch: &mut [f32]) {
        let (wide, g) = (&self.wide.geometry, self.depthwise.geometry());
        let narrow_len =
            pack::packed_len(g.out_channels, self.narrow.out_channels, self.wide.kernels.columns());
        let weights = [self.wide.packed_weights_len().unwrap_or(0), g.weights_len(), narrow_len];
        let channels = [wide.out_channels, g.out_channels, self.narrow.out_channels];
        check("banded", "input", input.len(), wide.input_len());
        check("banded", "output", output.len(), self.narrow.output_len());
        for ((filters, weights), channels) in filters.iter().zip(weights).zip(channels) {
            check("banded", "weights", filters.weights.len(), weights);
            if let Some(bias) = filters.epilogue.bias {
                check("banded", "bias", bias.len(), channels);
            }
        }
        let [first, second, last] = filters.map(|filters| filters.epilogue.residual);
        let alone = matches!((first, second), (Residual::None, Residual::None));
        assert!(
            alone && !matches!(last, Residual::Output),
            "convolution banded: a residual in a wrong place"
        );
        check_residual(last, &self.narrow);
        let scratch = aligned("banded", scratch, self.scratch() - ALIGNMENT);
        let (copy, memory) = scratch.split_at_mut(self.copy_len());
        let input = self.wide.layout().prepare(wide, input, copy);
        let slots = Slots::new(memory, self.slots(), self.slot_len());
        let multiply_adds = wide.multiply_adds() + g.multiply_adds() + self.narrow.multiply_adds();
        let call = Bands { banded: self, input, filters, output: Shared::new(output) };
        let (units, pieces) = (self.units(), self.work_pieces());
        par::for_each(pieces, work::cost(multiply_adds), |piece| {
            slots.with(|slot| {
                (units * piece / pieces..units * (piece + 1) / pieces).for_each(|unit| call.unit(unit, slot))
            });
        });
    }
}

/// The bands of some lines of the output, `len` lines each.
fn bands(depthwise: &Depthwise, lines: Range<usize>, len: usize, places: usize) -> Vec<Band> {
    let mut made = 0;
    let mut bands = Vec::new();
    for start in lines.clone().step_by(len) {
        let lines = start..(start + len).min(lines.end);
        let read = depthwise.sources(&lines);
        let sources = read.start.max(made)..read.end.max(made);
        made = sources.end;
        bands.push(Band { reads: depthwise.ring_lines(&lines, places), sources, lines });
    }
    bands
}

/// One call, shared by its pieces.
struct Bands<'a> {
    banded: &'a Banded,
    input: &'a [f32],
    filters: [Filters<'a>; 3],
    output: Shared<'a>,
}

impl Bands<'_> {
    /// A piece of an image.
    fn unit(&self, unit: usize, slot: &mut [f32]) {
        let Banded { depthwise, narrow, pieces, .. } = self.banded;
        let (image, piece) = (unit / pieces.len(), unit % pieces.len());
        let [ring_len, between_len] = self.banded.held();
        let (ring, rest) = slot.split_at_mut(ring_len);
        let between = &mut rest[..between_len];
        let (_, layout, plan) = &self.banded.product;
        let [_, filters, last] = &self.filters;
        let [_, height, width] = &depthwise.geometry().window.axes;
        for band in &pieces[piece] {
            self.widen(image, band.sources.clone(), ring);
            depthwise.forward_ring(&band.reads, ring, filters.weights, filters.epilogue, between);
            let pixels = band.lines.len() * width.output();
            let start = (image * height.output() + band.lines.start) * width.output() * narrow.out_channels;
            let len = pixels * narrow.out_channels;
            let residual = match last.epilogue.residual {
                Residual::Slice(values) => Residual::Slice(&values[start..start + len]),
                other => other,
            };
            let kernels = self.banded.wide.kernels;
            let call = Call {
                plan,
                g: &self.banded.product.0,
                layout,
                kernels,
                input: between,
                packed: last.weights,
                epilogue: Epilogue { residual, ..last.epilogue },
                // SAFETY: these lines are this piece's own.
                output: Shared::new(unsafe { self.output.part(start, len) }),
                origin: 0,
            };
            call.rows(0, pixels, 0..narrow.out_channels.div_ceil(kernels.columns()));
        }
    }

    /// Computes lines of the wide map to their places in the ring.
    fn widen(&self, image: usize, lines: Range<usize>, ring: &mut [f32]) {
        let Banded { wide, depthwise, places, .. } = self.banded;
        let [_, height, width] = wide.geometry.window.output();
        let [filters, ..] = self.filters;
        let line_len = depthwise.line_len();
        let mut line = lines.start;
        while line < lines.end {
            let place = line % places;
            let count = (lines.end - line).min(places - place);
            let first = (image * height + line) * width;
            let call = Call {
                plan: wide.forward_plan(),
                g: &wide.geometry,
                layout: wide.layout(),
                kernels: wide.kernels,
                input: self.input,
                packed: filters.weights,
                epilogue: filters.epilogue,
                output: Shared::new(&mut ring[place * line_len..][..count * line_len]),
                origin: first,
            };
            call.rows(first, count * width, 0..wide.geometry.out_channels.div_ceil(wide.kernels.columns()));
            line += count;
        }
    }
}
