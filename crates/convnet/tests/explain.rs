//! Explanations against TensorFlow's numbers (`golden/keras/make_explain.py`), and what must hold of them.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::path::PathBuf;

use convnet::nn::layers::{Dense, Flatten};
use convnet::prelude::*;
use convnet::vision::explain;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras").join(name)
}

fn numbers(json: &Json) -> Vec<f32> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn open() -> (Model, Json, ArrayD<f32>) {
    let json: Json = serde_json::from_slice(&std::fs::read(golden("explain.json")).unwrap()).unwrap();
    let x = ArrayD::from_shape_vec(IxDyn(&[1, 12, 12, 3]), numbers(&json["input"])).unwrap();
    (load_model(golden("explain.keras")).unwrap(), json, x)
}

/// Within 1e-4 of the largest expected number.
#[track_caller]
fn close<'a>(values: impl IntoIterator<Item = &'a f32>, expected: &Json) {
    let (values, expected): (Vec<f32>, _) = (values.into_iter().copied().collect(), numbers(expected));
    assert_eq!(values.len(), expected.len());
    let most = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!(most > 0.0, "nothing to compare");
    for (index, (value, expected)) in values.iter().zip(&expected).enumerate() {
        assert!((value - expected).abs() <= 1e-4 * most, "{value} for {expected} at {index}");
    }
}

#[test]
fn gradients_and_maps_are_tensorflows() {
    let (model, json, x) = open();
    let class = json["class"].as_u64().unwrap() as usize;
    let x = x.view();
    close(model.predict(x.view()).unwrap().iter(), &json["probabilities"]);
    let score = explain::scores(&model, x.view()).unwrap()[[0, class]];
    close([&score], &Json::from(vec![json["score"].clone()]));
    close(explain::saliency(&model, x.view(), class).unwrap().iter(), &json["saliency"]);
    close(explain::guided_backprop(&model, x.view(), class).unwrap().iter(), &json["guided"]);
    let cam = explain::grad_cam(&model, x.view(), class, None).unwrap();
    assert_eq!(Json::from(cam.shape().to_vec()), json["cam_sizes"]);
    close(cam.iter(), &json["cam"]);
    assert_eq!(cam, explain::grad_cam(&model, x.view(), class, Some("last")).unwrap());
    let steps = json["steps"].as_u64().unwrap() as usize;
    let black = ArrayD::zeros(x.raw_dim());
    let integrated = explain::integrated_gradients(&model, x, black.view(), class, steps).unwrap();
    close(integrated.iter(), &json["integrated"]);
}

#[test]
fn a_network_of_an_onnx_file_is_explained_as_the_one_that_was_written() {
    let (model, json, x) = open();
    let class = json["class"].as_u64().unwrap() as usize;
    let bytes = convnet::interop::onnx::to_bytes(&model).unwrap();
    let model = convnet::interop::onnx::Import::new().from_bytes(bytes).unwrap().model;
    close(explain::saliency(&model, x.view(), class).unwrap().iter(), &json["saliency"]);
    close(explain::guided_backprop(&model, x.view(), class).unwrap().iter(), &json["guided"]);
    // The rectifier is a node of its own in such a file, and a layer here.
    let last = model.layers().iter().rfind(|layer| layer.class_name() == "ReLU").unwrap().name();
    let cam = explain::grad_cam(&model, x.view(), class, Some(last)).unwrap();
    assert_eq!(Json::from(cam.shape().to_vec()), json["cam_sizes"]);
    close(cam.iter(), &json["cam"]);
}

#[test]
fn integrated_gradients_sum_to_the_difference_of_scores() {
    let (model, _, x) = open();
    let black = ArrayD::zeros(x.raw_dim());
    let scores = explain::scores(&model, x.view()).unwrap() - explain::scores(&model, black.view()).unwrap();
    for class in 0..5 {
        let parts = explain::integrated_gradients(&model, x.view(), black.view(), class, 4000).unwrap();
        let (sum, difference) = (parts.sum(), scores[[0, class]]);
        assert!((sum - difference).abs() < 0.01 * difference.abs().max(1.0), "{sum} for {difference}");
    }
}

#[test]
fn activations_are_what_a_model_up_to_the_layer_predicts() {
    let (model, _, x) = open();
    let found = explain::activations(&model, x.view(), &["pool", "classes"]).unwrap();
    assert_eq!(found[0].shape(), [1, 6, 6, 4]);
    close(found[1].iter(), &Json::from(model.predict(x.view()).unwrap().iter().copied().collect::<Vec<_>>()));
}

#[test]
fn a_covered_part_counts_as_much_as_the_score_falls() {
    let (model, _, x) = open();
    let falls = explain::occlusion(&model, x.view(), 2, 12, 1, 0.0).unwrap();
    let black = ArrayD::zeros(x.raw_dim());
    let scores = explain::scores(&model, x.view()).unwrap() - explain::scores(&model, black.view()).unwrap();
    assert_eq!(falls.shape(), [1, 1]);
    assert!((falls[[0, 0]] - scores[[0, 2]]).abs() < 1e-4);
}

#[test]
fn smoothgrad_without_noise_is_saliency() {
    let (model, _, x) = open();
    let smooth = explain::smoothgrad(&model, x.view(), 1, 3, 0.0, 7).unwrap();
    let plain = explain::saliency(&model, x.view(), 1).unwrap();
    close(smooth.iter(), &Json::from(plain.iter().copied().collect::<Vec<_>>()));
    assert_ne!(explain::smoothgrad(&model, x.view(), 1, 3, 0.3, 7).unwrap(), plain);
}

#[test]
fn errors_tell_what_is_wrong() {
    let (model, _, x) = open();
    let says = |problem: convnet::nn::Error, text: &str| {
        assert!(problem.to_string().contains(text), "no {text:?} in: {problem}");
    };
    says(explain::saliency(&model, x.view(), 5).unwrap_err(), "there is no 5");
    says(explain::grad_cam(&model, x.view(), 0, Some("lsat")).unwrap_err(), "did you mean `last`?");
    says(explain::grad_cam(&model, x.view(), 0, Some("flat")).unwrap_err(), "is not maps");
    let dense = Sequential::new([12, 12, 3]).add(Flatten::new()).add(Dense::new(2)).build().unwrap();
    says(explain::grad_cam(&dense, x.view(), 0, None).unwrap_err(), "no convolution");
    says(explain::integrated_gradients(&model, x.view(), x.view(), 0, 0).unwrap_err(), "at least 1");
}
