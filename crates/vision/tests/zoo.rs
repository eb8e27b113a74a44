//! The networks of the zoo have the layers, shapes and parameters of Keras's, or of their papers.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::collections::HashSet;

use convnet_nn::Model;
use convnet_vision::zoo::{self, Family, Network};
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
    let mut network = match name {
        "mobilenet-v3-small" => {
            zoo::mobilenet_v3_small().minimalistic(arguments["minimalistic"] == true).boxed()
        }
        _ => zoo::find(name).unwrap(),
    };
    if let Some(alpha) = arguments["alpha"].as_f64() {
        network = network.alpha(alpha).unwrap();
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

/// FNV-1a of 64 bits.
fn hash(text: &str) -> String {
    let value = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |value, byte| {
        (value ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{value:016x}")
}

#[test]
fn networks_are_those_of_keras() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/keras/zoo.json");
    let golden: Json = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let networks = golden["networks"].as_array().unwrap();
    assert!(networks.len() > 60);
    for expected in networks {
        let (name, arguments) = (expected["name"].as_str().unwrap(), &expected["arguments"]);
        let model = network(name, arguments).build_empty().unwrap();
        assert_eq!(model.name(), expected["model_name"], "{name} {arguments}");
        let lines = lines(&model);
        match &expected["layers"] {
            Json::Array(wanted) => {
                // Where the golden file has the last layers only, the others are those of another case.
                let whole = arguments["include_top"] != false || arguments["pooling"].is_string();
                assert_eq!(wanted.len(), if whole { lines.len() } else { 1 }, "{name} {arguments}");
                for (line, wanted) in lines[lines.len() - wanted.len()..].iter().zip(wanted) {
                    assert_eq!(line, wanted, "{name} {arguments}");
                }
            }
            count => {
                assert_eq!(lines.len() as u64, count.as_u64().unwrap(), "{name} {arguments}");
                let text = lines.join("\n");
                assert_eq!(hash(&text), expected["hash"], "{name} {arguments}\n{text}");
            }
        }
        assert_eq!(model.count_params() as u64, expected["parameters"].as_u64().unwrap(), "{name}");
        let trainable: usize =
            model.weights().filter(|weight| model.is_trained(weight)).map(|weight| weight.len()).sum();
        assert_eq!(
            trainable as u64,
            expected["trainable_parameters"].as_u64().unwrap(),
            "{name} {arguments}"
        );
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

/// Parameters of all weights, and of those that are trained.
fn counts(model: &Model) -> (usize, usize) {
    let trained = model.weights().filter(|weight| model.is_trained(weight)).map(|weight| weight.len()).sum();
    (model.count_params(), trained)
}

/// Counts of networks that Keras has not: those of the papers where they state them, else of the implementation that carries
/// the weights of the authors (Caffe's model zoo, timm), else sums by hand.
#[test]
fn other_networks_have_the_parameters_of_their_papers() {
    for (name, total, trained) in [
        ("lenet5", 60_840, 60_000),
        ("lenet", 61_706, 61_706),
        ("alexnet", 60_965_224, 60_965_224),
        ("zf-net", 62_357_608, 62_357_608),
        ("googlenet", 13_378_280, 13_378_280),
        ("inception-v4", 42_742_984, 42_679_816),
        ("resnet18-v2", 11_695_528, 11_687_720),
        ("resnet34-v2", 21_811_112, 21_795_880),
        ("se-resnet50", 28_141_144, 28_088_024),
        ("unet", 31_030_658, 31_030_658),
        ("fcn32s", 136_152_917, 136_152_917),
        ("fcn16s", 134_815_994, 134_815_994),
        ("fcn8s", 134_489_759, 134_489_759),
        ("efficientnet-lite0", 4_694_024, 4_652_008),
        ("efficientnet-lite1", 5_470_344, 5_416_680),
        ("efficientnet-lite2", 6_150_168, 6_092_072),
        ("efficientnet-lite3", 8_273_768, 8_197_096),
        ("efficientnet-lite4", 13_118_936, 13_006_568),
    ] {
        let model = zoo::find(name).unwrap().build_empty().unwrap();
        assert_eq!(counts(&model), (total, trained), "{name}");
    }
    let plain = zoo::googlenet().auxiliary(false).build_empty().unwrap();
    assert_eq!(plain.count_params(), 6_998_552);
    // In each of 40 modules of c channels, dense layers of c / 16 and c units.
    let excited = |c: usize| c * (c / 16) + c / 16 + (c / 16) * c + c;
    let added = 10 * excited(320) + 20 * excited(1088) + 10 * excited(2080);
    let model = zoo::se_inception_resnet_v2().build_empty().unwrap();
    assert_eq!(model.count_params(), 55_873_736 + added);
    let plain = zoo::bn_inception().build_empty().unwrap();
    let excited_one = zoo::se_bn_inception().build_empty().unwrap();
    let added: usize = [256, 320, 576, 576, 576, 576, 576, 1024, 1024, 1024].map(excited).iter().sum();
    assert_eq!(excited_one.count_params(), plain.count_params() + added);
    // The paper of SENet says 2.03 GFLOPs, of which it counts one a multiplication.
    let multiplications = plain.summary(1).unwrap().multiplications as f64;
    assert!((multiplications / 2.03e9 - 1.0).abs() < 0.05, "{multiplications}");
}

#[test]
fn lenet5_has_the_layers_of_its_paper() {
    let model = zoo::lenet5().build().unwrap();
    for (layer, shape, parameters) in [
        ("c1", &[28, 28, 6][..], 156),
        ("s2", &[14, 14, 6], 12),
        ("c3", &[10, 10, 16], 1_516),
        ("s4", &[5, 5, 16], 32),
        ("c5", &[1, 1, 120], 48_120),
        ("f6", &[84], 10_164),
    ] {
        let summary = model.summary(1).unwrap();
        let row = summary.layers.iter().find(|row| row.name == layer).unwrap();
        assert_eq!((&row.output_shape[..], row.parameters), (shape, parameters), "{layer}");
    }
    // The picture of a digit is as far from another digit's as they differ in pixels, times 2².
    let centres = model.weight_values(model.weight("output/centres").unwrap());
    for a in 0..10 {
        for b in 0..a {
            let pixels = (0..84).filter(|&pixel| centres[[a, pixel]] != centres[[b, pixel]]).count();
            assert!(pixels > 5, "{a} and {b} differ in {pixels} pixels only");
        }
    }
}

#[test]
fn layers_before_the_classifier_have_the_sizes_of_the_papers() {
    for (name, layer, shape) in [
        ("alexnet", "conv1", [55, 55, 96]),
        ("alexnet", "pool5", [6, 6, 256]),
        ("zf-net", "conv1", [110, 110, 96]),
        ("zf-net", "conv2", [26, 26, 256]),
        ("zf-net", "pool5", [6, 6, 256]),
        ("googlenet", "inception_3a_output", [28, 28, 256]),
        ("googlenet", "inception_4e_output", [14, 14, 832]),
        ("googlenet", "inception_5b_output", [7, 7, 1024]),
        ("inception-v4", "stem3", [35, 35, 384]),
        ("inception-v4", "reduction_a", [17, 17, 1024]),
        ("inception-v4", "inception_c3", [8, 8, 1536]),
        ("unet", "down5_conv2", [28, 28, 1024]),
        ("unet", "predictions", [388, 388, 2]),
        ("fcn8s", "upscore", [224, 224, 21]),
    ] {
        let summary = zoo::find(name).unwrap().build_empty().unwrap().summary(1).unwrap();
        let row = summary.layers.iter().find(|row| row.name == layer).unwrap();
        assert_eq!(row.output_shape, shape, "{name} {layer}");
    }
}

/// Each module with weights of torchvision's or timm's network is one layer here, and each layer one module there.
#[test]
fn networks_of_pytorch_have_the_modules_of_theirs() {
    let rows: Json = serde_json::from_str(include_str!("../../../golden/pytorch/modules.json")).unwrap();
    for row in rows.as_array().unwrap() {
        let text = |key: &str| row[key].as_str().unwrap();
        let network = zoo::find(text("network")).unwrap();
        let model = network.as_in_pytorch(text("habits").parse().unwrap()).build_empty().unwrap();
        let known = zoo::pytorch_modules(&model);
        let there: HashSet<&str> =
            row["modules"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let mut taken = HashSet::new();
        let layers: HashSet<&str> = model.weights().map(|weight| weight.layer.as_str()).collect();
        for layer in layers {
            let found: Vec<&str> =
                known[layer].iter().map(String::as_str).filter(|name| there.contains(name)).collect();
            assert!(found.len() == 1 && taken.insert(found[0]), "{}: {layer} is {found:?}", text("from"));
        }
        assert_eq!(taken.len(), there.len(), "{}", text("from"));
    }
}

#[test]
fn weights_of_networks_that_pytorch_builds_otherwise_keep_their_names() {
    for name in [
        "resnet50",
        "resnet50-v2",
        "mobilenet",
        "mobilenet-v2",
        "mobilenet-v3-small",
        "efficientnet-b0",
        "convnext-tiny",
        "inception-v3",
    ] {
        let network = zoo::find(name).unwrap();
        assert!(zoo::pytorch_modules(&network.build_empty().unwrap()).is_empty(), "{name}");
    }
    for name in ["resnet18", "vgg16", "densenet121", "efficientnet-lite0", "inception-v4"] {
        let network = zoo::find(name).unwrap();
        assert!(!zoo::pytorch_modules(&network.build_empty().unwrap()).is_empty(), "{name}");
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
