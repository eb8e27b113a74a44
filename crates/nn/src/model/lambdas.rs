//! TensorFlow's functions between the layers of a Keras 2 model, as the operations of Keras 3 that do the same.

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};

/// The object of a `TFOpLambda` or `SlicingOpLambda` as Keras 3 writes that call; `None` of all other layers.
///
/// # Errors
/// If the function is not known, or called more than once.
pub(super) fn as_operation(object: &Json) -> Result<Option<Json>> {
    if !["TFOpLambda", "SlicingOpLambda"].contains(&object["class_name"].as_str().unwrap_or_default()) {
        return Ok(None);
    }
    let name = object["config"]["name"].as_str().or(object["name"].as_str()).unwrap_or_default();
    let function = object["config"]["function"].as_str().unwrap_or_default();
    let refuse = |problem: String| Error::argument(format!("layer `{name}`"), problem);
    let Some([Json::Array(node)]) = object["inbound_nodes"].as_array().map(Vec::as_slice) else {
        return Err(refuse(format!("TensorFlow's `{function}` is called more than once by one name")));
    };
    // One tensor with the arguments behind it, or a list of such.
    let is_list = node.first().is_some_and(Json::is_array);
    let items: Vec<&Json> = if is_list { node.iter().collect() } else { Vec::new() };
    let first = items.first().and_then(|item| item.as_array()).unwrap_or(node);
    let arguments = first.get(3).and_then(Json::as_object).cloned().unwrap_or_default();
    let mut positional = vec![match is_list {
        true => items.iter().map(|item| tensor(item)).collect(),
        false => tensor(&Json::Array(node.clone())),
    }];
    let mut config = Map::new();
    let class = translate(function, &arguments, &mut positional, &mut config).ok_or_else(|| {
        refuse(format!("TensorFlow's `{function}` with the arguments {} is not known here", json!(arguments)))
    })?;
    config.insert("name".into(), json!(name));
    Ok(Some(json!({
        "module": "keras.src.ops",
        "class_name": class,
        "config": config,
        "name": name,
        "inbound_nodes": [{ "args": positional, "kwargs": {} }],
    })))
}

/// A tensor of Keras 2 as one of Keras 3, or a number as it is.
fn tensor(json: &Json) -> Json {
    match json.as_array().map(Vec::as_slice) {
        Some([Json::String(constant), _, value, ..]) if constant == "_CONSTANT_VALUE" => value.clone(),
        Some([Json::String(layer), Json::Number(call), Json::Number(output), ..]) => {
            json!({ "class_name": "__keras_tensor__", "config": { "keras_history": [layer, call, output] } })
        }
        _ => json.clone(),
    }
}

/// The class that does what a function does, with its arguments.
fn translate(
    function: &str,
    arguments: &Map<String, Json>,
    positional: &mut Vec<Json>,
    config: &mut Map<String, Json>,
) -> Option<&'static str> {
    let function = function.trim_start_matches("compat.v1.");
    let given = |name: &str| arguments.get(name).filter(|value| !value.is_null()).cloned();
    if let Some((class, second)) = pair(function) {
        positional.push(tensor(arguments.get(second)?));
        return Some(class);
    }
    // Class, and the arguments by both names, of which those of the second list can be left out.
    let (class, wanted, optional): (_, &[(&str, &str)], &[(&str, &str)]) = match function {
        "cast" => ("Cast", &[("dtype", "dtype")], &[]),
        "clip_by_value" => ("Clip", &[("clip_value_min", "x_min"), ("clip_value_max", "x_max")], &[]),
        "concat" => ("Concatenate", &[("axis", "axis")], &[]),
        "expand_dims" => ("ExpandDims", &[("axis", "axis")], &[]),
        "image.resize" => ("Resize", &[("size", "size")], &[("method", "interpolation")]),
        "linalg.matmul"
            if !arguments.keys().any(|name| name.contains("transpose") || name.contains("adjoint")) =>
        {
            positional.push(tensor(arguments.get("b")?));
            ("Matmul", &[], &[])
        }
        "math.l2_normalize" => ("Normalize", &[("axis", "axis")], &[("epsilon", "epsilon")]),
        "math.reduce_max" => ("Max", &[("axis", "axis")], &[("keepdims", "keepdims")]),
        "math.reduce_mean" => ("Mean", &[("axis", "axis")], &[("keepdims", "keepdims")]),
        "math.reduce_min" => ("Min", &[("axis", "axis")], &[("keepdims", "keepdims")]),
        "math.reduce_sum" => ("Sum", &[("axis", "axis")], &[("keepdims", "keepdims")]),
        "math.reduce_std" => ("Std", &[("axis", "axis")], &[("keepdims", "keepdims")]),
        "math.reduce_variance" => ("Var", &[("axis", "axis")], &[("keepdims", "keepdims")]),
        "nn.depth_to_space" => ("DepthToSpace", &[("block_size", "block_size")], &[]),
        "nn.space_to_depth" => ("SpaceToDepth", &[("block_size", "block_size")], &[]),
        "nn.gelu" => {
            config.insert("approximate".into(), json!(false));
            ("Gelu", &[], &[("approximate", "approximate")])
        }
        "nn.leaky_relu" => ("LeakyRelu", &[], &[("alpha", "negative_slope")]),
        "nn.softmax" => ("Softmax", &[], &[("axis", "axis")]),
        "pad" if given("mode").is_none_or(|mode| mode == "CONSTANT") => {
            let value = given("constant_values").unwrap_or(json!(0));
            if value.as_f64() != Some(0.0) {
                return None;
            }
            ("Pad", &[("paddings", "pad_width")], &[])
        }
        "reshape" => ("Reshape", &[("shape", "newshape")], &[]),
        "split" => {
            let mut parts = given("num_or_size_splits")?;
            if let Some(sizes) = parts.as_array() {
                let mut end = 0_u64;
                let ends = sizes.iter().map(|size| {
                    end = end.checked_add(size.as_u64()?)?;
                    Some(end)
                });
                let mut ends = ends.collect::<Option<Vec<u64>>>()?;
                ends.pop();
                parts = json!(ends);
            }
            config.insert("indices_or_sections".into(), parts);
            config.insert("axis".into(), given("axis")?);
            ("Split", &[], &[])
        }
        "squeeze" => ("Squeeze", &[], &[("axis", "axis")]),
        "stack" => {
            config.insert("axis".into(), json!(0));
            ("Stack", &[], &[("axis", "axis")])
        }
        "transpose" => ("Transpose", &[("perm", "axes")], &[]),
        "__operators__.getitem" => {
            positional.push(index(&given("slice_spec")?)?);
            return Some("GetItem");
        }
        _ => return one(function),
    };
    for (theirs, ours) in wanted {
        config.insert((*ours).into(), given(theirs)?);
    }
    for (theirs, ours) in optional {
        if let Some(value) = given(theirs) {
            config.insert((*ours).into(), value);
        }
    }
    Some(class)
}

/// Functions of two arguments, with the name of the second.
fn pair(function: &str) -> Option<(&'static str, &'static str)> {
    Some(match function {
        "__operators__.add" | "math.add" | "add" => ("Add", "y"),
        "math.divide" | "math.truediv" | "realdiv" => ("TrueDivide", "y"),
        "math.equal" => ("Equal", "y"),
        "math.greater" => ("Greater", "y"),
        "math.less" => ("Less", "y"),
        "math.maximum" => ("Maximum", "y"),
        "math.minimum" => ("Minimum", "y"),
        "math.multiply" => ("Multiply", "y"),
        "math.pow" => ("Power", "y"),
        "math.subtract" => ("Subtract", "y"),
        "nn.bias_add" => ("Add", "bias"),
        _ => return None,
    })
}

/// Functions of one argument.
fn one(function: &str) -> Option<&'static str> {
    Some(match function {
        "identity" => "Copy",
        "math.abs" => "Absolute",
        "math.exp" => "Exp",
        "math.log" => "Log",
        "math.negative" => "Negative",
        "math.rsqrt" => "Rsqrt",
        "math.sigmoid" | "nn.sigmoid" => "Sigmoid",
        "math.sqrt" => "Sqrt",
        "math.square" => "Square",
        "math.tanh" | "nn.tanh" => "Tanh",
        "nn.elu" => "Elu",
        "nn.relu" => "Relu",
        "nn.relu6" => "Relu6",
        "nn.selu" => "Selu",
        "nn.silu" => "Silu",
        "math.softplus" | "nn.softplus" => "Softplus",
        "nn.softsign" => "Softsign",
        "stop_gradient" => "StopGradient",
        _ => return None,
    })
}

/// An index as Keras 3 writes it.
fn index(stated: &Json) -> Option<Json> {
    let item = |item: &Json| match item {
        Json::Object(fields) if fields.get("class_name").is_some_and(|class| class == "__ellipsis__") => {
            Some(json!({ "class_name": "__ellipsis__", "config": {} }))
        }
        Json::Object(fields) => Some(json!({ "class_name": "__slice__", "config": fields })),
        Json::Number(_) | Json::Null => Some(item.clone()),
        _ => None,
    };
    let items = stated.as_array().cloned().unwrap_or_else(|| vec![stated.clone()]);
    items.iter().map(item).collect::<Option<Vec<_>>>().map(Json::Array)
}
