//! What explanations cost, in predictions: ResNet-50 with random weights, one picture.
//!
//! `cargo run --release -p convnet --example explain_speed`

use std::time::Instant;

use convnet::vision::explain::{Class, Explainer, Method};
use convnet::vision::zoo;
use ndarray::Array4;

/// Middle of several times, in milliseconds.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn timed<R>(work: impl FnOnce() -> R) -> (R, f64) {
    let start = Instant::now();
    let result = work();
    (result, 1e3 * start.elapsed().as_secs_f64())
}

fn main() -> convnet::nn::Result<()> {
    let model = zoo::resnet50().build()?;
    let x = Array4::from_shape_fn((1, 224, 224, 3), |(_, y, x, channel)| {
        ((y * 7 + x * 3 + channel) % 17) as f32 / 17.0
    });
    let mut explainer = Explainer::new(&model);
    let methods = [Method::GradCam];
    let (first, first_prediction) = timed(|| model.predict(x.view()));
    first?;
    let (first, first_map) = timed(|| explainer.explain(x.view().into_dyn(), &[Class::Top], &methods));
    first?;
    let mut with_gradient = Explainer::new(&model);
    with_gradient.explain(x.view().into_dyn(), &[Class::Top], &[Method::Saliency])?;
    let (mut predictions, mut maps, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
    // In turn, so that what else the machine does strikes all alike.
    for _ in 0..15 {
        predictions.push(timed(|| model.predict(x.view())).1);
        maps.push(timed(|| explainer.explain(x.view().into_dyn(), &[Class::Top], &methods)).1);
        gradients
            .push(timed(|| with_gradient.explain(x.view().into_dyn(), &[Class::Top], &[Method::Saliency])).1);
    }
    let prediction = median(predictions);
    println!("prediction {prediction:.1} ms, the first, with planning and packing, {first_prediction:.0} ms");
    println!("Grad-CAM {:.2} predictions, the first {first_map:.0} ms", median(maps) / prediction);
    println!("saliency {:.2} predictions", median(gradients) / prediction);
    Ok(())
}
