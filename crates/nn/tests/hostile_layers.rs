//! Configurations that ask for far more than any memory, or whose numbers overflow: each gives an error, or a model, and never a panic.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use convnet_nn::{layers, model};
use serde_json::{Value, json};

/// The most numbers that the weights of models here may have.
const MOST: usize = 1 << 20;

fn tensor(name: &str) -> Value {
    json!({ "class_name": "__keras_tensor__", "config": { "keras_history": [name, 0, 0] } })
}

fn x() -> Value {
    tensor("x")
}

/// The sizes of what a model gives, or its problem.
fn read(json: &Value) -> Result<Vec<usize>, String> {
    let model = model::from_config_within(json, MOST).map_err(|problem| problem.to_string())?;
    Ok(model.output_shapes().remove(0).dims)
}

/// A row of layers on samples of sizes `dims`.
fn row(dims: Value, layers: &[(&str, Value)]) -> Value {
    let mut shape = vec![Value::Null];
    shape.extend(dims.as_array().unwrap().iter().cloned());
    let input = json!({ "class_name": "InputLayer", "config": { "batch_shape": shape } });
    let layers = layers.iter().map(|(class, config)| json!({ "class_name": class, "config": config }));
    let layers: Vec<Value> = std::iter::once(input).chain(layers).collect();
    json!({ "class_name": "Sequential", "config": { "name": "m", "layers": layers } })
}

/// Calls of layers and operations on each other, each with its name (`op` of an operation), class, arguments, and arguments of the call. The last
/// one is the output.
fn wired(dims: &Value, calls: &[(&str, &str, Value, Value)]) -> Value {
    let mut shape = vec![Value::Null];
    shape.extend(dims.as_array().unwrap().iter().cloned());
    let config = json!({ "batch_shape": shape, "name": "x" });
    let mut layers =
        vec![json!({ "class_name": "InputLayer", "config": config, "name": "x", "inbound_nodes": [] })];
    for (name, class, config, arguments) in calls {
        let mut config = config.clone();
        config["name"] = json!(name);
        let module = if name.starts_with("op") { "keras.src.ops.numpy" } else { "keras.layers" };
        layers.push(json!({
            "module": module, "class_name": class, "config": config, "name": name,
            "inbound_nodes": [{ "args": arguments, "kwargs": {} }],
        }));
    }
    let last = calls.last().unwrap().0;
    let ends =
        json!({ "name": "m", "input_layers": ["x", 0, 0], "output_layers": [last, 0, 0], "layers": layers });
    json!({ "class_name": "Functional", "config": ends })
}

/// One operation on samples of sizes `dims`.
fn operation(dims: Value, class: &str, config: Value, arguments: Value) -> Value {
    wired(&dims, &[("op", class, config, arguments)])
}

fn slice(start: Value, stop: Value, step: Value) -> Value {
    json!({ "class_name": "__slice__", "config": { "start": start, "stop": stop, "step": step } })
}

/// `x[:, …]`
fn item(dims: Value, index: Value) -> Value {
    let all = slice(Value::Null, Value::Null, Value::Null);
    operation(dims, "GetItem", json!({}), json!([x(), [all, index]]))
}

fn assert_refused(json: &Value, expected: &str) {
    match read(json) {
        Ok(dims) => panic!("a model of {dims:?} was made of {json}"),
        Err(problem) => assert!(problem.contains(expected), "{problem}"),
    }
}

#[test]
fn a_sequence_of_very_many_steps_is_refused_before_its_steps_are_made() {
    let rnn = |class: &str| (class.to_owned(), json!({ "units": 1 }));
    let dense = json!({ "class_name": "Dense", "config": { "units": 1 } });
    let inner = json!({ "class_name": "SimpleRNN", "config": { "units": 1, "return_sequences": true } });
    let layers = [
        rnn("SimpleRNN"),
        rnn("LSTM"),
        rnn("GRU"),
        ("TimeDistributed".to_owned(), json!({ "layer": dense })),
        ("Bidirectional".to_owned(), json!({ "layer": inner })),
    ];
    for (class, config) in layers {
        assert_refused(&row(json!([1_000_000_000, 1]), &[(&class, config)]), "at most 65536 steps");
    }
    let parts = json!({ "indices_or_sections": 4_000_000_000_u64, "axis": 1 });
    assert_refused(
        &operation(json!([4_000_000_000_u64]), "Split", parts, json!([x()])),
        "parts of an axis of 4000000000",
    );
}

#[test]
fn steps_of_steps_are_refused_where_they_are_very_many() {
    let read = json!({ "class_name": "SimpleRNN", "config": { "units": 1 } });
    let dense = json!({ "class_name": "Dense", "config": { "units": 1 } });
    for step in [read, json!({ "class_name": "TimeDistributed", "config": { "layer": dense } })] {
        let nested = row(json!([60_000, 60_000, 1]), &[("TimeDistributed", json!({ "layer": step }))]);
        assert_refused(&nested, "operations in all steps");
    }
}

#[test]
fn what_many_layers_make_is_counted_together() {
    let long = json!({ "units": 1, "return_sequences": true });
    let layers: Vec<(&str, Value)> = (0..2000).map(|_| ("LSTM", long.clone())).collect();
    assert_refused(&row(json!([60_000, 1]), &layers), "places in lists, in a model");
    let names: Vec<String> = (0..2000).map(|index| format!("op{index}")).collect();
    let before = |index: usize| if index == 0 { x() } else { tensor(&names[index - 1]) };
    let calls: Vec<(&str, &str, Value, Value)> = (names.iter().enumerate())
        .map(|(index, name)| (name.as_str(), "Flip", json!({ "axis": 1 }), json!([before(index)])))
        .collect();
    assert_refused(&wired(&json!([1 << 20]), &calls), "places in lists, in a model");
}

#[test]
fn sequences_of_some_thousands_of_steps_are_models() {
    let reads = row(json!([3000, 2]), &[("GRU", json!({ "units": 2, "return_sequences": true }))]);
    assert_eq!(read(&reads).unwrap(), [3000, 2]);
}

#[test]
fn a_slice_of_a_very_long_axis_needs_no_list_of_its_places() {
    let long = || json!([4_000_000_000_u64]);
    assert_eq!(read(&item(long(), slice(json!(1), Value::Null, Value::Null))).unwrap(), [3_999_999_999]);
    assert_eq!(read(&item(long(), slice(json!(-7), json!(-3), json!(1)))).unwrap(), [4]);
    assert_eq!(read(&item(long(), slice(json!(5), Value::Null, json!(i64::MAX)))).unwrap(), [1]);
    assert_eq!(read(&item(long(), slice(Value::Null, Value::Null, json!(i64::MIN)))).unwrap(), [1]);
    assert_eq!(read(&item(long(), slice(json!(0), json!(100), json!(3)))).unwrap(), [34]);
    assert_refused(&item(long(), slice(Value::Null, Value::Null, json!(-1))), "at most 1048576 places");
    assert_refused(&item(long(), slice(Value::Null, Value::Null, json!(2))), "at most 1048576 places");
    assert_refused(&item(long(), slice(json!(3), json!(3), json!(1))), "elements of an axis");
    assert_refused(&item(long(), slice(Value::Null, Value::Null, json!(0))), "elements of an axis");
    let cases = [
        ("Flip", json!({ "axis": 1 })),
        ("Roll", json!({ "axis": 1, "shift": 1 })),
        ("Repeat", json!({ "axis": 1, "repeats": 2 })),
        ("Pad", json!({ "pad_width": [[0, 0], [1, 1]], "mode": "edge" })),
    ];
    for (class, config) in cases {
        assert_refused(&operation(long(), class, config, json!([x()])), "at most 1048576 places");
    }
}

/// A slice as Python counts it.
fn python(size: i64, start: Option<i64>, stop: Option<i64>, step: i64) -> usize {
    let place =
        |index: i64, low: i64, high: i64| (if index < 0 { index + size } else { index }).clamp(low, high);
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let mut index = start.map_or(first, |start| place(start, low, high));
    let stop = stop.map_or(last, |stop| place(stop, low, high));
    let mut count = 0;
    while (step > 0 && index < stop) || (step < 0 && index > stop) {
        count += 1;
        index += step;
    }
    count
}

#[test]
fn slices_have_as_many_elements_as_in_python() {
    let ends = [None, Some(-9), Some(-2), Some(0), Some(1), Some(4), Some(9)];
    for (start, stop) in ends.iter().flat_map(|&start| ends.map(|stop| (start, stop))) {
        for step in [-5, -2, -1, 1, 2, 5] {
            let count = python(5, start, stop, step);
            let found = read(&item(json!([5]), slice(json!(start), json!(stop), json!(step)))).ok();
            assert_eq!(found, (count > 0).then(|| vec![count]), "{start:?}:{stop:?}:{step}");
        }
    }
}

#[test]
fn axes_without_elements_are_refused() {
    let none = |dims: Value| json!({ "operator": { "expand": { "dims": dims } } });
    let product = wired(
        &json!([1, 1]),
        &[
            ("none", "Operation", none(json!([0, 1])), json!([x()])),
            ("dot", "Dot", json!({ "axes": 1 }), json!([[tensor("none"), tensor("none")]])),
        ],
    );
    assert_refused(&product, "a result that has elements");
    let edge = json!({ "pad_width": [[0, 0], [1, 1], [0, 0]], "mode": "edge" });
    let padded = wired(
        &json!([1, 1]),
        &[
            ("none", "Operation", none(json!([0, 1])), json!([x()])),
            ("op", "Pad", edge, json!([tensor("none")])),
        ],
    );
    assert_refused(&padded, "a result that has elements");
    for crop in ["RandomCrop", "CenterCrop"] {
        let config = json!({ "height": 2, "width": 2 });
        let json = row(json!([1, 1, 1]), &[("Operation", none(json!([0, 1, 1]))), (crop, config)]);
        assert_refused(&json, "a result that has elements");
    }
}

#[test]
fn sizes_that_overflow_are_refused() {
    let huge = 1_u64 << 63;
    let image = || json!([4, 4, 3]);
    let windows = json!({ "sizes": [1], "strides": [1], "dilations": [1], "pads": [[0, 0]] });
    let transposed = |groups: u64| {
        let operator = json!({ "convolution_transpose": { "windows": windows, "output_padding": [0], "groups": groups } });
        json!({ "operator": operator, "constants": [{ "position": 1, "dims": [1, 2, 3], "trainable": true }] })
    };
    let volume = json!({ "class_name": "ZeroPadding3D", "config": { "padding": 1 << 30 } });
    let cases = [
        row(json!([4, 3]), &[("UpSampling1D", json!({ "size": huge }))]),
        row(json!([4, 3]), &[("UpSampling1D", json!({ "size": (1_u64 << 62) + 1 }))]),
        row(image(), &[("UpSampling2D", json!({ "size": huge }))]),
        row(image(), &[("UpSampling2D", json!({ "size": (1_u64 << 62) + 1, "interpolation": "bilinear" }))]),
        row(image(), &[("DepthwiseConv2D", json!({ "kernel_size": 1, "depth_multiplier": u64::MAX }))]),
        row(
            image(),
            &[("SeparableConv2D", json!({ "filters": 1, "kernel_size": 1, "depth_multiplier": u64::MAX }))],
        ),
        row(image(), &[("DepthwiseConv2D", json!({ "kernel_size": 0, "depth_multiplier": huge }))]),
        row(image(), &[("RandomCrop", json!({ "height": huge, "width": 1 }))]),
        row(image(), &[("CenterCrop", json!({ "height": huge, "width": 1 }))]),
        row(image(), &[("Conv2D", json!({ "filters": 1, "kernel_size": 1, "groups": huge }))]),
        row(json!([4, 3]), &[("Operation", transposed(huge))]),
        row(json!([4, 3]), &[("Operation", transposed(huge + 1))]),
        row(json!([2, 1, 1, 1, 1]), &[("TimeDistributed", json!({ "layer": volume }))]),
        row(json!([1]), &[("Operation", json!({ "operator": { "expand": { "dims": [huge, huge, 0] } } }))]),
        row(json!([1]), &[("RepeatVector", json!({ "n": huge }))]),
        row(json!([1]), &[("Embedding", json!({ "input_dim": huge, "output_dim": huge }))]),
        row(json!([4, 3]), &[("Cropping1D", json!({ "cropping": [huge, huge] }))]),
        row(json!([4, 3]), &[("ZeroPadding1D", json!({ "padding": [huge, huge] }))]),
        row(
            json!([4, 3]),
            &[(
                "Conv1DTranspose",
                json!({ "filters": 1, "kernel_size": 1, "strides": huge, "output_padding": huge - 1 }),
            )],
        ),
        row(json!([4, 3]), &[("MaxPooling1D", json!({ "pool_size": huge, "strides": huge }))]),
        row(json!([4, 3]), &[("AveragePooling1D", json!({ "pool_size": huge, "padding": "same" }))]),
        row(json!([4, 3]), &[("Conv1D", json!({ "filters": 1, "kernel_size": 2, "dilation_rate": huge }))]),
        row(
            json!([4, 3]),
            &[(
                "Conv1D",
                json!({ "filters": 1, "kernel_size": 2, "dilation_rate": huge, "padding": "causal" }),
            )],
        ),
        row(json!([4, 3]), &[("AdaptiveAveragePooling1D", json!({ "output_size": huge }))]),
        row(image(), &[("Resizing", json!({ "height": huge, "width": huge }))]),
        row(json!([4, 3]), &[("LSTM", json!({ "units": huge }))]),
        row(json!([4, 3]), &[("GroupNormalization", json!({ "groups": i64::MIN, "axis": i64::MIN }))]),
        row(json!([4, 3]), &[("Softmax", json!({ "axis": i64::MIN }))]),
        row(json!([4, 3]), &[("Permute", json!({ "dims": [0, huge] }))]),
        row(json!([4, 3]), &[("Reshape", json!({ "target_shape": [-1, 1_u64 << 40, 1_u64 << 40] }))]),
        operation(
            json!([4]),
            "Reshape",
            json!({ "newshape": [-1, -1, 1_u64 << 40, 1_u64 << 40] }),
            json!([x()]),
        ),
        operation(image(), "DepthToSpace", json!({ "block_size": 1_u64 << 32 }), json!([x()])),
        operation(image(), "SpaceToDepth", json!({ "block_size": 1_u64 << 32 }), json!([x()])),
        operation(json!([1, 1, 1_u64 << 32]), "SpaceToDepth", json!({ "block_size": 4096 }), json!([x()])),
        operation(json!([4]), "Mean", json!({ "axis": i64::MIN }), json!([x()])),
        operation(json!([4]), "ExpandDims", json!({ "axis": i64::MIN }), json!([x()])),
        operation(json!([4]), "Take", json!({ "axis": 1 }), json!([x(), [i64::MIN]])),
        operation(json!([4]), "Tile", json!({ "repeats": [1, i64::MAX] }), json!([x()])),
        operation(
            json!([1_u64 << 32, 1]),
            "Einsum",
            json!({ "subscripts": "bij,bkj->bik" }),
            json!([x(), x()]),
        ),
        wired(&json!([1_u64 << 32, 1]), &[("dot", "Dot", json!({ "axes": 2 }), json!([[x(), x()]]))]),
    ];
    for json in cases {
        assert_refused(&json, "");
    }
}

#[test]
fn extreme_arguments_that_mean_something_are_taken() {
    let roll = operation(json!([4]), "Roll", json!({ "axis": 1, "shift": i64::MIN }), json!([x()]));
    assert_eq!(read(&roll).unwrap(), [4]);
    let crop = row(json!([4, 6, 1]), &[("CenterCrop", json!({ "height": 1 << 20, "width": 1 }))]);
    assert_eq!(read(&crop).unwrap(), [1 << 20, 1, 1]);
    let config = json!({ "depth_radius": u64::MAX, "bias": 1.0, "alpha": 1.0, "beta": 0.5 });
    let norm = row(json!([2, 2, 5]), &[("LocalResponseNormalization", config)]);
    let model = model::from_config_within(&norm, MOST).unwrap();
    let y = model.predict(ndarray::ArrayD::<f32>::ones(vec![1, 2, 2, 5]).view()).unwrap();
    assert!(y.iter().all(|&y| (y - 1.0 / 6.0_f32.sqrt()).abs() < 1e-6));
}

#[test]
fn values_of_very_many_axes_are_refused() {
    let many = |count: usize| Value::Array(vec![json!(1); count]);
    let flat = row(many(1000), &[("Flatten", json!({}))]);
    assert_refused(&flat, "64");
    let squeezed = operation(many(100_000), "Squeeze", json!({}), json!([x()]));
    assert_refused(&squeezed, "64");
    let more = json!([x(), vec![Value::Null; 1000]]);
    assert_refused(&operation(json!([1]), "GetItem", json!({}), more), "");
    assert_refused(
        &row(json!([1]), &[("Reshape", json!({ "target_shape": many(1000) }))]),
        "at most 64 axes",
    );
    let long = "i".repeat(100_000);
    let sums =
        operation(json!([1]), "Einsum", json!({ "subscripts": format!("b{long},b->b") }), json!([x(), x()]));
    assert_refused(&sums, "two terms and a result");
}

#[test]
fn sizes_of_a_split_of_tensorflow_that_overflow_are_refused() {
    let arguments = json!({ "num_or_size_splits": [u64::MAX, 1], "axis": 1 });
    let json = json!({ "class_name": "Functional", "config": {
        "name": "m", "input_layers": ["x", 0, 0], "output_layers": ["op", 0, 0],
        "layers": [
            { "class_name": "InputLayer", "config": { "batch_shape": [null, 4], "name": "x" }, "name": "x", "inbound_nodes": [] },
            { "class_name": "TFOpLambda", "config": { "name": "op", "function": "split" }, "name": "op",
              "inbound_nodes": [["x", 0, 0, arguments]] },
        ],
    }});
    assert_refused(&json, "is not known here");
}

/// Numbers that no layer expects.
const ODD: [i128; 11] = [
    -1,
    0,
    3,
    65_537,
    (1 << 31) + 1,
    (1 << 32) + 1,
    (1 << 62) + 1,
    i64::MAX as i128,
    u64::MAX as i128,
    i64::MIN as i128,
    -(1 << 32),
];

/// Places of all numbers in a configuration.
fn numbers(json: &Value, place: &str, found: &mut Vec<String>) {
    match json {
        Value::Number(_) => found.push(place.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| numbers(item, &format!("{place}/{at}"), found));
        }
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != "keras_history");
            fields.for_each(|(key, field)| numbers(field, &format!("{place}/{key}"), found));
        }
        _ => {}
    }
}

/// The configuration, and for each of its numbers the same with other numbers in its place, and in the place of all.
fn odd_forms(config: &Value) -> Vec<Value> {
    let mut places = Vec::new();
    numbers(config, "", &mut places);
    let mut forms = vec![config.clone()];
    for odd in ODD {
        let odd: Value = serde_json::from_str(&odd.to_string()).unwrap();
        let mut all = config.clone();
        for place in &places {
            let mut one = config.clone();
            *one.pointer_mut(place).unwrap() = odd.clone();
            *all.pointer_mut(place).unwrap() = odd.clone();
            forms.push(one);
        }
        forms.push(all);
    }
    forms
}

/// Sizes of samples that have no axis, few, many, and long ones.
fn samples() -> Vec<Value> {
    let long = 1_u64 << 32;
    vec![
        json!([]),
        json!([1]),
        json!([4]),
        json!([long]),
        json!([3, 2]),
        json!([1, long]),
        json!([4, 4, 3]),
        json!([1, 1, 1]),
        json!([3, 4, 4, 2]),
        json!([1, 2, 1, 2, 1, 2]),
    ]
}

#[test]
fn layers_with_odd_numbers_on_odd_samples_do_not_panic() {
    for layer in layers::REGISTRY {
        for (example, inputs) in (layer.examples)() {
            let samples = samples().into_iter().chain([json!(inputs[0])]).collect::<Vec<_>>();
            try_all(layer.name, &Value::Object(example.config()), inputs.len() > 1, &samples);
        }
    }
}

/// Reads a layer with all odd numbers, on one input or on one twice.
fn try_all(class: &str, config: &Value, is_on_two: bool, samples: &[Value]) {
    for form in odd_forms(config) {
        for dims in samples {
            let _ = read(&row(dims.clone(), &[(class, form.clone())]));
            if is_on_two {
                let _ = read(&wired(dims, &[("y", class, form.clone(), json!([[x(), x()]]))]));
            }
        }
    }
}

#[test]
fn operators_with_odd_numbers_on_odd_samples_do_not_panic() {
    let windows = json!({ "sizes": [2], "strides": [2], "dilations": [1], "pads": [[1, 0]] });
    let along = json!({ "axis": 0, "smallest": false, "last": false });
    let norm = json!({ "axes": 1, "epsilon": 0.1, "root_mean_square": false });
    let response = json!({ "depth_radius": 1, "bias": 1.0, "alpha": 1.0, "beta": 0.5 });
    let operators = [
        json!({ "expand": { "dims": [2, 3, 2] } }),
        json!({ "constant": { "dims": [3, 2] } }),
        json!({ "take": { "axis": 0, "indices": [1, 0] } }),
        json!({ "blend": { "axis": 0, "size": 3, "taps": [[[1, 0.5], [2, 0.5]]] } }),
        json!({ "slice": { "axis": 0, "start": 1, "size": 2 } }),
        json!({ "pad": { "border": [[1, 2], [0, 1]], "value": 1.0 } }),
        json!({ "reduce": { "function": "sum", "axes": [0, 1], "keep_dims": false } }),
        json!({ "extreme_place": along }),
        json!({ "pick_along": { "axis": 0 } }),
        json!({ "place_along": { "axis": 0, "size": 5, "sums": true } }),
        json!({ "log_softmax": { "axis": 0 } }),
        json!({ "max_pool": windows }),
        json!({ "max_places": windows }),
        json!({ "average_pool": windows }),
        json!({ "convolution_transpose": { "windows": windows, "output_padding": [1], "groups": 1 } }),
        json!({ "layer_norm": norm }),
        json!({ "group_norm": { "groups": 2, "epsilon": 0.1 } }),
        json!({ "response_norm": response }),
        json!({ "select": {} }),
        json!({ "mat_mul": {} }),
        json!({ "binary": { "function": "add" } }),
    ];
    for operator in operators {
        let constants = [json!([]), json!([{ "position": 1, "dims": [1, 2, 2], "trainable": true }])];
        for constants in constants {
            let config = json!({ "operator": operator, "constants": constants });
            try_all("Operation", &config, true, &samples());
        }
    }
}

/// Calls of operations of Keras's: class, arguments, further arguments of the call.
fn operations() -> Vec<(&'static str, Value, Value)> {
    let plain = [
        "Absolute",
        "Cumsum",
        "Celu",
        "Clip",
        "Glu",
        "LogSoftmax",
        "Softmax",
        "Sparsemax",
        "Round",
        "Cast",
        "Argmax",
        "Mean",
        "Std",
        "Logsumexp",
        "Norm",
        "Normalize",
        "Prod",
        "Squeeze",
        "Flip",
        "ExpandDims",
        "Concatenate",
        "Stack",
    ];
    let axis = plain.into_iter().map(|class| (class, json!({ "axis": 1 }), json!([x()])));
    let none = plain.into_iter().map(|class| (class, json!({}), json!([x()])));
    let image = |class| (class, json!({ "pool_size": [2, 2], "strides": [2, 2] }), json!([x()]));
    let all = slice(Value::Null, Value::Null, Value::Null);
    let pads = |mode: &str| json!({ "pad_width": [[0, 0], [1, 1], [0, 2]], "mode": mode });
    axis.chain(none)
        .chain([
            ("Concatenate", json!({ "axis": 2 }), json!([[x(), x()]])),
            ("Stack", json!({ "axis": 2 }), json!([[x(), x()]])),
            ("Roll", json!({ "axis": 1, "shift": 1 }), json!([x()])),
            ("Repeat", json!({ "axis": 1, "repeats": 2 }), json!([x()])),
            ("Take", json!({ "axis": 1 }), json!([x(), [1, 0]])),
            ("Take", json!({ "axis": 1 }), json!([x(), 1])),
            ("GetItem", json!({}), json!([x(), [all, slice(json!(1), json!(3), json!(1)), 0]])),
            ("GetItem", json!({}), json!([x(), [all, slice(json!(3), json!(1), json!(-1))]])),
            ("Matmul", json!({}), json!([x(), x()])),
            ("Pad", pads("constant"), json!([x()])),
            ("Pad", pads("edge"), json!([x()])),
            ("Pad", pads("reflect"), json!([x()])),
            ("Pad", pads("symmetric"), json!([x()])),
            ("Split", json!({ "axis": 1, "indices_or_sections": 2 }), json!([x()])),
            ("Split", json!({ "axis": 1, "indices_or_sections": [1, 2] }), json!([x()])),
            ("Tile", json!({ "repeats": [1, 2, 3] }), json!([x()])),
            ("Reshape", json!({ "newshape": [-1, 2, 2] }), json!([x()])),
            ("Transpose", json!({ "axes": [0, 2, 1] }), json!([x()])),
            ("Swapaxes", json!({ "axis1": 1, "axis2": 2 }), json!([x()])),
            ("Moveaxis", json!({ "source": 1, "destination": 2 }), json!([x()])),
            ("Einsum", json!({ "subscripts": "bij,bkj->bik" }), json!([x(), x()])),
            ("DepthToSpace", json!({ "block_size": 2 }), json!([x()])),
            ("SpaceToDepth", json!({ "block_size": 2 }), json!([x()])),
            ("OneHot", json!({ "num_classes": 3, "axis": -1 }), json!([x()])),
            ("Resize", json!({ "size": [2, 2] }), json!([x()])),
            ("Add", json!({}), json!([x(), 2])),
            ("Power", json!({}), json!([x(), 2])),
            ("Where", json!({}), json!([x(), x(), 0])),
            image("AveragePool"),
            image("MaxPool"),
        ])
        .collect()
}

#[test]
fn operations_with_odd_numbers_on_odd_samples_do_not_panic() {
    for (class, config, arguments) in operations() {
        for dims in samples() {
            for form in odd_forms(&json!([config, arguments])) {
                let _ = read(&operation(dims.clone(), class, form[0].clone(), form[1].clone()));
            }
        }
    }
}
