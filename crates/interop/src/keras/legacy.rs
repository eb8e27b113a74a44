//! Legacy `.h5`: the configuration in attributes, each layer's arrays in a group of its name.
//!
//! `model_weights/<layer>` has an attribute `weight_names`, the paths of its arrays in order. A nested model is one such
//! group with the arrays of all its layers: first all that train, then all that do not.

use std::collections::HashMap;

use ndarray::{ArrayD, arr0};
use serde_json::{Value, json};

use super::compile::{from_training_config, to_training_config};
use super::layout::{Place, check_layers, layer_list, places, snake_case};
use super::{FORMAT, KERAS_VERSION, KerasFile, LayerWeights, OptimizerState};
use crate::h5::{Group, GroupWriter, H5File, StoredArray, Text};
use crate::{InteropError, Result};

/// What the object of a model has beside Keras's keys. Legacy files have no room for it there, so that it is an attribute beside the model's.
const OWN: &str = "convnet";

pub(super) fn read(file: &H5File) -> Result<KerasFile<StoredArray>> {
    let root = file.root();
    let mut config = json_attribute(&root, "model_config")?.ok_or_else(|| {
        let reason =
            "it has no model_config: perhaps weights without a model, or data, are in this HDF5 file";
        InteropError::unsupported(FORMAT, reason)
    })?;
    if layer_list(&config).is_none() {
        return Err(InteropError::malformed(FORMAT, "its model_config has no list of layers"));
    }
    if let Some(own) = json_attribute(&root, OWN)? {
        config[OWN] = own;
    }
    let places = places(&config)?;
    let weights = root.required_group("model_weights")?;
    let outer: HashMap<&str, usize> =
        (0..places.len()).filter(|&i| places[i].depth == 0).map(|i| (places[i].name.as_str(), i)).collect();
    let mut inner = InnerPlaces::of(&places);
    let mut found: HashMap<usize, Vec<(String, StoredArray)>> = HashMap::new();
    for name in weights.texts("layer_names")? {
        let group = weights.required_group(&name)?;
        let place = *outer.get(name.as_str()).ok_or_else(|| {
            InteropError::malformed(
                FORMAT,
                format!("there are weights for {name:?}, not a layer of the model"),
            )
        })?;
        for path in group.texts("weight_names")? {
            let layer = if places[place].is_model { inner.find(&places[place], &path)? } else { place };
            found.entry(layer).or_default().push((last(&path).to_owned(), group.stored(&path)?));
        }
    }
    let compile_config = json_attribute(&root, "training_config")?.and_then(from_training_config);
    let optimizer = root.group("optimizer_weights")?.map(|group| optimizer(&group)).transpose()?.flatten();
    let layers = places.into_iter().enumerate().filter_map(|(i, place)| {
        let weights = found.remove(&i)?;
        Some(LayerWeights { path: place.path, class_name: place.class_name, weights })
    });
    Ok(KerasFile { layers: layers.collect(), config, compile_config, optimizer, members: Vec::new() })
}

fn json_attribute(root: &Group<'_>, name: &str) -> Result<Option<Value>> {
    let parse = |text: String| {
        serde_json::from_str(&text)
            .map_err(|error| InteropError::malformed(FORMAT, format!("{name} is not JSON: {error}")))
    };
    root.text(name)?.map(parse).transpose()
}

/// The last part of a weight's path without Keras 2's `:0`: `kernel`.
fn last(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(':').next().unwrap_or(name)
}

/// The layers inside models, by the last part of their paths.
struct InnerPlaces<'a> {
    places: &'a [Place],
    by_name: HashMap<&'a str, Vec<usize>>,
    /// Names of layers that may still be compared with those of weights. Thousands can have one name, each in a model of its own.
    comparisons: usize,
}

/// Comparisons of layers with weights in a file. Most weights need one.
const MAX_COMPARISONS: usize = 1 << 24;
/// Bytes of names that are compared as fast as two short ones.
const SHORT: usize = 64;

impl<'a> InnerPlaces<'a> {
    fn of(places: &'a [Place]) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, place) in places.iter().enumerate().filter(|(_, place)| place.depth > 0 && !place.is_model) {
            by_name.entry(place.path.rsplit('/').next().unwrap_or_default()).or_default().push(i);
        }
        Self { places, by_name, comparisons: MAX_COMPARISONS }
    }

    /// The layer inside the model `outer` that the path `…/conv2d/kernel` belongs to. Names are unique in each model, not
    /// across them, so among equal names the one whose models the path also tells wins.
    fn find(&mut self, outer: &Place, path: &str) -> Result<usize> {
        let parents: Vec<&str> = path.split('/').rev().skip(1).collect();
        let inside = format!("{}/", outer.path);
        let comparison = 1 + (inside.len() + path.len()) / SHORT;
        let (mut best, mut best_place) = (0, None);
        // Parts of a layer, such as the cell of a recurrent one, stand between its name and the weight's.
        for skipped in 0..parents.len().min(4) {
            let candidates = self.by_name.get(parents[skipped]).map_or(&[][..], Vec::as_slice);
            let cost = comparison.saturating_mul(1 + candidates.len());
            self.comparisons = self.comparisons.checked_sub(cost).ok_or_else(|| {
                InteropError::too_large(FORMAT, "its nested models have too many layers of one name")
            })?;
            for &i in candidates.iter().filter(|&&i| self.places[i].path.starts_with(&inside)) {
                let names = self.places[i].path.split('/').rev();
                let agreement = names.zip(&parents[skipped..]).take_while(|(a, b)| a == *b).count();
                match best_place {
                    // As good as another layer.
                    Some(other) if agreement == best && other != Some(i) => best_place = Some(None),
                    _ if agreement > best => (best, best_place) = (agreement, Some(Some(i))),
                    _ => {}
                }
            }
        }
        best_place.flatten().ok_or_else(|| {
            let reason = format!("the weight {path:?} fits no layer of {:?} alone", outer.path);
            InteropError::unsupported(FORMAT, reason)
        })
    }
}

fn optimizer(group: &Group<'_>) -> Result<Option<OptimizerState>> {
    let names = group.texts("weight_names")?;
    let Some((first, rest)) = names.split_first() else { return Ok(None) };
    let iteration = group.integers(first)?.first().copied().unwrap_or(0);
    let slots = rest.iter().map(|name| group.floats(name)).collect::<Result<_>>()?;
    Ok(Some(OptimizerState::from_floats(iteration, slots)))
}

pub(super) fn write(file: &KerasFile) -> Result<Vec<u8>> {
    let places = places(&file.config)?;
    if let Some(operation) = places.iter().find(|place| place.is_operation) {
        let reason = format!(
            "legacy .h5 files cannot hold operations between layers, such as {:?}; Keras itself cannot open them. Write .keras",
            operation.name
        );
        return Err(InteropError::unsupported(FORMAT, reason));
    }
    check_layers(file, &places)?;
    let mut root = GroupWriter::default();
    root.attribute("backend", Text::Utf8("tensorflow".into()));
    root.attribute("keras_version", Text::Utf8(KERAS_VERSION.into()));
    root.attribute("model_config", Text::Ascii(plain_model(&file.config).to_string()));
    if let Some(own) = file.config.get(OWN) {
        root.attribute(OWN, Text::Utf8(own.to_string()));
    }
    if let Some(compiled) = &file.compile_config {
        root.attribute("training_config", Text::Ascii(to_training_config(compiled).to_string()));
    }
    let weights = root.group("model_weights");
    weights.attribute("backend", Text::Ascii("tensorflow".into()));
    weights.attribute("keras_version", Text::Ascii(KERAS_VERSION.into()));
    let outer: Vec<&Place> =
        places.iter().filter(|place| place.depth == 0 && !place.group.is_empty()).collect();
    weights.attribute("layer_names", Text::AsciiList(outer.iter().map(|place| place.name.clone()).collect()));
    for place in outer {
        let group = weights.group(&place.name);
        let arrays = arrays_of(file, place, &places);
        group.attribute(
            "weight_names",
            Text::AsciiList(arrays.iter().map(|(path, _)| path.clone()).collect()),
        );
        for (path, array) in arrays {
            group.floats(&path, array.view());
        }
    }
    weights.group("top_level_model_weights").attribute("weight_names", Text::AsciiList(Vec::new()));
    if let Some(state) = &file.optimizer {
        write_optimizer(root.group("optimizer_weights"), file, state);
    }
    root.to_file()
}

/// Path and value of the arrays of one outermost layer, those that train first.
fn arrays_of<'a>(file: &'a KerasFile, outer: &Place, places: &[Place]) -> Vec<(String, &'a ArrayD<f32>)> {
    let inside = format!("{}/", outer.path);
    let mut sorted = [Vec::new(), Vec::new()];
    for place in places.iter().filter(|place| place.path == outer.path || place.path.starts_with(&inside)) {
        for (name, array) in file.weights(&place.path) {
            let last = name.rsplit('/').next().unwrap_or(name);
            let is_state =
                last.starts_with("moving_") || ["vector_u", "mean", "variance", "count"].contains(&last);
            let trains = place.trainable && !is_state;
            sorted[usize::from(!trains)].push((format!("{}/{name}", place.path), array));
        }
    }
    sorted.concat()
}

fn write_optimizer(group: &mut GroupWriter, file: &KerasFile, state: &OptimizerState) {
    let class_name =
        file.compile_config.as_ref().and_then(|compiled| compiled["optimizer"]["class_name"].as_str());
    let prefix = snake_case(class_name.unwrap_or("optimizer"));
    let rate = state.learning_rate.map(|rate| (format!("{prefix}/learning_rate"), arr0(rate).into_dyn()));
    let slots = state.slots.iter().enumerate().map(|(i, slot)| (format!("{prefix}/slot_{i}"), slot));
    let arrays: Vec<_> = rate.iter().map(|(name, rate)| (name.clone(), rate)).chain(slots).collect();
    let iteration = format!("{prefix}/iteration");
    let names =
        std::iter::once(iteration.clone()).chain(arrays.iter().map(|(name, _)| name.clone())).collect();
    group.attribute("weight_names", Text::AsciiList(names)).integer(&iteration, state.iteration);
    for (name, array) in arrays {
        group.floats(&name, array.view());
    }
}

/// A model's object as legacy files have it: models and layers are `class_name`, `config` and their place in the graph.
fn plain_model(model: &Value) -> Value {
    let mut plain = json!({"class_name": model["class_name"], "config": model["config"]});
    for key in ["name", "inbound_nodes"] {
        if let Some(value) = model.get(key) {
            plain[key] = value.clone();
        }
    }
    if let Some(layers) = plain["config"].get_mut("layers").and_then(Value::as_array_mut) {
        layers.iter_mut().for_each(|layer| *layer = plain_model(layer));
    }
    plain
}
