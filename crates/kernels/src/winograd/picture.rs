//! What a pass reads and writes as pictures cut in tiles.

use super::TileSize;
use crate::geometry::ConvGeometry;
use std::ops::Range;

/// A correlation with 3 × 3 taps: `output[o] = Σ_tap input[o − pad + tap] · taps[tap]`, cut in tiles of the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Zeros before the input, or, if negative, elements of it that are passed over.
    pub pad: [isize; 2],
    /// Channels of the input.
    pub channels: usize,
    /// Channels of the output.
    pub filters: usize,
    /// Edge of a tile of the output.
    edge: usize,
    /// Tiles along height and width.
    grid: [usize; 2],
}

/// Where a tile lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its image in the batch.
    pub image: usize,
    /// Its first row and column in the output.
    pub output: [usize; 2],
    /// Its first row and column in the input, perhaps outside.
    pub input: [isize; 2],
}

impl Picture {
    /// The forward pass.
    pub(super) fn forward(g: &ConvGeometry, size: TileSize) -> Self {
        let [_, h, w] = &g.window.axes;
        Self::new(
            [h.input, w.input],
            [h.output(), w.output()],
            [h.pad_before as isize, w.pad_before as isize],
            [g.in_channels, g.out_channels],
            size,
        )
    }

    /// The gradient of the input: a correlation of the output's gradient with the taps in reverse.
    pub(super) fn backward(g: &ConvGeometry, size: TileSize) -> Self {
        let [_, h, w] = &g.window.axes;
        Self::new(
            [h.output(), w.output()],
            [h.input, w.input],
            [2 - h.pad_before as isize, 2 - w.pad_before as isize],
            [g.out_channels, g.in_channels],
            size,
        )
    }

    fn new(
        input: [usize; 2],
        output: [usize; 2],
        pad: [isize; 2],
        [channels, filters]: [usize; 2],
        size: TileSize,
    ) -> Self {
        let edge = size.outputs();
        Self { input, output, pad, channels, filters, edge, grid: output.map(|size| size.div_ceil(edge)) }
    }

    /// Tiles of one image.
    pub(super) fn tiles(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Where a tile lies, counted over images, rows and columns.
    pub(super) fn place(&self, tile: usize) -> Place {
        let (image, tile) = (tile / self.tiles(), tile % self.tiles());
        let output = [tile / self.grid[1] * self.edge, tile % self.grid[1] * self.edge];
        let input = [output[0] as isize - self.pad[0], output[1] as isize - self.pad[1]];
        Place { image, output, input }
    }

    /// Rows and columns of the output that a tile has inside.
    pub(super) fn inside_output(&self, place: &Place) -> [usize; 2] {
        [0, 1].map(|axis| self.edge.min(self.output[axis] - place.output[axis]))
    }

    /// Rows and columns of a tile's part of the input that are not padding.
    pub(super) fn inside_input(&self, place: &Place) -> [Range<usize>; 2] {
        let points = self.edge as isize + 2;
        [0, 1].map(|axis| {
            let start = (-place.input[axis]).clamp(0, points);
            let end = (self.input[axis] as isize - place.input[axis]).clamp(start, points);
            start as usize..end as usize
        })
    }

    /// Elements from the start of the input to a tile's first pixel, which may lie outside.
    pub(super) fn first_element(&self, place: &Place) -> isize {
        let [height, width] = self.input;
        let row = (place.image * height) as isize + place.input[0];
        (row * width as isize + place.input[1]) * self.channels as isize
    }

    /// Whether all of a tile of the output is inside.
    pub(super) fn is_whole(&self, inside: [usize; 2]) -> bool {
        inside == [self.edge; 2]
    }

    /// Whether no pixel of a tile's part of the input is padding.
    pub(super) fn is_inner(&self, inside: &[Range<usize>; 2]) -> bool {
        inside.iter().all(|range| range.len() == self.edge + 2)
    }
}
