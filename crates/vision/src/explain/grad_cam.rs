//! Grad-CAM and Grad-CAM++: which places of a layer's maps speak for a class.

use convnet_nn::model::Reading;
use convnet_nn::{Error, Model, Result};
use ndarray::{Array2, ArrayViewD, Axis, Ix3};

/// Map and gradient of a layer, `(height, width, channels)` each; the last convolution's if no layer is named.
fn maps_and_gradient(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    layer: Option<&str>,
) -> Result<[ndarray::Array3<f32>; 2]> {
    let layer = match layer {
        Some(layer) => layer.to_owned(),
        None => model.last_convolution().ok_or_else(|| {
            let problem = "it has no convolution whose maps could be shown; saliency needs none";
            Error::argument(format!("model `{}`", model.name()), problem)
        })?,
    };
    let readings = [Reading::Layer(layer.clone()), Reading::GradientByLayer(layer.clone())];
    let mut read = super::read(model, x, class, &readings, false)?;
    let mut first = || {
        let array = read.remove(0);
        let sizes = format!("{:?}", array.shape());
        let wrong = || {
            let problem = format!("its output {sizes} is not maps (count, height, width, channels)");
            Error::argument(format!("layer `{layer}`"), problem)
        };
        if array.is_empty() || array.ndim() != 4 {
            return Err(wrong());
        }
        array.index_axis_move(Axis(0), 0).into_dimensionality::<Ix3>().map_err(|_| wrong())
    };
    Ok([first()?, first()?])
}

/// The sum of the maps `(height, width, channels)` times a weight each, after ReLU.
fn weighted(maps: &ndarray::Array3<f32>, weights: &[f32]) -> Array2<f32> {
    let mut sum = Array2::zeros((maps.shape()[0], maps.shape()[1]));
    for (map, &weight) in maps.axis_iter(Axis(2)).zip(weights) {
        sum.scaled_add(weight, &map);
    }
    sum.mapv_into(|value: f32| value.max(0.0))
}

/// The maps of a layer `(height, width)`, each weighed by the mean of its gradient, summed, after ReLU, not normalised; of the
/// first sample. Without a name it is the last convolution's (Selvaraju and others, 2017, <https://arxiv.org/abs/1610.02391>).
///
/// # Errors
/// If the sizes are not those of the model's input, there is no such class or layer, or no convolution.
pub fn grad_cam(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    layer: Option<&str>,
) -> Result<Array2<f32>> {
    let [maps, gradient] = maps_and_gradient(model, x, class, layer)?;
    let weights: Vec<f32> = gradient.axis_iter(Axis(2)).map(|map| map.sum() / map.len() as f32).collect();
    Ok(weighted(&maps, &weights))
}

/// As [`grad_cam`], with weights `Σ α · max(g, 0)`, `α = g² / (2 g² + g³ Σ A)`, for the exponential of the score but for that
/// factor (Chattopadhay and others, 2018, <https://arxiv.org/abs/1710.11063>).
///
/// # Errors
/// As [`grad_cam`].
pub fn grad_cam_plus_plus(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    layer: Option<&str>,
) -> Result<Array2<f32>> {
    let [maps, gradient] = maps_and_gradient(model, x, class, layer)?;
    let weight = |(map, gradient): (ndarray::ArrayView2<'_, f32>, ndarray::ArrayView2<'_, f32>)| {
        let sum = map.sum();
        let alpha = |g: f32| {
            let divisor = 2.0 * g * g + g * g * g * sum;
            if divisor == 0.0 { 0.0 } else { g * g / divisor }
        };
        gradient.iter().map(|&g| alpha(g) * g.max(0.0)).sum()
    };
    let weights: Vec<f32> = maps.axis_iter(Axis(2)).zip(gradient.axis_iter(Axis(2))).map(weight).collect();
    Ok(weighted(&maps, &weights))
}
