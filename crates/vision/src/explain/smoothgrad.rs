//! SmoothGrad: saliency, averaged over noisy copies.

use convnet_nn::model::Reading;
use convnet_nn::{Error, Model, Result};
use ndarray::{ArrayD, ArrayViewD};

use super::random::Random;
use super::{Class, Explainer, Method};

/// The mean of [`saliency`](super::saliency()) over `copies` of the input with Gaussian noise, whose standard deviation is the
/// share `noise` of the input's range (Smilkov and others, 2017, <https://arxiv.org/abs/1706.03825>).
///
/// # Errors
/// If the sizes are not those of the model's input, there is no such class, or no copy.
pub fn smoothgrad(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    copies: usize,
    noise: f32,
    seed: u64,
) -> Result<ArrayD<f32>> {
    let method = Method::Smoothgrad { copies, noise, seed };
    Ok(super::only(Explainer::new(model).explain(x, &[Class::Number(class)], &[method])?.values))
}

pub(super) fn of(
    explainer: &mut Explainer<'_>,
    x: ArrayViewD<'_, f32>,
    classes: &[f32],
    copies: usize,
    noise: f32,
    seed: u64,
) -> Result<ArrayD<f32>> {
    if copies == 0 {
        return Err(Error::argument("copies", "must be at least 1"));
    }
    let (low, high) = x
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    let deviation = noise * (high - low);
    let mut random = Random(seed);
    let mut sum = ArrayD::<f32>::zeros(x.raw_dim());
    for _ in 0..copies {
        let noisy = x.mapv(|value| value + deviation * random.normal());
        sum += &explainer.read(noisy.view(), classes, &[Reading::GradientByInput], false)?.remove(0);
    }
    Ok(sum / copies as f32)
}
