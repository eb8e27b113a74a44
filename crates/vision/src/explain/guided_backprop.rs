//! Guided backpropagation.

use convnet_nn::model::Reading;
use convnet_nn::{Model, Result};
use ndarray::{ArrayD, ArrayViewD};

/// As [`saliency`](super::saliency), but rectifiers let only positive gradients pass
/// (Springenberg and others, 2015, <https://arxiv.org/abs/1412.6806>).
///
/// # Errors
/// If the sizes are not those of the model's input, or there is no such class.
pub fn guided_backprop(model: &Model, x: ArrayViewD<'_, f32>, class: usize) -> Result<ArrayD<f32>> {
    Ok(super::read(model, x, class, &[Reading::GradientByInput], true)?.remove(0))
}
