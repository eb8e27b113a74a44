//! Optimizers' rules, schedules, losses and metrics at work in a model.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_nn::layers::Dense;
use convnet_nn::losses::{MeanSquaredError, SparseCategoricalCrossentropy};
use convnet_nn::metrics::{Auc, ExactAuc, FScore, Precision, R2Score};
use convnet_nn::optimizers::{Optimizer, Sgd, WithSettings};
use convnet_nn::schedules::PiecewiseConstantDecay;
use convnet_nn::train::Arrays;
use convnet_nn::{Activation, Fit, Loss, Metric, Model, Sequential};
use ndarray::{Array1, Array2};

fn points(count: usize) -> (Array2<f32>, Array1<f32>) {
    let x = Array2::from_shape_fn((count, 2), |(i, j)| ((i * 7 + j * 5) % 13) as f32 / 6.0 - 1.0);
    let y = x.rows().into_iter().map(|row| f32::from(u8::from(row[0] > row[1]))).collect();
    (x, y)
}

fn model(optimizer: impl Optimizer, loss: impl Loss, metrics: Vec<Metric>) -> Model {
    let mut model = Sequential::new([2]).add(Dense::new(3).activation(Activation::Softmax)).build().unwrap();
    model.compile(optimizer, loss, metrics).unwrap();
    model
}

#[test]
fn metrics_are_those_of_all_samples_whatever_the_batches() {
    let (x, y) = points(301);
    let metrics = || -> Vec<Metric> {
        vec![
            Metric::Accuracy,
            Precision::new().class_id(1).into(),
            FScore::f1().into(),
            Auc::new().into(),
            ExactAuc::default().into(),
            "sparse_categorical_crossentropy".parse().unwrap(),
            Metric::Accuracy.weighted().named("weighted"),
        ]
    };
    let model = model(Sgd::new(0.0), SparseCategoricalCrossentropy::default(), metrics());
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let whole = model.evaluate(&data).unwrap();
    // In training with a step size of zero, in batches of seven, the last of which is shorter.
    let mut again = self::model(Sgd::new(0.0), SparseCategoricalCrossentropy::default(), metrics());
    for (from, to) in model.weights().zip(again.weights().cloned().collect::<Vec<_>>()) {
        let values = model.weight_values(from).to_owned();
        again.set_weight(&to.path, values.view()).unwrap();
    }
    let log = again.fit(&data, Fit::new().batch_size(7)).unwrap().epochs.remove(0);
    assert_eq!(log.metrics.len(), 7);
    for (name, value) in &log.metrics {
        let expected = whole.metric(name).unwrap();
        assert!((value - expected).abs() < 1e-6, "{name}: {value}, {expected}");
    }
    assert!((log.loss - log.metric("sparse_categorical_crossentropy").unwrap()).abs() < 1e-6);
    let matrix = model.confusion_matrix(&data).unwrap();
    assert_eq!(matrix.counts().sum(), 301.0);
    assert!((matrix.report().accuracy - whole.metric("accuracy").unwrap()).abs() < 1e-9);
}

#[test]
fn steps_that_are_added_up_are_one_step_of_a_larger_batch() {
    let (x, _) = points(12);
    let y = Array2::from_shape_fn((12, 3), |(i, j)| ((i + j) % 4) as f32);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let train = |optimizer: Box<dyn Optimizer>, batch: usize| {
        let mut model = model(Sgd::new(0.1), MeanSquaredError, vec![]);
        let config = optimizer.config();
        model
            .compile_with(convnet_nn::model::Compiled::new(
                convnet_nn::optimizers::from_config("SGD", &config).unwrap(),
                Box::new(MeanSquaredError),
                vec![R2Score::default().into()],
            ))
            .unwrap();
        model.fit(&data, Fit::new().batch_size(batch).shuffle(false).epochs(3)).unwrap();
        model.get_weights()
    };
    let whole = train(Box::new(Sgd::new(0.5)), 12);
    let parts = train(Box::new(Sgd::new(0.5).gradient_accumulation_steps(3)), 4);
    for (a, b) in whole.iter().zip(&parts) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{a} {b}");
    }
}

#[test]
fn weights_become_their_averages_when_training_ends() {
    let (x, y) = points(40);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let train = |optimizer: convnet_nn::optimizers::Tuned| {
        let mut model = model(optimizer, SparseCategoricalCrossentropy::default(), vec![]);
        model.fit(&data, Fit::new().batch_size(10)).unwrap();
        model
    };
    let plain = train(Sgd::new(0.5).clipnorm(100.0));
    let mut averaged = train(Sgd::new(0.5).use_ema(0.9));
    assert_ne!(plain.get_weights(), averaged.get_weights());
    // Weights are the averages now, so that exchanging them changes nothing.
    let weights = averaged.get_weights();
    assert!(averaged.swap_averages());
    assert_eq!(averaged.get_weights(), weights);
    // Where all of the average is kept, it is the weights after the first step.
    let first = Arrays::new(x.slice(ndarray::s![..10, ..]), y.slice(ndarray::s![..10])).unwrap();
    let mut one = model(Sgd::new(0.5), SparseCategoricalCrossentropy::default(), vec![]);
    one.fit(&first, Fit::new().batch_size(10).shuffle(false)).unwrap();
    assert!(!one.swap_averages(), "there are none");
    let mut kept = model(Sgd::new(0.5).use_ema(1.0), SparseCategoricalCrossentropy::default(), vec![]);
    kept.fit(&data, Fit::new().batch_size(10).shuffle(false)).unwrap();
    assert_eq!(kept.get_weights(), one.get_weights());
}

#[test]
fn a_schedule_is_followed_step_by_step() {
    let (x, y) = points(40);
    let train = |steps: usize, optimizer: convnet_nn::optimizers::Tuned| {
        let mut model = model(optimizer, SparseCategoricalCrossentropy::default(), vec![]);
        let part = Arrays::new(x.slice(ndarray::s![..steps * 10, ..]), y.slice(ndarray::s![..steps * 10]));
        model.fit(&part.unwrap(), Fit::new().batch_size(10).shuffle(false)).unwrap();
        model.get_weights()
    };
    // The rate is 0 after the second step.
    let schedule = || PiecewiseConstantDecay::new([1], [0.5, 0.0]);
    let two = train(2, Sgd::default().schedule(schedule()));
    assert_eq!(two, train(4, Sgd::default().schedule(schedule())));
    assert_eq!(two, train(2, Sgd::new(0.5).clipnorm(1e6)));
    assert_ne!(two, train(3, Sgd::new(0.5).clipnorm(1e6)));
}

#[test]
fn samples_of_the_ignored_class_do_not_count() {
    let (x, mut y) = points(20);
    let first = Arrays::new(x.slice(ndarray::s![..10, ..]), y.slice(ndarray::s![..10])).unwrap();
    let train = |data: &Arrays<'_>, ignore_class: Option<i64>| {
        let loss = SparseCategoricalCrossentropy { ignore_class, ..Default::default() };
        let mut model = model(Sgd::new(0.5), loss, vec![]);
        let trained = model.fit(data, Fit::new().batch_size(20).shuffle(false));
        trained.map(|history| (history.epochs[0].loss, model.get_weights()))
    };
    let (loss, weights) = train(&first, None).unwrap();
    y.slice_mut(ndarray::s![10..]).fill(255.0);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    assert!(train(&data, None).unwrap_err().to_string().contains("255"));
    let (same_loss, same_weights) = train(&data, Some(255)).unwrap();
    assert!((loss - same_loss).abs() < 1e-6, "{loss} {same_loss}");
    for (a, b) in weights.iter().zip(&same_weights) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{a} {b}");
    }
}
