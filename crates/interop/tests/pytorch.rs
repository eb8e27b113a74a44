//! State dicts that the real PyTorch wrote (`golden/pytorch/make_fixtures.py`): read, brought to a model, and written again.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::path::PathBuf;

use convnet_interop::{npy, pytorch, safetensors};
use convnet_nn::layers::ReLU;
use convnet_nn::layers::{
    BatchNormalization, Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D, Dropout, Flatten, Padding,
};
use convnet_nn::{LayerRef, Model, Sequential};
use ndarray::ArrayD;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/pytorch").join(name)
}

/// The network of the fixtures.
fn model() -> Model {
    let named = |name: &str, layer: LayerRef| layer.named(name);
    Sequential::new([4, 6, 3])
        .add(named("first", Conv2D::new(4, 3).padding(Padding::Same).into()))
        .add(named("norm", BatchNormalization::new().epsilon(1e-5).into()))
        .add(ReLU::new())
        .add(named("depthwise", DepthwiseConv2D::new(3).depth_multiplier(2).padding(Padding::Same).into()))
        .add(named("wider", Conv2DTranspose::new(5, 2).strides(2).into()))
        .add(Flatten::new())
        .add(Dropout::new(0.5))
        .add(named("dense", Dense::new(7).into()))
        .build()
        .unwrap()
}

fn own_names(layer: &str) -> Vec<String> {
    vec![layer.to_owned()]
}

/// The largest difference from what PyTorch gave.
fn difference(model: &Model) -> f32 {
    let (x, y) = (npy::read_file(golden("x.npy")).unwrap(), npy::read_file(golden("y.npy")).unwrap());
    let ours = model.predict(x.view()).unwrap();
    assert_eq!(ours.shape(), y.shape());
    ours.iter().zip(&y).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

fn read(name: &str) -> Vec<(String, ArrayD<f32>)> {
    let path = golden(name);
    if name.ends_with("safetensors") {
        safetensors::read(path).unwrap()
    } else {
        pytorch::read(path).unwrap()
    }
}

#[test]
fn every_form_of_the_file_gives_pytorchs_numbers() {
    for (name, bound) in [
        ("zip.pth", 1e-5),
        ("row.pth", 1e-5),
        ("checkpoint.pt", 1e-5),
        ("training.pt", 1e-5),
        ("plain.safetensors", 1e-5),
        ("bf16.safetensors", 0.05),
    ] {
        let mut model = model();
        let unused = pytorch::load_state_dict(&mut model, &read(name), &own_names).unwrap();
        assert!(unused.is_empty(), "{name}: {unused:?}");
        let difference = difference(&model);
        assert!(difference < bound, "{name}: {difference}");
    }
}

#[test]
fn what_is_written_is_what_was_read() {
    let tensors = read("zip.pth");
    let mut model = model();
    pytorch::load_state_dict(&mut model, &tensors, &own_names).unwrap();
    let written = pytorch::to_state_dict(&model, &str::to_owned).unwrap();
    for (name, values) in &written {
        match tensors.iter().find(|tensor| tensor.0 == *name) {
            Some((_, expected)) => assert_eq!(values, expected, "{name}"),
            // It had no bias, so that ours is zeros.
            None => assert!(name == "first.bias" && values.iter().all(|&value| value == 0.0), "{name}"),
        }
    }
    let archive = pytorch::to_bytes(&written).unwrap();
    assert_eq!(archive, pytorch::to_bytes(&written).unwrap());
    assert_eq!(pytorch::from_bytes(archive).unwrap(), written);
    let twice = [written[0].clone(), written[0].clone()];
    assert!(pytorch::to_bytes(&twice).unwrap_err().to_string().contains("two tensors"));
    let bytes = safetensors::to_bytes(&written).unwrap();
    assert_eq!(bytes, safetensors::to_bytes(&written).unwrap());
    let mut sorted = written;
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(safetensors::from_bytes(&bytes).unwrap(), sorted);
}

#[test]
fn what_does_not_fit_is_told() {
    let problem = |tensors: &[(String, ArrayD<f32>)]| {
        pytorch::load_state_dict(&mut model(), tensors, &own_names).unwrap_err().to_string()
    };
    let mut tensors = read("zip.pth");
    let dense = tensors.iter().position(|tensor| tensor.0 == "dense.weight").unwrap();
    tensors[dense].1 = ArrayD::zeros(vec![7, 479]);
    let told = problem(&tensors);
    assert!(told.contains("dense.weight does not fit dense/kernel") && told.contains("[7, 479]"), "{told}");
    tensors.remove(dense);
    let told = problem(&tensors);
    assert!(told.contains("dense.weight"), "{told}");
    tensors.push(("stranger".into(), ArrayD::zeros(vec![1])));
    assert!(problem(&tensors).contains("dense.weight"));
    let mut tensors = read("zip.pth");
    tensors.push(("head.weight".into(), ArrayD::zeros(vec![1])));
    let unused = pytorch::load_state_dict(&mut model(), &tensors, &own_names).unwrap();
    assert_eq!(unused, ["head.weight"]);
}

#[test]
fn code_in_a_file_is_not_run() {
    let told = pytorch::read(golden("evil.pth")).unwrap_err().to_string();
    assert!(told.contains("evil.pth") && told.contains("posix.system") && told.contains("at byte"), "{told}");
}
