//! Configurations of models that were made to take more time, memory or stack than there is: each is refused, or is a model, at once.
//!
//! None is much larger than the configuration of a file may be. Without bounds nearly all of them run for minutes to years, or end the program.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use convnet_nn::layers::ReLU;
use convnet_nn::model::{from_config_within, stated_ends};
use convnet_nn::{Symbol, names};
use serde_json::{Value, json};

const NUMBERS: usize = 1 << 20;

fn input(dims: &[usize]) -> Value {
    let shape: Vec<Value> =
        std::iter::once(Value::Null).chain(dims.iter().map(|&size| json!(size))).collect();
    json!({"class_name": "InputLayer", "config": {"batch_shape": shape}, "name": "x", "inbound_nodes": []})
}

fn relu(name: &str, from: &str) -> Value {
    json!({"class_name": "ReLU", "config": {}, "name": name, "inbound_nodes": [[[from, 0, 0]]]})
}

fn functional(layers: &[Value], output: (&str, usize)) -> Value {
    let ends = [json!(["x", 0, 0]), json!([output.0, output.1, 0])];
    let config = json!({"layers": layers, "input_layers": [ends[0]], "output_layers": [ends[1]]});
    json!({"class_name": "Functional", "config": config})
}

fn sequential(layers: &[Value]) -> Value {
    json!({"class_name": "Sequential", "config": {"layers": layers}})
}

/// An object of a layer in a functional model, called `calls` times, first on the input, then on what it made.
fn called(mut object: Value, calls: usize) -> Value {
    let own = usize::from(object["class_name"] == "Functional");
    let node = |call: usize| match call {
        0 => json!([["x", 0, 0]]),
        call => json!([["m", call - 1 + own, 0]]),
    };
    object["name"] = json!("m");
    object["inbound_nodes"] = (0..calls).map(node).collect();
    object
}

fn around(layer: &Value) -> Value {
    json!({"class_name": "TimeDistributed", "config": {"layer": layer}})
}

/// What a configuration is refused for.
fn refusal(json: &Value) -> String {
    from_config_within(json, NUMBERS).unwrap_err().to_string()
}

#[test]
fn models_in_models_that_are_called_again_and_again_are_refused() {
    let mut model = functional(&[input(&[4]), relu("m", "x")], ("m", 0));
    for _ in 0..16 {
        model = functional(&[input(&[4]), called(model, 4)], ("m", 4));
    }
    assert!(refusal(&model).contains("calls of layers"), "{}", refusal(&model));
}

#[test]
fn layers_around_models_that_are_called_again_and_again_are_refused() {
    let mut model = functional(&[input(&[4]), relu("m", "x")], ("m", 0));
    let mut dims = vec![4];
    for _ in 0..16 {
        dims.insert(0, 1);
        model = functional(&[input(&dims), called(around(&model), 4)], ("m", 3));
    }
    assert!(refusal(&model).contains("calls of layers"), "{}", refusal(&model));
}

#[test]
fn calls_are_counted_together_over_all_models_in_a_model() {
    // Each of them alone would do.
    let frame = functional(&[input(&[1]), relu("m", "x")], ("m", 0));
    let mut film = functional(&[input(&[20_000, 1]), called(around(&frame), 1)], ("m", 0));
    from_config_within(&film, NUMBERS).unwrap();
    let films = (0..30).map(|index| {
        film["name"] = json!(format!("film{index}"));
        film.clone()
    });
    let layers: Vec<Value> = std::iter::once(input(&[20_000, 1])).chain(films).collect();
    let model = functional(&layers, ("x", 0));
    assert!(refusal(&model).contains("calls of layers"), "{}", refusal(&model));
}

#[test]
fn outputs_of_models_are_counted_at_each_call() {
    let mut inner = functional(&[input(&[4]), relu("m", "x")], ("m", 0));
    inner["config"]["output_layers"] = vec![json!(["m", 0, 0]); 20_000].into();
    let model = functional(&[input(&[4]), called(inner, 5_000)], ("m", 5_000));
    assert!(refusal(&model).contains("places in lists"), "{}", refusal(&model));
}

/// A call of an operation on the input of a model.
fn operation(class: &str, config: &Value) -> Value {
    let x = json!({"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}});
    json!({
        "module": "keras.src.ops.numpy", "class_name": class, "config": config, "name": "m",
        "inbound_nodes": [{"args": [x], "kwargs": {}}],
    })
}

#[test]
fn operations_of_models_are_counted_at_each_call() {
    let flip = functional(&[input(&[1 << 20]), operation("Flip", &json!({"axis": 1}))], ("m", 0));
    let mut split = operation("Split", &json!({"indices_or_sections": 1024, "axis": 1}));
    split["name"] = json!("m");
    let mut split = functional(&[input(&[1024]), split], ("m", 0));
    let model = functional(&[input(&[1 << 20]), called(flip, 100)], ("m", 100));
    assert!(refusal(&model).contains("places in lists"), "{}", refusal(&model));
    // Each model calls the one in it on the same again and again, and gives what the last call made.
    for _ in 0..4 {
        split["name"] = json!("m");
        split["inbound_nodes"] = vec![json!([["x", 0, 0]]); 50].into();
        split = functional(&[input(&[1024]), split], ("m", 50));
        split["config"]["output_layers"] = (1..=50).map(|call| json!(["m", call, 0])).collect();
    }
    assert!(refusal(&split).contains("places in lists"), "{}", refusal(&split));
}

#[test]
fn lists_of_operations_are_counted() {
    let cases = [
        ("Cumsum", json!({"axis": 1}), vec![1024], 40),
        ("Tile", json!({"repeats": [1, 65_536]}), vec![1], 300),
        ("Repeat", json!({"axis": 1, "repeats": 65_536}), vec![1], 300),
    ];
    for (class, config, dims, count) in cases {
        let mut layers = vec![input(&dims)];
        layers.extend((0..count).map(|index| {
            let mut object = operation(class, &config);
            object["name"] = json!(format!("m{index}"));
            object
        }));
        let mut model = functional(&layers, ("m0", 0));
        model["config"]["output_layers"] =
            (0..count).map(|index| json!([format!("m{index}"), 0, 0])).collect();
        assert!(refusal(&model).contains("places in lists"), "{class}: {}", refusal(&model));
    }
}

#[test]
fn sequences_of_very_many_steps_are_planned() {
    let lstm = json!({"class_name": "LSTM", "config": {"units": 1}});
    let model = from_config_within(&sequential(&[input(&[65_536, 1]), lstm]), NUMBERS).unwrap();
    assert_eq!(model.summary(1).unwrap().total_parameters, 12);
}

#[test]
fn operations_of_a_model_are_named_alike_at_each_step_of_a_sequence() {
    let frame = functional(&[input(&[1]), relu("m", "x")], ("m", 0));
    let film = functional(&[input(&[3000, 1]), called(around(&frame), 1)], ("m", 0));
    let graph = from_config_within(&film, NUMBERS).unwrap().inference_graph().unwrap().graph;
    assert!(graph.nodes().iter().all(|node| ["m", "m/m"].contains(&&*node.label)));
}

#[test]
fn a_model_called_on_itself_some_times_is_one() {
    let inner = functional(&[input(&[4]), relu("m", "x")], ("m", 0));
    let model = functional(&[input(&[4]), called(inner, 1000)], ("m", 1000));
    assert_eq!(from_config_within(&model, NUMBERS).unwrap().layers().len(), 2);
}

#[test]
fn masks_that_models_in_models_ask_for_make_no_model_twice() {
    let mut model = functional(&[input(&[4]), relu("m", "x")], ("m", 0));
    let mut dims = vec![4];
    for _ in 0..24 {
        dims.insert(0, 1);
        let tensor =
            |name: &str| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}});
        let ones = json!({
            "module": "keras.src.ops.numpy", "class_name": "OnesLike", "config": {}, "name": "ones",
            "inbound_nodes": [{"args": [tensor("m")], "kwargs": {}}],
        });
        let masked = json!({
            "class_name": "ReLU", "config": {}, "name": "masked",
            "inbound_nodes": [{"args": [tensor("m")], "kwargs": {"mask": tensor("ones")}}],
        });
        let mut film = around(&model);
        film["name"] = json!("m");
        film["inbound_nodes"] = json!([{"args": [tensor("x")], "kwargs": {}}]);
        model = functional(&[input(&dims), film, ones, masked], ("masked", 0));
    }
    assert!(from_config_within(&model, NUMBERS).is_ok());
}

#[test]
fn tensors_of_very_many_axes_are_refused() {
    let mut layers = vec![input(&vec![1; 200_000])];
    layers.extend((0..10_000).map(|_| json!({"class_name": "ReLU", "config": {}})));
    assert!(refusal(&sequential(&layers)).contains("200000 sizes"));
    let reshape = json!({"class_name": "Reshape", "config": {"target_shape": vec![1; 200_000]}});
    layers[0] = input(&[1]);
    layers.insert(1, reshape);
    assert!(refusal(&sequential(&layers)).contains("at most 64 axes"));
}

#[test]
fn texts_that_no_name_is_like_are_not_compared() {
    let (a, b) = ("a".repeat(450_000), "b".repeat(450_000));
    assert_eq!(names::nearest(&a, [&*b]), None);
    assert_eq!(names::nearest("conv2", [&*b, "conv2d"]), Some("conv2d"));
    let mut model = sequential(&[input(&[4]), json!({"class_name": "ReLU", "config": {"name": "relu"}})]);
    model["convnet"] = json!({"rates": [[a, 1.0]]});
    assert!(refusal(&model).len() < 500);
}

#[test]
fn rates_of_very_many_layers_are_taken() {
    let layer =
        |index: usize| json!({"class_name": "Dense", "config": {"units": 1, "name": format!("d{index}")}});
    let layers: Vec<Value> = std::iter::once(input(&[1])).chain((0..4000).map(layer)).collect();
    let mut model = sequential(&layers);
    model["convnet"] =
        json!({"rates": (0..40_000).map(|i| json!([format!("d{}", i % 4000), 1])).collect::<Vec<_>>()});
    assert!(from_config_within(&model, NUMBERS).is_ok());
}

#[test]
fn inputs_are_found_among_very_many_layers() {
    let layer = |index: usize| json!({"class_name": "ReLU", "config": {}, "name": format!("r{index}")});
    let mut layers: Vec<Value> = (0..33_000).map(layer).collect();
    layers.push(input(&[4]));
    let mut model = functional(&layers, ("x", 0));
    model["config"]["input_layers"] = vec![json!(["x", 0, 0]); 50_000].into();
    assert_eq!(stated_ends(&model).0.len(), 50_000);
}

#[test]
fn rows_of_models_of_open_sizes_are_models() {
    let mut open = input(&[4]);
    open["config"]["batch_shape"] = json!([null, null]);
    let inner = sequential(&[open, json!({"class_name": "ReLU", "config": {}})]);
    let mut layers = vec![input(&[4])];
    layers.resize(5_900, inner);
    assert_eq!(from_config_within(&sequential(&layers), NUMBERS).unwrap().layers().len(), 5_900);
}

#[test]
fn names_without_an_end_are_refused() {
    let dense =
        |index: usize| json!({"class_name": "Dense", "config": {"units": 1, "name": format!("d{index}")}});
    let layers: Vec<Value> = std::iter::once(input(&[1])).chain((0..5_000).map(dense)).collect();
    let mut inner = sequential(&layers);
    inner["config"]["name"] = json!("n".repeat(500_000));
    let said = refusal(&sequential(&[input(&[1]), inner.clone()]));
    assert!(said.contains("500000 bytes") && said.len() < 500, "{said}");
    for _ in 0..3 {
        inner["config"]["name"] = json!("n".repeat(900));
        inner = sequential(&[input(&[1]), inner]);
    }
    assert!(refusal(&inner).contains("bytes together"), "{}", refusal(&inner));
}

#[test]
fn long_chains_of_calls_are_dropped_on_a_small_stack() {
    let mut last = Symbol::input([1]);
    for _ in 0..200_000 {
        last = last.apply(ReLU::new()).unwrap();
    }
    drop(last);
    let layers: Vec<Value> = (0..12_000).map(|_| json!({"class_name": "ReLU", "config": {}})).collect();
    let model = from_config_within(&sequential(&[&[input(&[1])][..], &layers].concat()), NUMBERS).unwrap();
    drop(model.symbols());
    assert_eq!(model.config()["config"]["layers"].as_array().unwrap().len(), 12_001);
}
