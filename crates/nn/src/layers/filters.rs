//! What the layers that convolve have in common.

use convnet_engine::EngineError;
use convnet_engine::error::Mismatch;
use convnet_engine::ops::Sliding;

use super::{Padding, Size};
use crate::initializers::Initializer;
use crate::layer::{LayerContext, WeightSpec};

/// How filters move over the image.
pub(super) fn sliding<const RANK: usize>(
    at: &LayerContext<'_>,
    strides: Size<RANK>,
    dilation_rate: Size<RANK>,
    padding: Padding,
) -> Result<Sliding, EngineError> {
    let padding = padding.of_axes(at)?;
    Ok(Sliding { strides: strides.of_axes(), dilation: dilation_rate.of_axes(), padding })
}

/// Refuses a layer whose output would have no channels.
pub(super) fn check_filters(filters: usize) -> Result<(), Mismatch> {
    if filters == 0 { Err(Mismatch::new("at least 1 filter", 0)) } else { Ok(()) }
}

/// The kernels, and behind them a bias of so many numbers if it is used.
pub(super) fn with_bias(
    mut kernels: Vec<WeightSpec>,
    use_bias: bool,
    numbers: usize,
    initializer: Initializer,
) -> Vec<WeightSpec> {
    kernels.extend(use_bias.then(|| WeightSpec::trainable("bias", [numbers], initializer)));
    kernels
}
