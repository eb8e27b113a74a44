//! The forward pass and the gradient of the input: tiles to points, a matrix product at each point, points to tiles.
//!
//! Tiles are taken in blocks, as many as keep a panel of taps busy while their points stay in the second-level cache. A
//! picture of many blocks is cut in blocks; of few blocks, all tiles are transformed first, and the work is cut by
//! panels of filters too.

use super::picture::Picture;
use super::transform::{Gather, Scatter, Taps, Transforms};
use super::{TileSize, odd_lines};
use crate::conv::work::{self, CUT_PIECE, PIECES, for_each_tile};
use crate::conv::{Epilogue, Residual};
use crate::elementwise::{Bounds, activate_piece_in_place};
use crate::gemm::brgemm::{Ahead, Run, Tile};
use crate::gemm::{Kernels, MAX_ROWS};
use crate::par::slots::Slots;
use crate::par::{self, Shared};
use std::ops::Range;

/// Elements at the points of a block's tiles that stay in the second-level cache beside the products.
const BLOCK: usize = 56 << 10;
/// Fewest and most tiles of a block: with fewer, reading the taps costs more than multiplying by them.
const BLOCK_TILES: [usize; 2] = [24, 48];
/// Elements of taps above which blocks are as large as can be.
const LARGE_TAPS: usize = 2 << 20;
/// Elements of the products of a group of panels.
const GROUP: usize = 24 << 10;
/// Blocks from which on each is transformed by the piece that needs it.
const MANY_BLOCKS: usize = 6;
/// Rows of a panel of taps that are transformed together.
const TAP_ROWS: usize = 32;

/// Sizes and pieces of the pass.
#[derive(Clone, Debug)]
pub(super) struct ProductPlan {
    picture: Picture,
    batch: usize,
    /// Points of a tile.
    points: usize,
    /// Tiles of a block.
    block: usize,
    blocks: usize,
    /// Panels of filters, and those of a group.
    panels: usize,
    group: usize,
    /// Whether all blocks are transformed before the products.
    is_shared: bool,
    /// Pieces of the products.
    pieces: usize,
    /// Elements from a tile to the next within a point, and from a point to the next.
    tile_stride: usize,
    point_stride: usize,
    /// Elements from a point to the next within the products of a panel.
    product_stride: usize,
    /// Elements from a point to the next within a panel of taps.
    packed_stride: usize,
    multiply_adds: u64,
}

impl ProductPlan {
    pub(super) fn new(picture: Picture, batch: usize, size: TileSize, kernels: &Kernels) -> Self {
        let width = kernels.columns();
        let points = size.points();
        let tiles = batch * picture.tiles();
        let tile_stride = odd_lines(picture.channels);
        let is_large = points * picture.channels * picture.filters > LARGE_TAPS;
        let fewest = BLOCK_TILES[usize::from(is_large)];
        let fits = (BLOCK / (points * tile_stride)).clamp(fewest, BLOCK_TILES[1]);
        let block = tiles.div_ceil(tiles.div_ceil(fits)).next_multiple_of(kernels.rows).min(tiles);
        let blocks = tiles.div_ceil(block);
        let product_stride = odd_lines(block * width);
        let panels = picture.filters.div_ceil(width);
        let multiply_adds = (points * tiles) as u64 * (picture.channels * picture.filters) as u64;
        let wanted = (multiply_adds / CUT_PIECE).clamp(1, PIECES as u64) as usize;
        let is_shared = blocks < MANY_BLOCKS;
        let most = (GROUP / (points * product_stride)).max(1);
        let group = if is_shared { most.min(panels * blocks / wanted.min(panels * blocks)) } else { most };
        let group = panels.div_ceil(panels.div_ceil(group));
        let units = if is_shared { blocks * panels.div_ceil(group) } else { blocks };
        Self {
            picture,
            batch,
            points,
            block,
            blocks,
            panels,
            group,
            is_shared,
            pieces: wanted.min(units),
            tile_stride,
            point_stride: odd_lines(block * tile_stride),
            product_stride,
            packed_stride: odd_lines(picture.channels * width),
            multiply_adds,
        }
    }

    /// Elements of all taps at their points.
    pub(super) fn packed_len(&self) -> usize {
        self.panels * self.points * self.packed_stride
    }

    /// Elements of a block's tiles at their points.
    fn block_len(&self) -> usize {
        self.points * self.point_stride
    }

    /// Elements of a piece's own scratch.
    fn slot_len(&self) -> usize {
        let products = self.group * self.points * self.product_stride;
        if self.is_shared { products } else { products + self.block_len() }
    }

    fn shared_len(&self) -> usize {
        if self.is_shared { self.blocks * self.block_len() } else { 0 }
    }

    /// Elements of scratch beside the taps.
    pub(super) fn scratch(&self) -> usize {
        self.shared_len() + self.pieces * self.slot_len()
    }

    /// Brings taps to their points. Those of row k, tap t and filter f lie at
    /// `panel(f / width) + places[t] + k·row_stride + f % width`.
    pub(super) fn pack(
        &self,
        transforms: &Transforms,
        width: usize,
        source: &TapSource<'_>,
        packed: &mut [f32],
    ) {
        let channels = self.picture.channels;
        let chunks = channels.div_ceil(TAP_ROWS);
        assert_eq!(packed.len(), self.packed_len(), "the packed taps have a different length");
        let packed = Shared::new(packed);
        par::for_each(
            self.panels * chunks,
            (channels * self.picture.filters * self.points / 8) as u64,
            |index| {
                let (panel, first) = (index / chunks, index % chunks * TAP_ROWS);
                let wanted =
                    if source.is_whole { width } else { width.min(self.picture.filters - panel * width) };
                let taps = source.taps[panel * source.panel_stride + first * source.row_stride..].as_ptr();
                let points = packed.pointer_at(panel * self.points * self.packed_stride + first * width);
                let call = Taps {
                    taps: taps.cast_mut(),
                    places: source.places,
                    row_stride: source.row_stride,
                    rows: TAP_ROWS.min(channels - first),
                    channels: wanted,
                    points,
                    point_stride: self.packed_stride,
                    width,
                };
                // SAFETY: the instruction set is supported; source and places are of the taps' whole shape, and each row of
                // each panel at each point is one piece's own. The taps are only read.
                unsafe { (transforms.taps)(&call) };
            },
        );
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the convolution and the slices of its call")]
    pub(super) fn run(
        &self,
        kernels: &Kernels,
        transforms: &Transforms,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert_eq!(packed.len(), self.packed_len(), "the packed taps have a different length");
        let (shared, slots) = scratch.split_at_mut(self.shared_len());
        self.transform_all(transforms, input, shared);
        let call = Call {
            plan: self,
            kernels,
            transforms,
            input,
            shared,
            packed,
            epilogue,
            output: Shared::new(output),
            slots: Slots::new(slots, self.pieces, self.slot_len()),
        };
        let units = if self.is_shared { self.blocks * self.panels.div_ceil(self.group) } else { self.blocks };
        par::for_each(self.pieces, work::cost(self.multiply_adds), |piece| {
            let range = piece * units / self.pieces..(piece + 1) * units / self.pieces;
            call.slots.with(|slot| range.for_each(|unit| call.unit(unit, slot)));
        });
    }

    /// Tiles of a block.
    fn tiles_of(&self, block: usize) -> Range<usize> {
        let first = block * self.block;
        first..(first + self.block).min(self.batch * self.picture.tiles())
    }

    /// Brings all tiles to their points, if they are shared.
    fn transform_all(&self, transforms: &Transforms, input: &[f32], shared: &mut [f32]) {
        if !self.is_shared {
            return;
        }
        let tiles = self.batch * self.picture.tiles();
        let target = Shared::new(shared);
        par::for_each(tiles, (tiles * self.picture.channels * self.points / 8) as u64, |tile| {
            let (block, tile_in_block) = (tile / self.block, tile % self.block);
            let at = block * self.block_len() + tile_in_block * self.tile_stride;
            self.transform(transforms, input, tile, target.pointer_at(at));
        });
    }

    /// Brings one tile to its points.
    #[inline]
    fn transform(&self, transforms: &Transforms, input: &[f32], tile: usize, target: *mut f32) {
        let picture = &self.picture;
        let place = picture.place(tile);
        let [rows, columns] = picture.inside_input(&place);
        let is_border = !picture.is_inner(&[rows.clone(), columns.clone()]);
        let call = Scatter {
            source: input.as_ptr().wrapping_offset(picture.first_element(&place)),
            row_stride: picture.input[1] * picture.channels,
            rows,
            columns,
            channels: picture.channels,
            target,
            point_stride: self.point_stride,
        };
        // SAFETY: the instruction set is supported; rows and columns of the tile that are inside lie within its image;
        // each tile has its own places at all points, with space for channels up to a whole vector.
        unsafe { (transforms.data[usize::from(is_border)])(&call) };
    }
}

/// Taps as they lie before their transform.
pub(super) struct TapSource<'a> {
    pub taps: &'a [f32],
    /// Elements from a panel to the next.
    pub panel_stride: usize,
    /// Elements from the first tap to each.
    pub places: [isize; 9],
    /// Elements from a channel to the next.
    pub row_stride: usize,
    /// Whether the last panel is filled up.
    pub is_whole: bool,
}

/// One call, shared by its pieces.
struct Call<'a> {
    plan: &'a ProductPlan,
    kernels: &'a Kernels,
    transforms: &'a Transforms,
    input: &'a [f32],
    shared: &'a [f32],
    packed: &'a [f32],
    epilogue: Epilogue<'a>,
    output: Shared<'a>,
    slots: Slots<'a>,
}

impl Call<'_> {
    /// A block with all panels, or with one group of them.
    fn unit(&self, unit: usize, slot: &mut [f32]) {
        let plan = self.plan;
        let groups = plan.panels.div_ceil(plan.group);
        let group = |group: usize| group * plan.group..((group + 1) * plan.group).min(plan.panels);
        if plan.is_shared {
            // Blocks of the same panels follow each other.
            let block = unit % plan.blocks;
            let data = &self.shared[block * plan.block_len()..][..plan.block_len()];
            self.group(plan.tiles_of(block), data, group(unit / plan.blocks), slot);
        } else {
            let (data, products) = slot.split_at_mut(plan.block_len());
            let tiles = plan.tiles_of(unit);
            for (index, tile) in tiles.clone().enumerate() {
                let target = data[index * plan.tile_stride..].as_mut_ptr();
                plan.transform(self.transforms, self.input, tile, target);
            }
            for index in 0..groups {
                self.group(tiles.clone(), data, group(index), products);
            }
        }
    }

    /// Products of a block's tiles with a group of panels, and their results.
    fn group(&self, tiles: Range<usize>, data: &[f32], panels: Range<usize>, products: &mut [f32]) {
        let plan = self.plan;
        let per_panel = plan.points * plan.product_stride;
        for point in 0..plan.points {
            for (index, panel) in panels.clone().enumerate() {
                let target = &mut products[index * per_panel + point * plan.product_stride..];
                let next =
                    if panel + 1 < panels.end { (point, panel + 1) } else { (point + 1, panels.start) };
                self.multiply(
                    tiles.len(),
                    &data[point * plan.point_stride..],
                    [(point, panel), next],
                    target,
                );
            }
        }
        for (index, panel) in panels.clone().enumerate() {
            for (row, tile) in tiles.clone().enumerate() {
                let source = &products[index * per_panel + row * self.kernels.columns()..];
                self.results(tile, source, panel);
            }
        }
        self.activate(tiles, panels);
    }

    /// `target = data · taps` at one point for one panel, and those that come next.
    #[inline]
    fn multiply(&self, rows: usize, data: &[f32], places: [(usize, usize); 2], target: &mut [f32]) {
        let plan = self.plan;
        let (width, channels) = (self.kernels.columns(), plan.picture.channels);
        let [packed, next] = places.map(|(point, panel)| (panel * plan.points + point) * plan.packed_stride);
        let (packed, next) = (&self.packed[packed..], self.packed.as_ptr().wrapping_add(next));
        let mut tile = Tile {
            a: [std::ptr::null(); MAX_ROWS],
            c: [std::ptr::null_mut(); MAX_ROWS],
            c_offset: 0,
            runs: &[Run { a: 0, b: 0 }],
            length: channels,
            offsets: &[],
            b: packed[..channels * width].as_ptr(),
            ahead: Ahead::none(packed.as_ptr()),
            columns: width,
            bias: std::ptr::null(),
            residual: [std::ptr::null(); MAX_ROWS],
            bounds: Bounds::NONE,
        };
        let (tiles, mut index) = (rows.div_ceil(self.kernels.rows), 0);
        for_each_tile(rows, self.kernels.rows, |start, height| {
            tile.ahead = Ahead::share(next, width, channels, index, tiles);
            index += 1;
            for row in 0..height {
                tile.a[row] = data[(start + row) * plan.tile_stride..].as_ptr();
                tile.c[row] = target[(start + row) * width..].as_mut_ptr();
            }
            // SAFETY: the kernels are of a supported instruction set; a tile's row has all channels, a row of products
            // is as wide as a panel, and the panel of taps has a full row for each channel.
            unsafe { self.kernels.brgemm[1][height - 1](&tile) };
        });
    }

    /// Brings one tile of products back to pixels.
    #[inline]
    fn results(&self, tile: usize, products: &[f32], panel: usize) {
        let picture = &self.plan.picture;
        let place = picture.place(tile);
        let [rows, columns] = picture.inside_output(&place);
        let [height, width] = picture.output;
        let start = panel * self.kernels.columns();
        let pixel = (place.image * height + place.output[0]) * width + place.output[1];
        let at = pixel * picture.filters + start;
        let target = self.output.pointer_at(at);
        let call = Gather {
            source: products.as_ptr(),
            point_stride: self.plan.product_stride,
            target,
            row_stride: width * picture.filters,
            pixel_stride: picture.filters,
            rows,
            columns,
            channels: self.kernels.columns().min(picture.filters - start),
            bias: self.epilogue.bias.map_or(std::ptr::null(), |bias| bias[start..].as_ptr()),
            residual: match self.epilogue.residual {
                Residual::None => std::ptr::null(),
                Residual::Slice(values) => values[at..].as_ptr(),
                Residual::Output => target,
            },
            bounds: self.epilogue.activation.bounds().unwrap_or(Bounds::NONE),
        };
        // SAFETY: the instruction set is supported; products have full panels at all points; rows and columns, of the residual too, lie within
        // the tile's image, and no other piece has its pixels with these filters.
        unsafe { (self.transforms.results)(&call) };
    }

    /// Activations that the transform does not have, on pixels that are still in the cache.
    fn activate(&self, tiles: Range<usize>, panels: Range<usize>) {
        let activation = self.epilogue.activation;
        if activation.bounds().is_some() {
            return;
        }
        let picture = &self.plan.picture;
        let start = panels.start * self.kernels.columns();
        let end = (panels.end * self.kernels.columns()).min(picture.filters);
        let [height, width] = picture.output;
        for tile in tiles {
            let place = picture.place(tile);
            let [rows, columns] = picture.inside_output(&place);
            for row in 0..rows {
                let first = (place.image * height + place.output[0] + row) * width + place.output[1];
                for pixel in first..first + columns {
                    // SAFETY: these pixels and filters are this piece's own.
                    let part = unsafe { self.output.part(pixel * picture.filters + start, end - start) };
                    activate_piece_in_place(activation, part);
                }
            }
        }
    }
}
