//! Guided backpropagation.

use convnet_nn::{Model, Result};
use ndarray::{ArrayD, ArrayViewD};

use super::{Class, Explainer, Method};

/// As [`saliency`](super::saliency()), but rectifiers let only positive gradients pass
/// (Springenberg and others, 2015, <https://arxiv.org/abs/1412.6806>).
///
/// # Errors
/// If the sizes are not those of the model's input, or there is no such class.
pub fn guided_backprop(model: &Model, x: ArrayViewD<'_, f32>, class: usize) -> Result<ArrayD<f32>> {
    let found = Explainer::new(model).explain(x, &[Class::Number(class)], &[Method::GuidedBackprop])?;
    Ok(super::only(found.values))
}
