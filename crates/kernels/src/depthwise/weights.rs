//! The weight gradient: partial sums of some lines each, added up in fixed order.

use super::correlate::{MAX_TAPS, Tile};
use super::cut::{BAND, Cut, block_of, blocks, cost};
use super::kernels::Kernels;
use super::walk::{Run, Tap, Walk};
use crate::conv::for_each_tile;
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use crate::simd::vectorized;
use std::ops::Range;

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

/// How the pass is cut: pieces along the lines have sums of their own, if there are several.
fn cut(g: &ConvGeometry, walk: &Walk, kernels: &Kernels) -> Cut {
    let multiply_adds = g.batch * walk.products() * g.out_channels;
    let lines = g.batch * walk.lines.len();
    Cut::new(lines, walk.columns, g.out_channels, kernels.lanes, multiply_adds).whole_lines()
}

/// Elements of the sums of all pieces.
pub(super) fn partials_len(g: &ConvGeometry, walk: &Walk, kernels: &Kernels) -> usize {
    match cut(g, walk, kernels).line_pieces() {
        1 => 0,
        pieces => pieces * g.weights_len(),
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
    let (cut, partials_len) = (cut(g, walk, kernels), partials_len(g, walk, kernels));
    let is_direct = partials_len == 0;
    let sums = Shared::new(if is_direct { &mut *weight_gradient } else { &mut partials[..partials_len] });
    let call = Call { g, walk, kernels, source, gradient, sums: &sums, tile_lines: tile_lines(g) };
    let multiply_adds = g.batch * walk.products() * g.out_channels;
    par::for_each(cut.pieces(), cost(multiply_adds), |index| {
        let piece = cut.piece(index);
        call.piece(cut.line_piece(index) * g.weights_len(), piece.lines, piece.channels);
    });
    if !is_direct {
        let partials = &partials[..partials_len];
        par::for_each_chunk(weight_gradient, SUM, partials.len() as u64 / 4, |start, target| {
            add_up(partials, g.weights_len(), start, target);
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
    fn piece(&self, sums: usize, lines: Range<usize>, channels: Range<usize>) {
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
                for band in blocks(&(first..first + count), BAND) {
                    let at = At {
                        source: image * image_len,
                        gradient: (image * image_lines + run.start) * walk.columns * g.out_channels,
                        sums,
                        lines: band,
                        channels: channels.clone(),
                    };
                    run.taps.chunks(MAX_TAPS).for_each(|taps| self.band(&at, taps));
                }
            }
            line = end;
        }
    }

    /// Adds some output lines for a few source lines.
    fn band(&self, at: &At, lines: &[Tap]) {
        let (g, walk) = (self.g, self.walk);
        let block = block_of(at.channels.len(), self.kernels.lanes);
        let gradient_line = walk.columns * g.out_channels;
        for run in walk.column_runs.iter().filter(|run| !run.taps.is_empty()) {
            for_each_tile(run.count, PIXELS, |first, pixels| {
                for channels in blocks(&at.channels, block) {
                    for output_lines in blocks(&at.lines, self.tile_lines) {
                        let gradient = at.gradient
                            + output_lines.start * gradient_line
                            + (run.start + first) * g.out_channels
                            + channels.start;
                        let mut tile = Tile {
                            source: [std::ptr::null(); MAX_TAPS],
                            tap_step: 0,
                            source_step: walk.column_steps.source,
                            gradient: self.gradient[gradient..].as_ptr(),
                            gradient_step: g.out_channels,
                            pixels,
                            source_line_step: walk.line_steps.source,
                            gradient_line_step: gradient_line,
                            lines: output_lines.len(),
                            sums: [std::ptr::null_mut(); MAX_TAPS],
                            sum_step: 0,
                            channels: channels.len(),
                        };
                        let source = at.source
                            + output_lines.start * walk.line_steps.source
                            + first * walk.column_steps.source
                            + channels.start;
                        self.taps(&mut tile, source, at.sums + channels.start, lines, run);
                    }
                }
            });
        }
    }

    /// Adds a tile for all taps of its columns.
    fn taps(&self, tile: &mut Tile, source: usize, sums: usize, lines: &[Tap], run: &Run) {
        let planes = self.g.group_in_channels();
        let pixel = planes * self.g.out_channels;
        tile.tap_step = self.g.window.axes[2].dilation * pixel;
        tile.sum_step = pixel;
        let count = run.taps.len() / planes;
        for plane in 0..planes {
            for first in (0..count).step_by(MAX_TAPS) {
                let tap = run.taps[first * planes + plane];
                for (index, line) in lines.iter().enumerate() {
                    tile.source[index] = self.source[source + line.source + tap.source..].as_ptr();
                    tile.sums[index] = self.sums.pointer_at(sums + line.weight + tap.weight);
                }
                let taps = MAX_TAPS.min(count - first);
                // SAFETY: the kernels are of a supported instruction set; the walk's sources lie inside the image for each
                // pixel, neighbouring taps of a run at equal distances; these sums are this piece's own.
                unsafe { self.kernels.correlate[lines.len() - 1][taps - 1](tile) };
            }
        }
    }
}

/// Output lines that are added for some channels.
struct At {
    /// The image's first element of the source.
    source: usize,
    /// Element of the output gradient where the run of lines starts.
    gradient: usize,
    /// Where the sums start.
    sums: usize,
    /// Lines of the run.
    lines: Range<usize>,
    channels: Range<usize>,
}
