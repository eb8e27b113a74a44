//! The gradient of the weights: sums of outer products of input windows and output gradients, over all output pixels.
//!
//! A tile of the gradient stays in registers over a chunk of pixels. The columns of the output gradient that belong to
//! the tile's panel are packed for a chunk, so that they stay in the first-level cache while all rows pass. Large
//! pictures are cut in parts by pixels, each part with a sum of its own, added up in order at the end; other work is
//! cut by rows and panels of the gradient.

use super::layout::Layout;
use super::work::{self, PIECE, PIECES, for_each_tile};
use crate::gemm::outer::Tile;
use crate::gemm::pack::pack_panel;
use crate::gemm::{Kernels, MAX_COLUMNS, MAX_ROWS};
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};

/// Output pixels of a chunk.
const CHUNK: usize = 128;
/// Fewest output pixels of a part.
const PART: usize = 768;
/// Most elements that the sums of all parts may have together.
const PART_SUMS: usize = 1 << 19;

/// Rows of the gradient that form a tile.
#[derive(Clone, Copy, Debug)]
struct RowTile {
    start: usize,
    height: usize,
    /// Whether the rows lie beside each other in the input.
    beside: bool,
    /// Distances of the rows from the first one in the input.
    places: [usize; MAX_ROWS],
}

/// Tables and pieces of the gradient of the weights.
#[derive(Clone, Debug)]
pub(super) struct WeightsPlan {
    tiles: Vec<RowTile>,
    /// Pieces along the output pixels.
    parts: usize,
    /// Output pixels of a part.
    part_len: usize,
    /// Row tiles of a piece.
    tiles_per_piece: usize,
    /// Panels of a piece.
    panels_per_piece: usize,
    sums_len: usize,
    copy_len: usize,
}

impl WeightsPlan {
    pub(super) fn new(g: &ConvGeometry, layout: &Layout, kernels: &Kernels) -> Self {
        let rows = layout.rows.len();
        let width = kernels.columns();
        let panels = g.out_channels.div_ceil(width);
        let tiles = row_tiles(layout, kernels);
        let pixels = g.batch * layout.windows.len();
        let sums = rows * panels * width;
        let wanted = (g.multiply_adds() / PIECE).clamp(1, PIECES as u64) as usize;
        let parts = wanted.min(pixels / PART).min(PART_SUMS / sums).clamp(1, 16);
        let part_len = pixels.div_ceil(parts).next_multiple_of(CHUNK);
        let parts = pixels.div_ceil(part_len);
        let panel_pieces = wanted.div_ceil(parts).min(panels);
        let panels_per_piece = panels.div_ceil(panel_pieces);
        let panel_pieces = panels.div_ceil(panels_per_piece);
        let row_pieces = wanted.div_ceil(parts * panel_pieces).min(tiles.len().div_ceil(8));
        let tiles_per_piece = tiles.len().div_ceil(row_pieces);
        Self {
            tiles,
            parts,
            part_len,
            tiles_per_piece,
            panels_per_piece,
            sums_len: parts * sums,
            copy_len: layout.copy_len(g),
        }
    }

    pub(super) fn scratch(&self) -> usize {
        self.sums_len + self.copy_len
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the convolution and the slices of its call")]
    pub(super) fn run(
        &self,
        g: &ConvGeometry,
        layout: &Layout,
        kernels: &Kernels,
        input: &[f32],
        output_gradient: &[f32],
        weight_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (sums, copy) = scratch.split_at_mut(self.sums_len);
        let panels = g.out_channels.div_ceil(kernels.columns());
        let panel_pieces = panels.div_ceil(self.panels_per_piece);
        let row_pieces = self.tiles.len().div_ceil(self.tiles_per_piece);
        let call = Call {
            plan: self,
            g,
            layout,
            kernels,
            input: layout.prepare(g, input, copy),
            output_gradient,
            sums: Shared::new(sums),
        };
        let pieces = self.parts * row_pieces * panel_pieces;
        par::for_each(pieces, work::cost(g.multiply_adds()), |index| {
            let (part, rest) = (index / (row_pieces * panel_pieces), index % (row_pieces * panel_pieces));
            call.piece(part, rest / panel_pieces, rest % panel_pieces);
        });
        self.collect(g, kernels.columns(), sums, weight_gradient);
    }

    /// Adds up the parts, in order, from panels `(part, panel, row, column)` to rows `(row, column)`.
    fn collect(&self, g: &ConvGeometry, width: usize, sums: &[f32], weight_gradient: &mut [f32]) {
        let columns = g.out_channels;
        let rows = weight_gradient.len() / columns;
        let part_len = sums.len() / self.parts;
        let rows_per_piece = (4096 / columns).max(1);
        par::for_each_chunk(
            weight_gradient,
            rows_per_piece * columns,
            sums.len() as u64 / 3,
            |start, gradient| {
                for (index, gradient) in gradient.chunks_exact_mut(columns).enumerate() {
                    let row = start / columns + index;
                    for (panel, gradient) in gradient.chunks_mut(width).enumerate() {
                        let at = (panel * rows + row) * width;
                        gradient.copy_from_slice(&sums[at..][..gradient.len()]);
                        for part in 1..self.parts {
                            let sums = &sums[part * part_len + at..][..gradient.len()];
                            gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
                        }
                    }
                }
            },
        );
    }
}

/// Cuts the rows of the gradient in tiles: within runs of rows that lie beside each other if those are long, else across.
fn row_tiles(layout: &Layout, kernels: &Kernels) -> Vec<RowTile> {
    let rows = &layout.rows;
    let (stretch, tile_rows) = if layout.run_len >= 4 * kernels.rows {
        (layout.run_len, kernels.rows)
    } else {
        (rows.len(), kernels.scattered_rows)
    };
    let mut tiles = Vec::new();
    for first in (0..rows.len()).step_by(stretch) {
        for_each_tile(stretch, tile_rows, |start, height| {
            let start = first + start;
            let mut places = [0; MAX_ROWS];
            for (place, row) in places.iter_mut().zip(&rows[start..start + height]) {
                *place = row - rows[start];
            }
            let beside = places[..height].iter().enumerate().all(|(row, place)| row == *place);
            tiles.push(RowTile { start, height, beside, places });
        });
    }
    tiles
}

/// Columns of the output gradient, packed for a chunk.
#[repr(align(64))]
struct Panel([f32; CHUNK * MAX_COLUMNS]);

/// One call, shared by its pieces.
struct Call<'a> {
    plan: &'a WeightsPlan,
    g: &'a ConvGeometry,
    layout: &'a Layout,
    kernels: &'a Kernels,
    input: &'a [f32],
    output_gradient: &'a [f32],
    sums: Shared<'a>,
}

impl Call<'_> {
    fn piece(&self, part: usize, row_piece: usize, panel_piece: usize) {
        let (plan, g) = (self.plan, self.g);
        let width = self.kernels.columns();
        let rows = self.layout.rows.len();
        let panels = g.out_channels.div_ceil(width);
        let tile_start = row_piece * plan.tiles_per_piece;
        let tiles = &plan.tiles[tile_start..plan.tiles.len().min(tile_start + plan.tiles_per_piece)];
        let panel_start = panel_piece * plan.panels_per_piece;
        let panel_end = panels.min(panel_start + plan.panels_per_piece);
        let pixels = g.batch * self.layout.windows.len();
        let part_start = part * plan.part_len;
        let part_end = pixels.min(part_start + plan.part_len);
        let mut packed = Panel([0.0; CHUNK * MAX_COLUMNS]);
        let mut offsets = [0; CHUNK];
        for start in (part_start..part_end).step_by(CHUNK) {
            let count = CHUNK.min(part_end - start);
            self.windows(start, &mut offsets[..count]);
            for panel in panel_start..panel_end {
                let source = &self.output_gradient[start * g.out_channels..][..count * g.out_channels];
                pack_panel(source, g.out_channels, width, panel * width, &mut packed.0[..count * width]);
                let at = (part * panels + panel) * rows * width;
                for tile in tiles {
                    self.tile(
                        tile,
                        &offsets[..count],
                        panel,
                        &packed.0,
                        at + tile.start * width,
                        start > part_start,
                    );
                }
            }
        }
    }

    /// Where the windows of the output pixels from `start` on begin in the input.
    fn windows(&self, start: usize, offsets: &mut [usize]) {
        let positions = self.layout.windows.len();
        let (mut image, mut position) = (start / positions, start % positions);
        for offset in offsets {
            *offset = image * self.layout.image_len + self.layout.windows[position];
            position += 1;
            if position == positions {
                (image, position) = (image + 1, 0);
            }
        }
    }

    #[inline]
    fn tile(
        &self,
        tile: &RowTile,
        offsets: &[usize],
        panel: usize,
        packed: &[f32],
        at: usize,
        accumulate: bool,
    ) {
        let kernels = self.kernels;
        let width = kernels.columns();
        let columns = width.min(self.g.out_channels - panel * width);
        let first = self.layout.rows[tile.start];
        let call = Tile {
            x: self.input[first..].as_ptr(),
            offsets,
            rows: &tile.places,
            b: packed.as_ptr(),
            b_stride: width,
            c: self.sums.pointer_at(at),
            c_stride: width,
            accumulate,
        };
        let table = if tile.beside { &kernels.outer } else { &kernels.outer_scattered };
        // SAFETY: the kernels are of a supported instruction set; windows and rows lead into the (padded) input by the
        // layout's arithmetic; the packed panel has a full row for each of the chunk's pixels; the tile of sums is this
        // piece's own.
        unsafe { table[kernels.width_index(columns)][tile.height - 1](&call) };
    }
}
