//! The operations, one file each (with its gradients): shape rule, gradient, cost, lowering to kernels.
//!
//! Most of a network is a few of them: [`Convolution`] (which is also the dense layer), [`Activate`], the pools,
//! [`BatchNorm`], [`SoftmaxCrossEntropy`]. Layers are composed from these and never carry calculus themselves.

mod accuracy;
mod activate;
mod adaptive_pool;
mod along;
mod banded_convolution;
mod batch_norm;
mod bf16;
mod bias_add;
mod binary;
mod blend;
mod broadcast;
mod channel_affine;
mod channel_pool;
mod circle;
mod concatenate;
mod convolution;
mod cross_entropy;
mod ctc;
mod dropout;
mod extreme_place;
mod fill;
mod gather;
mod group_norm;
mod guided;
mod mat_mul;
mod mean;
mod multiply;
mod noise;
mod packed_convolution;
mod pad;
mod pair_convolution;
mod permute;
mod pool;
mod random_warp;
mod reduce;
mod reshape;
mod resize;
mod response_norm;
mod row_norm;
mod scale_shift;
mod select;
mod softmax;
mod squared_error;
mod stop_gradient;
mod sum;
mod unary;
mod uniform;
mod unstack;

pub use accuracy::{Accuracy, AccuracyKind};
pub use activate::{Activate, ActivateGradient};
pub use adaptive_pool::{AdaptiveAveragePool, AdaptiveMaxPool};
pub use along::{PickAlong, PlaceAlong};
pub use banded_convolution::BandedConvolution;
pub(crate) use batch_norm::Y_AGAIN;
pub use batch_norm::{BatchNorm, BatchNormAgain, BatchNormFrozen, BatchNormGradient, MovingAverage};
pub use bf16::{Bf16Convolution, Narrow, Round, Widen};
pub use bias_add::{BiasAdd, SumRows};
pub use binary::Binary;
pub use blend::Blend;
pub use broadcast::Expand;
pub use channel_affine::{ChannelAffine, FrozenAffine};
pub use channel_pool::ChannelMaxPool;
pub use circle::{CircleLoss, CircleLossGradient};
pub use concatenate::{Concatenate, Slice};
pub use convnet_kernels::elementwise::{Activation, BinaryFunction, UnaryFunction};
pub use convnet_kernels::geometry::Padding;
pub use convnet_kernels::loss::Circle;
pub use convnet_kernels::norm::{Response, RowNorm as RowNormFunction};
pub use convnet_kernels::random::Noise as NoiseFunction;
pub use convnet_kernels::reduce::{Extreme, Taps};
pub use convnet_kernels::resize::Interpolation;
pub use convolution::{Convolution, ConvolutionDataGradient, ConvolutionWeightsGradient, Sliding};
pub use cross_entropy::{
    BinaryCrossEntropy, BinaryCrossEntropyGradient, CrossEntropy, CrossEntropyGradient, SoftmaxCrossEntropy,
    SoftmaxCrossEntropyGradient, Target,
};
pub use ctc::{Ctc, CtcGradient};
pub use dropout::Dropout;
pub use extreme_place::ExtremePlace;
pub use fill::Fill;
pub use gather::Gather;
pub use group_norm::GroupNorm;
pub use guided::GuidedActivate;
pub use mat_mul::MatMul;
pub use mean::{BatchMean, BatchSpread};
pub use multiply::Multiply;
pub use noise::Noise;
pub use packed_convolution::{PackWeights, PackedConvolution};
pub use pad::{Crop, Pad};
pub use pair_convolution::{PackPairs, PackedPairConvolution, PairConvolution};
pub use permute::Permute;
pub use pool::{AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient, RectifiedMaxPool, WinnerPlaces};
pub use random_warp::{Outside, RandomWarp};
pub use reduce::{Reduce, ReduceFunction};
pub use reshape::Reshape;
pub use resize::Resize;
pub use response_norm::ResponseNorm;
pub use row_norm::RowNorm;
pub use scale_shift::ScaleShift;
pub use select::Select;
pub use softmax::{LogSoftmax, Softmax, SoftmaxGradient, Sparsemax, log_softmax_along, softmax_along};
pub use squared_error::{SquaredError, SquaredErrorGradient};
pub use stop_gradient::StopGradient;
pub use sum::Sum;
pub use unary::Unary;
pub use uniform::Uniform;
pub use unstack::Unstack;

use crate::error::Mismatch;
use crate::shape::{Element, Shape, TensorType};

/// Checks the number of inputs and that all are `f32`.
fn arity(inputs: &[TensorType], counts: std::ops::RangeInclusive<usize>) -> Result<(), Mismatch> {
    if !counts.contains(&inputs.len()) {
        let expected = if counts.start() == counts.end() {
            format!("{} input(s)", counts.start())
        } else {
            format!("{} to {} inputs", counts.start(), counts.end())
        };
        return Err(Mismatch::new(expected, inputs.len()));
    }
    match inputs.iter().find(|input| input.element != Element::F32) {
        Some(_) => Err(Mismatch::new("floating point inputs", "bytes")),
        None => Ok(()),
    }
}

/// Checks that an input has a certain shape.
fn same(what: &str, input: &TensorType, shape: &Shape) -> Result<(), Mismatch> {
    if input.shape == *shape {
        Ok(())
    } else {
        Err(Mismatch::new(format!("{what} of shape {shape}"), &input.shape))
    }
}

/// The rule of operations that keep the shape of their single input.
fn unary(inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    arity(inputs, 1..=1)?;
    Ok(vec![inputs[0].clone()])
}

/// The rule of operations on inputs that must all have one shape, which the result has too.
fn alike(
    inputs: &[TensorType],
    counts: std::ops::RangeInclusive<usize>,
) -> Result<Vec<TensorType>, Mismatch> {
    arity(inputs, counts)?;
    for input in &inputs[1..] {
        same("inputs that are all", input, &inputs[0].shape)?;
    }
    Ok(vec![inputs[0].clone()])
}
