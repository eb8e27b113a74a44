//! Depthwise convolutions, and groups of a few channels: vectors run over channels, tiles over pixels of a line.
//!
//! There is no product to batch here: each element of the input meets a handful of weights, so that memory sets the pace.
//! Nothing is packed and nothing is padded; pixels at the border have tables without the taps that lie outside.

mod correlate;
mod cut;
mod gather;
mod kernels;
mod planes;
mod ring;
mod walk;
mod weights;

use crate::conv::{Epilogue, for_each_tile};
use crate::cpu::Isa;
use crate::elementwise::{Bounds, activate_piece_in_place};
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use cut::{BAND, Cut, Piece, block_of, blocks, cost};
use gather::MAX_PIXELS;
use kernels::{ANY, Kernels, kind_of};
use planes::{Spread, turn_weights};
pub(crate) use ring::RingLines;
use std::ops::Range;
use std::sync::OnceLock;
use walk::{Run, Steps, Target, Walk};

/// A depthwise convolution, or one with groups of a few channels.
#[derive(Clone, Debug)]
pub(crate) struct Depthwise {
    geometry: ConvGeometry,
    kernels: &'static Kernels,
    forward: OnceLock<Walk>,
    data: OnceLock<Walk>,
}

/// A walk over all images of a target.
struct Pass<'a> {
    walk: &'a Walk,
    batch: usize,
    /// Channels of the target.
    width: usize,
    source: &'a [f32],
    /// Elements of an image of the source.
    source_len: usize,
    weights: &'a [f32],
    epilogue: Epilogue<'a>,
}

impl Depthwise {
    pub(crate) fn new(geometry: ConvGeometry, isa: Isa) -> Self {
        Self { geometry, kernels: Kernels::of(isa), forward: OnceLock::new(), data: OnceLock::new() }
    }

    pub(crate) fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    /// Whether these groups are small enough to be run as planes.
    pub(crate) fn serves(g: &ConvGeometry) -> bool {
        g.group_in_channels().max(g.group_out_channels()) <= 4
    }

    fn forward_walk(&self) -> &Walk {
        let g = &self.geometry;
        self.forward.get_or_init(|| Walk::new(g, Target::Output, g.group_in_channels(), g.out_channels))
    }

    fn data_walk(&self) -> &Walk {
        let g = &self.geometry;
        self.data.get_or_init(|| Walk::new(g, Target::Input, g.group_out_channels(), g.in_channels))
    }

    /// Elements of the input with its channels spread, if they must be.
    fn spread_input_len(&self) -> usize {
        let (g, spread) = (&self.geometry, Spread::of_input(&self.geometry));
        if spread.is_identity() { 0 } else { g.batch * g.window.input_positions() * spread.pixel() }
    }

    pub(crate) fn forward_scratch(&self) -> usize {
        self.spread_input_len()
    }

    pub(crate) fn backward_data_scratch(&self) -> usize {
        let (g, spread) = (&self.geometry, Spread::of_gradient(&self.geometry));
        if spread.is_identity() {
            return 0;
        }
        g.batch * g.window.output_positions() * spread.pixel() + g.weights_len()
    }

    pub(crate) fn backward_weights_scratch(&self) -> usize {
        self.spread_input_len() + weights::partials_len(&self.geometry, self.forward_walk(), self.kernels)
    }

    /// See [`crate::conv::Convolution::forward`].
    pub(crate) fn forward(
        &self,
        input: &[f32],
        weights: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        let source = self.spread_input(input, scratch);
        let pass = Pass {
            walk: self.forward_walk(),
            batch: g.batch,
            width: g.out_channels,
            source,
            source_len: source.len() / g.batch,
            weights,
            epilogue,
        };
        pass.run(self.kernels, output);
    }

    /// See [`crate::conv::Convolution::backward_data`].
    pub(crate) fn backward_data(
        &self,
        output_gradient: &[f32],
        weights: &[f32],
        input_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        let spread = Spread::of_gradient(g);
        let (source, weights) = if spread.is_identity() {
            (output_gradient, weights)
        } else {
            let (turned, spread_gradient) = scratch.split_at_mut(g.weights_len());
            turn_weights(g, weights, turned);
            let spread_gradient =
                &mut spread_gradient[..g.batch * g.window.output_positions() * spread.pixel()];
            spread.run(output_gradient, spread_gradient);
            (&*spread_gradient, &*turned)
        };
        let pass = Pass {
            walk: self.data_walk(),
            batch: g.batch,
            width: g.in_channels,
            source,
            source_len: source.len() / g.batch,
            weights,
            epilogue: Epilogue::NONE,
        };
        pass.run(self.kernels, input_gradient);
    }

    /// See [`crate::conv::Convolution::backward_weights`].
    pub(crate) fn backward_weights(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        weight_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (copy, partials) = scratch.split_at_mut(self.spread_input_len());
        let source = self.spread_input(input, copy);
        weights::run(
            &self.geometry,
            self.forward_walk(),
            self.kernels,
            source,
            output_gradient,
            weight_gradient,
            partials,
        );
    }

    fn spread_input<'a>(&self, input: &'a [f32], scratch: &'a mut [f32]) -> &'a [f32] {
        let spread = Spread::of_input(&self.geometry);
        if spread.is_identity() {
            return input;
        }
        let spread_input = &mut scratch[..self.spread_input_len()];
        spread.run(input, spread_input);
        spread_input
    }
}

/// Runs of fewer columns are tiled down the lines.
const FEW: usize = 4;

/// Where a tile lies: its first line, counted over all images, and its first column.
#[derive(Clone, Copy)]
struct At {
    line: usize,
    column: usize,
    /// Elements of the source beyond those of the taps' own line and column.
    source: usize,
}

impl Pass<'_> {
    /// Computes the whole target.
    fn run(&self, kernels: &Kernels, target: &mut [f32]) {
        let walk = self.walk;
        let multiply_adds = self.batch * walk.products() * self.width;
        let lines = self.batch * walk.lines.len();
        let cut = Cut::fine(lines, walk.columns, self.width, kernels.lanes, multiply_adds);
        let target = Shared::new(target);
        par::for_each(cut.pieces(), cost(multiply_adds), |index| {
            let piece = cut.piece(index);
            self.piece(kernels, &piece, &target);
        });
    }

    fn piece(&self, kernels: &Kernels, piece: &Piece, target: &Shared<'_>) {
        let image_lines = self.walk.lines.len();
        let mut line = piece.lines.start;
        while line < piece.lines.end {
            let image = line / image_lines;
            let end = piece.lines.end.min((image + 1) * image_lines);
            let lines = line - image * image_lines..end - image * image_lines;
            for run in &self.walk.line_runs {
                let (first, count) = run.within(&lines, self.walk.line_steps.target);
                for band in blocks(&(first..first + count), BAND) {
                    self.lines(kernels, piece, image, run, band, target);
                }
            }
            line = end;
        }
    }

    /// Computes some lines of a run.
    fn lines(
        &self,
        kernels: &Kernels,
        piece: &Piece,
        image: usize,
        lines: &Run,
        range: Range<usize>,
        target: &Shared<'_>,
    ) {
        let walk = self.walk;
        let (line_steps, column_steps) = (walk.line_steps, walk.column_steps);
        let block = block_of(piece.channels.len(), kernels.lanes);
        let at = |line: usize, columns: &Run, column: usize| At {
            line: image * walk.lines.len() + lines.start + line * line_steps.target,
            column: columns.start + column * column_steps.target,
            source: image * self.source_len + line * line_steps.source + column * column_steps.source,
        };
        for columns in &walk.column_runs {
            let (first, count) = columns.within(&piece.columns, column_steps.target);
            if count < FEW {
                for column in first..first + count {
                    for_each_tile(range.len(), MAX_PIXELS, |line, pixels| {
                        let at = at(range.start + line, columns, column);
                        let steps = Steps { target: line_steps.target * walk.columns, ..line_steps };
                        let kernel = kernels.gather[ANY][pixels - 1];
                        self.tile(kernel, piece.channels.clone(), lines, columns, at, steps, pixels, target);
                    });
                }
            } else {
                let kind = kind_of(&columns.taps, column_steps.source);
                for_each_tile(count, MAX_PIXELS, |column, pixels| {
                    let kernel = kernels.gather[kind][pixels - 1];
                    for channels in blocks(&piece.channels, block) {
                        for line in range.clone() {
                            let at = at(line, columns, first + column);
                            self.tile(
                                kernel,
                                channels.clone(),
                                lines,
                                columns,
                                at,
                                column_steps,
                                pixels,
                                target,
                            );
                        }
                    }
                });
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a tile, which are used nowhere else")]
    #[inline]
    fn tile(
        &self,
        kernel: gather::Kernel,
        channels: Range<usize>,
        lines: &Run,
        columns: &Run,
        at: At,
        steps: Steps,
        pixels: usize,
        target: &Shared<'_>,
    ) {
        let width = self.width;
        let (channel, channels) = (channels.start, channels.len());
        let activation = self.epilogue.activation;
        let start = (at.line * self.walk.columns + at.column) * width + channel;
        let tile = gather::Tile {
            // Of a target without taps this may lie outside, but then nothing is read.
            source: self.source.as_ptr().wrapping_add(at.source + channel),
            source_step: steps.source,
            weights: self.weights[channel..].as_ptr(),
            lines: &lines.taps,
            taps: &columns.taps,
            target: target.pointer_at(start),
            target_step: steps.target * width,
            channels,
            bias: self.epilogue.bias.map_or(std::ptr::null(), |bias| bias[channel..].as_ptr()),
            bounds: activation.bounds().unwrap_or(Bounds::NONE),
        };
        // SAFETY: the kernels are of a supported instruction set; the walk's sources lie inside the image and its weights
        // inside the weights for each pixel of the tile; no other piece has these pixels and channels.
        unsafe { kernel(&tile) };
        if activation.bounds().is_none() {
            for pixel in 0..pixels {
                // SAFETY: this piece's own pixels and channels.
                let pixel = unsafe { target.part(start + pixel * steps.target * width, channels) };
                activate_piece_in_place(activation, pixel);
            }
        }
    }
}
