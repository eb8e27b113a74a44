//! The gradient of the weights: sums of outer products of input windows and output gradients, over all output pixels.
//!
//! A tile of the gradient stays in registers over a chunk of pixels. For a chunk, both operands are packed: a block of
//! the windows' rows, which stays in the second-level cache while all panels pass, and a panel of the output gradient's
//! columns, which stays in the first-level one. (Read where they are, rows of many channels lie a power of two apart
//! and push each other out of the cache.) What is packed next is brought into the cache while the tiles are computed:
//! otherwise convolutions of one tap, which do little with each element, would wait for memory. Large pictures are cut in
//! parts by pixels, each part with a sum of its own, added up in order at the end; other work is cut by rows and panels
//! of the gradient. The gradient of the bias falls off when columns are packed.

use super::layout::Layout;
use super::work::{self, PIECE, PIECES, for_each_tile};
use crate::gemm::Kernels;
use crate::gemm::outer::{Ahead, Rows, STEP, Tile};
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Output pixels of a chunk.
const CHUNK: usize = 128;
/// Output pixels of a chunk where the gradient is too large for a sum for each part, and too large for the cache: each
/// chunk reads and writes all of it.
const LONG_CHUNK: usize = 200;
/// Elements of a block of packed rows, and of a group of packed columns: both stay in the second-level cache, or nearly so.
const BLOCK: usize = 64 << 10;
const COLUMNS: usize = GROUP * (LONG_CHUNK + 1);
/// Fewest row tiles, and fewest panels, of a piece, if there are so many.
const FEWEST_TILES: usize = 8;
const FEWEST_PANELS: usize = 4;
/// Columns of the output gradient that are packed together, for a chunk.
const GROUP: usize = 256;
/// Most elements of a vector.
const MAX_LANES: usize = 16;
/// Fewest output pixels of a part, and of one of many: each part writes a sum of its own.
const PART: usize = 768;
const LONG_PART: usize = 2 * PART;
/// Parts that are many.
const MANY: usize = 8;
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
    /// Most output pixels of a chunk.
    chunk: usize,
    /// Elements between the packed rows of two tiles: a vector for each pixel, and one that copies may write beyond them.
    tile_len: usize,
    /// Elements between two packed panels: a row more than a chunk has, so that they do not lie a power of two apart.
    panel_len: usize,
    /// Row tiles of a piece.
    tiles_per_piece: usize,
    /// Panels of a piece.
    panels_per_piece: usize,
    sums: Sums,
    copy_len: usize,
}

/// Where the sums are.
#[derive(Clone, Copy, Debug)]
struct Sums {
    /// Elements of all of them in scratch: none if there is only one part, and no panel needs a margin.
    len: usize,
    /// Elements from one part to the next.
    part: usize,
    /// Elements from one panel to the next.
    panel: usize,
    /// Elements from one row to the next.
    row: usize,
}

impl WeightsPlan {
    pub(super) fn new(g: &ConvGeometry, layout: &Layout, kernels: &Kernels) -> Self {
        let rows = layout.rows.len();
        let width = kernels.columns();
        let panels = g.out_channels.div_ceil(width);
        let (starts, tiles) = row_tiles(layout, kernels);
        let pixels = g.batch * layout.windows.len();
        let part = rows * panels * width;
        let wanted = (g.multiply_adds() / PIECE).clamp(1, PIECES as u64) as usize;
        let most = Some(pixels / LONG_PART).filter(|&parts| parts >= MANY).unwrap_or(pixels / PART);
        let parts = wanted.min(most).min(PART_SUMS / part).max(1);
        let part_len = pixels.div_ceil(parts);
        let parts = pixels.div_ceil(part_len);
        let [row_pieces, panel_pieces] = cut(wanted.div_ceil(parts), tiles.len(), panels);
        let sums = if parts == 1 && g.out_channels.is_multiple_of(kernels.lanes) {
            Sums { len: 0, part: 0, panel: width, row: g.out_channels }
        } else {
            Sums { len: parts * part, part, panel: rows * width, row: width }
        };
        let chunk = part_len.div_ceil(part_len.div_ceil(if parts == 1 { LONG_CHUNK } else { CHUNK }));
        Self {
            parts,
            part_len,
            chunk,
            tile_len: kernels.lanes * (chunk + 1),
            panel_len: width * (chunk + 1),
            tiles_per_piece: tiles.len().div_ceil(row_pieces),
            panels_per_piece: panels.div_ceil(panel_pieces),
            sums,
            copy_len: layout.copy_len(g),
            tiles,
            starts,
        }
    }

    pub(super) fn scratch(&self, g: &ConvGeometry) -> usize {
        self.sums.len + self.bias_len(g) + self.copy_len
    }

    /// Elements of the sums of the output gradient, of all parts.
    fn bias_len(&self, g: &ConvGeometry) -> usize {
        self.parts * g.out_channels
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
        bias_gradient: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        let (sums, rest) = scratch.split_at_mut(self.sums.len);
        let (bias_sums, copy) = rest.split_at_mut(self.bias_len(g));
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
            sums: Shared::new(if self.sums.len == 0 { &mut *weight_gradient } else { &mut *sums }),
            bias_sums: bias_gradient.is_some().then(|| Shared::new(&mut *bias_sums)),
        };
        let pieces = self.parts * row_pieces * panel_pieces;
        par::for_each(pieces, work::cost(g.multiply_adds()), |index| {
            let (part, rest) = (index / (row_pieces * panel_pieces), index % (row_pieces * panel_pieces));
            call.piece(part, rest / panel_pieces, rest % panel_pieces);
        });
        if self.sums.len > 0 {
            self.collect(g, kernels.columns(), sums, weight_gradient);
        }
        if let Some(bias_gradient) = bias_gradient {
            bias_gradient.fill(0.0);
            for sums in bias_sums.chunks_exact(g.out_channels) {
                bias_gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
            }
        }
    }

    /// Adds up the parts, in order, from panels `(part, panel, row, column)` to rows `(row, column)`.
    fn collect(&self, g: &ConvGeometry, width: usize, sums: &[f32], weight_gradient: &mut [f32]) {
        let columns = g.out_channels;
        let rows_per_piece = (4096 / columns).max(1);
        par::for_each_chunk(
            weight_gradient,
            rows_per_piece * columns,
            sums.len() as u64 / 3,
            |start, gradient| {
                for (index, gradient) in gradient.chunks_exact_mut(columns).enumerate() {
                    let row = start / columns + index;
                    for (panel, gradient) in gradient.chunks_mut(width).enumerate() {
                        let at = panel * self.sums.panel + row * self.sums.row;
                        gradient.copy_from_slice(&sums[at..][..gradient.len()]);
                        for part in 1..self.parts {
                            let sums = &sums[part * self.sums.part + at..][..gradient.len()];
                            gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
                        }
                    }
                }
            },
        );
    }
}

/// Cuts a part in at least so many pieces along row tiles and panels, if it has so many. Each piece packs what it reads:
/// a tile's rows take about half as long as a panel's columns, per pixel.
fn cut(pieces: usize, tiles: usize, panels: usize) -> [usize; 2] {
    let most = [tiles.div_ceil(FEWEST_TILES), panels.div_ceil(FEWEST_PANELS)];
    let ways = (1..=pieces.min(most[0])).map(|rows| [rows, pieces.div_ceil(rows).min(most[1])]);
    let packing = |&[row_pieces, panel_pieces]: &[usize; 2]| {
        let missing = pieces.saturating_sub(row_pieces * panel_pieces);
        (missing, 2 * row_pieces * panels + panel_pieces * tiles)
    };
    ways.min_by_key(packing).unwrap_or([1, 1])
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
    /// Rows of the windows: tiles, each `(pixel, row)`.
    rows: [f32; BLOCK],
    /// Columns of the output gradient: panels, each `(pixel, column)`.
    panels: [f32; COLUMNS],
    /// Sums of the columns.
    sums: [f32; GROUP],
}

/// Rows of memory that are brought into the cache before they are packed, in the order in which they lie: memory gives that faster
/// than the same columns of many rows.
struct Rest {
    /// The row that is next, and its part that is next.
    row: *const f32,
    part: usize,
    /// Rows that are left.
    rows: usize,
    /// Elements from one row to the next.
    stride: usize,
    /// Parts of a row, one for each tile, and elements of a part.
    parts: usize,
    len: usize,
}

impl Rest {
    /// Rows of `width` elements that are wanted after so many tiles.
    fn new(row: *const f32, stride: usize, rows: usize, width: usize, tiles: usize) -> Self {
        // Whole rows are one long one.
        let [rows, width] = if stride == width { [rows.min(1), rows * width] } else { [rows, width] };
        let parts = (tiles / rows.max(1)).max(1);
        Self { row, part: 0, rows, stride, parts, len: width.div_ceil(parts) }
    }

    /// What is brought while a tile of `count` pixels is computed.
    #[inline]
    fn next(&mut self, count: usize) -> Ahead {
        if self.rows == 0 {
            return Ahead::none(self.row);
        }
        let start = self.row.wrapping_add(self.part * self.len);
        self.part += 1;
        if self.part == self.parts {
            self.row = self.row.wrapping_add(self.stride);
            self.part = 0;
            self.rows -= 1;
        }
        Ahead { start, step: self.len.div_ceil((count / STEP).max(1)) }
    }
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
    /// Sums of the output gradient, `(part, column)`, if they are wanted.
    bias_sums: Option<Shared<'a>>,
}

/// Pixels and panels whose columns are packed together.
#[derive(Clone, Debug)]
struct Group {
    pixels: Range<usize>,
    panels: Range<usize>,
}

/// What is packed after a group.
struct Next<'a> {
    /// The next one, or it and others.
    group: Group,
    /// Where the windows of the next chunk begin, if that is next.
    offsets: &'a [usize],
}

impl Call<'_> {
    fn piece(&self, part: usize, row_piece: usize, panel_piece: usize) {
        let (plan, g) = (self.plan, self.g);
        let width = self.kernels.columns();
        let range = |index: usize, len: usize, all: usize| index * len..all.min((index + 1) * len);
        let tiles = range(row_piece, plan.tiles_per_piece, plan.tiles.len());
        let panels = range(panel_piece, plan.panels_per_piece, g.out_channels.div_ceil(width));
        let pixels = range(part, plan.part_len, g.batch * self.layout.windows.len());
        let mut packed = MaybeUninit::<Packed>::uninit();
        let packed = packed.as_mut_ptr();
        let chunk = plan.chunk;
        let panels_per_group = panels.len().div_ceil(panels.len().div_ceil(GROUP / width));
        let with_bias = row_piece == 0 && self.bias_sums.is_some();
        let mut tables = [[0; LONG_CHUNK]; 2];
        let [mut offsets, mut next_offsets] = tables.each_mut();
        self.windows(pixels.start, &mut next_offsets[..chunk.min(pixels.len())]);
        for start in pixels.clone().step_by(chunk) {
            std::mem::swap(&mut offsets, &mut next_offsets);
            let end = pixels.end.min(start + chunk);
            let next_pixels = end..pixels.end.min(end + chunk);
            let (offsets, next_offsets) = (&offsets[..end - start], &mut next_offsets[..next_pixels.len()]);
            self.windows(end, next_offsets);
            for first in panels.clone().step_by(panels_per_group) {
                let last = panels.end.min(first + panels_per_group);
                let group = Group { pixels: start..end, panels: first..last };
                let next = if last < panels.end {
                    Next { group: Group { pixels: start..end, panels: last..panels.end }, offsets: &[] }
                } else {
                    let group = Group { pixels: next_pixels.clone(), panels: panels.clone() };
                    Next { group, offsets: next_offsets }
                };
                // SAFETY: the group's panels are at most `GROUP` columns, and the pixels at most `LONG_CHUNK`.
                unsafe {
                    let sums =
                        if with_bias { (&raw mut (*packed).sums).cast() } else { std::ptr::null_mut() };
                    self.pack_panels(&group, &raw mut (*packed).panels, sums);
                }
                if with_bias {
                    // SAFETY: the sums of the group's columns have been written.
                    unsafe {
                        self.add_bias(part, &group, start > pixels.start, (&raw const (*packed).sums).cast())
                    };
                }
                // SAFETY: the group's columns have been packed.
                unsafe { self.group(part, &tiles, &group, offsets, &next, packed) };
            }
        }
    }

    /// Adds the sums of a group's columns to those of its part, or starts them with these.
    ///
    /// # Safety
    /// `sums` must have been written for all columns. No two pieces may have the same columns of a part.
    unsafe fn add_bias(&self, part: usize, group: &Group, accumulate: bool, sums: *const f32) {
        let Some(bias_sums) = &self.bias_sums else { return };
        let (width, all) = (self.kernels.columns(), self.g.out_channels);
        let columns = group.panels.start * width..all.min(group.panels.end * width);
        // SAFETY: by contract.
        let (sums, target) = unsafe {
            let target = bias_sums.part(part * all + columns.start, columns.len());
            (std::slice::from_raw_parts(sums, columns.len()), target)
        };
        if accumulate {
            target.iter_mut().zip(sums).for_each(|(target, sum)| *target += sum);
        } else {
            target.copy_from_slice(sums);
        }
    }

    /// Adds the products of a group whose columns are packed.
    ///
    /// # Safety
    /// The columns must have been packed for all pixels.
    unsafe fn group(
        &self,
        part: usize,
        tiles: &Range<usize>,
        group: &Group,
        offsets: &[usize],
        next: &Next<'_>,
        packed: *mut Packed,
    ) {
        let (plan, width) = (self.plan, self.kernels.columns());
        // SAFETY: fields of `packed`.
        let (rows, panels) = unsafe { (&raw mut (*packed).rows, &raw mut (*packed).panels) };
        let (rows, panels) = (rows.cast::<f32>(), panels.cast::<f32>());
        let all = tiles.len() * group.panels.len();
        let mut rest = [self.columns_ahead(&next.group, all), self.rows_ahead(next.offsets, tiles, all)];
        let most = BLOCK / plan.tile_len;
        let len = tiles.len().div_ceil(tiles.len().div_ceil(most));
        for start in tiles.clone().step_by(len) {
            let block = start..tiles.end.min(start + len);
            // SAFETY: the block has at most `BLOCK` elements, and the pixels are at most those of a chunk.
            unsafe { self.pack_rows(offsets, block.clone(), rows) };
            for (index, panel) in group.panels.clone().enumerate() {
                let sums = part * plan.sums.part + panel * plan.sums.panel;
                let columns = width.min(self.g.out_channels - panel * width);
                let table = self.kernels.outer[self.kernels.width_index(columns)];
                for tile in block.clone() {
                    let call = Tile {
                        x: rows.wrapping_add((tile - start) * plan.tile_len),
                        x_stride: self.kernels.lanes,
                        b: panels.wrapping_add(index * plan.panel_len),
                        b_stride: width,
                        count: offsets.len(),
                        c: self.sums.pointer_at(sums + plan.starts[tile] * plan.sums.row),
                        c_stride: plan.sums.row,
                        // The part's first chunk starts the sums.
                        accumulate: group.pixels.start > part * plan.part_len,
                        ahead: rest.each_mut().map(|rest| rest.next(offsets.len())),
                    };
                    // SAFETY: the kernels are of a supported instruction set; rows and panel were packed just now for all
                    // the chunk's pixels; the tile of sums is this piece's own.
                    unsafe { table[plan.tiles[tile].height - 1](&call) };
                }
            }
        }
    }

    /// The columns of the next group, wanted after so many tiles; the first one, if it is several.
    fn columns_ahead(&self, next: &Group, all: usize) -> Rest {
        let (width, stride) = (self.kernels.columns(), self.g.out_channels);
        let columns = next.panels.start * width..stride.min(next.panels.end * width);
        let start = self.output_gradient.as_ptr().wrapping_add(next.pixels.start * stride + columns.start);
        Rest::new(start, stride, next.pixels.len(), columns.len().min(GROUP), all)
    }

    /// The rows under the next chunk's windows. With several taps rows are read often, and soon in the cache.
    fn rows_ahead(&self, next_offsets: &[usize], tiles: &Range<usize>, all: usize) -> Rest {
        let Some(&first) = next_offsets.first().filter(|_| self.layout.rows.len() == self.g.in_channels)
        else {
            return Rest::new(self.input.as_ptr(), 0, 0, 0, all);
        };
        let stride = next_offsets.get(1).map_or(0, |second| second - first);
        let start = self.plan.starts[tiles.start];
        let end = self.plan.starts[tiles.end - 1] + self.plan.tiles[tiles.end - 1].height;
        Rest::new(
            self.input.as_ptr().wrapping_add(first + start),
            stride,
            next_offsets.len(),
            end - start,
            all,
        )
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

    /// Copies columns of the output gradient: `packed[panel][pixel, column]`, the last panel filled up with zeros; and sums them
    /// over the pixels unless `sums` is null.
    ///
    /// # Safety
    /// The group must have at most `GROUP` columns, and as many pixels as panels have room for.
    unsafe fn pack_panels(&self, group: &Group, packed: *mut [f32; COLUMNS], sums: *mut f32) {
        let (width, stride) = (self.kernels.columns(), self.g.out_channels);
        let columns = group.panels.start * width..stride.min(group.panels.end * width);
        let source = &self.output_gradient[group.pixels.start * stride..group.pixels.end * stride];
        let rows = source[columns.start..].as_ptr();
        let (count, distance) = (group.pixels.len(), self.plan.panel_len);
        // SAFETY: the kernels are of a supported instruction set; the pixels have all these columns; there is room by
        // contract.
        unsafe {
            let pack = self.kernels.pack_columns;
            pack(rows, stride, count, columns.len(), packed.cast(), distance, sums);
        }
    }

    /// Copies the rows of the tiles under each window: `packed[tile][pixel, row]`.
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
        let (input, rows, tile_len) =
            (self.input.as_ptr(), &self.plan.tiles[tiles.clone()], self.plan.tile_len);
        // SAFETY: the kernels are of a supported instruction set; all copies stay in the input by the limit, and in a
        // tile and its margin.
        unsafe { (self.kernels.pack_rows)(input, rows, &offsets[..whole], packed, tile_len) };
        for (index, (tile, start)) in rows.iter().zip(&self.plan.starts[tiles]).enumerate() {
            for (pixel, &offset) in offsets.iter().enumerate().skip(whole) {
                for row in 0..tile.height {
                    let value = self.input[offset + self.layout.rows[start + row]];
                    // SAFETY: inside the tile.
                    unsafe { packed.add(index * tile_len + pixel * self.kernels.lanes + row).write(value) };
                }
            }
        }
    }
}
