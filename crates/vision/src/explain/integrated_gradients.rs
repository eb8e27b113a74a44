//! Integrated gradients.

use convnet_nn::model::{Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};

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
    if x.shape() != baseline.shape() {
        let (expected, received) = (format!("{:?}", x.shape()), format!("{:?}", baseline.shape()));
        return Err(Error::Data { what: "baseline", expected, received });
    }
    if steps == 0 {
        return Err(Error::argument("steps", "must be at least 1"));
    }
    let mut probe = model.probe(&Start::Scores, &[Reading::GradientByInput], false)?;
    let seed = super::seed_of_class(probe.start_shape(), class)?;
    let way = &x - &baseline;
    let mut results = Vec::new();
    for (sample, base) in way.axis_iter(Axis(0)).zip(baseline.axis_iter(Axis(0))) {
        let points: Vec<ArrayD<f32>> = (0..steps)
            .map(|step| &base + &sample.mapv(|value| value * ((step as f32 + 0.5) / steps as f32)))
            .map(|point| point.insert_axis(Axis(0)))
            .collect();
        let mut mean = ArrayD::<f32>::zeros(sample.raw_dim());
        for part in points.chunks(64) {
            let views: Vec<_> = part.iter().map(|point| point.view()).collect();
            let batch = concatenate(Axis(0), &views).expect("all have the shape of a sample");
            mean += &probe.run(batch.view(), &seed)?.remove(0).sum_axis(Axis(0));
        }
        results.push((mean / steps as f32 * sample).insert_axis(Axis(0)));
    }
    let views: Vec<_> = results.iter().map(|result| result.view()).collect();
    concatenate(Axis(0), &views).map_err(|_| Error::argument("explain", "no picture was given"))
}
