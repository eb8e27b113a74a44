//! The weight gradient: partial sums of some lines each, added up in fixed order.

use super::correlate::{MAX_TAPS, Tile};
use super::kernels::Kernels;
use super::walk::{Run, Tap, Walk};
use super::{PIECE, PIECES, block_of, cost};
use crate::conv::for_each_tile;
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// Most output lines, and output pixels of each, that a kernel adds at a time.
const LINES: usize = 8;
const PIXELS: usize = 8;

/// A kernel takes one vector of channels after the other from all pixels of its tile: these should lie in so few pages
/// that the first level of address translation holds them, and so few cache lines that the first-level cache does.
const PAGES: usize = 48;
const CACHE_LINES: usize = 256;

/// Elements of a page.
const PAGE: usize = 1024;

/// Output lines of a tile.
fn tile_lines(g: &ConvGeometry) -> usize {
    let [_, h, w] = &g.window.axes;
    let pages = |pixels: usize, pixel: usize| pixels.min(pixels * pixel / PAGE + 1);
    let columns = ((PIXELS - 1) * w.stride + w.kernel.min(MAX_TAPS)).min(w.input);
    let fits = |lines: &usize| {
        let sources = (lines - 1) * h.stride + h.kernel.min(MAX_TAPS);
        let pixel = g.group_in_channels() * g.out_channels;
        let all = sources * pages(columns, pixel) + lines * pages(PIXELS, g.out_channels);
        all <= PAGES && sources * columns + lines * PIXELS <= CACHE_LINES
    };
    (1..=LINES).rev().find(fits).unwrap_or(1)
}

/// Elements that are added up at a time.
const SUM: usize = 1024;

/// How the lines are cut.
pub(super) struct Cut {
    /// Lines of a piece.
    lines: usize,
    /// Number of pieces along the lines, each of which has sums of its own if there are several.
    pieces: usize,
    weights_len: usize,
    tile_lines: usize,
}

impl Cut {
    pub(super) fn new(g: &ConvGeometry, walk: &Walk) -> Self {
        let multiply_adds = g.batch * walk.products() * g.out_channels;
        let lines = g.batch * walk.lines.len();
        let blocks = g.out_channels.div_ceil(super::CHANNELS);
        let wanted = (multiply_adds / PIECE).clamp(1, PIECES).div_ceil(blocks).min(lines);
        let piece = lines.div_ceil(wanted);
        Self {
            lines: piece,
            pieces: lines.div_ceil(piece),
            weights_len: g.weights_len(),
            tile_lines: tile_lines(g),
        }
    }

    /// Elements of the sums of all pieces.
    pub(super) fn partials_len(&self) -> usize {
        if self.pieces == 1 { 0 } else { self.pieces * self.weights_len }
    }
}

/// Computes the weight gradient from a source with all planes.
pub(super) fn run(
    g: &ConvGeometry,
    walk: &Walk,
    kernels: &Kernels,
    source: &[f32],
    gradient: &[f32],
    weight_gradient: &mut [f32],
    partials: &mut [f32],
) {
    let cut = Cut::new(g, walk);
    let block = block_of(g.out_channels, kernels.lanes);
    let blocks = g.out_channels.div_ceil(block);
    let is_direct = cut.pieces == 1;
    let sums =
        Shared::new(if is_direct { &mut *weight_gradient } else { &mut partials[..cut.partials_len()] });
    let call = Call { tile_lines: cut.tile_lines, g, walk, kernels, source, gradient, sums: &sums };
    let multiply_adds = g.batch * walk.products() * g.out_channels;
    par::for_each(cut.pieces * blocks, cost(multiply_adds), |index| {
        let (piece, block_index) = (index / blocks, index % blocks);
        let lines = piece * cut.lines..((piece + 1) * cut.lines).min(g.batch * walk.lines.len());
        let channels = block_index * block..((block_index + 1) * block).min(g.out_channels);
        call.piece(piece * cut.weights_len, lines, channels);
    });
    if !is_direct {
        let partials = &partials[..cut.partials_len()];
        par::for_each_chunk(weight_gradient, SUM, partials.len() as u64 / 4, |start, target| {
            add_up(partials, cut.weights_len, start, target);
        });
    }
}

vectorized! {
    /// `target[i] = Σ_k partials[k·stride + start + i]`.
    fn add_up(partials: &[f32], stride: usize, start: usize, target: &mut [f32]) {
        target.fill(0.0);
        for partial in partials.chunks_exact(stride) {
            target.iter_mut().zip(&partial[start..]).for_each(|(sum, value)| *sum += value);
        }
    }
}

/// One call, shared by its pieces.
struct Call<'a> {
    g: &'a ConvGeometry,
    walk: &'a Walk,
    kernels: &'a Kernels,
    source: &'a [f32],
    gradient: &'a [f32],
    sums: &'a Shared<'a>,
    tile_lines: usize,
}

impl Call<'_> {
    /// Some channels of the sums over some lines.
    fn piece(&self, sums: usize, lines: std::ops::Range<usize>, channels: std::ops::Range<usize>) {
        let (g, walk) = (self.g, self.walk);
        let image_len = self.source.len() / g.batch;
        let rows = g.weights_len() / g.out_channels;
        for row in 0..rows {
            // SAFETY: the channels of these sums are this piece's own.
            unsafe { self.sums.part(sums + row * g.out_channels + channels.start, channels.len()) }.fill(0.0);
        }
        let image_lines = walk.lines.len();
        let mut line = lines.start;
        while line < lines.end {
            let image = line / image_lines;
            let end = lines.end.min((image + 1) * image_lines);
            let range = line - image * image_lines..end - image * image_lines;
            for run in walk.line_runs.iter().filter(|run| !run.taps.is_empty()) {
                let (first, count) = run.within(&range, walk.line_steps.target);
                let end = first + count;
                for first in (first..end).step_by(self.tile_lines) {
                    let lines = self.tile_lines.min(end - first);
                    let at = (image * image_lines + run.start + first) * walk.columns * g.out_channels;
                    let source = image * image_len + first * walk.line_steps.source;
                    let at = At {
                        source: source + channels.start,
                        gradient: at + channels.start,
                        lines,
                        sums: sums + channels.start,
                        channels: channels.len(),
                    };
                    run.taps.chunks(MAX_TAPS).for_each(|taps| self.lines(&at, taps));
                }
            }
            line = end;
        }
    }

    /// Adds some output lines for a few source lines.
    fn lines(&self, at: &At, lines: &[Tap]) {
        let (g, walk) = (self.g, self.walk);
        for run in walk.column_runs.iter().filter(|run| !run.taps.is_empty()) {
            for_each_tile(run.count, PIXELS, |first, pixels| {
                let mut tile = Tile {
                    source: [std::ptr::null(); MAX_TAPS],
                    tap_step: 0,
                    source_step: walk.column_steps.source,
                    gradient: self.gradient[at.gradient + (run.start + first) * g.out_channels..].as_ptr(),
                    gradient_step: g.out_channels,
                    pixels,
                    source_line_step: walk.line_steps.source,
                    gradient_line_step: walk.columns * g.out_channels,
                    lines: at.lines,
                    sums: [std::ptr::null_mut(); MAX_TAPS],
                    sum_step: 0,
                    channels: at.channels,
                };
                self.taps(&mut tile, at, lines, run, first * walk.column_steps.source);
            });
        }
    }

    /// Adds a tile for all taps of its columns, whose sources lie `distance` beyond those of the run's start.
    fn taps(&self, tile: &mut Tile, at: &At, lines: &[Tap], run: &Run, distance: usize) {
        let planes = self.g.group_in_channels();
        let pixel = planes * self.g.out_channels;
        tile.tap_step = self.g.window.axes[2].dilation * pixel;
        tile.sum_step = pixel;
        let count = run.taps.len() / planes;
        for plane in 0..planes {
            for first in (0..count).step_by(MAX_TAPS) {
                let tap = run.taps[first * planes + plane];
                for (index, line) in lines.iter().enumerate() {
                    tile.source[index] =
                        self.source[at.source + distance + line.source + tap.source..].as_ptr();
                    tile.sums[index] = self.sums.pointer_at(at.sums + line.weight + tap.weight);
                }
                let taps = MAX_TAPS.min(count - first);
                // SAFETY: the kernels are of a supported instruction set; the walk's sources lie inside the image for each
                // pixel, neighbouring taps of a run at equal distances; these sums are this piece's own.
                unsafe { self.kernels.correlate[lines.len() - 1][taps - 1](tile) };
            }
        }
    }
}

/// Output lines that are added at a time, some channels of them.
struct At {
    /// Element of the source: the image's, as far as the first line lies from its run's start.
    source: usize,
    /// Element of the output gradient where the first line starts.
    gradient: usize,
    lines: usize,
    /// Where the sums of the first channel start.
    sums: usize,
    channels: usize,
}
