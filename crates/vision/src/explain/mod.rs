//! What a network looks at: gradients by the input, class activation maps, activations; and their colours.
//!
//! Each method is a file and a function: a [`Model`] and a picture `(1, height, width, channels)` as the model takes it in,
//! numbers out, by the gradients of the class score *before* the softmax or sigmoid that the model ends with.
//! Pictures are made of the numbers by [`colour`] and [`sheet`].

pub mod colour;
pub mod sheet;

mod activations;
mod grad_cam;
mod guided_backprop;
mod integrated_gradients;
mod occlusion;
mod saliency;
mod smoothgrad;

pub use activations::activations;
pub use grad_cam::{grad_cam, grad_cam_plus_plus};
pub use guided_backprop::guided_backprop;
pub use integrated_gradients::integrated_gradients;
pub use occlusion::occlusion;
pub use saliency::saliency;
pub use smoothgrad::smoothgrad;

use convnet_nn::model::{Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{ArrayD, ArrayViewD};

/// The scores before softmax or sigmoid, `(count, classes)`.
///
/// # Errors
/// If the sizes are not those of the model's input.
pub fn scores(model: &Model, x: ArrayViewD<'_, f32>) -> Result<ArrayD<f32>> {
    let mut probe = model.probe(&Start::Scores, &[Reading::Scores], false)?;
    let seed = vec![0.0; probe.start_shape().len()];
    Ok(probe.run(x, &seed)?.remove(0))
}

/// The class of the highest score of the first sample. A single score speaks for the second of two classes.
///
/// # Errors
/// If the sizes are not those of the model's input.
pub fn top_class(model: &Model, x: ArrayViewD<'_, f32>) -> Result<usize> {
    let scores = scores(model, x)?;
    let scores: Vec<f32> = scores.iter().copied().take(scores.len() / scores.shape()[0].max(1)).collect();
    Ok(match scores[..] {
        [score] => usize::from(score > 0.0),
        _ => (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0),
    })
}

/// What the scores are multiplied by so that their sum is the score of a class.
fn seed_of_class(scores: &convnet_nn::Shape, class: usize) -> Result<Vec<f32>> {
    let &[outputs] = &scores.dims[..] else {
        let problem = format!("the model gives {scores}, not one row of classes");
        return Err(Error::argument("explain", problem));
    };
    let classes = outputs.max(2);
    if class >= classes {
        let problem =
            format!("the model tells {classes} classes apart, 0 to {}; there is no {class}", classes - 1);
        return Err(Error::argument("class", problem));
    }
    if outputs == 1 {
        return Ok(vec![if class == 1 { 1.0 } else { -1.0 }]);
    }
    Ok((0..outputs).map(|index| if index == class { 1.0 } else { 0.0 }).collect())
}

/// Readings where the gradients are of the score of a class.
fn read(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    readings: &[Reading],
    guided: bool,
) -> Result<Vec<ArrayD<f32>>> {
    let mut probe = model.probe(&Start::Scores, readings, guided)?;
    let seed = seed_of_class(probe.start_shape(), class)?;
    probe.run(x, &seed)
}
