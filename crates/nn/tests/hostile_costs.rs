//! Configurations within all bounds of a file whose graphs, metrics, gradients or wiring once took minutes or gigabytes: each is refused, or is a model,
//! in seconds. And long models that must not be refused with them.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use convnet_nn::model::{Model, from_config_within};
use ndarray::ArrayD;
use serde_json::{Value, json};

const NUMBERS: usize = 1 << 20;

fn open(json: &Value) -> Model {
    from_config_within(json, NUMBERS).unwrap()
}

/// What a configuration is refused for.
fn refusal(json: &Value) -> String {
    from_config_within(json, NUMBERS).unwrap_err().to_string()
}

fn input(dims: &[usize]) -> Value {
    let shape: Vec<Value> =
        std::iter::once(Value::Null).chain(dims.iter().map(|&size| json!(size))).collect();
    json!({"class_name": "InputLayer", "config": {"batch_shape": shape}, "name": "x", "inbound_nodes": []})
}

fn row(dims: &[usize], layers: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let layers = layers.into_iter().map(|(class, config)| json!({"class_name": class, "config": config}));
    let layers: Vec<Value> = std::iter::once(input(dims)).chain(layers).collect();
    json!({"class_name": "Sequential", "config": {"layers": layers}})
}

/// A layer in a functional model, called on tensors of others.
fn called(name: &str, class: &str, config: Value, from: &[&str]) -> Value {
    let from: Vec<Value> = from.iter().map(|name| json!([name, 0, 0])).collect();
    json!({"class_name": class, "config": config, "name": name, "inbound_nodes": [from]})
}

/// An operation of Keras's in a functional model.
fn operation(name: &str, class: &str, config: Value, from: &str) -> Value {
    let from = json!({"class_name": "__keras_tensor__", "config": {"keras_history": [from, 0, 0]}});
    json!({
        "module": "keras.src.ops.numpy", "class_name": class, "config": config, "name": name,
        "inbound_nodes": [{"args": [from], "kwargs": {}}],
    })
}

fn functional(layers: Vec<Value>, output: &str) -> Value {
    let config = json!({"layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [[output, 0, 0]]});
    json!({"class_name": "Functional", "config": config})
}

fn compiled(mut model: Value) -> Value {
    model["compile_config"] = json!({"optimizer": "sgd", "loss": "mse"});
    model
}

#[test]
fn taps_of_operations_are_counted_at_each_step() {
    let take = json!({"take": {"axis": 0, "indices": vec![0; 10_000]}});
    let twice = json!([[0, 0.5], [0, 0.5]]);
    let blend = json!({"blend": {"axis": 0, "size": 1, "taps": vec![twice; 10_000]}});
    for operator in [take, blend] {
        let layer = json!({"class_name": "Operation", "config": {"operator": operator}});
        let film = row(&[65_536, 1], [("TimeDistributed", json!({"layer": layer}))]);
        assert!(refusal(&film).contains("places in lists"), "{}", refusal(&film));
    }
}

/// A model that lists its output so many times, with metrics for the outputs of that name.
fn judged(outputs: usize, metrics: &Value) -> Value {
    let mut model = compiled(functional(vec![input(&[4]), called("m", "ReLU", json!({}), &["x"])], "m"));
    model["config"]["output_layers"] = vec![json!(["m", 0, 0]); outputs].into();
    model["compile_config"]["metrics"] = json!({"m": metrics});
    model
}

#[test]
fn metrics_of_a_name_that_very_many_outputs_have_are_counted_for_each() {
    let many = judged(5000, &json!(vec!["mae"; 5000]));
    assert!(refusal(&many).contains("more than 16384"), "{}", refusal(&many));
    let model = open(&judged(3, &json!(["mae", "mse", "unknown"])));
    assert_eq!(model.compiled().unwrap().metrics().count(), 6);
    assert_eq!(model.figure_names().len(), 1 + 3 + 6);
    // What no output can have is read once, not for each of them.
    open(&judged(2000, &json!(vec!["unknown"; 20_000])));
    let long = json!([{"class_name": "MeanAbsoluteError", "config": {"name": "n".repeat(100_000)}}]);
    let said = refusal(&judged(1, &long));
    assert!(said.contains("100000 bytes") && said.len() < 500, "{said}");
}

#[test]
fn shapes_of_very_many_axes_are_counted_at_each_call() {
    let dims = [1; 64];
    let mut inner = functional(vec![input(&dims), called("m", "ReLU", json!({}), &["x"])], "m");
    inner["config"]["output_layers"] = vec![json!(["m", 0, 0]); 45_010].into();
    inner["name"] = json!("inner");
    inner["inbound_nodes"] = vec![json!([["x", 0, 0]]); 186].into();
    let model = functional(vec![input(&dims), inner], "x");
    assert!(refusal(&model).contains("places in lists"), "{}", refusal(&model));
}

/// A weight, and after it so many joints of 65,536 parts.
fn joints(count: usize) -> Value {
    let mut layers = vec![input(&[1]), called("mean0", "Dense", json!({"units": 1}), &["x"])];
    for index in 0..count {
        let (tile, before, after) =
            (format!("tile{index}"), format!("mean{index}"), format!("mean{}", index + 1));
        layers.push(operation(&tile, "Tile", json!({"repeats": [1, 65_536]}), &before));
        layers.push(operation(&after, "Mean", json!({"axis": 1, "keepdims": true}), &tile));
    }
    functional(layers, &format!("mean{count}"))
}

#[test]
fn gradients_of_joints_of_very_many_parts_are_not_made_when_a_file_is_opened() {
    let said = refusal(&compiled(joints(63)));
    assert!(said.starts_with("compile: ") && said.contains("can be trained"), "{said}");
    // It is a model all the same, which is not trained.
    assert_eq!(open(&joints(63)).layers().len(), 2 + 2 * 63);
    assert_eq!(open(&joints(2)).predict(ArrayD::<f32>::ones(vec![1, 1]).view()).unwrap()[[0, 0]], 0.0);
    open(&compiled(joints(2)));
}

/// A long sequence read by a layer, and a long row of layers with penalties.
fn with_penalties(steps: usize, layers: usize) -> Value {
    let dense = json!({"units": 1, "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.1}}});
    let reader = ("LSTM", json!({"units": 1}));
    compiled(row(&[steps, 1], std::iter::once(reader).chain((0..layers).map(|_| ("Dense", dense.clone())))))
}

#[test]
fn penalties_of_very_many_weights_find_them_at_once() {
    assert_eq!(open(&with_penalties(20_000, 20_000)).weights().count(), 40_003);
}

#[test]
fn gradients_of_very_many_weights_find_their_places_at_once() {
    let summary = open(&with_penalties(8000, 20_000)).summary(1).unwrap();
    assert!(summary.training_memory_bytes.is_some());
}

#[test]
fn a_prediction_that_no_memory_holds_is_refused() {
    let repeat = called("m", "RepeatVector", json!({"n": (1_u64 << 36) - 1}), &["x"]);
    let mut model = functional(vec![input(&[1]), repeat], "m");
    // More than there are addresses, where the system lends memory that it does not have.
    model["config"]["output_layers"] = vec![json!(["m", 0, 0]); 600].into();
    let said = open(&model).predict_all(&[ArrayD::<f32>::ones(vec![1, 1]).view()]).unwrap_err().to_string();
    assert!(said.starts_with("predict: ") && said.contains(" GB"), "{said}");
}

#[test]
fn long_sequences_in_rows_of_layers_are_models() {
    let lstm = json!({"class_name": "LSTM", "config": {"units": 1, "return_sequences": true}});
    let both = || ("Bidirectional", json!({"layer": lstm}));
    let words = ("Embedding", json!({"input_dim": 4, "output_dim": 1, "mask_zero": true}));
    let masked = row(&[5000], std::iter::once(words).chain((0..5).map(|_| both())));
    assert!(open(&masked).inference_graph().unwrap().graph.nodes().len() > 1 << 20);
    let mut base = row(&[5000, 1], (0..4).map(|_| both()));
    base["name"] = json!("base");
    base["inbound_nodes"] = json!([[["x", 0, 0]]]);
    let around = functional(vec![input(&[5000, 1]), base], "base");
    assert_eq!(open(&around).layers().len(), 2);
}

#[test]
fn layers_that_are_listed_backwards_are_wired_in_linear_time() {
    let count = 20_000;
    let name = |index: usize| format!("r{index}");
    let last = name(count - 1);
    let parts: Vec<&str> = std::iter::repeat_n("x", 40_000).chain([&*last]).collect();
    let mut layers = vec![called("all", "Concatenate", json!({}), &parts)];
    layers.extend((0..count).rev().map(|index| {
        let before = if index == 0 { "x".to_owned() } else { name(index - 1) };
        called(&name(index), "ReLU", json!({}), &[&before])
    }));
    layers.push(input(&[1]));
    let model = open(&functional(layers, "all"));
    let names: Vec<&str> = model.layers().iter().map(|layer| layer.name()).collect();
    assert_eq!(names[..3], ["input_layer", "r0", "r1"]);
    assert_eq!(model.output_shapes()[0].dims, [40_001]);
}

#[test]
fn calls_are_made_whatever_the_order_in_which_layers_are_listed() {
    // Each of two layers that are called twice needs what the other makes first.
    let ping = json!({
        "class_name": "ReLU", "config": {}, "name": "ping", "inbound_nodes": [[["x", 0, 0]], [["pong", 0, 0]]],
    });
    let pong = json!({
        "class_name": "Dense", "config": {"units": 1}, "name": "pong",
        "inbound_nodes": [[["ping", 0, 0]], [["ping", 1, 0]]],
    });
    let add = json!({
        "class_name": "Add", "config": {}, "name": "add", "inbound_nodes": [[["pong", 1, 0], ["ping", 0, 0]]],
    });
    let mut lists = vec![vec![input(&[1]), ping, pong, add]];
    for rotations in 1..4 {
        let mut list = lists[0].clone();
        list.rotate_left(rotations);
        lists.push(list);
    }
    lists.push(lists[0].iter().rev().cloned().collect());
    for list in lists {
        let model = open(&functional(list, "add"));
        let names: Vec<&str> = model.layers().iter().map(|layer| layer.name()).collect();
        assert_eq!(names, ["input_layer", "ping", "pong", "add"]);
    }
    let circle = [called("a", "ReLU", json!({}), &["b"]), called("b", "ReLU", json!({}), &["a"])];
    let said = refusal(&functional([vec![input(&[1])], circle.to_vec()].concat(), "b"));
    assert!(said.contains("`a`") && said.contains("never made"), "{said}");
}
