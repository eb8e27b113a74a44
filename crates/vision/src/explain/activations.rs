//! What the layers of a model make of a picture.

use convnet_nn::model::{Question, Reading, Start};
use convnet_nn::{Model, Result};
use ndarray::{ArrayD, ArrayViewD};

/// The output of each named layer, `(count, …)`, from one run.
///
/// # Errors
/// If the sizes are not those of the model's input, or there is no such layer.
pub fn activations(model: &Model, x: ArrayViewD<'_, f32>, layers: &[&str]) -> Result<Vec<ArrayD<f32>>> {
    let readings: Vec<Reading> = layers.iter().map(|&layer| Reading::Layer(layer.to_owned())).collect();
    model.probe(&Question::new(Start::Scores, readings))?.run(x, &[])
}

/// Names of the layers that give maps `(height, width, channels)` of more than one position, in the model's order.
///
/// # Errors
/// If the model has several inputs.
pub fn map_layers(model: &Model) -> Result<Vec<String>> {
    let layers: Vec<&str> =
        model.layers().iter().filter(|layer| layer.layer().is_some()).map(|layer| layer.name()).collect();
    let readings: Vec<Reading> = layers.iter().map(|&layer| Reading::Layer(layer.to_owned())).collect();
    let Some(&first) = layers.first() else { return Ok(Vec::new()) };
    let probe = model.probe(&Question::new(Start::Layer(first.to_owned()), readings))?;
    let is_maps =
        |shape: &convnet_nn::Shape| matches!(shape.dims[..], [height, width, _] if height * width > 1);
    let named = layers.iter().zip(probe.reading_shapes()).filter(|(_, shape)| is_maps(shape));
    Ok(named.map(|(&layer, _)| layer.to_owned()).collect())
}

/// Sizes of what a layer gives for one sample.
///
/// # Errors
/// If there is no such layer, or the model has several inputs.
pub fn layer_shape(model: &Model, layer: &str) -> Result<Vec<usize>> {
    let probe = model.probe(&Question::new(Start::Layer(layer.to_owned()), [Reading::Start]))?;
    Ok(probe.seed_shape().dims.clone())
}
