//! Callbacks by the rules on Keras's pages; what they decide beside the real ones is in `conformance/tests/golden_fit.rs`.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use convnet_nn::layers::{Conv2D, Dense, Flatten};
use convnet_nn::losses::MeanSquaredError;
use convnet_nn::optimizers::{Adam, Sgd};
use convnet_nn::train::{
    Arrays, Callback, CsvLogger, EarlyStopping, LearningRateScheduler, On, Place, ReduceLROnPlateau,
    TerminateOnNaN,
};
use convnet_nn::{Error, Fit, History, Model, Result, Sequential};
use ndarray::{Array2, Array4};

fn model(rate: f32) -> Model {
    let mut model = Sequential::new([3]).add(Dense::new(1)).build().unwrap();
    model.compile(Sgd::new(rate), MeanSquaredError, []).unwrap();
    model
}

fn numbers() -> (Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((10, 3), |(i, j)| ((i * 3 + j) as f32 * 0.7).sin());
    let y = x.map_axis(ndarray::Axis(1), |row| row.sum()).insert_axis(ndarray::Axis(1));
    (x, y)
}

fn fit(model: &mut Model, options: Fit<'_>, callbacks: &mut [&mut dyn Callback]) -> Result<History> {
    let (x, y) = numbers();
    model.fit_with(&Arrays::new(x.view(), y.view()).unwrap(), options, callbacks)
}

#[test]
fn every_hook_is_called_in_order() {
    let heard = RefCell::new(Vec::new());
    let note = |text: String| heard.borrow_mut().push(text);
    let mut all = On::new()
        .train_begin(|_, planned| {
            note(format!("begin {} of {} steps, {}", planned.epochs, planned.steps, planned.validated));
            Ok(())
        })
        .epoch_begin(|_, epoch| {
            note(format!("epoch {epoch}"));
            Ok(())
        })
        .step_end(|_, progress| {
            let progress = progress();
            note(format!(
                "step {}/{} of {}, {} samples",
                progress.step, progress.steps, progress.epoch, progress.samples
            ));
            Ok(ControlFlow::Continue(()))
        })
        .epoch_end(|_, log| {
            note(format!("end of {}, {}", log.epoch, log.val_loss.is_some()));
            Ok(ControlFlow::Continue(()))
        })
        .train_end(|_, history| {
            note(format!("end after {}", history.epochs.len()));
            Ok(())
        });
    fit(&mut model(0.1), Fit::new().epochs(2).batch_size(4).validation_split(0.2), &mut [&mut all]).unwrap();
    let expected = [
        "begin 2 of 2 steps, true",
        "epoch 1",
        "step 1/2 of 1, 4 samples",
        "step 2/2 of 1, 8 samples",
        "end of 1, true",
        "epoch 2",
        "step 1/2 of 2, 4 samples",
        "step 2/2 of 2, 8 samples",
        "end of 2, true",
        "end after 2",
    ];
    drop(all);
    assert_eq!(heard.into_inner(), expected);
}

#[test]
fn breaks_and_flags_end_training_where_they_come() {
    let mut first = On::new().step_end(|_, progress| {
        Ok(if progress().step == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let history = fit(&mut model(0.1), Fit::new().epochs(3).batch_size(3), &mut [&mut first]).unwrap();
    assert_eq!((history.epochs.len(), history.stopped), (0, Some(Place { epoch: 1, step: 2 })));
    let flag = AtomicBool::new(false);
    let mut set = On::new().step_end(|_, progress| {
        flag.store(progress().epoch == 2 && progress().step == 1, Ordering::Relaxed);
        Ok(ControlFlow::Continue(()))
    });
    let options = Fit::new().epochs(3).batch_size(3).stop(&flag);
    let history = fit(&mut model(0.1), options, &mut [&mut set]).unwrap();
    assert_eq!((history.epochs.len(), history.stopped), (1, Some(Place { epoch: 2, step: 1 })));
    let mut fails = On::new().epoch_end(|_, _| Err(Error::Saving("disk full".into())));
    let problem = fit(&mut model(0.1), Fit::new(), &mut [&mut fails]).unwrap_err();
    assert_eq!(problem.to_string(), "disk full");
}

#[test]
fn schedules_set_the_rate_of_each_epoch_and_figures_tell_it() {
    let mut asked = Vec::new();
    let mut schedule = LearningRateScheduler::new(|epoch, rate| {
        asked.push((epoch, rate));
        if epoch < 2 { rate } else { rate * 0.5 }
    });
    let mut model = model(0.25);
    let history = fit(&mut model, Fit::new().epochs(4), &mut [&mut schedule]).unwrap();
    drop(schedule);
    assert_eq!(asked, [(0, 0.25), (1, 0.25), (2, 0.25), (3, 0.125)]);
    assert_eq!(history.values("learning_rate"), [0.25, 0.25, 0.125, 0.0625]);
    assert_eq!(model.learning_rate().unwrap(), 0.0625);
    let mut wrong = LearningRateScheduler::new(|_, _| f32::NAN);
    assert!(fit(&mut model, Fit::new(), &mut [&mut wrong]).unwrap_err().to_string().contains("NaN"));
}

#[test]
fn a_loss_that_is_not_finite_is_an_error_or_an_end() {
    let history = fit(&mut model(1e30), Fit::new().epochs(40), &mut []);
    assert!(matches!(history, Err(Error::NotFinite { .. })));
    let mut end = TerminateOnNaN::new();
    let mut diverges = model(1e30);
    let history = fit(&mut diverges, Fit::new().epochs(40), &mut [&mut end]).unwrap();
    assert!(history.stopped.is_some() && history.epochs.len() < 40);
    assert!(matches!(end.problem(), Some(Error::NotFinite { .. })));
}

#[test]
fn logs_and_histories_have_the_same_lines() {
    let mut text = Vec::new();
    let mut log = CsvLogger::new(&mut text);
    let history = fit(&mut model(0.1), Fit::new().epochs(3).validation_split(0.3), &mut [&mut log]).unwrap();
    drop(log);
    assert_eq!(String::from_utf8(text).unwrap(), history.to_csv());
    let csv = history.to_csv();
    let mut lines = csv.lines();
    assert_eq!(lines.next().unwrap(), "epoch,loss,val_loss,learning_rate,seconds");
    let cells: Vec<f64> = lines.next().unwrap().split(',').map(|cell| cell.parse().unwrap()).collect();
    let first = &history.epochs[0];
    assert_eq!(cells, [1.0, first.loss, first.val_loss.unwrap(), 0.1, first.seconds]);
    let names: Vec<String> = history.table().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["loss", "val_loss", "learning_rate"]);
    let path = std::env::temp_dir().join(format!("convnet-log-{}.csv", std::process::id()));
    for append in [false, true] {
        let mut log = CsvLogger::file(&path, append).unwrap().separator(';');
        fit(&mut model(0.1), Fit::new().epochs(2), &mut [&mut log]).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("epoch;loss;")).count(), 1);
    assert_eq!(text.lines().count(), 5);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn figures_that_are_not_there_are_errors_with_the_nearest_name() {
    let mut stop = EarlyStopping::new("val_loss");
    let problem = fit(&mut model(0.1), Fit::new(), &mut [&mut stop]).unwrap_err().to_string();
    assert!(problem.contains("val_loss") && problem.contains("loss, learning_rate"), "{problem}");
    let mut stop = EarlyStopping::new("wonder");
    let problem = fit(&mut model(0.1), Fit::new(), &mut [&mut stop]).unwrap_err().to_string();
    assert!(problem.contains("Mode::Min"), "{problem}");
    let mut slower = ReduceLROnPlateau::new("loss").factor(1.5);
    assert!(
        fit(&mut model(0.1), Fit::new(), &mut [&mut slower]).unwrap_err().to_string().contains("below 1")
    );
}

/// Convolutions before a dense layer.
fn deep(convolutions: usize) -> Model {
    let mut row = Sequential::new([12, 12, 4]);
    for _ in 0..convolutions {
        row = row.add(Conv2D::new(4, 3).padding(convnet_nn::layers::Padding::Same));
    }
    let mut model = row.add(Flatten::new()).add(Dense::new(2)).build().unwrap();
    model.compile(Adam::default(), MeanSquaredError, []).unwrap();
    model
}

fn freeze(model: &mut Model) {
    let names: Vec<String> = model.layers().iter().map(|layer| layer.name().to_owned()).collect();
    names
        .iter()
        .filter(|name| name.starts_with("conv2d"))
        .for_each(|name| model.set_trainable(name, false).unwrap());
}

#[test]
fn a_frozen_base_is_neither_kept_nor_visited_on_the_way_back() {
    let dense = 12 * 12 * 4 * 2;
    let mut memory = Vec::new();
    for convolutions in [4, 12] {
        let mut model = deep(convolutions);
        let forward = model.prediction_multiply_adds(8).unwrap();
        // On the way back the products by weights and by inputs, but for the first layer's inputs.
        let summary = model.summary(8).unwrap();
        let first = 8 * summary.layers.iter().find(|row| row.name == "conv2d").unwrap().multiplications;
        assert_eq!(model.training_multiply_adds(8).unwrap(), 3 * forward - first);
        let whole = summary.training_memory_bytes.unwrap();
        freeze(&mut model);
        assert_eq!(model.training_multiply_adds(8).unwrap(), forward + 8 * dense);
        let frozen = model.summary(8).unwrap().training_memory_bytes.unwrap();
        memory.push((whole, frozen));
    }
    let activation = 8 * 12 * 12 * 4 * 4;
    assert!(memory[1].0 > memory[0].0 + 7 * activation, "trained layers are kept: {memory:?}");
    assert!(memory[1].1 < memory[0].1 + activation, "frozen ones are not: {memory:?}");
}

#[test]
fn a_head_trained_on_features_is_the_head_trained_in_its_place() {
    let x =
        Array4::from_shape_fn((30, 12, 12, 4), |(i, y, x, c)| ((i * 7 + y * 3 + x + c) as f32 * 0.37).sin());
    let y = Array2::from_shape_fn((30, 2), |(i, j)| ((i + j) as f32).cos());
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let options = Fit::new().epochs(3).batch_size(8).seed(3);
    let mut whole = deep(2);
    let features = whole.up_to(&["flatten"]).unwrap().predict(x.view()).unwrap();
    let mut head = whole.between(&["flatten"], &["dense"]).unwrap();
    head.compile(Adam::default(), MeanSquaredError, []).unwrap();
    freeze(&mut whole);
    let slow = whole.fit(&data, options).unwrap();
    let fast = head.fit(&Arrays::new(features.view(), y.view()).unwrap(), options).unwrap();
    for (slow, fast) in slow.epochs.iter().zip(&fast.epochs) {
        assert!((slow.loss - fast.loss).abs() < 1e-5 * slow.loss, "{} and {}", slow.loss, fast.loss);
    }
    assert!(whole.up_to(&["flat"]).unwrap_err().to_string().contains("did you mean `flatten`"));
}

#[test]
fn rates_of_layers_multiply_the_step() {
    let (x, y) = (Array4::ones((8, 12, 12, 4)), Array2::zeros((8, 2)));
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let step = |factor: Option<f32>| {
        let mut model = deep(2);
        model.compile(Sgd::new(0.001), MeanSquaredError, []).unwrap();
        if let Some(factor) = factor {
            model.set_rate("conv2d", factor).unwrap();
        }
        let before = model.get_weights();
        model.fit(&data, Fit::new()).unwrap();
        let after = model.get_weights();
        before.iter().zip(&after).map(|(before, after)| after - before).collect::<Vec<_>>()
    };
    let (whole, half, none) = (step(None), step(Some(0.5)), step(Some(0.0)));
    // Weights: kernel and bias of two convolutions, then of the dense layer.
    for (place, ((whole, half), none)) in whole.iter().zip(&half).zip(&none).enumerate() {
        assert!(whole.iter().any(|x| *x != 0.0), "weight {place} is trained");
        let share = if place < 2 { 0.5 } else { 1.0 };
        assert!(
            whole.iter().zip(half).all(|(whole, half)| (whole * share - half).abs() <= 1e-6),
            "weight {place}"
        );
        assert_eq!(none.iter().all(|x| *x == 0.0), place < 2, "weight {place}");
    }
    let mut model = deep(1);
    model.set_rate("conv2d", 0.25).unwrap();
    assert_eq!((model.rate("conv2d"), model.rate("dense")), (0.25, 1.0));
    assert_eq!(convnet_nn::model::from_config(&model.config()).unwrap().rate("conv2d"), 0.25);
    assert!(model.set_rate("conv2d", -1.0).is_err() && model.set_rate("conv", 1.0).is_err());
}

#[test]
fn freezing_half_way_keeps_what_the_optimizer_knows_of_the_rest() {
    let (x, y) = (Array4::ones((8, 12, 12, 4)), Array2::zeros((8, 2)));
    let data = Arrays::new(x.view(), y.view()).unwrap();
    let mut model = deep(2);
    model.fit(&data, Fit::new().epochs(3)).unwrap();
    let before = model.optimizer_memory().unwrap();
    model.set_trainable("conv2d", false).unwrap();
    let after = model.optimizer_memory().unwrap();
    assert_eq!(after.steps, before.steps);
    for (before, after) in before.slots.iter().zip(&after.slots) {
        assert_eq!(before[2..], after[..]);
    }
    model.fit(&data, Fit::new()).unwrap();
    model.set_trainable("conv2d", true).unwrap();
    let again = model.optimizer_memory().unwrap();
    assert!(again.slots[0][0].iter().all(|x| *x == 0.0), "what is trained anew starts afresh");
    assert!(again.slots[0][2].iter().any(|x| *x != 0.0));
}
