//! The two ways to write how a model was compiled: `.keras`'s `compile_config` and legacy `training_config`.

use serde_json::{Map, Value, json};

/// A `training_config` in the form of a `compile_config`.
pub(super) fn from_training_config(training: Value) -> Option<Value> {
    let Value::Object(mut training) = training else { return None };
    let mut compile = Map::new();
    if let Some(mut optimizer) = training.shift_remove("optimizer_config") {
        modernize(&mut optimizer);
        compile.insert("optimizer".into(), optimizer);
    }
    compile.extend(training);
    Some(Value::Object(compile))
}

/// An optimizer as Keras 2 wrote it, in Keras 3's words. Keras 2 marks its newer optimizers, whose states and settings are
/// those of Keras 3, as custom, and tells how they are run besides; the older ones say `lr`. What is no object is left as it is.
fn modernize(optimizer: &mut Value) {
    let Value::Object(optimizer) = optimizer else { return };
    let class_name = optimizer.get("class_name").and_then(Value::as_str).unwrap_or_default();
    let class_name = class_name.trim_start_matches("Custom>").into();
    optimizer.insert("class_name".into(), class_name);
    if let Some(config) = optimizer.get_mut("config").and_then(Value::as_object_mut) {
        config.retain(|key, _| !["jit_compile", "is_legacy_optimizer"].contains(&key.as_str()));
        if let Some(rate) = config.shift_remove("lr") {
            config.insert("learning_rate".into(), rate);
        }
        // It stands at 100 there even when no average is kept.
        if config.get("use_ema") != Some(&Value::Bool(true)) {
            config.entry("ema_overwrite_frequency").and_modify(|frequency| *frequency = Value::Null);
        }
        if config.get("decay").and_then(Value::as_f64) == Some(0.0) {
            config.shift_remove("decay");
        }
    }
}

/// A `compile_config` in the form of a `training_config`: objects lose what only `.keras` files have.
pub(super) fn to_training_config(compile: &Value) -> Value {
    let mut training = Map::new();
    for (key, value) in compile.as_object().into_iter().flatten().filter(|(key, _)| *key != "optimizer") {
        training.insert(key.clone(), plain(value));
    }
    if let Some(optimizer) = compile.get("optimizer") {
        training.insert(
            "optimizer_config".into(),
            json!({"class_name": optimizer["class_name"], "config": optimizer["config"]}),
        );
    }
    Value::Object(training)
}

/// A serialized object, or lists and dictionaries of them, with `class_name` and `config` only.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) if object.contains_key("class_name") => {
            json!({"class_name": object["class_name"], "config": object.get("config")})
        }
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        Value::Array(values) => values.iter().map(plain).collect(),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let compile = json!({
            "optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.5}},
            "loss": "mse", "metrics": ["accuracy"], "loss_weights": null
        });
        assert_eq!(from_training_config(to_training_config(&compile)), Some(compile));
        let keras2 =
            json!({"class_name": "Custom>Adam", "config": {"lr": 0.5, "decay": 0.0, "jit_compile": false}});
        let keras3 = json!({"class_name": "Adam", "config": {"learning_rate": 0.5}});
        assert_eq!(from_training_config(json!({"optimizer_config": keras2})).unwrap()["optimizer"], keras3);
        let named = from_training_config(json!({"optimizer_config": "adam"}));
        assert_eq!(named, Some(json!({"optimizer": "adam"})));
    }
}
