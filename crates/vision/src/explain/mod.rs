//! What a network looks at: gradients by the input, class activation maps, activations; what it wants to see: filters, classes, dreams,
//! styles; and pictures of all that.
//!
//! Each method is a file and a function: a [`Model`] and a picture `(1, height, width, channels)` as the model takes it in,
//! numbers out, by the gradients of the class score *before* the softmax or sigmoid that the model ends with. [`Explainer`] does several
//! methods, pictures and classes in one run. Pictures are made of the numbers by [`pictures`].
//!
//! The methods that make pictures ([`filters()`], [`maximise()`], [`dream()`], [`style()`]) work on light of 0 … 1, whatever numbers the model takes:
//! [`Pixels`] tells how those stand for light.

pub mod pictures;

mod activations;
mod ascent;
mod average;
mod dream;
mod explainer;
mod filters;
mod grad_cam;
mod guided_backprop;
mod integrated_gradients;
mod maximise;
mod minimise;
mod occlusion;
mod random;
mod saliency;
mod score_cam;
mod smoothgrad;
mod style;

pub use activations::{activations, layer_shape, map_layers};
pub use ascent::{Ascent, Pixels};
pub use average::Average;
pub use dream::{Dream, dream};
pub use explainer::{Class, Explained, Explainer, Method};
pub use filters::{filters, kernels};
pub use grad_cam::{grad_cam, grad_cam_plus_plus};
pub use guided_backprop::guided_backprop;
pub use integrated_gradients::integrated_gradients;
pub use maximise::{From, maximise};
pub use occlusion::occlusion;
pub use saliency::saliency;
pub use score_cam::score_cam;
pub use smoothgrad::smoothgrad;
pub use style::{Solver, Style, style};

use convnet_nn::model::{Question, Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{ArrayD, ArrayViewD, Axis};

/// The scores before softmax or sigmoid, `(count, classes)`.
///
/// # Errors
/// If the sizes are not those of the model's input.
pub fn scores(model: &Model, x: ArrayViewD<'_, f32>) -> Result<ArrayD<f32>> {
    Ok(model.probe(&Question::new(Start::Scores, [Reading::Scores]))?.run(x, &[])?.remove(0))
}

/// The class of the highest score of the first sample. A single score speaks for the second of two classes.
///
/// # Errors
/// If the sizes are not those of the model's input, or it does not give one row of scores.
pub fn top_class(model: &Model, x: ArrayViewD<'_, f32>) -> Result<usize> {
    let classes = Explainer::new(model).explain(x, &[Class::Top], &[])?.classes;
    classes.first().copied().ok_or_else(no_picture)
}

/// What the only method found.
fn only(mut values: Vec<ArrayD<f32>>) -> ArrayD<f32> {
    values.remove(0)
}

/// What was found for the first sample.
fn first_of(values: ArrayD<f32>) -> Result<ArrayD<f32>> {
    if values.is_empty() { Err(no_picture()) } else { Ok(values.index_axis_move(Axis(0), 0)) }
}

fn no_picture() -> Error {
    Error::argument("explain", "no picture was given")
}

/// The part of a model that makes some layers, so that it takes pictures of other sizes than what comes behind; `None` where a layer is
/// in a model in a layer's place.
fn front(model: &Model, layers: &[&str]) -> Result<Option<Model>> {
    for layer in layers {
        model.get_layer(layer)?;
    }
    Ok(model.up_to(layers).ok())
}

/// Layers and their weights as they are taken, each of which must exist.
fn names(layers: &[(String, f32)]) -> Vec<&str> {
    layers.iter().map(|(name, _)| name.as_str()).collect()
}
