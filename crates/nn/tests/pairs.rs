//! Models in 16 bits on a machine that multiplies pairs of them, which is emulated here: in a process of its own, for all its tests.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_engine::kernels::cpu::{self, Isa};
use convnet_nn::layers::{BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D, Padding};
use convnet_nn::losses::SparseCategoricalCrossentropy;
use convnet_nn::optimizers::Sgd;
use convnet_nn::train::Arrays;
use convnet_nn::{Activation, Fit, Metric, Model, Precision, Sequential, set_threads};
use ndarray::{Array1, Array4};

/// A first layer of one channel, which has no pairs, and layers of 8 to 32, which have.
fn model() -> Model {
    cpu::force(Isa::Emulated512).unwrap();
    let mut model = Sequential::new([12, 12, 1])
        .add(Conv2D::new(8, 3).activation(Activation::Relu))
        .add(Conv2D::new(16, 3).strides(2).padding(Padding::Same))
        .add(BatchNormalization::new())
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dense::new(32).activation(Activation::Relu))
        .add(Dense::new(2).activation(Activation::Softmax))
        .build()
        .unwrap();
    model.initialize(1);
    model
}

/// Noise; of class 1 it is brighter.
fn pictures(count: usize) -> (Array4<f32>, Array1<f32>) {
    let mut state = 7_u64;
    let images = Array4::from_shape_fn((count, 12, 12, 1), |(i, ..)| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 + 0.3 * (i % 2) as f32
    });
    (images, Array1::from_shape_fn(count, |i| (i % 2) as f32))
}

#[test]
fn predictions_round_what_they_multiply() {
    let (mut model, (images, _)) = (model(), pictures(20));
    let exact = model.predict(images.view()).unwrap();
    model.set_precision(Precision::Bf16);
    let rounded = model.predict(images.view()).unwrap();
    assert!(exact != rounded, "nothing was rounded");
    for (exact, rounded) in exact.iter().zip(&rounded) {
        assert!((exact - rounded).abs() < 0.01, "{exact} {rounded}");
    }
}

#[test]
fn training_learns_as_in_f32_with_the_same_bits_on_any_number_of_threads() {
    let train = |precision| {
        let (mut model, (images, labels)) = (model(), pictures(64));
        model.set_precision(precision);
        model.compile(Sgd::new(0.05), SparseCategoricalCrossentropy::default(), [Metric::Accuracy]).unwrap();
        let data = Arrays::new(images.view(), labels.view()).unwrap();
        let history = model.fit(&data, Fit::new().batch_size(16).epochs(4)).unwrap();
        let losses: Vec<f64> = history.epochs.iter().map(|log| log.loss).collect();
        let bits = |weight| model.weight_values(weight).iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        (losses, model.weights().flat_map(bits).collect::<Vec<u32>>())
    };
    let (exact, _) = train(Precision::F32);
    let (rounded, bits) = train(Precision::Bf16);
    assert!(rounded[3] < 0.8 * rounded[0], "the loss does not fall: {rounded:?}");
    for (exact, rounded) in exact.iter().zip(&rounded) {
        assert!((exact - rounded).abs() < 0.05 && exact != rounded, "{exact} {rounded}");
    }
    for threads in [1, 3] {
        set_threads(threads).unwrap();
        assert!(train(Precision::Bf16).1 == bits, "{threads} threads differ");
    }
}
