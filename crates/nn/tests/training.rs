//! Training through the public interface: it learns, it is reproducible, it tells what is wrong.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_nn::layers::{
    Activation as ActivationLayer, Add, BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D,
    Padding,
};
use convnet_nn::losses::{MeanSquaredError, SparseCategoricalCrossentropy};
use convnet_nn::optimizers::{Adam, RmsProp, Sgd};
use convnet_nn::train::Arrays;
use convnet_nn::{Activation, Error, Fit, Metric, Model, Sequential, Symbol};
use ndarray::{Array1, Array2, Array4};

/// The documents' functional convnet for MNIST.
fn functional() -> Model {
    let relu = Activation::Relu;
    let image = Symbol::input([28, 28, 1]);
    let x = image.apply(Conv2D::new(32, 3).activation(relu)).unwrap();
    let x = x.apply(MaxPooling2D::new(2)).unwrap();
    let x = x.apply(Conv2D::new(64, 3).activation(relu)).unwrap();
    let x = x.apply(MaxPooling2D::new(2)).unwrap();
    let x = x.apply(Conv2D::new(128, 3).activation(relu)).unwrap();
    let x = x.apply(Flatten::new()).unwrap();
    let classes = x.apply(Dense::new(10).activation(Activation::Softmax)).unwrap();
    Model::new(&[image], &[classes]).unwrap()
}

/// A small net with all that is random or stateful.
fn small() -> Model {
    Sequential::new([8, 8, 1])
        .add(Conv2D::new(8, 3))
        .add(BatchNormalization::new())
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dropout::new(0.2))
        .add(Dense::new(2).activation(Activation::Softmax))
        .build()
        .unwrap()
}

/// Pictures of noise whose class is the half that is brighter.
fn halves(count: usize) -> (Array4<f32>, Array1<f32>) {
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let labels = Array1::from_shape_fn(count, |i| (i % 2) as f32);
    let images = Array4::from_shape_fn((count, 8, 8, 1), |(i, _, x, _)| {
        random() + if (x < 4) == (i % 2 == 0) { 0.5 } else { 0.0 }
    });
    (images, labels)
}

#[test]
fn the_documents_nets_have_the_documented_parameters() {
    let model = functional();
    assert_eq!(model.count_params(), 104_202);
    let summary = model.summary(64).unwrap();
    let counts: Vec<usize> = summary.layers.iter().map(|row| row.parameters).collect();
    assert_eq!(counts, [0, 320, 0, 18_496, 0, 73_856, 0, 11_530]);
    assert_eq!(summary.layers[1].multiplications, 26 * 26 * 9 * 32);
    println!("{summary}");
}

#[test]
fn training_learns_and_evaluation_agrees_with_prediction() {
    let (x, y) = halves(512);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let mut model = small();
    model.compile(Adam::new(0.01), SparseCategoricalCrossentropy::default(), [Metric::Accuracy]).unwrap();
    let history = model.fit(&data, Fit::new().epochs(6).batch_size(30).validation_split(0.25)).unwrap();
    let last = history.epochs.last().unwrap();
    assert!(last.metric("accuracy").unwrap() > 0.9, "{last:?}");
    assert!(last.val_metric("accuracy").unwrap() > 0.9, "{last:?}");
    let scores = model.evaluate(&data).unwrap();
    let predictions = model.predict(x.view()).unwrap();
    let right = (predictions.outer_iter().zip(&y)).filter(|(p, y)| (p[[1]] > p[[0]]) == (**y == 1.0)).count();
    assert_eq!(scores.metric("accuracy").unwrap(), right as f64 / 512.0);
}

#[test]
fn every_optimizer_lowers_the_loss() {
    let (x, y) = halves(256);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let loss = |optimizer: Box<dyn convnet_nn::Optimizer>| {
        let mut model = small();
        let loss = Box::new(SparseCategoricalCrossentropy::default());
        let compiled = convnet_nn::model::Compiled::new(optimizer, loss, vec![]);
        model.compile_with(compiled).unwrap();
        let history = model.fit(&data, Fit::new().epochs(4)).unwrap();
        (history.epochs[0].loss, history.epochs[3].loss)
    };
    for optimizer in [
        Box::new(Sgd::new(0.05)) as Box<dyn convnet_nn::Optimizer>,
        Box::new(Sgd::new(0.02).momentum(0.9).nesterov(true)),
        Box::new(RmsProp::default()),
        Box::new(RmsProp::new(0.001).momentum(0.5).centered(true)),
        Box::new(Adam::default()),
    ] {
        let name = format!("{optimizer:?}");
        let (first, last) = loss(optimizer);
        assert!(last < 0.8 * first, "{name}: {first} to {last}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let (x, y) = halves(200);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let train = |threads, seed| {
        convnet_nn::set_threads(threads).unwrap();
        let mut model = small();
        model.initialize(seed);
        model.compile(RmsProp::default(), SparseCategoricalCrossentropy::default(), []).unwrap();
        model.fit(&data, Fit::new().epochs(2).batch_size(16).seed(seed)).unwrap();
        model.get_weights()
    };
    let one = train(1, 7);
    assert_eq!(one, train(2, 7));
    assert_eq!(one, train(5, 7));
    assert_ne!(one, train(2, 8));
}

#[test]
fn a_loss_that_is_not_finite_names_step_and_layer() {
    let (x, y) = halves(64);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let mut model = small();
    let huge = ndarray::ArrayD::from_elem(ndarray::IxDyn(&[3, 3, 1, 8]), 1e38);
    model.set_weight("conv2d/kernel", huge.view()).unwrap();
    model.compile(Sgd::default(), SparseCategoricalCrossentropy::default(), []).unwrap();
    let problem = model.fit(&data, Fit::new()).unwrap_err().to_string();
    assert!(problem.contains("step 1 of epoch 1") && problem.contains("`conv2d`"), "{problem}");
}

#[test]
fn data_and_arguments_that_do_not_fit_are_refused() {
    let (x, y) = halves(10);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let mut model = small();
    assert!(matches!(model.fit(&data, Fit::new()), Err(Error::NotCompiled(_))));
    model.compile(Sgd::default(), SparseCategoricalCrossentropy::default(), []).unwrap();
    let problem = |result: convnet_nn::Result<convnet_nn::History>| result.unwrap_err().to_string();
    assert!(problem(model.fit(&data, Fit::new().batch_size(0))).contains("batch_size"));
    assert!(problem(model.fit(&data, Fit::new().validation_split(1.0))).contains("validation_split"));
    let flat = Array2::zeros((10, 64));
    let flat = Arrays::new(flat.view(), y.view()).unwrap();
    let text = problem(model.fit(&flat, Fit::new()));
    assert!(text.contains("(None, 8, 8, 1)") && text.contains("(None, 64)"), "{text}");
    for label in [2.0, -1.0, 0.5, f32::NAN] {
        let wrong = Array1::from_elem(10, label);
        let wrong = Arrays::new(x.view(), wrong.view()).unwrap();
        let text = problem(model.fit(&wrong, Fit::new()));
        assert!(text.contains("below 2"), "{text}");
        assert!(model.evaluate(&wrong).is_err());
    }
    model.compile(Sgd::default(), MeanSquaredError, []).unwrap();
    assert!(problem(model.fit(&data, Fit::new())).contains("targets"));
}

#[test]
fn shape_errors_name_the_layer_what_it_wanted_and_what_it_got() {
    let image = Symbol::input([4, 4, 3]);
    let text = image.apply(Conv2D::new(8, 5)).unwrap_err().to_string();
    assert!(text.contains("`conv2d`") && text.contains('5') && text.contains('4'), "{text}");
    let text = image.apply(Dense::new(0)).unwrap_err().to_string();
    assert!(text.contains("`dense`"), "{text}");
}

#[test]
fn models_can_be_shared_among_threads() {
    fn shareable<T: Send + Sync>(_: &T) {}
    let model = small();
    shareable(&model);
    let (x, _) = halves(40);
    let expected = model.predict(x.view()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(model.predict(x.view()).unwrap(), expected));
        }
    });
}

/// Residual blocks with all that can be computed again.
fn residual() -> Model {
    let image = Symbol::input([8, 8, 1]);
    let mut x = image.apply(Conv2D::new(8, 3).padding(Padding::Same)).unwrap();
    for _ in 0..16 {
        let y = x.apply(BatchNormalization::new()).unwrap();
        let y = y.apply(ActivationLayer::new(Activation::Relu)).unwrap();
        let y = y.apply(Conv2D::new(8, 3).padding(Padding::Same).activation(Activation::Tanh)).unwrap();
        let y = y.apply(Dropout::new(0.2)).unwrap();
        x = Symbol::merge(Add::new(), &[&x, &y]).unwrap();
    }
    let x = x.apply(MaxPooling2D::new(2)).unwrap();
    let classes =
        x.apply(Flatten::new()).unwrap().apply(Dense::new(2).activation(Activation::Softmax)).unwrap();
    Model::new(&[image], &[classes]).unwrap()
}

#[test]
fn a_bound_on_memory_is_kept_and_changes_no_bit() {
    let (images, labels) = halves(32);
    let train = |max_memory: Option<usize>| {
        let mut model = residual();
        model.initialize(3);
        model.compile(Sgd::new(0.05), SparseCategoricalCrossentropy::default(), [Metric::Accuracy]).unwrap();
        model.set_max_memory(max_memory);
        let needed = model.summary(16)?.training_memory_bytes.unwrap();
        let history =
            model.fit(&Arrays::new(images.view(), labels.view())?, Fit::new().batch_size(16).epochs(2))?;
        let weights: Vec<Vec<u32>> =
            model.weights().map(|w| model.weight_values(w).iter().map(|x| x.to_bits()).collect()).collect();
        Ok::<_, Error>((needed, format!("{history:?}"), weights))
    };
    let free = train(None).unwrap();
    let mut last = free.0;
    for share in [0.95, 0.85, 0.7] {
        let limit = (free.0 as f64 * share) as usize;
        let bounded = train(Some(limit)).unwrap();
        assert!(bounded.0 <= limit && bounded.0 < last, "{} bytes of at most {limit}", bounded.0);
        assert_eq!(bounded.2, free.2, "weights differ at {share}");
        last = last.min(bounded.0 + 1);
    }
    let error = train(Some(1000)).unwrap_err().to_string();
    assert!(error.contains("needs") && error.contains("smaller batch"), "{error}");
}
