//! Operations against Keras: activations with their arguments, normalisations, sizes of images; outputs and gradients.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use common::{Tensor, assert_close, golden_json, placeholders, run};
use convnet_engine::ops::*;
use convnet_engine::{Graph, Program, Shape, Value, gradients};
use serde_json::Value as Json;

const TOLERANCE: f32 = 2e-5;

fn number(config: &Json, key: &str, default: f32) -> f32 {
    config.get(key).map_or(default, |value| value.as_f64().unwrap() as f32)
}

fn count(config: &Json, key: &str) -> usize {
    config[key].as_u64().unwrap() as usize
}

fn list(config: &Json) -> Vec<usize> {
    config.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

/// The function of one number that a case is about, if it is about one.
fn function(name: &str, config: &Json) -> Option<Activation> {
    let threshold = |default| number(config, "threshold", default);
    Some(match name {
        "relu" => Activation::Rectifier {
            negative_slope: number(config, "negative_slope", 0.0),
            max_value: number(config, "max_value", f32::INFINITY),
            threshold: threshold(0.0),
        },
        "gelu" => Activation::Gelu { approximate: config["approximate"].as_bool().unwrap() },
        "celu" => Activation::celu(number(config, "alpha", 1.0)),
        "squareplus" => Activation::Squareplus { b: number(config, "b", 4.0) },
        "hard_shrink" => Activation::HardShrink { threshold: threshold(0.5) },
        "soft_shrink" => Activation::SoftShrink { threshold: threshold(0.5) },
        "threshold" => {
            Activation::Threshold { threshold: threshold(0.0), value: number(config, "value", 0.0) }
        }
        _ => return None,
    })
}

/// Adds the operation of a case to a graph.
fn build(graph: &mut Graph, name: &str, config: &Json, x: &[Value]) -> Value {
    if let Some(function) = function(name, config) {
        return graph.apply(Activate(function), x).unwrap();
    }
    let axes = || count(config, "axes");
    let epsilon = number(config, "epsilon", 0.0);
    let rows = |function, scale, center| RowNorm { function, axes: axes(), scale, center };
    let border = || -> Vec<(usize, usize)> {
        config["border"].as_array().unwrap().iter().map(list).map(|sides| (sides[0], sides[1])).collect()
    };
    let added = match name {
        "activation" => {
            let activation: convnet_nn::Activation = config["name"].as_str().unwrap().parse().unwrap();
            return activation.apply(graph, x[0]).unwrap();
        }
        // Keras counts the batch as an axis.
        "softmax" => softmax_along(graph, x[0], count(config, "axis") - 1),
        "log_softmax" => log_softmax_along(graph, x[0], count(config, "axis") - 1),
        "layer_norm" => graph.apply(rows(RowNormFunction::Layer { epsilon }, true, true), x),
        "variance_norm" => graph.apply(rows(RowNormFunction::Variance { epsilon }, true, false), x),
        "rms_norm" => graph.apply(rows(RowNormFunction::RootMeanSquare { epsilon }, true, false), x),
        "unit_norm" => graph.apply(rows(RowNormFunction::Unit { epsilon: 1e-12 }, false, false), x),
        "group_norm" => {
            let groups = count(config, "groups");
            graph.apply(GroupNorm { groups, epsilon, scale: true, center: true }, x)
        }
        "lrn" => {
            let [bias, alpha, beta] = ["bias", "alpha", "beta"].map(|key| number(config, key, 0.0));
            let depth_radius = count(config, "depth_radius");
            graph.apply(ResponseNorm(Response { depth_radius, bias, alpha, beta }), x)
        }
        "resize" => {
            let interpolation = match config["method"].as_str().unwrap() {
                "nearest" => Interpolation::Nearest,
                _ => Interpolation::Bilinear,
            };
            let size = list(&config["size"]);
            graph.apply(Resize { size: [size[0], size[1]], interpolation }, x)
        }
        "pad" => graph.apply(Pad { border: border(), value: 0.0 }, x),
        "crop" => graph.apply(Crop { border: border() }, x),
        "adaptive_average" => graph.apply(AdaptiveAveragePool { size: list(&config["size"]) }, x),
        "adaptive_max" => graph.apply(AdaptiveMaxPool { size: list(&config["size"]) }, x),
        "channel_max" => graph.apply(ChannelMaxPool { window: count(config, "window") }, x),
        _ => panic!("no operation stands for `{name}`"),
    };
    added.unwrap()
}

#[test]
fn operations_give_keras_numbers() {
    let golden = golden_json("operations.json");
    let cases = golden["cases"].as_array().unwrap();
    for case in cases {
        for passes in [false, true] {
            check(case, passes);
        }
    }
    assert!(cases.len() > 80, "the golden file has all its cases");
}

fn check(case: &Json, passes: bool) {
    let (name, config) = (case["name"].as_str().unwrap(), &case["config"]);
    let what = format!("{name} {config}");
    let inputs = Tensor::read_all(&case["inputs"]);
    let mut program = Program::default();
    let graph = &mut program.graph;
    let mut x = placeholders(graph, &inputs[..1], true);
    x.extend(placeholders(graph, &inputs[1..], false));
    let y = build(graph, name, config, &x);
    let output = Tensor::read(&case["output"]);
    assert_eq!(*graph.shape(y), output.batched(), "{what}: shape");
    let seed_values = Tensor::read(&case["grad_output"]);
    let seed = graph.input(Shape::batched(&seed_values.dims[1..]));
    let found = gradients(graph, y, Some(seed), &x).unwrap();
    program.fetches = std::iter::once(y).chain(found.into_iter().map(Option::unwrap)).collect();
    let slices: Vec<&[f32]> = inputs.iter().chain([&seed_values]).map(|tensor| &*tensor.values).collect();
    let fetched = run(program, inputs[0].dims[0], &slices, &mut [], passes);
    assert_close(&what, &fetched[0], &output.values, TOLERANCE);
    for (i, expected) in Tensor::read_all(&case["gradients"]).iter().enumerate() {
        assert_close(&format!("{what}: gradient {i}"), &fetched[1 + i], &expected.values, TOLERANCE);
    }
}
