//! The weight gradient: partial sums of some lines each, added up in fixed order.

use super::correlate::{MAX_TAPS, Tile};
use super::kernels::Kernels;
use super::walk::{Run, Tap, Walk};
use super::{PIECE, PIECES, block_of, cost};
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// Output pixels of a tile.
const PIXELS: usize = 16;

/// Elements that are added up at a time.
const SUM: usize = 1024;

/// How the lines are cut.
pub(super) struct Cut {
    /// Lines of a piece.
    lines: usize,
    /// Number of pieces along the lines, each of which has sums of its own if there are several.
    pieces: usize,
    weights_len: usize,
}

impl Cut {
    pub(super) fn new(g: &ConvGeometry, walk: &Walk) -> Self {
        let multiply_adds = g.batch * walk.products() * g.out_channels;
        let lines = g.batch * walk.lines.len();
        let blocks = g.out_channels.div_ceil(super::CHANNELS);
        let wanted = (multiply_adds / PIECE).clamp(1, PIECES).div_ceil(blocks).min(lines);
        let piece = lines.div_ceil(wanted);
        Self { lines: piece, pieces: lines.div_ceil(piece), weights_len: g.weights_len() }
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
    let call = Call { g, walk, kernels, source, gradient, sums: &sums };
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
        for line in lines {
            let (image, place) = (line / walk.lines.len(), line % walk.lines.len());
            let source = &self.source[image * image_len..][..image_len];
            for run in walk.runs.iter().filter(|run| !run.taps.is_empty()) {
                for first in (0..run.count).step_by(PIXELS) {
                    let at = (line * walk.columns + run.start + first) * g.out_channels;
                    let gradient = &self.gradient[at + channels.start..];
                    let pixels = PIXELS.min(run.count - first);
                    let source = &source[first * walk.source_step + channels.start..];
                    let at = At {
                        source,
                        gradient,
                        pixels,
                        sums: sums + channels.start,
                        channels: channels.len(),
                    };
                    walk.lines[place].chunks(MAX_TAPS).for_each(|lines| self.lines(&at, lines, run));
                }
            }
        }
    }

    /// Adds a few pixels for a few source lines.
    fn lines(&self, at: &At<'_>, lines: &[Tap], run: &Run) {
        let g = self.g;
        let planes = g.group_in_channels();
        let pixel = planes * g.out_channels;
        let taps = run.taps.len() / planes;
        for plane in 0..planes {
            for first in (0..taps).step_by(MAX_TAPS) {
                let tap = run.taps[first * planes + plane];
                let mut tile = Tile {
                    source: [std::ptr::null(); MAX_TAPS],
                    tap_step: g.window.axes[2].dilation * pixel,
                    source_step: self.walk.source_step,
                    gradient: at.gradient.as_ptr(),
                    gradient_step: g.out_channels,
                    pixels: at.pixels,
                    sums: [std::ptr::null_mut(); MAX_TAPS],
                    sum_step: pixel,
                    channels: at.channels,
                };
                for (index, line) in lines.iter().enumerate() {
                    tile.source[index] = at.source[line.source + tap.source..].as_ptr();
                    tile.sums[index] = self.sums.pointer_at(at.sums + line.weight + tap.weight);
                }
                let taps = MAX_TAPS.min(taps - first);
                // SAFETY: the kernels are of a supported instruction set; the walk's sources lie inside the image for each
                // pixel, neighbouring taps of a run at equal distances; these sums are this piece's own.
                unsafe { self.kernels.correlate[lines.len() - 1][taps - 1](&tile) };
            }
        }
    }
}

/// Neighbouring output pixels of a run, some channels of them.
struct At<'a> {
    /// The image, from the first channel and as far as the first pixel lies from the run's start.
    source: &'a [f32],
    gradient: &'a [f32],
    pixels: usize,
    /// Where the sums of the first channel start.
    sums: usize,
    channels: usize,
}
