//! Saliency: the gradient of a class score by the input.

use convnet_nn::model::Reading;
use convnet_nn::{Model, Result};
use ndarray::{ArrayD, ArrayViewD};

/// The signed gradient of the score of a class by each input pixel, of the shape of the input `(count, height, width, channels)`
/// (Simonyan, Vedaldi, Zisserman, 2014, <https://arxiv.org/abs/1312.6034>).
///
/// # Errors
/// If the sizes are not those of the model's input, or there is no such class.
pub fn saliency(model: &Model, x: ArrayViewD<'_, f32>, class: usize) -> Result<ArrayD<f32>> {
    Ok(super::read(model, x, class, &[Reading::GradientByInput], false)?.remove(0))
}
