//! Winograd's convolutions: 3 × 3 kernels by transforms of tiles, with fewer multiplications.
//!
//! A tile of m × m output pixels needs (m + 2)² products for each pair of channels instead of 9·m²: 2.25, 4 or 5.06
//! times fewer for m = 2, 4 and 6. What it costs is transforms of tiles and taps, memory for them, and accuracy
//! ([`TileSize::largest_error`]).
//!
//! [`Winograd`] computes all passes of a convolution; [`choose`] says for a shape and a pass whether that is worth it, which
//! is how [`Convolution`](crate::conv::Convolution) uses it. A padded input is never copied: tiles take zeros for what
//! lies outside.

mod choose;
mod cost;
mod gradient;
mod picture;
mod points;
mod product;
mod transform;

use crate::conv::{Epilogue, aligned, check, check_residual};
use crate::cpu::Isa;
use crate::gemm::{Kernels, pack};
use crate::geometry::{Axis, ConvGeometry};
pub use choose::{Method, Pass, choose, force, model};
pub(crate) use choose::{VARIABLE, init, pairs_are_faster};
use gradient::GradientPlan;
use picture::Picture;
use product::{ProductPlan, TapSource};
use std::sync::OnceLock;
use transform::Transforms;

/// The tile of output pixels that is computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TileSize {
    /// 2 × 2 pixels from 4 × 4: F(2×2, 3×3).
    Two,
    /// 4 × 4 pixels from 6 × 6: F(4×4, 3×3).
    Four,
    /// 6 × 6 pixels from 8 × 8: F(6×6, 3×3).
    Six,
}

impl TileSize {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Two, Self::Four, Self::Six];

    /// Output pixels along an edge.
    pub const fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
            Self::Six => 6,
        }
    }

    /// More than the largest error of a result, as a share of the root mean square of all results, for unit-normal data
    /// and sums over so many channels; the root mean square of the errors is less than a fifth of it. Gradients of the
    /// weights, which are summed over at most 256 tiles at a time, stay below the figure for 64 channels. For the direct
    /// kernels it would be twice that of [`TileSize::Two`].
    pub fn largest_error(self, channels: usize) -> f64 {
        let few = match self {
            Self::Two => 4e-6,
            Self::Four => 1.2e-5,
            Self::Six => 6e-5,
        };
        few * (channels.max(64) as f64 / 64.0).sqrt()
    }

    /// Points of a tile, at each of which there is one product.
    pub const fn points(self) -> usize {
        (self.outputs() + 2) * (self.outputs() + 2)
    }
}

/// A convolution of fixed shape by one tile size, with its tables prepared; see [`Convolution`] for the shapes.
///
/// [`Convolution`]: crate::conv::Convolution
#[derive(Clone, Debug)]
pub struct Winograd {
    geometry: ConvGeometry,
    size: TileSize,
    kernels: &'static Kernels,
    transforms: &'static Transforms,
    forward: OnceLock<ProductPlan>,
    data: OnceLock<ProductPlan>,
    gradient: OnceLock<GradientPlan>,
}

impl Winograd {
    /// Whether a convolution can be computed this way: 3 × 3 taps, stride 1, no dilation, in two dimensions,
    /// a single group.
    pub fn allows(g: &ConvGeometry) -> bool {
        let [d, h, w] = &g.window.axes;
        g.groups == 1
            && *d == Axis::UNIT
            && [h, w].iter().all(|axis| (axis.kernel, axis.stride, axis.dilation) == (3, 1, 1))
    }

    /// A convolution on a given instruction set.
    ///
    /// # Panics
    /// If [`Winograd::allows`] does not, or this machine does not have the instruction set.
    pub fn new(geometry: ConvGeometry, isa: Isa, size: TileSize) -> Self {
        assert!(isa.is_supported(), "this machine does not have {isa}");
        assert!(Self::allows(&geometry), "not a plain 3 × 3 convolution: {geometry:?}");
        Self {
            geometry,
            size,
            kernels: Kernels::of(isa),
            transforms: Transforms::of(isa, size),
            forward: OnceLock::new(),
            data: OnceLock::new(),
            gradient: OnceLock::new(),
        }
    }

    /// The tile size.
    pub fn size(&self) -> TileSize {
        self.size
    }

    fn forward_plan(&self) -> &ProductPlan {
        let (g, size) = (&self.geometry, self.size);
        self.forward.get_or_init(|| ProductPlan::new(Picture::forward(g, size), g.batch, size, self.kernels))
    }

    fn data_plan(&self) -> &ProductPlan {
        let (g, size) = (&self.geometry, self.size);
        self.data.get_or_init(|| ProductPlan::new(Picture::backward(g, size), g.batch, size, self.kernels))
    }

    fn gradient_plan(&self) -> &GradientPlan {
        let (g, size) = (&self.geometry, self.size);
        self.gradient
            .get_or_init(|| GradientPlan::new(Picture::forward(g, size), g.batch, size, self.kernels))
    }

    /// Elements of scratch that [`Winograd::forward`] needs.
    pub fn forward_scratch(&self) -> usize {
        self.packed_weights_len().next_multiple_of(LINE) + self.forward_packed_scratch()
    }

    /// Elements of scratch that [`Winograd::forward_packed`] needs.
    pub fn forward_packed_scratch(&self) -> usize {
        self.forward_plan().scratch() + LINE
    }

    /// Elements of scratch that [`Winograd::backward_data`] needs.
    pub fn backward_data_scratch(&self) -> usize {
        let plan = self.data_plan();
        plan.packed_len().next_multiple_of(LINE) + plan.scratch().max(self.transposed_len()) + LINE
    }

    /// Elements of scratch that [`Winograd::backward_weights`] needs.
    pub fn backward_weights_scratch(&self) -> usize {
        self.gradient_plan().scratch() + LINE
    }

    /// Elements of the transposed taps, which the gradient of the input needs before its tiles.
    fn transposed_len(&self) -> usize {
        let g = &self.geometry;
        pack::packed_len(9 * g.out_channels, g.in_channels, self.kernels.columns())
    }

    /// Elements of the weights at their points.
    pub fn packed_weights_len(&self) -> usize {
        self.forward_plan().packed_len()
    }

    /// Brings the weights to their points, for [`Winograd::forward_packed`].
    ///
    /// # Panics
    /// If a slice does not have the length of its shape.
    pub fn pack_weights(&self, weights: &[f32], packed: &mut [f32]) {
        let g = &self.geometry;
        check("pack_weights", "weights", weights.len(), g.weights_len());
        check("pack_weights", "packed weights", packed.len(), self.packed_weights_len());
        let width = self.kernels.columns();
        let source = TapSource {
            taps: weights,
            panel_stride: width,
            places: std::array::from_fn(|tap| (tap * g.in_channels * g.out_channels) as isize),
            row_stride: g.out_channels,
            is_whole: false,
        };
        self.forward_plan().pack(self.transforms, width, &source, packed);
    }

    /// As [`Convolution::forward`](crate::conv::Convolution::forward).
    ///
    /// # Panics
    /// If a slice does not have the length of its shape, or `scratch` is too short.
    pub fn forward(
        &self,
        input: &[f32],
        weights: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let packed_len = self.packed_weights_len();
        let scratch = aligned("forward", scratch, self.forward_scratch() - LINE);
        let (packed, scratch) = scratch.split_at_mut(packed_len.next_multiple_of(LINE));
        self.pack_weights(weights, &mut packed[..packed_len]);
        self.run_forward(input, &packed[..packed_len], epilogue, output, scratch);
    }

    /// As [`Winograd::forward`], with weights from [`Winograd::pack_weights`].
    ///
    /// # Panics
    /// As [`Winograd::forward`].
    pub fn forward_packed(
        &self,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let scratch = aligned("forward", scratch, self.forward_plan().scratch());
        self.run_forward(input, packed, epilogue, output, scratch);
    }

    fn run_forward(
        &self,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        check("forward", "input", input.len(), g.input_len());
        check("forward", "packed weights", packed.len(), self.packed_weights_len());
        check("forward", "output", output.len(), g.output_len());
        if let Some(bias) = epilogue.bias {
            check("forward", "bias", bias.len(), g.out_channels);
        }
        check_residual(epilogue.residual, g);
        self.forward_plan().run(self.kernels, self.transforms, input, packed, epilogue, output, scratch);
    }

    /// As [`Convolution::backward_data`](crate::conv::Convolution::backward_data).
    ///
    /// # Panics
    /// As [`Winograd::forward`].
    pub fn backward_data(
        &self,
        output_gradient: &[f32],
        weights: &[f32],
        input_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        check("backward_data", "output gradient", output_gradient.len(), g.output_len());
        check("backward_data", "weights", weights.len(), g.weights_len());
        check("backward_data", "input gradient", input_gradient.len(), g.input_len());
        let plan = self.data_plan();
        let width = self.kernels.columns();
        let scratch = aligned("backward_data", scratch, self.backward_data_scratch() - LINE);
        let (packed, scratch) = scratch.split_at_mut(plan.packed_len().next_multiple_of(LINE));
        let packed = &mut packed[..plan.packed_len()];
        let transposed = &mut scratch[..self.transposed_len()];
        pack::pack_transposed(weights, 9, g.in_channels, g.out_channels, width, transposed);
        let source = TapSource {
            taps: transposed,
            panel_stride: 9 * g.out_channels * width,
            places: std::array::from_fn(|tap| ((8 - tap) * g.out_channels * width) as isize),
            row_stride: width,
            is_whole: true,
        };
        plan.pack(self.transforms, width, &source, packed);
        let (kernels, transforms) = (self.kernels, self.transforms);
        plan.run(kernels, transforms, output_gradient, packed, Epilogue::NONE, input_gradient, scratch);
    }

    /// The weights' part of [`Convolution::backward_weights`](crate::conv::Convolution::backward_weights).
    ///
    /// # Panics
    /// As [`Winograd::forward`].
    pub fn backward_weights(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        weight_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        check("backward_weights", "input", input.len(), g.input_len());
        check("backward_weights", "output gradient", output_gradient.len(), g.output_len());
        check("backward_weights", "weight gradient", weight_gradient.len(), g.weights_len());
        let plan = self.gradient_plan();
        let scratch = aligned("backward_weights", scratch, plan.scratch());
        plan.run(self.kernels, self.transforms, input, output_gradient, weight_gradient, scratch);
    }
}

/// Elements of a cache line.
const LINE: usize = 16;

/// The least number of elements from `len` on that is an odd number of cache lines. Rows so far apart fall into all
/// sets of a cache, those a power of two apart into a few.
fn odd_lines(len: usize) -> usize {
    (len.div_ceil(LINE) | 1) * LINE
}
