//! The examples build what they say.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet::prelude::*;

#[path = "../examples/capsules.rs"]
mod capsules;
#[path = "../examples/neocognitron.rs"]
mod neocognitron;
#[path = "../examples/resnet34.rs"]
mod resnet34;

#[test]
fn capsules_and_s_cells_learn_digits() {
    let mnist = convnet::data::load("mnist").unwrap();
    let (train, test) = (mnist.train.slice(0..1000).unwrap(), mnist.test.unwrap().slice(0..500).unwrap());
    let mut model = neocognitron::neocognitron().unwrap();
    model.fit(&train, Fit::new().epochs(4).batch_size(32)).unwrap();
    assert!(model.evaluate(&test).unwrap().metric("accuracy").unwrap() > 0.7);

    let (train, test) = (OneHot::new(&train, 10).unwrap(), OneHot::new(&test, 10).unwrap());
    let mut model = capsules::capsule_network(16, 2).unwrap();
    model.fit(&train, Fit::new().epochs(4).batch_size(32)).unwrap();
    assert!(model.evaluate(&test).unwrap().metric("accuracy").unwrap() > 0.7);
}

#[test]
fn resnet34_of_residual_units_has_the_parameters_of_the_book() {
    let model = resnet34::resnet34().unwrap();
    let summary = model.summary(1).unwrap();
    assert_eq!((summary.total_parameters, summary.trainable_parameters), (21_306_826, 21_289_802));
    let source = include_str!("../examples/resnet34.rs");
    let start = source.find("pub fn resnet34").unwrap();
    let lines = source[start..].find("\n}").map(|end| source[start..start + end].lines().count() + 1);
    assert!(lines.unwrap() < 40, "{lines:?} lines");
}
