//! The gradient of the weights: sums of outer products of input windows and output gradients, over all output pixels.
//!
//! A tile of the gradient stays in registers over a chunk of pixels. For a chunk, both operands are packed: a block of
//! the windows' rows, which stays in the second-level cache while all panels pass, and a panel of the output gradient's
//! columns, which stays in the first-level one. (Read where they are, rows of many channels lie a power of two apart
//! and push each other out of the cache.) Large pictures are cut in parts by pixels, each part with a sum of its own,
//! added up in order at the end; other work is cut by rows and panels of the gradient.

use super::layout::Layout;
use super::work::{self, PIECE, PIECES, for_each_tile};
use crate::gemm::Kernels;
use crate::gemm::outer::{Rows, Tile};
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Output pixels of a chunk.
const CHUNK: usize = 128;
/// Rows from one packed panel to the next: one more than a chunk has, so that panels do not lie a power of two apart.
const PANEL_ROWS: usize = CHUNK + 1;
/// Row tiles of a block.
const BLOCK: usize = 8;
/// Columns of the output gradient that are packed together, for a chunk.
const GROUP: usize = 256;
/// Most elements of a vector.
const MAX_LANES: usize = 16;
/// Elements between the packed rows of two tiles: a vector for each pixel, and one that copies may write beyond them.
const TILE: usize = MAX_LANES * (CHUNK + 1);
/// Fewest output pixels of a part.
const PART: usize = 768;
/// Most elements that the sums of all parts may have together.
const PART_SUMS: usize = 1 << 19;

/// Tables and pieces of the gradient of the weights.
#[derive(Clone, Debug)]
pub(super) struct WeightsPlan {
    tiles: Vec<Rows>,
    /// The first row of each tile.
    starts: Vec<usize>,
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
        let (starts, tiles) = row_tiles(layout, kernels);
        let pixels = g.batch * layout.windows.len();
        let sums = rows * panels * width;
        let wanted = (g.multiply_adds() / PIECE).clamp(1, PIECES as u64) as usize;
        let parts = wanted.min(pixels / PART).min(PART_SUMS / sums).clamp(1, 16);
        let part_len = pixels.div_ceil(parts).next_multiple_of(CHUNK);
        let parts = pixels.div_ceil(part_len);
        let row_pieces = wanted.div_ceil(parts).min(tiles.len().div_ceil(BLOCK));
        let tiles_per_piece = tiles.len().div_ceil(row_pieces);
        let row_pieces = tiles.len().div_ceil(tiles_per_piece);
        let panel_pieces = wanted.div_ceil(parts * row_pieces).min(panels.div_ceil(4));
        let panels_per_piece = panels.div_ceil(panel_pieces);
        Self {
            tiles,
            starts,
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

/// Cuts the rows of the gradient in tiles: the first row of each, and where its rows are.
fn row_tiles(layout: &Layout, kernels: &Kernels) -> (Vec<usize>, Vec<Rows>) {
    let (mut starts, mut tiles) = (Vec::new(), Vec::new());
    for_each_tile(layout.rows.len(), kernels.rows, |start, height| {
        let rows = &layout.rows[start..start + height];
        let is_first = |row: usize| row == 0 || rows[row] != rows[row - 1] + 1;
        let stretches = (0..height).filter(|&row| is_first(row)).map(|row| (rows[row], row)).collect();
        starts.push(start);
        tiles.push(Rows { stretches, height });
    });
    (starts, tiles)
}

/// What is packed for a chunk. On the stack, where each piece of a thread finds the cache lines of the one before.
#[repr(align(64))]
struct Packed {
    /// Rows of the windows: tiles [`TILE`] apart, each `(pixel, row)`.
    rows: [f32; BLOCK * TILE],
    /// Columns of the output gradient: panels, each `(pixel, column)`.
    panels: [f32; PANEL_ROWS * GROUP],
}

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
        let all_panels = g.out_channels.div_ceil(width);
        let tile_start = row_piece * plan.tiles_per_piece;
        let tile_end = plan.tiles.len().min(tile_start + plan.tiles_per_piece);
        let panel_start = panel_piece * plan.panels_per_piece;
        let panel_end = all_panels.min(panel_start + plan.panels_per_piece);
        let pixels = g.batch * self.layout.windows.len();
        let part_start = part * plan.part_len;
        let part_end = pixels.min(part_start + plan.part_len);
        let mut packed = MaybeUninit::<Packed>::uninit();
        let packed = packed.as_mut_ptr();
        // SAFETY: both arrays are fields of `packed`; only what has been written is read from them.
        let (packed_rows, packed_panels) = unsafe { (&raw mut (*packed).rows, &raw mut (*packed).panels) };
        let (packed_rows, packed_panels) = (packed_rows.cast::<f32>(), packed_panels.cast::<f32>());
        let mut offsets = [0; CHUNK];
        let group = GROUP / width;
        for start in (part_start..part_end).step_by(CHUNK) {
            let offsets = &mut offsets[..CHUNK.min(part_end - start)];
            self.windows(start, offsets);
            for first in (panel_start..panel_end).step_by(group) {
                let panels = first..panel_end.min(first + group);
                let pixels = start..start + offsets.len();
                // SAFETY: the group's panels are at most `GROUP` columns, and the pixels at most `CHUNK`.
                unsafe { self.pack_panels(pixels, panels.clone(), packed_panels) };
                for block in (tile_start..tile_end).step_by(BLOCK) {
                    let block = block..tile_end.min(block + BLOCK);
                    // SAFETY: the block has at most `BLOCK` tiles, and the pixels are at most `CHUNK`.
                    unsafe { self.pack_rows(offsets, block.clone(), packed_rows) };
                    for panel in panels.clone() {
                        let sums = (part * all_panels + panel) * self.layout.rows.len() * width;
                        for (index, tile) in block.clone().enumerate() {
                            let call = Tile {
                                x: packed_rows.wrapping_add(index * TILE),
                                x_stride: self.kernels.lanes,
                                b: packed_panels.wrapping_add((panel - first) * PANEL_ROWS * width),
                                b_stride: width,
                                count: offsets.len(),
                                c: self.sums.pointer_at(sums + plan.starts[tile] * width),
                                c_stride: width,
                                accumulate: start > part_start,
                            };
                            let columns = width.min(g.out_channels - panel * width);
                            let table = self.kernels.outer[self.kernels.width_index(columns)];
                            // SAFETY: the kernels are of a supported instruction set; rows and panel were packed just
                            // now for all the chunk's pixels; the tile of sums is this piece's own.
                            unsafe { table[plan.tiles[tile].height - 1](&call) };
                        }
                    }
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

    /// Copies columns of the output gradient: `packed[panel][pixel, column]`, panels [`PANEL_ROWS`] rows apart, the last one
    /// filled up with zeros.
    ///
    /// # Safety
    /// `packed` must have room for all panels.
    unsafe fn pack_panels(&self, pixels: Range<usize>, panels: Range<usize>, packed: *mut f32) {
        let width = self.kernels.columns();
        let columns = self.g.out_channels;
        for (index, row) in self.output_gradient[pixels.start * columns..pixels.end * columns]
            .chunks_exact(columns)
            .enumerate()
        {
            for panel in panels.clone() {
                let from = &row[panel * width..columns.min((panel + 1) * width)];
                let to = packed.wrapping_add(((panel - panels.start) * PANEL_ROWS + index) * width);
                // SAFETY: room for the panel by contract.
                unsafe {
                    match (from.first_chunk::<16>(), width) {
                        (Some(from), 16) => to.cast::<[f32; 16]>().write_unaligned(*from),
                        _ => {
                            for column in 0..width {
                                to.add(column).write(from.get(column).copied().unwrap_or(0.0));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Copies the rows of the tiles under each window: `packed[tile][pixel, row]`, tiles [`TILE`] apart.
    ///
    /// # Safety
    /// `packed` must have room for all tiles.
    unsafe fn pack_rows(&self, offsets: &[usize], tiles: Range<usize>, packed: *mut f32) {
        // Up to here a copy of whole vectors stays inside the input.
        let furthest = self.layout.rows.last().map_or(0, |row| row + MAX_LANES);
        let whole = match self.input.len().checked_sub(furthest) {
            Some(limit) => offsets.partition_point(|&offset| offset <= limit),
            None => 0,
        };
        let (input, rows) = (self.input.as_ptr(), &self.plan.tiles[tiles.clone()]);
        // SAFETY: the kernels are of a supported instruction set; all copies stay in the input by the limit, and in a
        // tile and its margin.
        unsafe { (self.kernels.pack_rows)(input, rows, &offsets[..whole], packed, TILE) };
        for (index, (tile, start)) in rows.iter().zip(&self.plan.starts[tiles]).enumerate() {
            for (pixel, &offset) in offsets.iter().enumerate().skip(whole) {
                for row in 0..tile.height {
                    let value = self.input[offset + self.layout.rows[start + row]];
                    // SAFETY: inside the tile.
                    unsafe { packed.add(index * TILE + pixel * self.kernels.lanes + row).write(value) };
                }
            }
        }
    }
}
