//! Saliency: the gradient of a class score by the input.

use convnet_nn::{Model, Result};
use ndarray::{ArrayD, ArrayViewD};

use super::{Class, Explainer, Method};

/// The signed gradient of the score of a class by each input pixel, of the shape of the input `(count, height, width, channels)`
/// (Simonyan, Vedaldi, Zisserman, 2014, <https://arxiv.org/abs/1312.6034>).
///
/// # Errors
/// If the sizes are not those of the model's input, or there is no such class.
pub fn saliency(model: &Model, x: ArrayViewD<'_, f32>, class: usize) -> Result<ArrayD<f32>> {
    let found = Explainer::new(model).explain(x, &[Class::Number(class)], &[Method::Saliency])?;
    Ok(super::only(found.values))
}
