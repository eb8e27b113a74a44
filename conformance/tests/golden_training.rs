//! Losses, metrics, optimizers and whole trainings against Keras.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use common::{Tensor, assert_close, golden_json, placeholders, run};
use convnet_engine::ops::BatchMean;
use convnet_engine::{Program, Shape, gradients};
use convnet_nn::model::{Compiled, from_config};
use convnet_nn::train::Arrays;
use convnet_nn::{Fit, Metric, losses, optimizers};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use serde_json::{Value as Json, json};

fn array(tensor: &Tensor) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(&tensor.dims), tensor.values.clone()).unwrap()
}

#[test]
fn losses_give_keras_numbers() {
    for case in golden_json("losses.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (class, config) = (case["class_name"].as_str().unwrap(), case["config"].as_object().unwrap());
        let loss = losses::from_config(class, config).unwrap();
        let (targets, predictions) = (Tensor::read(&case["y_true"]), Tensor::read(&case["y_pred"]));
        let mut program = Program::default();
        let values = placeholders(&mut program.graph, &[predictions.clone(), targets.clone()], true);
        assert_eq!(loss.target_shape(&predictions.batched()), targets.batched(), "{name}: targets");
        let losses = loss.build(&mut program.graph, values[0], values[1]).unwrap();
        let mean = program.graph.apply(BatchMean, &[losses]).unwrap();
        let gradient = gradients(&mut program.graph, mean, None, &values[..1]).unwrap()[0].unwrap();
        program.fetches = vec![mean, gradient];
        let inputs = [&*predictions.values, &targets.values];
        let fetched = run(program, predictions.dims[0], &inputs, &mut [], true);
        let expected = case["value"].as_f64().unwrap() as f32;
        assert_close(name, &fetched[0], &[expected], 1e-5);
        let expected = Tensor::read(&case["gradient"]).values;
        assert_close(&format!("{name}: gradient"), &fetched[1], &expected, 1e-5);
    }
}

#[test]
fn metrics_give_keras_numbers() {
    let cases = golden_json("metrics.json")["cases"].as_array().unwrap().clone();
    for case in &cases {
        let class = case["class_name"].as_str().unwrap();
        let metric: Metric = class.parse().unwrap();
        let mut meter = None;
        for batch in case["batches"].as_array().unwrap() {
            let (mut targets, predictions) = (Tensor::read(&batch["y_true"]), Tensor::read(&batch["y_pred"]));
            if class.starts_with("Sparse") {
                // Keras also takes class numbers in a column.
                targets.dims.truncate(predictions.dims.len() - 1);
            }
            let shapes = (predictions.batched(), targets.batched());
            let meter = meter.get_or_insert_with(|| metric.meter(&shapes.0, &shapes.1).unwrap());
            let mut program = Program::default();
            let values = placeholders(&mut program.graph, &[predictions.clone(), targets.clone()], true);
            program.fetches = vec![metric.build(&mut program.graph, values[0], values[1]).unwrap()];
            let inputs = [&*predictions.values, &targets.values];
            let fetched = run(program, predictions.dims[0], &inputs, &mut [], true);
            meter.add(&fetched[0], &targets.values, &[]);
        }
        let (value, expected) = (meter.unwrap().value(), case["value"].as_f64().unwrap());
        assert!((value - expected).abs() < 1e-6, "{class}: {value} instead of {expected}");
    }
    assert!(cases.len() >= 5);
}

#[test]
fn optimizers_take_keras_steps() {
    for case in golden_json("optimizers.json")["cases"].as_array().unwrap() {
        let (class, config) = (case["class_name"].as_str().unwrap(), case["config"].as_object().unwrap());
        let optimizer = optimizers::from_config(class, config).unwrap();
        let learning_rate = optimizer.learning_rate();
        let mut parameters = Tensor::read(&case["start"]).values;
        let mut slots: Vec<Vec<f32>> =
            optimizer.slots().iter().map(|_| vec![0.0; parameters.len()]).collect();
        let gradients = Tensor::read_all(&case["gradients"]);
        for (step, (gradient, expected)) in gradients.iter().zip(Tensor::read_all(&case["steps"])).enumerate()
        {
            let mut slots: Vec<&mut [f32]> = slots.iter_mut().map(|slot| &mut **slot).collect();
            let at = optimizers::Step { number: step as u64 + 1, learning_rate };
            optimizer.update(at, &mut parameters, &gradient.values, &mut slots);
            assert_close(&format!("{class} {config:?} step {step}"), &parameters, &expected.values, 4e-6);
        }
        for (slot, expected) in slots.iter().zip(Tensor::read_all(&case["slots"])) {
            assert_close(&format!("{class} {config:?} slot"), slot, &expected.values, 2e-6);
        }
    }
}

#[test]
fn trainings_follow_keras_step_by_step() {
    let golden = golden_json("fit.json");
    let inputs = Tensor::read(&golden["inputs"]);
    let labels: Vec<Vec<f32>> = (golden["labels"].as_array().unwrap().iter())
        .map(|batch| batch.as_array().unwrap().iter().map(|label| label.as_f64().unwrap() as f32).collect())
        .collect();
    let start = Tensor::read_all(&golden["start"]);
    let runs = golden["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for run in runs {
        let class = run["class_name"].as_str().unwrap();
        let mut model =
            from_config(&json!({ "class_name": "Sequential", "config": golden["model"] })).unwrap();
        set_weights(&mut model, &start);
        let mut config = json!({ "learning_rate": run["learning_rate"] });
        if class == "SGD" {
            config["momentum"] = json!(0.9);
        }
        let optimizer = optimizers::from_config(class, config.as_object().unwrap()).unwrap();
        let loss = losses::from_name("sparse_categorical_crossentropy").unwrap();
        model.compile_with(Compiled::new(optimizer, loss, vec![Metric::Accuracy])).unwrap();
        let sample: usize = inputs.dims[1..].iter().product();
        for (step, (batch, labels)) in inputs.values.chunks(sample).zip(&labels).enumerate() {
            let x = ArrayViewD::from_shape(IxDyn(&inputs.dims[1..]), batch).unwrap();
            let y = ndarray::ArrayView1::from(&labels[..]);
            let data = Arrays::new(x, y).unwrap();
            let log = model.fit(&data, Fit::new().batch_size(labels.len()).shuffle(false)).unwrap();
            let expected = run["losses"][step].as_f64().unwrap();
            let loss = log.epochs[0].loss;
            assert!(
                (loss - expected).abs() < 1e-3 * expected.abs().max(0.1),
                "{class} step {step}: {loss}, Keras {expected}"
            );
            let expected = run["accuracies"][step].as_f64().unwrap();
            assert!(
                (log.epochs[0].metric("accuracy").unwrap() - expected).abs() < 1e-6,
                "{class} step {step}"
            );
        }
        for (weight, expected) in model.get_weights().iter().zip(Tensor::read_all(&run["weights"])) {
            assert_close(&format!("{class}: weights"), weight.as_slice().unwrap(), &expected.values, 2e-3);
        }
        let x = Tensor { dims: inputs.dims[1..].to_vec(), values: inputs.values[..sample].to_vec() };
        check_prediction(class, &model, &x, &run["prediction"]);
    }
}

fn set_weights(model: &mut convnet_nn::Model, tensors: &[Tensor]) {
    let paths: Vec<String> = model.weights().map(|weight| weight.path.clone()).collect();
    assert_eq!(paths.len(), tensors.len());
    for (path, tensor) in paths.iter().zip(tensors) {
        model.set_weight(path, array(tensor).view()).unwrap();
    }
}

fn check_prediction(class: &str, model: &convnet_nn::Model, x: &Tensor, expected: &Json) {
    let expected = Tensor::read(expected);
    let prediction = model.predict(array(x).view()).unwrap();
    if Shape::batched(&expected.dims[1..]) == model.output_shapes()[0] && expected.dims[0] == x.dims[0] {
        assert_close(&format!("{class}: prediction"), prediction.as_slice().unwrap(), &expected.values, 2e-3);
    }
}
