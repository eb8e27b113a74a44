//! The examples build what they say.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet::prelude::*;

#[path = "../examples/capsules.rs"]
mod capsules;
#[path = "../examples/flowers.rs"]
mod flowers;
#[path = "../examples/neocognitron.rs"]
mod neocognitron;
#[path = "../examples/resnet34.rs"]
mod resnet34;
#[path = "../examples/shortcut.rs"]
mod shortcut;
#[path = "../examples/smiles.rs"]
mod smiles;

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

/// Pictures of a colour each, a folder a class.
fn colours(folder: &std::path::Path, each: usize, side: usize) {
    for (class, name) in ["daisies", "roses", "tulips"].into_iter().enumerate() {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        for number in 0..each {
            let pixel = |at: usize| if at % 3 == class { 200 } else { ((at * 7 + number * 13) % 90) as u8 };
            let bytes: Vec<u8> = (0..side * side * 3).map(pixel).collect();
            let png = convnet::data::images::encode_png(&bytes, side, side, 3).unwrap();
            std::fs::write(folder.join(name).join(format!("{number}.png")), png).unwrap();
        }
    }
}

#[test]
fn flowers_are_learnt_with_a_frozen_base_and_then_with_all_of_it() {
    let folder = std::env::temp_dir().join(format!("convnet-flowers-{}", std::process::id()));
    colours(&folder, 10, 71);
    let recipe = flowers::Recipe { weights: None, side: 71, batch: 8, epochs: [2, 1] };
    let trained = flowers::train(&folder, &recipe).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(trained.model.count_params(), 20_861_480 + 2049 * 3);
    let rates = trained.histories.each_ref().map(|history| history.epochs.last().unwrap().learning_rate);
    // 21 photos are 3 steps an epoch.
    let expected = [0.2 / (1.0 + 0.01 * 6.0), 0.01 / (1.0 + 0.001 * 3.0)];
    assert!(
        rates.iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 1e-6 * expected),
        "{rates:?}"
    );
    assert!(trained.histories[0].epochs[0].loss.is_finite() && trained.test.loss.is_finite());
}

#[test]
fn smiles_are_told_from_an_hdf5_file() {
    use convnet::interop::h5::GroupWriter;
    use ndarray::{Array1, Array4};
    let mut file = GroupWriter::default();
    for (part, count) in [("train", 60), ("test", 20)] {
        // A bright bar below or above the middle.
        let x = Array4::from_shape_fn((count, 64, 64, 3), |(n, y, x, c)| {
            let row = if n % 2 == 0 { 20 } else { 44 };
            if y.abs_diff(row + n % 3) < 3 && x > 15 {
                230.0
            } else {
                ((n * 31 + y * 7 + x * 3 + c) % 60) as f32
            }
        });
        let y: Array1<f32> = (0..count).map(|n| (n % 2) as f32).collect();
        file.floats(&format!("{part}_set_x"), x.view().into_dyn());
        file.floats(&format!("{part}_set_y"), y.view().into_dyn());
    }
    let path = std::env::temp_dir().join(format!("convnet-smiles-{}.h5", std::process::id()));
    std::fs::write(&path, file.to_file().unwrap()).unwrap();
    let trained = smiles::train(&path, 3, 1).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(trained.model.count_params(), 1_063_073);
    assert_eq!(trained.confusion.counts().sum(), 20.0);
    let best = trained.history.epochs.iter().filter_map(|log| log.val_loss).fold(f64::INFINITY, f64::min);
    assert!(best < trained.history.epochs[0].val_loss.unwrap() || trained.history.epochs.len() == 2);
    assert!(trained.report.accuracy > 0.7, "{}", trained.report);
}
