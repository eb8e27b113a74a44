//! Grad-CAM and Grad-CAM++: which places of a layer's maps speak for a class.

use convnet_nn::{Error, Model, Result};
use ndarray::{Array2, Array3, ArrayD, ArrayView2, ArrayView3, ArrayView4, ArrayViewD, Axis, Ix2, Ix4};

use super::{Class, Explainer, Method};

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
    first(model, x, class, layer, Method::GradCam)
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
    first(model, x, class, layer, Method::GradCamPlusPlus)
}

/// The map of the first sample by a method.
pub(super) fn first(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    layer: Option<&str>,
    method: Method,
) -> Result<Array2<f32>> {
    let mut explainer = Explainer::new(model);
    if let Some(layer) = layer {
        explainer = explainer.at_layer(layer)?;
    }
    let found = explainer.explain(x, &[Class::Number(class)], &[method])?;
    let map = super::first_of(super::only(found.values))?;
    Ok(map.into_dimensionality::<Ix2>().expect("rows and columns"))
}

/// Refuses a layer whose output is not maps `(count, height, width, channels)`.
pub(super) fn check_maps(layer: &str, values: &ArrayD<f32>) -> Result<()> {
    if values.ndim() == 4 {
        return Ok(());
    }
    let problem = format!("its output {:?} is not maps (count, height, width, channels)", values.shape());
    Err(Error::argument(format!("layer `{layer}`"), problem))
}

/// Maps `(count, height, width, channels)`.
pub(super) fn maps(values: &ArrayD<f32>) -> ArrayView4<'_, f32> {
    values.view().into_dimensionality::<Ix4>().expect("the explainer has checked it")
}

/// `(count, height, width)`: the maps of each sample times a weight each, summed, after ReLU.
pub(super) fn weighed(
    layer: ArrayView4<'_, f32>,
    mut weight: impl FnMut(usize, usize) -> f32,
) -> Array3<f32> {
    let (count, height, width, channels) = layer.dim();
    let mut sums = Array3::zeros((count, height, width));
    for (sample, (maps, mut sum)) in layer.axis_iter(Axis(0)).zip(sums.axis_iter_mut(Axis(0))).enumerate() {
        for channel in 0..channels {
            sum.scaled_add(weight(sample, channel), &maps.index_axis(Axis(2), channel));
        }
    }
    sums.mapv_into(|value: f32| value.max(0.0))
}

pub(super) fn of_gradient(layer: &ArrayD<f32>, gradient: &ArrayD<f32>) -> ArrayD<f32> {
    let (layer, gradient) = (maps(layer), maps(gradient));
    let mean = |sample, channel| {
        let map = one(&gradient, sample).index_axis_move(Axis(2), channel);
        map.sum() / map.len().max(1) as f32
    };
    weighed(layer, mean).into_dyn()
}

pub(super) fn plus_plus_of_gradient(layer: &ArrayD<f32>, gradient: &ArrayD<f32>) -> ArrayD<f32> {
    let (layer, gradient) = (maps(layer), maps(gradient));
    let weight = |sample, channel| {
        let map: ArrayView2<'_, f32> = one(&layer, sample).index_axis_move(Axis(2), channel);
        let sum = map.sum();
        let alpha = |g: f32| {
            let divisor = 2.0 * g * g + g * g * g * sum;
            if divisor == 0.0 { 0.0 } else { g * g / divisor }
        };
        let gradient = one(&gradient, sample).index_axis_move(Axis(2), channel);
        gradient.iter().map(|&g| alpha(g) * g.max(0.0)).sum()
    };
    weighed(layer, weight).into_dyn()
}

fn one<'v>(values: &'v ArrayView4<'v, f32>, sample: usize) -> ArrayView3<'v, f32> {
    values.index_axis(Axis(0), sample)
}
