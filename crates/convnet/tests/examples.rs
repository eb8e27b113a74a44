//! The examples build what they say.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet::prelude::*;

#[path = "../examples/capsules.rs"]
mod capsules;
#[path = "../examples/neocognitron.rs"]
mod neocognitron;
#[path = "../examples/pointing.rs"]
mod pointing;
#[path = "../examples/resnet34.rs"]
mod resnet34;
#[path = "../examples/shortcut.rs"]
mod shortcut;

/// Few digits, so that the test is short: far above chance, one in ten, is what is asked for.
fn digits() -> (convnet::data::Split, convnet::data::Split) {
    let mnist = convnet::data::load("mnist").unwrap();
    (mnist.train.slice(0..1000).unwrap(), mnist.test.unwrap().slice(0..500).unwrap())
}

#[test]
fn s_and_c_cells_learn_digits() {
    let (train, test) = digits();
    let mut model = neocognitron::neocognitron().unwrap();
    model.fit(&train, Fit::new().epochs(4).batch_size(32)).unwrap();
    let accuracy = model.evaluate(&test).unwrap().metric("accuracy").unwrap();
    assert!(accuracy > 0.4, "{accuracy}");
}

#[test]
fn capsules_learn_digits() {
    let (train, _) = digits();
    let few = train.slice(0..200).unwrap();
    let train = OneHot::new(&few, 10).unwrap();
    let mut model = capsules::capsule_network(8, 1).unwrap();
    let before = model.evaluate(&train).unwrap().loss;
    model.fit(&train, Fit::new().epochs(3).batch_size(20)).unwrap();
    let after = model.evaluate(&train).unwrap().loss;
    assert!(after < 0.8 * before, "{before} before, {after} after");
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

#[test]
fn a_shortcut_shows_in_averaged_maps() {
    use shortcut::Sky;
    let model = shortcut::trained(600, 3, Sky::Tells).unwrap();
    let accuracy = |sky| shortcut::accuracy(&model, &shortcut::pictures(true, 200, sky).unwrap()).unwrap();
    assert!(accuracy(Sky::Tells) > 0.95 && accuracy(Sky::Lies) < 0.2, "it goes by the sky");
    let [three, _] =
        shortcut::share_of_sky(&model, &shortcut::pictures(true, 200, Sky::Tells).unwrap()).unwrap();
    // The sky is a fifth of the picture.
    assert!(three > 0.5, "{three} of the mean map of threes");
}

#[test]
fn maps_point_at_the_digit() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pointing/pointing.keras");
    let found = pointing::Game::play(&load_model(file).unwrap(), 500).unwrap().outcome();
    assert!(found.accuracy > 0.9 && found.chance < 0.1, "{found:?}");
    assert!(found.in_ink >= 0.9 && found.in_ink_if_right >= 0.9, "{found:?}");
    assert!(found.in_square >= found.in_ink && found.silent < 0.01, "{found:?}");
}
