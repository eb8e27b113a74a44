//! Integrated gradients.

use convnet_nn::model::Reading;
use convnet_nn::{Error, Model, Result};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::{Class, Explainer};

/// How much each input number adds to the score of a class on the way from a baseline:
/// `(x − b) · ∫₀¹ ∂score(b + t (x − b)) dt`, by the midpoint rule in so many steps, of the shape of the input. The sum nears
/// score(x) − score(b) as the steps become more (Sundararajan, Taly, Yan, 2017, <https://arxiv.org/abs/1703.01365>).
///
/// # Errors
/// If sizes are not those of the model's input, there is no such class, or no step.
pub fn integrated_gradients(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    baseline: ArrayViewD<'_, f32>,
    class: usize,
    steps: usize,
) -> Result<ArrayD<f32>> {
    let mut explainer = Explainer::new(model);
    let count = x.shape().first().copied().unwrap_or(0);
    let classes = explainer.choices(&[Class::Number(class)], count)?;
    of(&mut explainer, x, baseline, &classes, steps)
}

pub(super) fn of(
    explainer: &mut Explainer<'_>,
    x: ArrayViewD<'_, f32>,
    baseline: ArrayViewD<'_, f32>,
    classes: &[f32],
    steps: usize,
) -> Result<ArrayD<f32>> {
    if x.shape() != baseline.shape() {
        let (expected, received) = (format!("{:?}", x.shape()), format!("{:?}", baseline.shape()));
        return Err(Error::Data { what: "baseline", expected, received });
    }
    if steps == 0 {
        return Err(Error::argument("steps", "must be at least 1"));
    }
    let mut results = ArrayD::zeros(x.raw_dim());
    let samples = x.axis_iter(Axis(0)).zip(baseline.axis_iter(Axis(0)));
    for (((sample, base), class), mut result) in samples.zip(classes).zip(results.axis_iter_mut(Axis(0))) {
        let way = &sample - &base;
        let mut sum = ArrayD::<f32>::zeros(sample.raw_dim());
        // So many at once that memory does not depend on the number of steps.
        for first in (0..steps).step_by(64) {
            let count = (steps - first).min(64);
            let mut points = ArrayD::zeros(IxDyn(&[&[count], sample.shape()].concat()));
            for (step, mut point) in points.axis_iter_mut(Axis(0)).enumerate() {
                let share = ((first + step) as f32 + 0.5) / steps as f32;
                point.assign(&(&base + &way.mapv(|value| value * share)));
            }
            let gradients =
                explainer.read(points.view(), &[*class], &[Reading::GradientByInput], false)?.remove(0);
            sum += &gradients.sum_axis(Axis(0));
        }
        result.assign(&(sum / steps as f32 * way));
    }
    Ok(results)
}
