//! Arrays by name, filters made by hand, and weights from other programs.

use convnet::interop::safetensors;
use convnet::nn::layers::{Add, Dense};
use convnet::prelude::{Model, Symbol, save_model};
use convnet::vision::zoo;
use ndarray::ArrayD;
use serde_json::json;

use crate::support::{Folder, npy, write_png};

/// A model of inputs `left` and `right` and outputs `sum` and `wide`.
fn two_ended(folder: &Folder) {
    let (left, right) = (Symbol::named_input("left", [3]), Symbol::named_input("right", [3]));
    let named = |name: &str, layer: convnet::nn::LayerRef| layer.named(name);
    let sum = Symbol::merge(named("sum", Add::new().into()), &[&left, &right]).unwrap();
    let wide = sum.apply(named("wide", Dense::new(4).into())).unwrap();
    save_model(&Model::new(&[left, right], &[sum, wide]).unwrap(), folder.path("two.keras")).unwrap();
    folder.write("a.npy", npy(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    folder.write("b.npy", npy(&[2, 3], &[0.5; 6]));
}

#[test]
fn run_takes_inputs_by_name_and_fills_a_folder() {
    let folder = Folder::new("run-names");
    two_ended(&folder);
    let by_name = ["--input", "right=b.npy", "--input", "left=a.npy", "--output", "out"];
    let report = folder.run(&[&["run", "two.keras", "--json"], &by_name[..]].concat()).last();
    assert_eq!(report["inputs"][0]["name"], "left");
    let shapes: Vec<_> = (0..2).map(|i| report["outputs"][i]["shape"].clone()).collect();
    assert_eq!(shapes, [json!([2, 3]), json!([2, 4])]);
    let sum = convnet::interop::npy::read_file(folder.path("out/sum.npy")).unwrap();
    assert_eq!(sum, ndarray::array![[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]].into_dyn());
    assert!(folder.path("out/wide.npy").exists());
    // In the model's order, with a file an output.
    let in_order = [
        "run",
        "two.keras",
        "--input",
        "a.npy",
        "--input",
        "b.npy",
        "--output",
        "s.npy",
        "--output",
        "w.npy",
    ];
    assert_eq!(folder.run(&in_order).code, Some(0));
    assert_eq!(folder.read("s.npy"), folder.read("out/sum.npy"));
}

/// Keras's form of a network is another one than PyTorch's, so its weights keep the layers' names and come back to the same form.
#[test]
fn weights_of_keras_networks_come_back_from_a_state_dict() {
    let folder = Folder::new("own-names");
    folder.write("x.npy", npy(&[1, 224, 224, 3], &[100.0; 224 * 224 * 3]));
    for network in ["mobilenet-v3-small", "efficientnet-b0"] {
        let saved = folder.run(&["convert", network, "net.safetensors"]);
        assert_eq!(saved.code, Some(0), "{}", saved.stderr);
        let run = |weights: &[&str], output: &str| {
            let ran =
                folder.run(&[&["run", network, "--input", "x.npy", "--output", output], weights].concat());
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        };
        run(&[], "built.npy");
        run(&["--weights", "net.safetensors"], "read.npy");
        assert_eq!(folder.read("built.npy"), folder.read("read.npy"), "{network}");
    }
}

#[test]
fn run_says_which_input_is_wrong() {
    let folder = Folder::new("run-names-wrong");
    two_ended(&folder);
    let run = |inputs: &[&str]| folder.run(&[&["run", "two.keras", "--output", "out"], inputs].concat());
    run(&["--input", "a.npy"]).fails(1, &["2 inputs (left, right)", "1 time"]);
    run(&["--input", "lefd=a.npy", "--input", "right=b.npy"]).fails(1, &["lefd", "did you mean `left`"]);
    run(&["--input", "left=a.npy", "--input", "left=b.npy"]).fails(1, &["left", "given twice"]);
    run(&["--input", "left=a.npy"]).fails(1, &["right", "is missing"]);
    assert!(!folder.path("out").exists());
}

#[test]
fn filter_writes_a_picture_and_values() {
    let folder = Folder::new("filter");
    write_png(&folder.path("one.png"), 1, 4, false);
    let arguments =
        ["filter", "one.png", "--kernel", "vertical", "--kernel", "horizontal", "--array", "maps.npy"];
    let report = folder.run(&[&arguments[..], &["--json"]].concat()).last();
    assert_eq!(
        (&report["shape"], &report["output"]),
        (&json!([32, 32, 2]), &json!("one-vertical-horizontal.png"))
    );
    assert!(folder.read("one-vertical-horizontal.png").starts_with(b"\x89PNG"));
    assert_eq!(convnet::interop::npy::read_file(folder.path("maps.npy")).unwrap().shape(), [32, 32, 2]);
    folder.write("sobel.txt", "1 0 -1\n2 0 -2\n1 0 -1\n");
    let sobel =
        ["filter", "one.png", "--kernel", "sobel.txt", "--padding", "valid", "--stride", "2", "--json"];
    assert_eq!(folder.run(&sobel).last()["shape"], json!([15, 15, 1]));
    folder
        .run(&["filter", "one.png", "--kernel", "vertikal"])
        .fails(1, &["vertikal", "did you mean `vertical`"]);
    folder.write("torn.txt", "1 0\n2");
    folder.run(&["filter", "one.png", "--kernel", "torn.txt"]).fails(1, &["torn.txt", "same length"]);
    folder.write("huge.npy", npy(&[40, 40], &[0.0; 1600]));
    folder.run(&["filter", "one.png", "--kernel", "huge.npy", "--padding", "valid"]).fails(1, &["huge.npy"]);
}

#[test]
fn predict_takes_pytorchs_names_for_the_zoo() {
    let folder = Folder::new("predict-weights");
    write_png(&folder.path("one.png"), 1, 4, false);
    let model = zoo::efficientnet_lite0().build().unwrap();
    let modules = zoo::pytorch_modules(&model);
    let name = |layer: &str| modules[layer][0].clone();
    let mut tensors = convnet::interop::pytorch::to_state_dict(&model, &name).unwrap();
    assert!(tensors.iter().any(|(name, _)| name == "_blocks.15._project_conv.weight"));
    // A bias so large that nothing else counts.
    let bias = tensors.iter_mut().find(|(name, _)| name == "_fc.bias").unwrap();
    bias.1[[698]] = 50.0;
    tensors.push(("stranger".into(), ArrayD::zeros(vec![2])));
    safetensors::write(folder.path("lite0.safetensors"), &tensors).unwrap();
    let arguments = [
        "predict",
        "efficientnet-lite0",
        "--weights",
        "lite0.safetensors",
        "one.png",
        "--top",
        "2",
        "--json",
    ];
    let outcome = folder.run(&arguments);
    assert!(outcome.stderr.contains("not used: stranger"), "{}", outcome.stderr);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let first = &report["predictions"][0];
    assert_eq!((&first["label"], &first["synset"]), (&json!("palace"), &json!("n03877845")));
    tensors.retain(|(name, _)| name != "_conv_head.weight");
    safetensors::write(folder.path("torn.safetensors"), &tensors).unwrap();
    folder
        .run(&["predict", "efficientnet-lite0", "--weights", "torn.safetensors", "one.png"])
        .fails(1, &["torn.safetensors", "_conv_head.weight"]);
}

#[test]
fn convert_goes_between_models_and_weights() {
    let folder = Folder::new("convert-weights");
    folder.run(&[
        "zoo",
        "mobilenet-v2",
        "--alpha",
        "0.35",
        "--input",
        "32x32x3",
        "--classes",
        "5",
        "--save",
        "a.keras",
    ]);
    folder.run(&["zoo", "lenet", "--save", "other.keras"]);
    let convert = |arguments: &[&str]| {
        let outcome = folder.run(&[&["convert"], arguments].concat());
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.stderr);
    };
    let numbers = |model: &str| {
        let model = convnet::prelude::load_model(folder.path(model)).unwrap();
        model.weights().map(|weight| model.weight_values(weight).to_owned()).collect::<Vec<_>>()
    };
    let expected = numbers("a.keras");
    // Another network of the same layers, whose weights are to be replaced.
    let mut other = convnet::prelude::load_model(folder.path("a.keras")).unwrap();
    let zeros: Vec<_> = other.weights().map(|weight| (weight.path.clone(), weight.dims.clone())).collect();
    for (path, dims) in zeros {
        other.set_weight(&path, ArrayD::zeros(dims).view()).unwrap();
    }
    save_model(&other, folder.path("empty.keras")).unwrap();
    assert_ne!(numbers("empty.keras"), expected);
    for weights in ["w.safetensors", "w.pth", "w.weights.h5", "w.h5"] {
        convert(&["a.keras", weights]);
        convert(&[weights, "b.h5", "--model", "empty.keras"]);
        assert_eq!(numbers("b.h5"), expected, "{weights}");
        convert(&["empty.keras", "c.keras", "--weights", weights]);
        assert_eq!(numbers("c.keras"), expected, "{weights}");
    }
    let tensors = safetensors::read(folder.path("w.safetensors")).unwrap();
    // Keras's network, which pads otherwise than torchvision's: its weights have not torchvision's names.
    let first = tensors.iter().find(|(name, _)| name == "Conv1.weight").unwrap();
    assert_eq!(first.1.shape(), [16, 3, 3, 3]);
    let refused = |arguments: &[&str], reasons: &[&str]| {
        folder.run(&[&["convert"], arguments].concat()).fails(1, reasons);
    };
    refused(&["w.safetensors", "d.keras"], &["w.safetensors", "--model"]);
    refused(&["w.weights.h5", "d.keras"], &["w.weights.h5", "--model"]);
    refused(&["w.safetensors", "d.keras", "--model", "other.keras"], &["w.safetensors", "other.keras"]);
    refused(&["a.keras", "d.npy"], &["d.npy", ".safetensors", ".weights.h5", ".pth", ".onnx"]);
    assert!(!folder.path("d.keras").exists());
}
