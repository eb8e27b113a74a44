//! A step of SGD changes the weights of networks of keras.applications as Keras does: `golden/keras/step.json`.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::path::Path;

use convnet_nn::losses::SparseCategoricalCrossentropy;
use convnet_nn::optimizers::Sgd;
use convnet_nn::train::Arrays;
use convnet_nn::{Fit, Model, Weight, model};
use convnet_vision::zoo;
use ndarray::{Array1, Array4, ArrayD};
use serde_json::Value as Json;

/// Numbers from 0 to 1 by the formula of `golden/keras/make_step.py`.
fn numbers(count: usize, stream: usize) -> impl Iterator<Item = f64> {
    let first = (stream as u32).wrapping_mul(1_000_003).wrapping_add(1);
    (0..count as u32).map(move |i| {
        let mut h = first.wrapping_add(i).wrapping_mul(2_654_435_761);
        h ^= h >> 15;
        h = h.wrapping_mul(2_246_822_519);
        h ^= h >> 13;
        f64::from(h >> 8) / f64::from(1 << 24)
    })
}

/// What a weight is before the step.
fn start(weight: &Weight, stream: usize) -> ArrayD<f32> {
    let dims = &weight.dims;
    let fan = match dims[..] {
        [height, width, _, 1] => height * width,
        _ => dims[..dims.len() - 1].iter().product(),
    };
    let limit = (6.0 / fan as f64).sqrt();
    let value = |u: f64| match weight.name {
        _ if dims.len() > 1 => (2.0 * u - 1.0) * limit,
        "gamma" => 0.75 + 0.5 * u,
        "moving_variance" | "variance" => 0.5 + u,
        _ => 0.2 * (u - 0.5),
    };
    let values = numbers(weight.len(), stream).map(|u| value(u) as f32).collect();
    ArrayD::from_shape_vec(dims.clone(), values).unwrap()
}

/// The network, with dropout switched off.
fn build(about: &Json, expected: &Json) -> Model {
    let number = |key: &str| about[key].as_u64().unwrap() as usize;
    let size = number("size");
    let network = zoo::find(expected["network"].as_str().unwrap()).unwrap().input_shape([size, size, 3]);
    let mut network = network.classes(number("classes"));
    if let Some(alpha) = expected.get("alpha") {
        network = network.alpha(alpha.as_f64().unwrap()).unwrap();
    }
    let mut config = network.build_empty().unwrap().config();
    for layer in config["config"]["layers"].as_array_mut().unwrap() {
        if layer["class_name"] == "Dropout" {
            layer["config"]["rate"] = 0.0.into();
        }
    }
    model::from_config(&config).unwrap()
}

/// Makes the step; gives its loss.
fn step(model: &mut Model, about: &Json, white: f64) -> f64 {
    let number = |key: &str| about[key].as_u64().unwrap() as usize;
    let (size, classes, batch) = (number("size"), number("classes"), number("batch"));
    let pixels = numbers(batch * size * size * 3, 5000).map(|u| (u * white) as f32).collect();
    let x = Array4::from_shape_vec((batch, size, size, 3), pixels).unwrap();
    let y: Array1<f32> = (0..batch).map(|sample| (sample * 3 % classes) as f32).collect();
    let rate = about["rate"].as_f64().unwrap() as f32;
    model.compile(Sgd::new(rate), SparseCategoricalCrossentropy::default(), []).unwrap();
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let history = model.fit(&data, Fit::new().batch_size(batch).shuffle(false)).unwrap();
    history.epochs[0].loss
}

/// A step may be off from that in double precision by so many times what Keras's own in single precision is: both are off by chance.
const SLACK: f64 = 4.0;
/// And by so much in networks of rectifiers. With other kernels, which differ by rounding alone, the medians of the very same steps are 2.3e-6 to 2.4e-4
/// (DenseNet121), 7.6e-6 to 3.6e-5 (ResNet-50), 2.6e-6 to 9.9e-6 (MobileNetV2), the largest 1e-3 to 3e-2: as if rectifiers switched at 0, which changes all
/// gradients before them. Of EfficientNet's smooth functions, with which nothing of the kind is seen, the measure above is enough.
const SWITCHES: [(&str, f64); 4] = [("loss", 3e-5), ("median", 1e-3), ("ninety", 0.03), ("most", 0.1)];

fn a_step_is_keras_s(name: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras/step.json");
    let about: Json = serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    let expected = about["networks"].as_array().unwrap().iter().find(|one| one["network"] == name).unwrap();
    let mut model = build(&about, expected);
    // What a normalisation has counted is of no consequence.
    let weights: Vec<Weight> = model.weights().filter(|weight| weight.name != "count").cloned().collect();
    let before: Vec<ArrayD<f32>> = weights.iter().enumerate().map(|(i, weight)| start(weight, i)).collect();
    for (weight, values) in weights.iter().zip(&before) {
        model.set_weight(&weight.path, values.view()).unwrap();
    }
    let loss = step(&mut model, &about, expected["white"].as_f64().unwrap());
    let off = |what: &str| {
        let switched = SWITCHES.iter().find(|(known, _)| *known == what && name != "efficientnet-b0");
        (SLACK * expected["single"][what].as_f64().unwrap()).max(switched.map_or(0.0, |&(_, off)| off))
    };
    let wanted = expected["loss"].as_f64().unwrap();
    let far = (loss / wanted - 1.0).abs();
    println!("{name}: loss {loss}, off by {far:.1e}, Keras by {}", expected["single"]["loss"]);
    assert!(far <= off("loss"), "loss {loss} instead of {wanted}");
    let changes = expected["changes"].as_array().unwrap();
    assert_eq!(changes.len(), weights.len());
    let number = |change: &Json, at: usize| change[at].as_f64().unwrap();
    let mut all = Vec::new();
    for (index, ((weight, before), expected)) in weights.iter().zip(&before).zip(changes).enumerate() {
        assert_eq!(weight.path, expected[0].as_str().unwrap());
        let after = model.weight_values(weight);
        let change: Vec<f64> = after.iter().zip(before).map(|(&a, &b)| f64::from(a) - f64::from(b)).collect();
        let norm = change.iter().map(|x| x * x).sum::<f64>().sqrt();
        let product: f64 =
            change.iter().zip(numbers(change.len(), 6000 + index)).map(|(x, u)| x * (u - 0.5)).sum();
        let largest = (weights.iter().zip(changes))
            .filter(|(other, _)| other.layer == weight.layer)
            .map(|(_, change)| number(change, 1))
            .fold(0.0, f64::max);
        let far = (norm - number(expected, 1)).abs().max((product - number(expected, 2)).abs());
        // What is not trained stays as it is.
        let far = far / if largest > 0.0 { largest } else { 1.0 };
        all.push((far, &weight.path));
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (what, at) in [("median", all.len() / 2), ("ninety", all.len() * 9 / 10), ("most", all.len() - 1)] {
        let ((far, path), single) = (all[at], &expected["single"][what]);
        println!("{name}: changes off by {far:.1e}, {what} ({path}), Keras by {single}");
        assert!(
            far <= off(what),
            "{path}: off by {far:.1e} of its layer's change, {what}, Keras by {single}"
        );
    }
}

#[test]
fn a_step_of_resnet50_is_keras_s() {
    a_step_is_keras_s("resnet50");
}

#[test]
fn a_step_of_mobilenet_v2_is_keras_s() {
    a_step_is_keras_s("mobilenet-v2");
}

#[test]
fn a_step_of_densenet121_is_keras_s() {
    a_step_is_keras_s("densenet121");
}

#[test]
fn a_step_of_efficientnet_b0_is_keras_s() {
    a_step_is_keras_s("efficientnet-b0");
}
