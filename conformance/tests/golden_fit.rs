//! Several outputs, weights of samples and classes, and callbacks against Keras's `fit`.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::ops::ControlFlow;

use common::{Tensor, assert_close, golden_json};
use convnet_interop::keras::{Format, KerasFile, load_model};
use convnet_nn::layers::Dense;
use convnet_nn::losses::MeanSquaredError;
use convnet_nn::model::{Compiled, from_config};
use convnet_nn::optimizers::Sgd;
use convnet_nn::train::{Arrays, Callback, EarlyStopping, Mode, On, ReduceLROnPlateau, Samples};
use convnet_nn::{Activation, Fit, History, Metric, Model, Sequential, losses};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value as Json, json};

fn array(json: &Json) -> ArrayD<f32> {
    let Tensor { dims, values } = Tensor::read(json);
    ArrayD::from_shape_vec(IxDyn(&dims), values).unwrap()
}

fn set_weights(model: &mut Model, weights: &Json) {
    let weights: Vec<_> = weights.as_array().unwrap().iter().map(array).collect();
    model.set_weights(&weights).unwrap();
}

fn check_weights(name: &str, model: &Model, expected: &Json) {
    for (weight, expected) in model.get_weights().iter().zip(Tensor::read_all(expected)) {
        assert_close(&format!("{name}: weights"), weight.as_slice().unwrap(), &expected.values, 1e-5);
    }
}

/// Holds every figure that Keras's history has to ours.
fn check_history(name: &str, history: &History, expected: &Json) {
    let expected = expected.as_object().unwrap();
    let names: Vec<String> =
        history.table().into_iter().map(|(name, _)| name).filter(|name| name != "learning_rate").collect();
    assert_eq!(names.len(), expected.len(), "{name}: {names:?} and {:?}", expected.keys());
    for (figure, values) in expected {
        let expected: Vec<f32> =
            values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect();
        let found: Vec<f32> = history.values(figure).into_iter().map(|value| value as f32).collect();
        assert_close(&format!("{name}: {figure}"), &found, &expected, 1e-5);
    }
}

#[test]
fn several_outputs_train_as_in_keras() {
    let golden = golden_json("outputs.json");
    for run in golden["runs"].as_array().unwrap() {
        let name = run["name"].as_str().unwrap();
        let mut model = from_config(&golden["model"]).unwrap();
        set_weights(&mut model, &run["start"]);
        let compiled = Compiled::from_config(&run["compile_config"], &model.output_names()).unwrap();
        model.compile_with(compiled).unwrap();
        let (x, size, kind) = (array(&run["x"]), array(&run["size"]), array(&run["kind"]));
        // An output without a loss has no targets.
        let targets = match model.compiled().unwrap().objectives[0].loss {
            Some(_) => vec![size.view(), kind.view()],
            None => vec![kind.view()],
        };
        let data = Arrays::with_targets(vec![x.view()], targets).unwrap();
        let weights = (!run["sample_weight"].is_null()).then(|| Tensor::read(&run["sample_weight"]).values);
        let data = match &weights {
            Some(weights) => data.weights(ndarray::ArrayView1::from(&weights[..])).unwrap(),
            None => data,
        };
        let history = model.fit(&data, Fit::new().batch_size(4).epochs(3).shuffle(false)).unwrap();
        check_history(name, &history, &run["history"]);
        check_weights(name, &model, &run["weights"]);
        let scores = model.evaluate(&data).unwrap();
        let evaluation = run["evaluation"].as_object().unwrap();
        assert_eq!(scores.metrics.len() + 1, evaluation.len(), "{name}: {scores:?}");
        for (figure, expected) in evaluation {
            let found = if figure == "loss" { scores.loss } else { scores.metric(figure).unwrap() };
            // Keras counts in batches of 4 when it averages weighted means, here all are one batch: the same but for rounding.
            assert_close(
                &format!("{name}: {figure}"),
                &[found as f32],
                &[expected.as_f64().unwrap() as f32],
                1e-5,
            );
        }
        // How it was compiled is written as it was read.
        let again =
            Compiled::from_config(&model.compiled().unwrap().config(), &model.output_names()).unwrap();
        assert_eq!(again.config(), model.compiled().unwrap().config(), "{name}");
        let given = |compiled: &Compiled| -> Vec<(Option<&'static str>, f32, usize)> {
            let each = compiled.objectives.iter();
            each.map(|one| (one.loss.as_ref().map(|loss| loss.class_name()), one.weight, one.metrics.len()))
                .collect()
        };
        assert_eq!(given(&again), given(model.compiled().unwrap()), "{name}");
        for format in [Format::Archive, Format::LegacyH5] {
            let bytes = KerasFile::of_model(&model).to_bytes(format).unwrap();
            let again = KerasFile::from_bytes(bytes).unwrap().to_model().unwrap();
            assert_eq!(
                given(again.compiled().unwrap()),
                given(model.compiled().unwrap()),
                "{name} {format:?}"
            );
        }
    }
}

#[test]
fn files_of_models_with_several_outputs_say_how_they_were_compiled() {
    let golden = golden_json("outputs.json");
    let run = golden["runs"].as_array().unwrap().iter().find(|run| run["name"] == "names").unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../golden/keras/two_outputs.keras");
    let model = load_model(path).unwrap();
    check_weights("two_outputs.keras", &model, &run["weights"]);
    let objectives = &model.compiled().expect("compiled").objectives;
    let told: Vec<_> = objectives
        .iter()
        .map(|one| (one.loss.as_ref().unwrap().class_name(), one.weight, one.metrics.len()))
        .collect();
    assert_eq!(told, [("MeanSquaredError", 0.3, 0), ("SparseCategoricalCrossentropy", 1.0, 1)]);
    assert_eq!(model.optimizer_memory().unwrap().steps, 9);
    assert_eq!(model.figure_names(), ["loss", "size_loss", "kind_loss", "kind_accuracy"]);
}

#[test]
fn class_weights_act_as_in_keras() {
    for case in golden_json("outputs.json")["class_weights"].as_array().unwrap() {
        let name = case["loss"].as_str().unwrap();
        let mut model =
            Sequential::new([4]).add(Dense::new(3).activation(Activation::Softmax)).build().unwrap();
        set_weights(&mut model, &case["start"]);
        let loss = losses::from_name(name).unwrap();
        model.compile_with(Compiled::new(Box::new(Sgd::new(0.2)), loss, vec![Metric::Accuracy])).unwrap();
        let (x, y) = (array(&case["x"]), array(&case["y"]));
        let data = Arrays::new(x.view(), y.view()).unwrap();
        assert!(!data.weighted());
        let options = Fit::new().batch_size(5).epochs(2).shuffle(false);
        let history = model.fit(&data, options.class_weight(&[0.5, 3.0])).unwrap();
        check_history(name, &history, &case["history"]);
        check_weights(name, &model, &case["weights"]);
    }
}

#[test]
fn callbacks_decide_as_keras_does() {
    let golden = golden_json("outputs.json");
    let decisions = golden["decisions"].as_array().unwrap();
    assert!(decisions.len() > 100);
    for case in decisions {
        let config = &case["config"];
        let number = |key: &str| config.get(key).and_then(Json::as_f64);
        let count = |key: &str| number(key).map(|number| number as usize);
        let monitor = case["monitor"].as_str().unwrap();
        let mode = if config["mode"] == "max" { Mode::Max } else { Mode::Auto };
        let mut callback: Box<dyn Callback> = if case["class_name"] == "EarlyStopping" {
            let mut stop = EarlyStopping::new(monitor)
                .mode(mode)
                .patience(count("patience").unwrap())
                .restore_best_weights(config["restore_best_weights"] == true)
                .start_from_epoch(count("start_from_epoch").unwrap_or(0))
                .min_delta(number("min_delta").unwrap_or(0.0));
            if let Some(baseline) = number("baseline") {
                stop = stop.baseline(baseline);
            }
            Box::new(stop)
        } else {
            let slower = ReduceLROnPlateau::new(monitor)
                .mode(mode)
                .patience(count("patience").unwrap())
                .factor(number("factor").unwrap())
                .cooldown(count("cooldown").unwrap_or(0))
                .min_lr(number("min_lr").unwrap_or(0.0) as f32);
            Box::new(number("min_delta").into_iter().fold(slower, ReduceLROnPlateau::min_delta))
        };
        let values: Vec<f64> =
            case["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        let mut shown = On::new().epoch_end(|_, log| {
            match monitor {
                "val_loss" => log.val_loss = Some(values[log.epoch - 1]),
                _ => log.val_metrics[0].1 = values[log.epoch - 1],
            }
            Ok(ControlFlow::Continue(()))
        });
        let (mut kept, mut rates) = (Vec::new(), Vec::new());
        let mut begin = On::new().epoch_begin(|model, _| {
            rates.push(model.learning_rate()?);
            Ok(())
        });
        let mut end = On::new().epoch_end(|model, _| {
            kept.push(model.get_weights());
            Ok(ControlFlow::Continue(()))
        });
        let mut model =
            Sequential::new([2]).add(Dense::new(1).activation(Activation::Sigmoid)).build().unwrap();
        model.compile(Sgd::new(0.1), MeanSquaredError, [Metric::Accuracy]).unwrap();
        let (x, y) = (ndarray::Array2::ones((4, 2)), ndarray::Array2::ones((4, 1)));
        let data = Arrays::new(x.view(), y.view()).unwrap();
        let options = Fit::new().epochs(values.len()).validation_data(&data);
        model.fit_with(&data, options, &mut [&mut shown, &mut *callback, &mut begin, &mut end]).unwrap();
        drop((begin, end));
        let expected: Vec<f32> =
            case["rates"].as_array().unwrap().iter().map(|rate| rate.as_f64().unwrap() as f32).collect();
        assert_close(&case.to_string(), &rates, &expected, 1e-6);
        assert_eq!(json!(kept.len()), case["epochs"], "{case}");
        let last = model.get_weights();
        assert_eq!(
            json!(kept.iter().position(|weights| *weights == last).unwrap() + 1),
            case["final"],
            "{case}"
        );
    }
}

#[test]
fn losses_pass_over_masked_time_steps_as_in_keras() {
    let golden = golden_json("masks.json");
    for case in golden["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let mut model = from_config(&case["model"]).unwrap();
        set_weights(&mut model, &case["start"]);
        let compiled = Compiled::from_config(&case["compile_config"], &model.output_names()).unwrap();
        model.compile_with(compiled).unwrap();
        let (x, y) = (array(&case["x"]), array(&case["y"]));
        let data = Arrays::with_targets(vec![x.view()], vec![y.view()]).unwrap();
        let weights = (!case["sample_weight"].is_null()).then(|| Tensor::read(&case["sample_weight"]).values);
        let data = match &weights {
            Some(weights) => data.weights(ndarray::ArrayView1::from(&weights[..])).unwrap(),
            None => data,
        };
        let history = model.fit(&data, Fit::new().batch_size(4).epochs(3).shuffle(false)).unwrap();
        check_history(name, &history, &case["history"]);
        check_weights(name, &model, &case["weights"]);
    }
}
