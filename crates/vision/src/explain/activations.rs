//! What the layers of a model make of a picture.

use convnet_nn::model::{Reading, Start};
use convnet_nn::{Model, Result};
use ndarray::{ArrayD, ArrayViewD};

/// The output of each named layer, `(count, …)`, from one run.
///
/// # Errors
/// If the sizes are not those of the model's input, or there is no such layer.
pub fn activations(model: &Model, x: ArrayViewD<'_, f32>, layers: &[&str]) -> Result<Vec<ArrayD<f32>>> {
    let readings: Vec<Reading> = layers.iter().map(|&layer| Reading::Layer(layer.to_owned())).collect();
    let mut probe = model.probe(&Start::Scores, &readings, false)?;
    let seed = vec![0.0; probe.start_shape().len()];
    probe.run(x, &seed)
}
