//! The networks of the zoo have the layers, shapes and parameters of Keras's, or of their papers.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_nn::Model;
use convnet_vision::zoo::{self, Family, MobileNetV2, Network};
use serde_json::Value as Json;

/// A layer in a line, as `golden/keras/make_zoo.py` writes it.
fn lines(model: &Model) -> Vec<String> {
    let summary = model.summary(1).unwrap();
    let line = |row: &convnet_nn::model::LayerRow| {
        let sizes: Vec<String> = row.output_shape.iter().map(ToString::to_string).collect();
        format!("{} {} {} {}", row.name, row.class, sizes.join("x"), row.parameters)
    };
    summary.layers.iter().map(line).collect()
}

fn network(name: &str, arguments: &Json) -> Network<Box<dyn Family>> {
    let mut network = zoo::find(name).unwrap();
    if let Some(alpha) = arguments["alpha"].as_f64() {
        let wide: Network<MobileNetV2> = zoo::mobilenet_v2().alpha(alpha);
        network = wide.boxed();
    }
    if let Some(include_top) = arguments["include_top"].as_bool() {
        network = network.include_top(include_top);
    }
    if let Some(classes) = arguments["classes"].as_u64() {
        network = network.classes(classes as usize);
    }
    if let Some(pooling) = arguments["pooling"].as_str() {
        network = network.pooling(pooling.parse().unwrap());
    }
    if let Some(sizes) = arguments["input_shape"].as_array() {
        network = network.input_shape([0, 1, 2].map(|axis| sizes[axis].as_u64().unwrap() as usize));
    }
    network
}

#[test]
fn networks_are_those_of_keras() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/keras/zoo.json");
    let golden: Json = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let networks = golden["networks"].as_array().unwrap();
    assert!(networks.len() > 15);
    for expected in networks {
        let (name, arguments) = (expected["name"].as_str().unwrap(), &expected["arguments"]);
        let model = network(name, arguments).build().unwrap();
        assert_eq!(model.name(), expected["model_name"], "{name} {arguments}");
        let whole = arguments["include_top"] != false || arguments["pooling"].is_string();
        let wanted: Vec<&str> =
            expected["layers"].as_array().unwrap().iter().map(|layer| layer.as_str().unwrap()).collect();
        let lines = lines(&model);
        assert_eq!(wanted.len(), if whole { lines.len() } else { 1 }, "{name} {arguments}");
        // Where the golden file has the last layers only, the others are those of another case.
        for (line, wanted) in lines[lines.len() - wanted.len()..].iter().zip(&wanted) {
            assert_eq!(line, wanted, "{name} {arguments}");
        }
        let summary = model.summary(1).unwrap();
        assert_eq!(summary.total_parameters as u64, expected["parameters"].as_u64().unwrap(), "{name}");
        let trainable = expected["trainable_parameters"].as_u64().unwrap();
        assert_eq!(summary.trainable_parameters as u64, trainable, "{name} {arguments}");
    }
}

#[test]
fn small_residual_networks_are_those_of_the_paper() {
    for (network, classes, total, trainable) in [
        (zoo::resnet18(), 1000, 11_699_112, 11_689_512),
        (zoo::resnet34(), 1000, 21_814_696, 21_797_672),
        (zoo::resnet34(), 10, 21_306_826, 21_289_802),
    ] {
        let model = network.classes(classes).build().unwrap();
        let summary = model.summary(1).unwrap();
        assert_eq!((summary.total_parameters, summary.trainable_parameters), (total, trainable));
        for (layer, shape) in [
            ("conv1_conv", [112, 112, 64]),
            ("pool1_pool", [56, 56, 64]),
            ("conv2_block1_out", [56, 56, 64]),
            ("conv3_block1_1_conv", [28, 28, 128]),
            ("conv4_block1_0_bn", [14, 14, 256]),
            ("conv5_block2_2_conv", [7, 7, 512]),
        ] {
            let row = summary.layers.iter().find(|row| row.name == layer).unwrap();
            assert_eq!(row.output_shape, shape, "{layer}");
        }
    }
}

#[test]
fn arguments_that_are_not_possible_are_refused() {
    let small = zoo::vgg16().input_shape([31, 64, 3]).build().unwrap_err().to_string();
    assert!(small.contains("vgg16") && small.contains("32 × 32") && small.contains("31 × 64"), "{small}");
    for network in [zoo::mobilenet_v2().alpha(0.0), zoo::mobilenet_v2().alpha(f64::NAN)] {
        assert!(network.build().unwrap_err().to_string().contains("alpha"));
    }
    assert!(zoo::resnet18().classes(0).build().unwrap_err().to_string().contains("predictions"));
    assert!(zoo::resnet18().input_shape([0, 5, 3]).build().is_err());
}

#[test]
fn names_in_the_registry_are_found() {
    for known in zoo::REGISTRY {
        assert!(zoo::find(known.name).is_some());
        assert!(zoo::find(&known.name.replace('-', "_")).is_some());
    }
    assert!(zoo::find("resnet19").is_none());
}
