//! Training and prediction with values of 16 bits: close to 32 bits, in less memory, the same each time.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_engine::kernels::cpu;
use convnet_nn::layers::{
    Activation as ActivationLayer, Add, BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D, Padding,
};
use convnet_nn::losses::{MeanSquaredError, SparseCategoricalCrossentropy};
use convnet_nn::optimizers::Sgd;
use convnet_nn::train::Arrays;
use convnet_nn::{Activation, Fit, History, Metric, Model, Precision, Sequential, Symbol, set_threads};
use ndarray::{Array1, Array4};

/// Pictures of noise whose class is the half that is brighter.
fn halves(count: usize) -> (Array4<f32>, Array1<f32>) {
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let labels = Array1::from_shape_fn(count, |i| (i % 2) as f32);
    let images = Array4::from_shape_fn((count, 16, 16, 1), |(i, _, x, _)| {
        random() + if (x < 8) == (i % 2 == 0) { 0.1 } else { 0.0 }
    });
    (images, labels)
}

/// Residual blocks with batch norm, functions whose gradient needs their input or their output, a pool, a dense layer.
fn residual() -> Model {
    let image = Symbol::input([16, 16, 1]);
    let mut x = image.apply(Conv2D::new(8, 3).padding(Padding::Same)).unwrap();
    for activation in [Activation::Relu, Activation::Gelu, Activation::Tanh].repeat(2) {
        let y = x.apply(BatchNormalization::new()).unwrap();
        let y = y.apply(ActivationLayer::new(activation)).unwrap();
        let y = y.apply(Conv2D::new(8, 3).padding(Padding::Same)).unwrap();
        x = Symbol::merge(Add::new(), &[&x, &y]).unwrap();
    }
    let x = x.apply(MaxPooling2D::new(2)).unwrap();
    let x = x.apply(Flatten::new()).unwrap().apply(Dense::new(32).activation(Activation::Relu)).unwrap();
    let classes = x.apply(Dense::new(2).activation(Activation::Softmax)).unwrap();
    Model::new(&[image], &[classes]).unwrap()
}

fn weights(model: &Model) -> Vec<f32> {
    model
        .weights()
        .flat_map(|weight| model.weight_values(weight).iter().copied().collect::<Vec<f32>>())
        .collect()
}

fn train(precision: Precision, epochs: usize, max_memory: Option<usize>) -> (Model, History) {
    let (images, labels) = halves(64);
    let mut model = residual();
    model.initialize(3);
    model.compile(Sgd::new(0.02), SparseCategoricalCrossentropy::default(), [Metric::Accuracy]).unwrap();
    model.set_precision(precision);
    model.set_max_memory(max_memory);
    let data = Arrays::new(images.view(), labels.view()).unwrap();
    let history = model.fit(&data, Fit::new().batch_size(16).epochs(epochs)).unwrap();
    (model, history)
}

#[test]
fn training_in_bf16_learns_as_in_f32_in_less_memory() {
    let (exact, with) = train(Precision::F32, 6, None);
    let (rounded, without) = train(Precision::Bf16, 6, None);
    let losses = |history: &History| history.epochs.iter().map(|log| log.loss).collect::<Vec<f64>>();
    let (exact_losses, rounded_losses) = (losses(&with), losses(&without));
    assert!(rounded_losses[5] < 0.8 * rounded_losses[0], "the loss does not fall: {rounded_losses:?}");
    for (exact, rounded) in exact_losses.iter().zip(&rounded_losses) {
        // Where the loss falls fast, rounding moves it most: by 0.057 with the kernels of AVX-512.
        assert!((exact - rounded).abs() < 0.1, "{exact_losses:?} {rounded_losses:?}");
    }
    assert_ne!(weights(&exact), weights(&rounded), "nothing was rounded");
    let bytes = |model: &Model| model.summary(64).unwrap().training_memory_bytes.unwrap();
    let (more, less) = (bytes(&exact), bytes(&rounded));
    assert!(less < 3 * more / 4, "{less} bytes, {more} in f32");
}

#[test]
fn a_step_in_bf16_is_within_the_rounding_of_one_in_f32() {
    // One step of gradient descent with a rate of 1 shows the gradients themselves.
    let step = |precision| {
        let (images, labels) = halves(32);
        let mut model = residual();
        model.initialize(5);
        let start = weights(&model);
        model.compile(Sgd::new(1.0), SparseCategoricalCrossentropy::default(), []).unwrap();
        model.set_precision(precision);
        let data = Arrays::new(images.view(), labels.view()).unwrap();
        model.fit(&data, Fit::new().batch_size(32)).unwrap();
        weights(&model).iter().zip(start).map(|(new, old)| f64::from(new - old)).collect::<Vec<f64>>()
    };
    let (exact, rounded) = (step(Precision::F32), step(Precision::Bf16));
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let size = norm(&mut exact.iter().copied());
    let apart = norm(&mut exact.iter().zip(&rounded).map(|(a, b)| a - b));
    // More than the rounding itself, because batch norm takes away a mean that is larger than what is left.
    assert!(apart > 0.0 && apart < 0.08 * size, "gradients of size {size} differ by {apart}");
}

#[test]
fn bf16_gives_the_same_bits_on_any_number_of_threads_and_in_bounded_memory() {
    let bits = |model: &Model| weights(model).iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    let (free, _) = train(Precision::Bf16, 1, None);
    for threads in [1, 2, 5] {
        set_threads(threads).unwrap();
        assert!(bits(&train(Precision::Bf16, 1, None).0) == bits(&free), "{threads} threads differ");
    }
    set_threads(0).unwrap();
    let needed = free.summary(16).unwrap().training_memory_bytes.unwrap();
    let (bounded, _) = train(Precision::Bf16, 1, Some(needed * 97 / 100));
    assert!(bounded.summary(16).unwrap().training_memory_bytes.unwrap() < needed);
    assert!(bits(&bounded) == bits(&free), "bounded memory gives other bits");
}

#[test]
fn what_the_loss_reads_and_makes_is_not_rounded() {
    // A model without anything else to round is trained as in 32 bits.
    let train = |precision| {
        let (images, labels) = halves(16);
        let mut model = Sequential::new([16, 16, 1]).add(Flatten::new()).add(Dense::new(1)).build().unwrap();
        model.compile(Sgd::new(0.01), MeanSquaredError, []).unwrap();
        model.set_precision(precision);
        let labels = labels.into_shape_with_order((16, 1)).unwrap();
        model.fit(&Arrays::new(images.view(), labels.view()).unwrap(), Fit::new().epochs(2)).unwrap();
        weights(&model)
    };
    assert_eq!(train(Precision::F32), train(Precision::Bf16));
}

#[test]
fn prediction_in_bf16_is_close_and_can_be_switched() {
    let (mut model, _) = train(Precision::F32, 2, None);
    let (images, _) = halves(40);
    for count in [1, 3, 40] {
        let images = images.slice(ndarray::s![..count, .., .., ..]);
        let exact = model.predict(images).unwrap();
        model.set_precision(Precision::Bf16);
        let rounded = model.predict(images).unwrap();
        model.set_precision(Precision::F32);
        assert_eq!(model.predict(images).unwrap(), exact);
        // Weights of the dense layers are rounded where they are read once, and all factors where the machine multiplies pairs of them.
        assert_eq!(exact != rounded, count <= 3 || cpu::isa().has_pairs(), "{count} pictures");
        for (exact, rounded) in exact.iter().zip(&rounded) {
            assert!((exact - rounded).abs() < 0.01, "{exact} {rounded}");
        }
    }
}

#[test]
fn precisions_have_names_and_keras_names() {
    for precision in Precision::ALL {
        assert_eq!(precision.to_string().parse(), Ok(precision));
    }
    assert_eq!("mixed_bfloat16".parse(), Ok(Precision::Bf16));
    assert_eq!("float32".parse(), Ok(Precision::F32));
    assert!("f16".parse::<Precision>().unwrap_err().to_string().contains("bf16"));
}
