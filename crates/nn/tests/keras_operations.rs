//! Operations between the layers of Keras's functional models: what cannot be done is told by name. What can is held to Keras's numbers by
//! `convnet-interop`'s `random_models`.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use convnet_nn::model;
use serde_json::{Value, json};

/// A model of one operation on samples of `dims`.
fn with_operation(module: &str, class: &str, config: Value, arguments: Value, dims: Value) -> Value {
    let mut config = config;
    config["name"] = json!("op");
    let mut shape = vec![Value::Null];
    shape.extend(dims.as_array().unwrap().iter().cloned());
    let node = match class {
        "TFOpLambda" => json!([["x", 0, 0, arguments]]),
        _ => json!([{ "args": arguments, "kwargs": {} }]),
    };
    json!({ "class_name": "Functional", "config": {
        "name": "m", "input_layers": ["x", 0, 0], "output_layers": ["op", 0, 0],
        "layers": [
            { "class_name": "InputLayer", "config": { "batch_shape": shape, "name": "x" }, "name": "x", "inbound_nodes": [] },
            { "module": module, "class_name": class, "config": config, "name": "op", "inbound_nodes": node },
        ],
    }})
}

fn tensor() -> Value {
    json!({ "class_name": "__keras_tensor__", "config": { "keras_history": ["x", 0, 0] } })
}

#[test]
fn what_would_mix_samples_or_is_not_known_is_refused_by_name() {
    let all = json!({ "class_name": "__slice__", "config": { "start": null, "stop": null, "step": null } });
    let cases = [
        ("Mean", json!({ "axis": null }), json!([tensor()]), "an axis that is not the batch"),
        ("Mean", json!({ "axis": 0 }), json!([tensor()]), "0, the batch"),
        ("Reshape", json!({ "newshape": [-1, 2] }), json!([tensor()]), "behind a batch"),
        ("Reshape", json!({ "newshape": [3, 4] }), json!([tensor()]), "behind a batch"),
        ("Transpose", json!({ "axes": [1, 0, 2] }), json!([tensor()]), "the batch in front"),
        ("GetItem", json!({}), json!([tensor(), 0]), "all samples of the batch"),
        ("GetItem", json!({}), json!([tensor(), [all, 9]]), "an axis of 4"),
        ("Concatenate", json!({ "axis": 0 }), json!([[tensor(), tensor()]]), "0, the batch"),
        (
            "Einsum",
            json!({ "subscripts": "bij,bjk->ik" }),
            json!([tensor(), tensor()]),
            "begins with the batch",
        ),
        ("Split", json!({ "indices_or_sections": 3, "axis": 1 }), json!([tensor()]), "parts of an axis of 4"),
        ("Add", json!({}), json!([tensor(), [[1.0, 2.0], [3.0, 4.0]]]), "along the last axis"),
        ("Fft2", json!({}), json!([tensor()]), "unknown operation of keras.ops `Fft2`"),
    ];
    for (class, config, arguments, expected) in cases {
        let json = with_operation("keras.src.ops.numpy", class, config, arguments, json!([4, 3]));
        let problem = model::from_config(&json).unwrap_err().to_string();
        assert!(problem.contains(expected), "{class}: {problem}");
    }
    let json = with_operation(
        "tf_keras.layers",
        "TFOpLambda",
        json!({ "function": "math.bessel" }),
        json!({}),
        json!([3]),
    );
    let problem = model::from_config(&json).unwrap_err().to_string();
    assert!(problem.contains("layer `op`") && problem.contains("`math.bessel`"), "{problem}");
}

#[test]
fn a_layer_that_is_not_known_is_named_with_the_way_out() {
    let config = json!({ "trainable": true, "dtype": "float32" });
    let json = with_operation("keras.layers", "MultiHeadAttention", config, json!([tensor()]), json!([4, 3]));
    let problem = model::from_config(&json).unwrap_err().to_string();
    assert!(
        problem.contains("`op`") && problem.contains("MultiHeadAttention") && problem.contains("ONNX"),
        "{problem}"
    );
}

#[test]
fn open_sizes_are_told_and_taken() {
    let json = with_operation("keras.src.ops.nn", "Sigmoid", json!({}), json!([tensor()]), json!([null, 3]));
    let (inputs, outputs) = model::stated_ends(&json);
    assert_eq!(
        (inputs[0].name.as_str(), &inputs[0].dims[..], outputs),
        ("x", &[None, Some(3)][..], vec!["op".to_owned()])
    );
    assert!(model::from_config(&json).unwrap_err().to_string().contains("leaves sizes open"));
    let closed = model::with_input_sizes(&json, &[vec![5, 3]]).unwrap();
    assert_eq!(model::from_config(&closed).unwrap().output_shapes()[0].dims, [5, 3]);
    for (sizes, expected) in [(vec![5, 4], "a size of 3, not 4"), (vec![5], "not as many sizes")] {
        assert!(model::with_input_sizes(&json, &[sizes]).unwrap_err().to_string().contains(expected));
    }
    assert!(model::with_input_sizes(&json, &[]).is_err());
}

/// A recurrent net whose steps a mask passes over, which the file makes of `sources` and joins by `join`; the layer is called with `more` besides.
fn masked(sources: &[&str], join: Option<&str>, more: Value) -> Value {
    let tensor =
        |name: &str| json!({ "class_name": "__keras_tensor__", "config": { "keras_history": [name, 0, 0] } });
    let layer = |class: &str, name: &str, config: Value, arguments: Vec<Value>, named: Value| {
        let mut config = config;
        config["name"] = json!(name);
        let is_operation = ["NotEqual", "All", "LogicalNot"].contains(&class);
        let module = if is_operation { "keras.src.ops.numpy" } else { "keras.layers" };
        let nodes =
            if arguments.is_empty() { json!([]) } else { json!([{ "args": arguments, "kwargs": named }]) };
        json!({ "module": module, "class_name": class, "config": config, "name": name, "inbound_nodes": nodes })
    };
    let mut layers = Vec::new();
    for &source in sources {
        let (indices, made) = (format!("{source}_indices"), format!("{source}_mask"));
        layers.push(layer("InputLayer", &indices, json!({ "batch_shape": [null, 5] }), vec![], json!({})));
        let table = json!({ "input_dim": 7, "output_dim": 3, "mask_zero": true });
        layers.push(layer("Embedding", source, table, vec![tensor(&indices)], json!({})));
        layers.push(layer("NotEqual", &made, json!({}), vec![tensor(&indices), json!(0)], json!({})));
    }
    let made: Vec<Value> = sources.iter().map(|source| tensor(&format!("{source}_mask"))).collect();
    let mut mask = made[0].clone();
    if let Some(class) = join {
        layers.push(layer(class, "joined", json!({}), vec![json!(made)], json!({})));
        mask = tensor("joined");
    }
    layers.push(layer("Flatten", "flat", json!({}), vec![tensor(sources[0])], json!({})));
    layers.push(layer("Dense", "state", json!({ "units": 2 }), vec![tensor("flat")], json!({})));
    let mut named = more;
    named["mask"] = mask;
    if named.get("initial_state").is_some() {
        named["initial_state"] = tensor("state");
    }
    layers.push(layer("GRU", "steps", json!({ "units": 2 }), vec![tensor(sources[0])], named));
    let inputs: Vec<Value> =
        sources.iter().map(|source| json!([format!("{source}_indices"), 0, 0])).collect();
    let ends = json!([["steps", 0, 0], ["state", 0, 0]]);
    json!({ "class_name": "Functional", "config": { "name": "m", "layers": layers, "input_layers": inputs, "output_layers": ends } })
}

#[test]
fn masks_other_than_those_that_layers_pass_on_are_refused() {
    model::from_config(&masked(&["words"], None, json!({}))).unwrap();
    // One mask is the same, however it is joined.
    model::from_config(&masked(&["words"], Some("All"), json!({}))).unwrap();
    let cases = [
        (masked(&["words", "tags"], Some("All"), json!({})), "old versions of Keras"),
        (masked(&["words"], Some("LogicalNot"), json!({})), "given to it by hand"),
        (masked(&["words"], None, json!({ "initial_state": true })), "a mask and states"),
    ];
    for (json, expected) in cases {
        let problem = model::from_config(&json).unwrap_err().to_string();
        assert!(problem.contains("layer `steps`") && problem.contains(expected), "{problem}");
    }
}

/// Keras 3.15 writes `training: false` for every call of Dropout and its kind, and fits with it all the same; of a model or of batch normalisation it
/// is somebody's word.
#[test]
fn a_default_that_keras_writes_keeps_no_layer_from_training() {
    let config = |class: &str, training: bool| {
        let mut json = with_operation("keras.layers", class, json!({}), json!([tensor()]), json!([3]));
        json["config"]["layers"][1]["inbound_nodes"][0]["kwargs"]["training"] = json!(training);
        if class == "Dropout" {
            json["config"]["layers"][1]["config"]["rate"] = json!(0.5);
        }
        let model = model::from_config(&json).unwrap();
        model.config()["config"]["layers"][1]["inbound_nodes"][0]["kwargs"]["training"].clone()
    };
    assert_eq!(config("Dropout", false), Value::Null);
    assert_eq!(config("Dropout", true), json!(true));
    assert_eq!(config("BatchNormalization", false), json!(false));
}
