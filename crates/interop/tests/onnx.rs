//! ONNX files: what was written is read again to the same numbers, and damaged files are refused.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::time::{Duration, Instant};

use convnet_interop::onnx::{self, Import};
use convnet_nn::activation::Activation;
use convnet_nn::layers::{self, *};
use convnet_nn::losses::CategoricalCrossentropy;
use convnet_nn::optimizers::Adam;
use convnet_nn::train::Arrays;
use convnet_nn::{Fit, LayerRef, Model, Symbol};
use ndarray::{ArrayD, IxDyn};

/// Numbers without a pattern, the same in every run.
fn numbers(dims: &[usize], seed: u64) -> ArrayD<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values = (0..dims.iter().product()).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    });
    ArrayD::from_shape_vec(IxDyn(dims), values.collect()).unwrap()
}

/// Convolutions of several kinds, a residual, a concatenation, pools, and two outputs.
fn network() -> Model {
    let image = Symbol::named_input("image", [12, 10, 3]);
    let x = image.apply(Conv2D::new(8, 3).padding(Padding::Same).activation(Activation::Relu)).unwrap();
    let y = x.apply(DepthwiseConv2D::new(3).padding(Padding::Same)).unwrap();
    let y =
        y.apply(BatchNormalization::new()).unwrap().apply(layers::Activation::new(Activation::Silu)).unwrap();
    let x = Symbol::merge(Add::new(), &[&x, &y]).unwrap();
    let pooled = x.apply(MaxPooling2D::new(3).strides(2).padding(Padding::Same)).unwrap();
    let strided = x.apply(ZeroPadding2D::new(1)).unwrap().apply(Conv2D::new(4, 3).strides(2)).unwrap();
    let x = Symbol::merge(Concatenate::new(), &[&pooled, &strided]).unwrap();
    let up = x.apply(Conv2DTranspose::new(2, 3).strides(2).padding(Padding::Same)).unwrap();
    let gate = x.apply(GlobalAveragePooling2D::new()).unwrap().apply(Dense::new(5)).unwrap();
    let flat = x.apply(Flatten::new()).unwrap().apply(Dense::new(7).activation(Activation::Softmax)).unwrap();
    let rows = Symbol::merge(Concatenate::new(), &[&flat, &gate]).unwrap();
    Model::new(&[image], &[rows, up]).unwrap()
}

#[test]
fn a_model_comes_back_from_its_file() {
    let model = network();
    let bytes = onnx::to_bytes(&model).unwrap();
    assert_eq!(bytes, onnx::to_bytes(&model).unwrap());
    let again = Import::new().from_bytes(bytes).unwrap();
    assert!(again.has_batch);
    assert_eq!(again.inputs[0].name, "image");
    let x = numbers(&[3, 12, 10, 3], 5);
    let expected = model.predict_all(&[x.view()]).unwrap();
    let actual = again.model.predict_all(&[x.view()]).unwrap();
    assert_eq!(expected.len(), actual.len());
    for (expected, actual) in expected.iter().zip(&actual) {
        assert_eq!(expected.shape(), actual.shape());
        let far = expected.iter().zip(actual).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-5, "{far}");
    }
    // The layers are Keras's again, so that it can be trained, explained and saved as such.
    let classes: Vec<&str> = again.model.layers().iter().map(|layer| layer.class_name()).collect();
    for class in ["Conv2D", "DepthwiseConv2D", "BatchNormalization", "MaxPooling2D", "Concatenate", "Dense"] {
        assert!(classes.contains(&class), "{class} is not among {classes:?}");
    }
    assert_eq!(again.model.count_params(), model.count_params());
}

/// The steps of both networks are the same to rounding, and what came of them goes into a file again.
#[test]
fn an_imported_network_is_trained_and_written_again() {
    let image = Symbol::named_input("image", [9, 8, 2]);
    let x = image.apply(Conv2D::new(6, 3).activation(Activation::Relu)).unwrap();
    let x = x.apply(MaxPooling2D::new(2)).unwrap().apply(Conv2D::new(4, 2)).unwrap();
    let x = x.apply(Flatten::new()).unwrap().apply(Dense::new(3).activation(Activation::Softmax)).unwrap();
    let mut model = Model::new(&[image], &[x]).unwrap();
    let mut again = Import::new().from_bytes(onnx::to_bytes(&model).unwrap()).unwrap().model;
    let x = numbers(&[12, 9, 8, 2], 3);
    let labels = ArrayD::from_shape_fn(IxDyn(&[12, 3]), |at| if at[0] % 3 == at[1] { 1.0 } else { 0.0 });
    let mut losses = Vec::new();
    for model in [&mut model, &mut again] {
        model.compile(Adam::new(0.01), CategoricalCrossentropy::default(), []).unwrap();
        let samples = Arrays::new(x.view(), labels.view()).unwrap();
        let fit = Fit::new().batch_size(4).epochs(8).shuffle(false);
        losses.push(
            model.fit(&samples, fit).unwrap().epochs.iter().map(|epoch| epoch.loss).collect::<Vec<_>>(),
        );
    }
    assert!(losses[0][7] < 0.9 * losses[0][0], "nothing was learned: {losses:?}");
    for (written, read) in losses[0].iter().zip(&losses[1]) {
        assert!((written - read).abs() < 1e-4 * written.abs(), "{losses:?}");
    }
    let third = Import::new().from_bytes(onnx::to_bytes(&again).unwrap()).unwrap().model;
    let [a, b] = [&again, &third].map(|model| model.predict(x.view()).unwrap());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn every_layer_is_written_and_comes_back_to_the_same_numbers() {
    let mut problems = Vec::new();
    for class in REGISTRY {
        for (index, (layer, inputs)) in (class.examples)().into_iter().enumerate() {
            let name = format!("{} {index}", class.name);
            let symbols: Vec<Symbol> = inputs.iter().map(|dims| Symbol::input(dims.clone())).collect();
            let references: Vec<&Symbol> = symbols.iter().collect();
            let output = Symbol::merge(LayerRef::from(layer), &references).unwrap();
            let model = Model::new(&symbols, &[output]).unwrap();
            let values: Vec<ArrayD<f32>> = (inputs.iter().zip(1..))
                .map(|(dims, seed)| {
                    let all: Vec<usize> = std::iter::once(2).chain(dims.iter().copied()).collect();
                    let x = numbers(&all, seed);
                    // Those of a table's rows.
                    if class.name == "Embedding" { x.mapv(|x| ((x + 0.5) * 3.0).floor()) } else { x }
                })
                .collect();
            let views: Vec<_> = values.iter().map(|x| x.view()).collect();
            let expected = model.predict_all(&views).unwrap();
            let read = |bytes| Import::new().keep_layout(true).from_bytes(bytes);
            let again = onnx::to_bytes(&model).and_then(read);
            let again = match again {
                Ok(again) => again,
                Err(problem) => {
                    problems.push(format!("{name}: {problem}"));
                    continue;
                }
            };
            let actual = again.model.predict_all(&views).unwrap();
            for (expected, actual) in expected.iter().zip(&actual) {
                let largest = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
                let far = expected.iter().zip(actual).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                if expected.shape() != actual.shape() || far > 1e-4 * largest {
                    problems.push(format!("{name}: {far} off"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_order_of_axes_can_be_the_files_own() {
    let bytes = onnx::to_bytes(&network()).unwrap();
    let again = Import::new().keep_layout(true).from_bytes(bytes).unwrap();
    // The writer keeps the model's order, so both are the same here.
    assert_eq!(again.model.input_shapes()[0].dims, [12, 10, 3]);
}

#[test]
fn at_least_ninety_operators_are_read() {
    let mut names: Vec<&str> = onnx::operators().flat_map(|(_, names)| names).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "an operator is listed twice");
    assert!(count >= 90, "{count}");
}

#[test]
fn what_is_no_onnx_file_is_refused() {
    for bytes in [&b""[..], b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", &[0xff; 64]] {
        assert!(Import::new().from_bytes(bytes.to_vec()).is_err());
    }
}

#[test]
fn millions_of_empty_nodes_are_refused_before_they_take_memory() {
    // A graph (field 7) of three million empty nodes (field 1).
    let nodes = [0x0a, 0x00].repeat(3_000_000);
    let mut bytes = vec![0x08, 0x08, 0x3a];
    let mut length = nodes.len();
    while length > 0x7f {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(nodes);
    let problem = Import::new().from_bytes(bytes).unwrap_err().to_string();
    assert!(problem.contains("more than"), "{problem}");
}

/// Xorshift: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }
}

/// `CONVNET_MUTATIONS` says how many files are damaged.
#[test]
fn damaged_files_are_read_or_refused() {
    let count = std::env::var("CONVNET_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(2000);
    let whole = onnx::to_bytes(&network()).unwrap();
    // Numbers of weights say little about the reader: most wounds go where the structure is.
    let mut random = Random(99);
    let mut refused = 0;
    for index in 0..count {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(6) {
            let place = random.below(bytes.len());
            match random.below(6) {
                0..3 => bytes[place] ^= 1 << random.below(8),
                3 => bytes[place] = [0, 0xff, 0x7f, 0x80][random.below(4)],
                4 => {
                    let end = (place + 1 + random.below(16)).min(bytes.len());
                    bytes.drain(place..end);
                }
                _ if random.below(8) == 0 => bytes.truncate(place),
                _ => bytes[place] = random.below(256) as u8,
            }
            if bytes.is_empty() {
                break;
            }
        }
        let start = Instant::now();
        match Import::new().from_bytes(bytes) {
            Ok(imported) => {
                // A size may have become a large one; what is small enough must run.
                let shapes = imported.model.input_shapes();
                if shapes.len() == 1 && shapes[0].len() < 1 << 12 && index % 16 == 0 {
                    let x = ArrayD::zeros(IxDyn(&shapes[0].bind(1).dims));
                    let _ = imported.model.predict_all(&[x.view()]);
                }
            }
            Err(problem) => {
                assert!(!problem.to_string().is_empty());
                refused += 1;
            }
        }
        assert!(start.elapsed() < Duration::from_secs(20), "file {index} takes too long");
    }
    assert!(refused > count / 4, "only {refused} of {count} were refused");
}
