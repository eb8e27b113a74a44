//! Optimizers with all that is common to them, schedules, losses, metrics and training curves against Keras.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use common::{Tensor, assert_close, golden_json, placeholders, run};
use convnet_engine::ops::BatchMean;
use convnet_engine::{Program, Shape, Slab, gradients};
use convnet_nn::metrics::{self, Meter};
use convnet_nn::model::{Compiled, from_config};
use convnet_nn::optimizers::{self, Course, Target};
use convnet_nn::train::Arrays;
use convnet_nn::{Fit, losses, schedules};
use ndarray::{ArrayD, ArrayView1, ArrayViewD, IxDyn};
use serde_json::{Map, Value as Json, json};

fn cases(file: &str) -> (Json, Vec<Json>) {
    let golden = golden_json(file);
    let cases = golden["cases"].as_array().unwrap().clone();
    (golden, cases)
}

fn numbers(json: &Json) -> Vec<f32> {
    json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn object(json: &Json) -> &Map<String, Json> {
    json.as_object().unwrap()
}

/// Two weights as a model has them in its slabs, each on a line of its own.
struct Weights {
    ranges: Vec<std::ops::Range<usize>>,
    lens: Vec<usize>,
}

impl Weights {
    fn new(tensors: &[Tensor]) -> Self {
        let (mut ranges, mut end) = (Vec::new(), 0);
        for tensor in tensors {
            ranges.push(end..end + Slab::round_up(tensor.values.len()));
            end = ranges.last().unwrap().end;
        }
        Self { ranges, lens: tensors.iter().map(|tensor| tensor.values.len()).collect() }
    }

    fn fill(&self, slab: &mut [f32], tensors: &[Tensor]) {
        for (range, tensor) in self.ranges.iter().zip(tensors) {
            slab[range.start..range.start + tensor.values.len()].copy_from_slice(&tensor.values);
        }
    }

    fn read(&self, slab: &[f32]) -> Vec<f32> {
        let part =
            |(range, len): (&std::ops::Range<usize>, &usize)| slab[range.start..range.start + len].to_vec();
        self.ranges.iter().zip(&self.lens).flat_map(part).collect()
    }
}

#[test]
fn optimizers_follow_keras_with_all_their_rules() {
    let (golden, cases) = cases("optimizer_rules.json");
    let start = Tensor::read_all(&golden["start"]);
    let steps: Vec<Vec<Tensor>> =
        golden["gradients"].as_array().unwrap().iter().map(Tensor::read_all).collect();
    assert!(cases.len() > 40);
    for case in &cases {
        let (class, config) = (case["class_name"].as_str().unwrap(), object(&case["config"]));
        let what = format!("{class} {config:?}");
        let optimizer = optimizers::from_config(class, config).unwrap();
        // What is written is read again as the same.
        let again = optimizers::from_config(class, &optimizer.config()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{optimizer:?}"), "{what}");
        let weights = Weights::new(&start);
        let len = weights.ranges.last().unwrap().end;
        let targets = weights.ranges.iter().zip(["a/kernel", "a/bias"]);
        let targets =
            targets.map(|(range, path)| Target { path: path.to_owned(), range: range.clone(), rate: 1.0 });
        let course = Course::new(&*optimizer, targets);
        let (mut parameters, mut slab) = (Slab::new(len), Slab::new(len));
        let mut slots = optimizers::memory(&*optimizer, len);
        weights.fill(&mut parameters, &start);
        for (step, gradients) in steps.iter().enumerate() {
            weights.fill(&mut slab, gradients);
            optimizers::apply(&*optimizer, &course, step as u64, &mut parameters, &mut slab, &mut slots);
            let expected = numbers(&case["steps"][step]);
            assert_close(&format!("{what} step {step}"), &weights.read(&parameters), &expected, 5e-6);
        }
        // Keras's order: of each group of slots, all arrays of one weight, then all of the next.
        let (names, mut first, mut found) = (optimizer.slots(), 0, Vec::new());
        for size in optimizer.slot_groups() {
            for (range, len) in weights.ranges.iter().zip(&weights.lens) {
                for slot in first..first + size {
                    found.push((names[slot], slots[slot][range.start..range.start + len].to_vec()));
                }
            }
            first += size;
        }
        let updates = steps.len() as u64 / config["gradient_accumulation_steps"].as_u64().unwrap_or(1);
        found.extend(optimizer.file_scalars(updates).into_iter().map(|scalar| ("", vec![scalar])));
        let (variables, expected) = (case["variables"].as_array().unwrap(), Tensor::read_all(&case["slots"]));
        assert_eq!(found.len(), expected.len(), "{what}: slots");
        for (((name, values), expected), variable) in found.iter().zip(&expected).zip(variables) {
            let variable = variable.as_str().unwrap();
            assert!(variable.ends_with(name), "{what}: slot {name} is Keras's {variable}");
            assert_close(&format!("{what}: {variable}"), values, &expected.values, 5e-6);
        }
        if optimizer.settings().use_ema {
            let averages = weights.read(&slots[0]);
            assert_close(&format!("{what}: averages"), &averages, &numbers(&case["finalized"]), 5e-6);
        }
    }
}

#[test]
fn weights_that_are_exempt_do_not_decay_and_rates_have_their_factors() {
    let optimizer = optimizers::from_config(
        "SGD",
        object(&json!({
            "learning_rate": 0.5, "weight_decay": 0.2, "exclude_from_weight_decay": ["bias"]
        })),
    )
    .unwrap();
    let target =
        |path: &str, start: usize, rate| Target { path: path.into(), range: start..start + 16, rate };
    let targets = [target("a/kernel", 0, 1.0), target("a/bias", 16, 1.0), target("b/kernel", 32, 0.1)];
    let course = Course::new(&*optimizer, targets);
    let (mut parameters, mut gradients) = (Slab::new(48), Slab::new(48));
    parameters.fill(1.0);
    gradients.fill(1.0);
    optimizers::apply(&*optimizer, &course, 0, &mut parameters, &mut gradients, &mut []);
    assert_close("kernel", &parameters[..16], &[1.0 - 0.1 - 0.5; 16], 1e-6);
    assert_close("bias", &parameters[16..32], &[0.5; 16], 1e-6);
    assert_close("slow kernel", &parameters[32..], &[1.0 - 0.01 - 0.05; 16], 1e-6);
}

#[test]
fn schedules_give_keras_rates() {
    let (_, cases) = cases("schedules.json");
    for case in &cases {
        let keras = &case["object"];
        let (class, config) = (keras["class_name"].as_str().unwrap(), object(&keras["config"]));
        let schedule = schedules::from_config(class, config).unwrap();
        let again = schedules::object(&*schedule);
        assert_eq!(again["module"], keras["module"]);
        for (key, value) in object(&keras["config"]).iter().filter(|(key, _)| *key != "name") {
            let (ours, theirs) = (&again["config"][key], value);
            assert!(ours == theirs || ours.as_f64() == theirs.as_f64(), "{class} {key}: {ours} {theirs}");
        }
        for (step, rate) in case["steps"].as_array().unwrap().iter().zip(numbers(&case["rates"])) {
            let step = step.as_u64().unwrap();
            let found = schedule.rate(step);
            assert!(
                (found - rate).abs() <= 2e-7 + 2e-6 * rate.abs(),
                "{class} {config:?} {step}: {found} {rate}"
            );
        }
    }
}

#[test]
fn all_losses_give_keras_numbers_and_gradients() {
    let (_, cases) = cases("losses_all.json");
    let mut classes: Vec<&str> = Vec::new();
    for case in &cases {
        let (class, config) = (case["class_name"].as_str().unwrap(), object(&case["config"]));
        let what = format!("{class} {config:?}");
        classes.push(class);
        let loss = losses::from_config(class, config).unwrap();
        let again = losses::from_config(class, &loss.config()).unwrap();
        assert_eq!(format!("{again:?}"), format!("{loss:?}"));
        let (targets, predictions) = (Tensor::read(&case["y_true"]), Tensor::read(&case["y_pred"]));
        assert_eq!(loss.target_shape(&predictions.batched()), targets.batched(), "{what}: targets");
        let mut program = Program::default();
        let values = placeholders(&mut program.graph, &[predictions.clone(), targets.clone()], true);
        let each = loss.build(&mut program.graph, values[0], values[1]).unwrap();
        let mean = program.graph.apply(BatchMean, &[each]).unwrap();
        let gradient = gradients(&mut program.graph, mean, None, &values[..1]).unwrap()[0].unwrap();
        program.fetches = vec![mean, gradient, each];
        for passes in [false, true] {
            let inputs = [&*predictions.values, &targets.values];
            let fetched = run(program.clone(), predictions.dims[0], &inputs, &mut [], passes);
            assert_close(&what, &fetched[0], &[case["value"].as_f64().unwrap() as f32], 1e-5);
            let expected = Tensor::read(&case["gradient"]).values;
            assert_close(&format!("{what}: gradient"), &fetched[1], &expected, 2e-5);
            // Keras divides by the share that counts only when it takes the mean.
            if loss.ignored_class().is_none() {
                let mut expected = Tensor::read(&case["each"]).values;
                if class == "Circle" {
                    let counting = expected.iter().filter(|&&each| each > 0.0).count();
                    let share = counting as f32 / expected.len() as f32;
                    expected.iter_mut().for_each(|each| *each /= share);
                }
                assert_close(&format!("{what}: each"), &fetched[2], &expected, 1e-5);
            }
        }
    }
    classes.dedup();
    for known in losses::REGISTRY {
        assert!(classes.contains(&known.name), "no case for {}", known.name);
    }
}

#[test]
fn all_metrics_give_keras_numbers_after_each_batch() {
    let (golden, cases) = cases("metrics_all.json");
    let sizes: Vec<usize> =
        golden["sizes"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect();
    let data = |name: &str| Tensor::read(&golden["data"][name]);
    let all_weights = data("weights");
    let mut classes: Vec<&str> = Vec::new();
    for case in &cases {
        let (class, config) = (case["class_name"].as_str().unwrap(), object(&case["config"]));
        let what = format!("{class} {config:?}");
        classes.push(class);
        let metric = metrics::from_config(class, config).unwrap();
        let again = metrics::Metric::from_json(&metric.config().unwrap()).unwrap();
        assert_eq!(again, metric, "{what}");
        let (targets, predictions) =
            (data(case["y_true"].as_str().unwrap()), data(case["y_pred"].as_str().unwrap()));
        for key in ["results", "weighted"] {
            let Some(expected) = case.get(key) else { continue };
            let mut meter = metric.meter(&predictions.batched(), &targets.batched()).unwrap();
            let mut first = 0;
            for (batch, &size) in sizes.iter().enumerate() {
                let part = |tensor: &Tensor| {
                    let row: usize = tensor.dims[1..].iter().product();
                    let mut dims = tensor.dims.clone();
                    dims[0] = size;
                    let values = tensor.values[first * row..(first + size) * row].to_vec();
                    Tensor { dims, values }
                };
                let (targets, predictions) = (part(&targets), part(&predictions));
                let weights = if key == "weighted" { part(&all_weights).values } else { Vec::new() };
                let mut program = Program::default();
                let values = placeholders(&mut program.graph, &[predictions.clone(), targets.clone()], true);
                program.fetches = vec![metric.build(&mut program.graph, values[0], values[1]).unwrap()];
                let inputs = [&*predictions.values, &targets.values];
                let fetched = run(program, size, &inputs, &mut [], true);
                meter.add(&fetched[0], &targets.values, &weights);
                let found: Vec<f32> = meter.values().iter().map(|&value| value as f32).collect();
                assert_close(
                    &format!("{what} {key} batch {batch}"),
                    &found,
                    &numbers(&expected[batch]),
                    1e-5,
                );
                first += size;
            }
        }
    }
    for known in metrics::REGISTRY {
        let ours = ["ExactAUC", "Accuracy"].contains(&known.name);
        assert!(ours || classes.contains(&known.name), "no case for {}", known.name);
    }
}

#[test]
fn class_numbers_and_one_hot_targets_give_the_same_figures() {
    let golden = golden_json("metrics_all.json");
    let data = |name: &str| Tensor::read(&golden["data"][name]);
    let (scores, labels, onehot) = (data("scores"), data("labels"), data("onehot"));
    for name in ["precision", "recall", "f1_score", "auc", "exact_auc", "true_positives"] {
        let metric: metrics::Metric = name.parse().unwrap();
        let value = |targets: &Tensor| {
            let mut meter = metric.meter(&scores.batched(), &targets.batched()).unwrap();
            meter.add(&scores.values, &targets.values, &[]);
            meter.values()
        };
        assert_eq!(value(&labels), value(&onehot), "{name}");
    }
    let mut matrix =
        metrics::ConfusionMatrix::new(&scores.batched(), &Shape::batched([] as [usize; 0])).unwrap();
    matrix.add(&scores.values, &labels.values, &[]);
    let accuracy = metrics::Metric::from(metrics::TopK::sparse(1));
    let mut meter = accuracy.meter(&scores.batched(), &labels.batched()).unwrap();
    meter.add(&scores.values, &labels.values, &[]);
    assert_eq!(matrix.value(), meter.value(), "the trace of the confusion matrix is the accuracy");
    assert_eq!(matrix.report().accuracy, matrix.value());
}

#[test]
fn trainings_of_fifty_steps_have_keras_loss_curves() {
    let golden = golden_json("curves.json");
    let images = Tensor::read(&golden["images"]);
    let labels = numbers(&golden["labels"]);
    let start = Tensor::read_all(&golden["start"]);
    let order: Vec<Vec<usize>> = (golden["order"].as_array().unwrap().iter())
        .map(|step| step.as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as usize).collect())
        .collect();
    let size: usize = images.dims[1..].iter().product();
    let runs = golden["runs"].as_array().unwrap();
    assert!(runs.len() >= 6);
    for run in runs {
        let (class, mut config) = (run["class_name"].as_str().unwrap(), object(&run["config"]).clone());
        // Weights become their averages when a training ends, and here each step is one; the averages change no loss.
        config.insert("use_ema".into(), false.into());
        let optimizer = optimizers::from_config(class, &config).unwrap();
        let network = json!({ "class_name": "Sequential", "config": golden["model"] });
        let mut model = from_config(&network).unwrap();
        let paths: Vec<String> = model.weights().map(|weight| weight.path.clone()).collect();
        for (path, tensor) in paths.iter().zip(&start) {
            let values = ArrayD::from_shape_vec(IxDyn(&tensor.dims), tensor.values.clone()).unwrap();
            model.set_weight(path, values.view()).unwrap();
        }
        let loss = losses::from_name("sparse_categorical_crossentropy").unwrap();
        model.compile_with(Compiled::new(optimizer, loss, Vec::new())).unwrap();
        for (step, indices) in order.iter().enumerate() {
            let pixels: Vec<f32> = indices
                .iter()
                .flat_map(|&i| images.values[i * size..(i + 1) * size].iter().copied())
                .collect();
            let classes: Vec<f32> = indices.iter().map(|&i| labels[i]).collect();
            let mut dims = images.dims.clone();
            dims[0] = indices.len();
            let x = ArrayViewD::from_shape(IxDyn(&dims), &pixels).unwrap();
            let data = Arrays::new(x, ArrayView1::from(&classes[..])).unwrap();
            let fit = Fit::new().batch_size(indices.len()).shuffle(false);
            let (found, expected) =
                (model.fit(&data, fit).unwrap().epochs[0].loss, run["losses"][step].as_f64().unwrap());
            assert!(
                (found - expected).abs() < 1e-3,
                "{class} {config:?} step {step}: {found}, Keras {expected}"
            );
        }
    }
}

#[test]
fn the_old_argument_decay_is_a_schedule() {
    let old = json!({ "lr": 0.1, "decay": 0.5, "momentum": 0.0, "nesterov": false, "name": "SGD" });
    let optimizer = optimizers::from_config("SGD", object(&old)).unwrap();
    let rates: Vec<f32> = [0, 1, 2, 18].iter().map(|&steps| optimizer.rate_after(steps)).collect();
    assert_close("rates", &rates, &[0.1, 0.1 / 1.5, 0.05, 0.01], 1e-6);
    let again = optimizers::from_config("SGD", &optimizer.config()).unwrap();
    assert_eq!(again.rate_after(18), optimizer.rate_after(18));
    assert_eq!(optimizer.config()["learning_rate"]["class_name"], "InverseTimeDecay");
}

#[test]
fn arguments_that_cannot_be_are_told() {
    for (class, config, part) in [
        ("SGD", json!({ "clipnorm": 1.0, "clipvalue": 1.0 }), "only one of"),
        ("SGD", json!({ "gradient_accumulation_steps": 1 }), "at least 2"),
        ("Adam", json!({ "use_ema": true, "ema_momentum": 1.5 }), "between 0 and 1"),
        ("Adam", json!({ "beta_3": 1.5 }), "beta_3"),
        ("Adam", json!({ "learning_rate": { "class_name": "CosinDecay", "config": {} } }), "CosineDecay"),
        ("Muon", json!({}), "unknown optimizer"),
    ] {
        let problem = optimizers::from_config(class, object(&config)).unwrap_err().to_string();
        assert!(problem.contains(part), "{class} {config}: {problem}");
    }
    for (class, config, part) in [
        ("MeanAbsoluteError", json!({ "delta": 1.0 }), "delta"),
        ("MeanSquaredError", json!({ "reduction": "sum" }), "reduction sum"),
        ("Huber", json!({ "delta": "wide" }), "delta"),
    ] {
        let problem = losses::from_config(class, object(&config)).unwrap_err().to_string();
        assert!(problem.contains(part) || problem.contains("invalid type"), "{class} {config}: {problem}");
    }
    for (class, config, part) in [
        ("MeanIoU", json!({}), "num_classes"),
        ("IoU", json!({ "num_classes": 2, "target_class_ids": [2] }), "below 2"),
        ("AUC", json!({ "curve": "ROCK" }), "ROCK"),
        ("Precisions", json!({}), "did you mean `precision`"),
    ] {
        let problem = metrics::from_config(class, object(&config)).unwrap_err().to_string();
        assert!(problem.contains(part), "{class} {config}: {problem}");
    }
}
