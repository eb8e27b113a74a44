//! Depthwise convolutions, and groups of a few channels: vectors run over channels, tiles over pixels of a line.
//!
//! There is no product to batch here: each element of the input meets a handful of weights, so that memory sets the pace.
//! Nothing is packed and nothing is padded; pixels at the border have tables without the taps that lie outside.

mod correlate;
mod gather;
mod kernels;
mod planes;
mod walk;
mod weights;

use crate::conv::Epilogue;
use crate::cpu::Isa;
use crate::elementwise::{Activation, activate_piece_in_place};
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use kernels::Kernels;
use planes::{Spread, turn_weights};
use std::sync::OnceLock;
use walk::{Target, Walk};

/// Channels that are taken at a time: some lines of a tile stay in the first-level cache.
const CHANNELS: usize = 128;

/// Multiply-adds of a piece that is worth its own start, and pieces that keep a good number of threads busy.
const PIECE: usize = 1 << 19;
const PIECES: usize = 32;

/// Nanoseconds of so many multiply-adds on one thread, roughly.
fn cost(multiply_adds: usize) -> u64 {
    multiply_adds as u64 / 16
}

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
        self.spread_input_len() + weights::Cut::new(&self.geometry, self.forward_walk()).partials_len()
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

/// Channels of a block, such that all blocks are about equal.
fn block_of(width: usize, lanes: usize) -> usize {
    width.div_ceil(width.div_ceil(CHANNELS)).next_multiple_of(lanes).min(width)
}

impl Pass<'_> {
    /// Computes the whole target.
    fn run(&self, kernels: &Kernels, target: &mut [f32]) {
        let walk = self.walk;
        let multiply_adds = self.batch * walk.products() * self.width;
        let block = block_of(self.width, kernels.lanes);
        let blocks = self.width.div_ceil(block);
        let lines = self.batch * walk.lines.len();
        let wanted = (multiply_adds / PIECE).clamp(1, PIECES);
        let line_pieces = wanted.div_ceil(blocks).min(lines);
        let piece_lines = lines.div_ceil(line_pieces);
        let line_pieces = lines.div_ceil(piece_lines);
        let tile_pieces = wanted.div_ceil(blocks * line_pieces).min(walk.tiles.len());
        let piece_tiles = walk.tiles.len().div_ceil(tile_pieces);
        let tile_pieces = walk.tiles.len().div_ceil(piece_tiles);
        let target = Shared::new(target);
        par::for_each(blocks * line_pieces * tile_pieces, cost(multiply_adds), |index| {
            let (line_piece, rest) = (index / (blocks * tile_pieces), index % (blocks * tile_pieces));
            let (block_index, tile_piece) = (rest / tile_pieces, rest % tile_pieces);
            let first = line_piece * piece_lines;
            let tiles = &walk.tiles[tile_piece * piece_tiles..];
            let tiles = &tiles[..piece_tiles.min(tiles.len())];
            let channels = block_index * block..((block_index + 1) * block).min(self.width);
            self.piece(kernels, first..(first + piece_lines).min(lines), tiles, channels, &target);
        });
    }

    /// Computes some channels of some tiles of some lines.
    fn piece(
        &self,
        kernels: &Kernels,
        lines: std::ops::Range<usize>,
        tiles: &[walk::TileAt],
        channels: std::ops::Range<usize>,
        target: &Shared<'_>,
    ) {
        let (walk, width) = (self.walk, self.width);
        let activation = self.epilogue.activation;
        let is_late = !matches!(activation, Activation::Linear | Activation::Relu);
        for line in lines {
            let (image, place) = (line / walk.lines.len(), line % walk.lines.len());
            let source = &self.source[image * self.source_len..][..self.source_len];
            for tile in tiles {
                let run = &walk.runs[tile.run];
                let column = run.start + tile.first * walk.target_step;
                let start = (line * walk.columns + column) * width + channels.start;
                let call = gather::Tile {
                    // A run without taps may reach beyond the image, but then nothing is read.
                    source: source.as_ptr().wrapping_add(channels.start + tile.first * walk.source_step),
                    source_step: walk.source_step,
                    weights: self.weights[channels.start..].as_ptr(),
                    lines: &walk.lines[place],
                    taps: &run.taps,
                    target: target.pointer_at(start),
                    target_step: walk.target_step * width,
                    channels: channels.len(),
                    bias: self.epilogue.bias.map_or(std::ptr::null(), |bias| bias[channels.start..].as_ptr()),
                    relu: activation == Activation::Relu,
                };
                // SAFETY: the kernels are of a supported instruction set; the walk's sources lie inside the image and its
                // weights inside the weights for each pixel of the tile; no other piece has these pixels and channels.
                unsafe { kernels.gather[tile.pixels - 1](&call) };
                if is_late {
                    for pixel in 0..tile.pixels {
                        let start = start + pixel * walk.target_step * width;
                        // SAFETY: this piece's own pixels and channels.
                        activate_piece_in_place(activation, unsafe { target.part(start, channels.len()) });
                    }
                }
            }
        }
    }
}
