//! Which layers a configuration has, and where the HDF5 file keeps their arrays.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{FORMAT, KerasFile};
use crate::{InteropError, Result};

/// Nested models deeper than this are not believed.
const MAX_DEPTH: usize = 16;
/// Bytes of the paths of all layers. Each has the names of the models that it is in.
const MAX_PATHS: usize = 1 << 26;

/// A layer, or a model used as a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// Names from the outermost model inwards, between slashes.
    pub path: String,
    /// The name alone.
    pub name: String,
    pub class_name: String,
    /// Its group in `model.weights.h5`, without `/vars`: `layers/sequential/layers/conv2d_1`.
    pub group: String,
    /// False when it or a model around it is frozen.
    pub trainable: bool,
    /// How many models it is in.
    pub depth: usize,
    /// Whether it is itself a model.
    pub is_model: bool,
    /// Whether it is an operation between layers.
    pub is_operation: bool,
}

/// All layers of a model's object, each nested model before its layers.
pub(super) fn places(model: &Value) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    let mut left = MAX_PATHS;
    walk(model, None, &mut places, &mut left)?;
    let mut seen = HashSet::new();
    match places.iter().find(|place| !seen.insert(place.path.as_str())) {
        Some(twice) => Err(InteropError::malformed(FORMAT, format!("two layers are named {:?}", twice.path))),
        None => Ok(places),
    }
}

/// `left` counts the bytes of paths down.
fn walk(model: &Value, around: Option<&Place>, places: &mut Vec<Place>, left: &mut usize) -> Result<()> {
    let depth = around.map_or(0, |place| place.depth + 1);
    if depth > MAX_DEPTH {
        return Err(InteropError::unsupported(FORMAT, format!("models nested more than {MAX_DEPTH} deep")));
    }
    let layers = layer_list(model).ok_or_else(|| {
        let path = around.map_or("", |place| place.path.as_str());
        InteropError::malformed(
            FORMAT,
            format!("the configuration of the model {path:?} has no list of layers"),
        )
    })?;
    let frozen =
        around.is_some_and(|place| !place.trainable) || model["config"]["trainable"] == Value::Bool(false);
    let sequential = model["class_name"] == "Sequential";
    let mut counts = HashMap::new();
    for layer in layers {
        let class_name = layer["class_name"].as_str().unwrap_or_default().to_owned();
        let name = layer["config"]["name"].as_str().or(layer["name"].as_str()).unwrap_or_default().to_owned();
        // Its group is named by its class, in snake case.
        let own = name.len() + class_name.len().saturating_mul(2);
        let bytes = around.map_or(0, |place| place.path.len() + place.group.len()) + own;
        *left = left.checked_sub(bytes).ok_or_else(|| {
            InteropError::too_large(
                FORMAT,
                "the names of its layers, with those of the models around, are too long",
            )
        })?;
        let is_operation = layer["module"].as_str().is_some_and(|module| module.starts_with("keras.src.ops"));
        // A Sequential hides its input layer, from the counters too; operations between layers are none.
        let group = if is_operation || (sequential && class_name == "InputLayer") {
            String::new()
        } else {
            let unique = unique(snake_case(&class_name), &mut counts);
            around.map_or_else(
                || format!("layers/{unique}"),
                |place| format!("{}/layers/{unique}", place.group),
            )
        };
        let place = Place {
            path: around.map_or_else(|| name.clone(), |place| format!("{}/{name}", place.path)),
            name,
            class_name,
            group,
            trainable: !frozen && layer["config"]["trainable"] != Value::Bool(false),
            depth,
            is_model: layer_list(layer).is_some(),
            is_operation,
        };
        places.push(place.clone());
        if place.is_model {
            walk(layer, Some(&place), places, left)?;
        }
    }
    Ok(())
}

/// A model's layers; early Keras 2 wrote a Sequential's `config` as the bare list.
pub(super) fn layer_list(model: &Value) -> Option<&Vec<Value>> {
    model["config"]["layers"]
        .as_array()
        .or_else(|| model["config"].as_array().filter(|_| model["class_name"] == "Sequential"))
}

/// Keras's counter: `conv2d`, `conv2d_1`, ….
fn unique(base: String, counts: &mut HashMap<String, usize>) -> String {
    let count = counts.entry(base.clone()).or_insert(0);
    *count += 1;
    if *count == 1 { base } else { format!("{base}_{}", *count - 1) }
}

/// Keras's snake case, quirks and all: an underscore before a capital that a small letter follows (but not at the start),
/// and between a small letter and a capital. `MaxPooling2D` → `max_pooling2d`, `ReLU` → `re_lu`.
pub(super) fn snake_case(class_name: &str) -> String {
    let letters: Vec<char> = class_name.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut snake = String::with_capacity(letters.len() + 4);
    for (i, &letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| letters[i]);
        let starts_word =
            letter.is_ascii_uppercase() && letters.get(i + 1).is_some_and(char::is_ascii_lowercase);
        let ends_word =
            letter.is_ascii_uppercase() && before.is_some_and(|before| before.is_ascii_lowercase());
        if before.is_some() && (starts_word || ends_word) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// That each of the file's arrays belongs to a layer of its configuration.
pub(super) fn check_layers(file: &KerasFile, places: &[Place]) -> Result<()> {
    let known: HashSet<&str> = places.iter().map(|place| place.path.as_str()).collect();
    match file.layers.iter().find(|layer| !known.contains(layer.path.as_str())) {
        Some(stray) => Err(InteropError::malformed(
            FORMAT,
            format!("there are weights for {:?}, not a layer of the model", stray.path),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_as_keras_makes_them() {
        let cases = [
            ("InputLayer", "input_layer"),
            ("Conv2D", "conv2d"),
            ("MaxPooling2D", "max_pooling2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("BatchNormalization", "batch_normalization"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("Conv2DTranspose", "conv2d_transpose"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("RMSprop", "rm_sprop"),
            ("SGD", "sgd"),
        ];
        for (class_name, snake) in cases {
            assert_eq!(snake_case(class_name), snake);
        }
    }

    #[test]
    fn groups_count_by_class_within_each_model() {
        let layer =
            |class_name: &str, name: &str| json!({"class_name": class_name, "config": {"name": name}});
        let inner = json!({"class_name": "Sequential", "config": {"name": "base", "trainable": false, "layers":
            [layer("InputLayer", "i"), layer("Conv2D", "c")]}});
        let model = json!({"class_name": "Functional", "config": {"name": "m", "layers":
            [layer("InputLayer", "x"), layer("Conv2D", "a"), inner, layer("Conv2D", "b")]}});
        let found: Vec<_> =
            places(&model).unwrap().into_iter().map(|p| (p.path, p.group, p.trainable)).collect();
        let expected = [
            ("x", "layers/input_layer", true),
            ("a", "layers/conv2d", true),
            ("base", "layers/sequential", false),
            ("base/i", "", false),
            ("base/c", "layers/sequential/layers/conv2d", false),
            ("b", "layers/conv2d_1", true),
        ];
        assert_eq!(
            found,
            expected.map(|(path, group, trainable)| (path.to_owned(), group.to_owned(), trainable))
        );
        let twice =
            json!({"class_name": "Sequential", "config": {"layers": [layer("Add", "a"), layer("Add", "a")]}});
        assert!(places(&twice).unwrap_err().to_string().contains("two layers"));
    }
}
