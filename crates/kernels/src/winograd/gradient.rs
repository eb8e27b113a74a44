//! The gradient of the weights: tiles of the input and of the output's gradient to points, sums of outer products over
//! the tiles at each point, points to taps.
//!
//! Tiles are taken in blocks, so large that adding to the sums costs little beside the products, and so small that their
//! points stay in the last cache. Within a block first all tiles are transformed, then the work is cut by points and
//! panels, so every sum is added up in the order of the tiles whatever the number of threads.

use super::picture::Picture;
use super::transform::{Scatter, Taps, Transforms};
use super::{TileSize, odd_lines};
use crate::conv::work::{self, for_each_tile};
use crate::gemm::Kernels;
use crate::gemm::outer::{Ahead, Tile};
use crate::par::{self, Shared};
use std::ops::Range;

/// Elements at the points of a block's tiles.
const BLOCK: usize = 1 << 20;
/// Fewest and most tiles of a block.
const BLOCK_TILES: [usize; 2] = [64, 256];
/// Rows of a panel of the gradient that are brought back together.
const TAP_ROWS: usize = 32;

/// Sizes and pieces of the pass.
#[derive(Clone, Debug)]
pub(super) struct GradientPlan {
    picture: Picture,
    /// Points of a tile.
    points: usize,
    /// All tiles, and those of a block.
    tiles: usize,
    block: usize,
    panels: usize,
    /// Elements from a tile to the next within a point, of the input and of the output's gradient.
    data_stride: usize,
    results_stride: usize,
    /// Elements from a point to the next.
    data_point: usize,
    results_point: usize,
    sums_point: usize,
}

impl GradientPlan {
    pub(super) fn new(picture: Picture, batch: usize, size: TileSize, kernels: &Kernels) -> Self {
        let width = kernels.columns();
        let points = size.points();
        let tiles = batch * picture.tiles();
        let panels = picture.filters.div_ceil(width);
        let (data_stride, results_stride) = (odd_lines(picture.channels), odd_lines(panels * width));
        let fits = BLOCK / (points * (data_stride + results_stride));
        let block = tiles.div_ceil(tiles.div_ceil(fits.clamp(BLOCK_TILES[0], BLOCK_TILES[1])));
        Self {
            picture,
            points,
            tiles,
            block,
            panels,
            data_stride,
            results_stride,
            data_point: odd_lines(block * data_stride),
            results_point: odd_lines(block * results_stride),
            sums_point: odd_lines(panels * picture.channels * width),
        }
    }

    /// Blocks of tiles.
    pub(super) fn blocks(&self) -> usize {
        self.tiles.div_ceil(self.block)
    }

    /// Elements of the sums at all points.
    pub(super) fn sums_len(&self) -> usize {
        self.points * self.sums_point
    }

    /// Elements of scratch.
    pub(super) fn scratch(&self) -> usize {
        self.points * (self.data_point + self.results_point + self.sums_point)
    }

    pub(super) fn run(
        &self,
        kernels: &Kernels,
        transforms: &Transforms,
        input: &[f32],
        output_gradient: &[f32],
        weight_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (data, scratch) = scratch.split_at_mut(self.points * self.data_point);
        let (results, sums) = scratch.split_at_mut(self.points * self.results_point);
        let (channels, filters) = (self.picture.channels, self.picture.filters);
        for first in (0..self.tiles).step_by(self.block) {
            let tiles = first..self.tiles.min(first + self.block);
            let elements = self.points * tiles.len() * (channels + filters);
            let (data_target, results_target) = (Shared::new(data), Shared::new(results));
            par::for_each(tiles.len(), elements as u64 / 8, |index| {
                let tile = first + index;
                self.data(transforms, input, tile, data_target.pointer_at(index * self.data_stride));
                let target = results_target.pointer_at(index * self.results_stride);
                self.results(transforms, output_gradient, tile, target);
            });
            let call = Products { plan: self, kernels, data, results, sums: Shared::new(sums) };
            let multiply_adds = (self.points * tiles.len() * channels) as u64 * filters as u64;
            par::for_each(self.points * self.panels, work::cost(multiply_adds), |index| {
                call.panel(index / self.panels, index % self.panels, &tiles);
            });
        }
        self.collect(kernels, transforms, sums, weight_gradient);
    }

    /// Brings a tile of the input to its points.
    fn data(&self, transforms: &Transforms, input: &[f32], tile: usize, target: *mut f32) {
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
            point_stride: self.data_point,
        };
        // SAFETY: the instruction set is supported; rows and columns of the tile that are inside lie within its image;
        // each tile has its own places at all points, with space for channels up to a whole vector.
        unsafe { (transforms.data[usize::from(is_border)])(&call) };
    }

    /// Brings a tile of the output's gradient to its points.
    fn results(&self, transforms: &Transforms, output_gradient: &[f32], tile: usize, target: *mut f32) {
        let picture = &self.picture;
        let place = picture.place(tile);
        let [rows, columns] = picture.inside_output(&place);
        let [height, width] = picture.output;
        let pixel = (place.image * height + place.output[0]) * width + place.output[1];
        let call = Scatter {
            source: output_gradient[pixel * picture.filters..].as_ptr(),
            row_stride: width * picture.filters,
            rows: 0..rows,
            columns: 0..columns,
            channels: picture.filters,
            target,
            point_stride: self.results_point,
        };
        let is_border = !picture.is_whole([rows, columns]);
        // SAFETY: as in `data`.
        unsafe { (transforms.results_gradient[usize::from(is_border)])(&call) };
    }

    /// Brings the sums back to taps.
    fn collect(
        &self,
        kernels: &Kernels,
        transforms: &Transforms,
        sums: &mut [f32],
        weight_gradient: &mut [f32],
    ) {
        let (channels, filters, width) = (self.picture.channels, self.picture.filters, kernels.columns());
        let chunks = channels.div_ceil(TAP_ROWS);
        let cost = (self.points * channels * filters / 8) as u64;
        let (sums, target) = (Shared::new(sums), Shared::new(weight_gradient));
        par::for_each(self.panels * chunks, cost, |index| {
            let (panel, first) = (index / chunks, index % chunks * TAP_ROWS);
            let call = Taps {
                taps: target.pointer_at(first * filters + panel * width),
                places: std::array::from_fn(|tap| (tap * channels * filters) as isize),
                row_stride: filters,
                rows: TAP_ROWS.min(channels - first),
                channels: width.min(filters - panel * width),
                points: sums.pointer_at((panel * channels + first) * width),
                point_stride: self.sums_point,
                width,
            };
            // SAFETY: the instruction set is supported; sums have a full row for each channel of each panel, and no
            // other piece has these rows and filters of the gradient. The sums are only read.
            unsafe { (transforms.taps_gradient)(&call) };
        });
    }
}

/// The products of a block.
struct Products<'a> {
    plan: &'a GradientPlan,
    kernels: &'a Kernels,
    data: &'a [f32],
    results: &'a [f32],
    sums: Shared<'a>,
}

impl Products<'_> {
    /// Adds the tiles' products at one point for one panel of filters.
    fn panel(&self, point: usize, panel: usize, tiles: &Range<usize>) {
        let (plan, width) = (self.plan, self.kernels.columns());
        let channels = plan.picture.channels;
        let columns = width.min(plan.picture.filters - panel * width);
        let data = &self.data[point * plan.data_point..][..plan.data_point];
        let results = &self.results[point * plan.results_point + panel * width..];
        for_each_tile(channels, self.kernels.rows, |start, height| {
            let tile = Tile {
                x: data[start..].as_ptr(),
                x_stride: plan.data_stride,
                b: results.as_ptr(),
                b_stride: plan.results_stride,
                count: tiles.len(),
                c: self.sums.pointer_at(point * plan.sums_point + (panel * channels + start) * width),
                c_stride: width,
                accumulate: tiles.start > 0,
                ahead: [Ahead::none(results.as_ptr()); 2],
            };
            // SAFETY: the kernels are of a supported instruction set; tiles have all channels and, of the output's
            // gradient, whole panels; these rows of the sums are this piece's own.
            unsafe { self.kernels.outer[self.kernels.width_index(columns)][height - 1](&tile) };
        });
    }
}
