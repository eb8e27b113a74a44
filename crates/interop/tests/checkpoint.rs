//! Trainings that are stopped anywhere and go on from a file come to the same bits as those that are not.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use convnet_interop::checkpoint::{self, BackupAndRestore};
use convnet_nn::layers::{BatchNormalization, Conv2D, Dense, Dropout, Flatten};
use convnet_nn::losses::SparseCategoricalCrossentropy;
use convnet_nn::optimizers::Adam;
use convnet_nn::train::{Arrays, Callback, EarlyStopping, Often, On, ReduceLROnPlateau};
use convnet_nn::{Activation, Error, Fit, History, Metric, Model, Sequential};
use ndarray::{Array1, Array4};

const EPOCHS: usize = 9;
const BATCH: usize = 8;

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("convnet-checkpoint-{name}-{}.safetensors", std::process::id()))
}

/// A net with all that is random, or moves besides weights.
fn model() -> Model {
    let mut model = Sequential::new([6, 6, 1])
        .add(Conv2D::new(4, 3))
        .add(BatchNormalization::new())
        .add(Flatten::new())
        .add(Dropout::new(0.3))
        .add(Dense::new(3).activation(Activation::Softmax))
        .build()
        .unwrap();
    model.initialize(4);
    model.compile(Adam::new(0.01), SparseCategoricalCrossentropy::default(), [Metric::Accuracy]).unwrap();
    model
}

fn pictures() -> (Array4<f32>, Array1<f32>) {
    let mut state = 3_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let labels = Array1::from_shape_fn(52, |_| (random() * 3.0).floor());
    (
        Array4::from_shape_fn((52, 6, 6, 1), |(i, y, _, _)| {
            random() + if y as f32 == labels[i] { 0.4 } else { 0.0 }
        }),
        labels,
    )
}

fn options() -> Fit<'static> {
    Fit::new().epochs(EPOCHS).batch_size(BATCH).validation_split(0.2).seed(11).class_weight(&[1.0, 2.0])
}

fn callbacks() -> (EarlyStopping, ReduceLROnPlateau) {
    let stop = EarlyStopping::new("val_loss").patience(2).min_delta(0.02).restore_best_weights(true);
    (stop, ReduceLROnPlateau::new("val_loss").patience(1).factor(0.5))
}

/// All that must be the same: weights and optimizer memory to the bit, and the history but for times.
fn result(model: &Model, history: &History) -> (Vec<Vec<u32>>, Vec<Vec<u32>>, String) {
    let bits = |values: &ndarray::ArrayD<f32>| values.iter().map(|value| value.to_bits()).collect();
    let memory = model.optimizer_memory().unwrap();
    let figures: Vec<_> = history.epochs.iter().map(|log| log.figures()).collect();
    (
        model.get_weights().iter().map(bits).collect(),
        memory.slots.iter().flatten().map(bits).collect(),
        format!("{} {figures:?}", memory.steps),
    )
}

/// A training without a stop.
fn whole() -> (Vec<Vec<u32>>, Vec<Vec<u32>>, String) {
    let (x, y) = pictures();
    let (mut stop, mut slower) = callbacks();
    let mut model = model();
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let history = model.fit_with(&data, options(), &mut [&mut stop, &mut slower]).unwrap();
    assert!(
        stop.stopped_epoch().is_some_and(|epoch| epoch < EPOCHS),
        "the callback ought to have a part: {history:?}"
    );
    assert!(model.learning_rate().unwrap() < 0.01, "the rate ought to have been reduced");
    result(&model, &history)
}

#[test]
fn trainings_that_are_stopped_after_any_steps_go_on_to_the_same_bits() {
    let expected = whole();
    let (x, y) = pictures();
    let data = Arrays::new(x.view(), y.view()).unwrap();
    // Steps between the stops, in turn: in the middle of epochs, at their ends (6 steps each), one after the other.
    for (case, stops) in
        [&[1, 1, 1][..], &[6, 6, 13], &[7, 3, 11, 2], &[5, 20], &[17], &[29, 1]].into_iter().enumerate()
    {
        let path = file(&format!("stops-{case}"));
        let mut last = None;
        for round in 0..=stops.len() {
            let stop_after = stops.get(round).copied();
            let flag = AtomicBool::new(false);
            let steps = Cell::new(0);
            let mut count = On::new().step_end(|_, _| {
                steps.set(steps.get() + 1);
                flag.store(Some(steps.get()) == stop_after, Ordering::Relaxed);
                Ok(ControlFlow::Continue(()))
            });
            let loaded = (round > 0).then(|| checkpoint::load(&path).unwrap());
            let mut model = loaded.as_ref().map_or_else(model, |checkpoint| checkpoint.to_model().unwrap());
            let keep = checkpoint::keep(&path);
            let mut fit = options().checkpoints(Often::Epoch, &keep).stop(&flag);
            if let Some(checkpoint) = &loaded {
                fit = fit.resume(checkpoint);
            }
            let (mut stop, mut slower) = callbacks();
            let history = model.fit_with(&data, fit, &mut [&mut stop, &mut slower, &mut count]).unwrap();
            if history.stopped.is_some() {
                assert_eq!(Some(steps.get()), stop_after, "case {case}");
            }
            last = Some(result(&model, &history));
        }
        assert_eq!(last.as_ref(), Some(&expected), "case {case}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn trainings_that_are_killed_go_on_from_the_last_file() {
    let expected = whole();
    let (x, y) = pictures();
    let data = Arrays::new(x.view(), y.view()).unwrap();
    for (every, killed) in [(1, 4), (4, 9), (5, 16), (6, 8)] {
        let path = file(&format!("killed-{every}"));
        let (mut stop, mut slower) = callbacks();
        let steps = Cell::new(0);
        let mut die = On::new().step_end(|_, _| {
            steps.set(steps.get() + 1);
            if steps.get() == killed {
                Err(Error::Saving("killed".into()))
            } else {
                Ok(ControlFlow::Continue(()))
            }
        });
        let backup = BackupAndRestore::new(&path).often(Often::Steps(every));
        let died = backup.fit(&mut model(), &data, options(), &mut [&mut stop, &mut slower, &mut die]);
        assert_eq!(died.unwrap_err().to_string(), "killed");
        let place = checkpoint::load(&path).unwrap().place;
        // The step that died was not kept; steps that end an epoch are kept only if their turn comes later.
        assert!((place.epoch - 1) * 6 + place.step < killed, "{place:?}");
        let (mut stop, mut slower) = callbacks();
        let mut again = model();
        let history = backup.fit(&mut again, &data, options(), &mut [&mut stop, &mut slower]).unwrap();
        assert_eq!(result(&again, &history), expected, "every {every}");
        assert!(!path.exists(), "removed when done");
    }
}

#[test]
fn checkpoints_of_other_trainings_are_refused_and_finished_ones_stay_finished() {
    let (x, y) = pictures();
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let path = file("refused");
    let keep = checkpoint::keep(&path);
    let (mut stop, mut slower) = callbacks();
    let mut first = model();
    let fit = options().checkpoints(Often::Epoch, &keep);
    let history = first.fit_with(&data, fit, &mut [&mut stop, &mut slower]).unwrap();
    let loaded = checkpoint::load(&path).unwrap();
    assert!(loaded.ended);
    let problem = |fit: Fit<'_>, callbacks: &mut [&mut dyn Callback]| {
        model().fit_with(&data, fit, callbacks).unwrap_err().to_string()
    };
    assert!(problem(options().batch_size(9).resume(&loaded), &mut []).contains("batch_size: 8"));
    assert!(problem(options().seed(12).resume(&loaded), &mut []).contains("seed: 11"));
    let mut other = EarlyStopping::new("loss");
    assert!(problem(options().resume(&loaded), &mut [&mut other]).contains("EarlyStopping loss"));
    let (mut stop, mut slower) = callbacks();
    let mut again = model();
    let after = again.fit_with(&data, options().resume(&loaded), &mut [&mut stop, &mut slower]).unwrap();
    assert_eq!(result(&again, &after), result(&first, &history));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn damaged_files_are_errors() {
    let (x, y) = pictures();
    let path = file("damaged");
    let keep = checkpoint::keep(&path);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    model().fit(&data, Fit::new().checkpoints(Often::Epoch, &keep)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(checkpoint::from_bytes(&bytes).unwrap(), checkpoint::load(&path).unwrap());
    for cut in (0..bytes.len()).step_by(97) {
        assert!(checkpoint::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let mut state = 9_u64;
    for _ in 0..2000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut changed = bytes.clone();
        changed[(state >> 33) as usize % bytes.len()] ^= 1 << (state % 8);
        // Numbers may have changed, or there is an error; nothing else may happen.
        let _read = checkpoint::from_bytes(&changed).is_ok();
    }
    std::fs::remove_file(&path).unwrap();
    let problem = checkpoint::load(&path).unwrap_err().to_string();
    assert!(problem.contains("convnet-checkpoint-damaged"), "{problem}");
}

#[test]
fn the_best_models_are_saved_under_their_figures() {
    let (x, y) = pictures();
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let folder = std::env::temp_dir().join(format!("convnet-best-{}", std::process::id()));
    let pattern = folder.join("deep/{epoch:02d}-{val_loss:.3f}.keras").display().to_string();
    let mut best = checkpoint::model_checkpoint(&*pattern).unwrap().save_best_only(true);
    let steps = folder.join("steps-{epoch}-{step}.weights.h5").display().to_string();
    let mut steps = checkpoint::model_checkpoint(&*steps).unwrap().often(Often::Steps(10));
    let mut model = model();
    let history = model.fit_with(&data, options().epochs(4), &mut [&mut best, &mut steps]).unwrap();
    let mut lowest = f64::INFINITY;
    let mut expected = Vec::new();
    for log in &history.epochs {
        let loss = log.val_loss.unwrap();
        if loss < lowest {
            expected.push(format!("{:02}-{loss:.3}.keras", log.epoch));
            lowest = loss;
        }
    }
    let names = |folder: PathBuf| {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "deep")
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.join("deep")), expected);
    // 6 steps an epoch: the 10th is the 4th of the second.
    assert_eq!(names(folder.clone()), ["steps-2-4.weights.h5", "steps-4-2.weights.h5"]);
    assert_eq!(best.last().unwrap().file_name().unwrap().to_str(), expected.last().map(String::as_str));
    let loaded = convnet_interop::keras::load_model(best.last().unwrap()).unwrap();
    assert_eq!(loaded.count_params(), model.count_params());
    assert!(checkpoint::model_checkpoint("model.pt").is_err());
    std::fs::remove_dir_all(folder).unwrap();
}
