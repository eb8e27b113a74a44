//! `.keras`: a zip archive of `config.json`, `metadata.json` and `model.weights.h5`.
//!
//! In the HDF5 file a layer's arrays are `layers/conv2d_1/vars/0`, `1`, …: groups are named by class and counted, not by
//! the layer's name, so the configuration is needed to find them.

use std::collections::HashMap;

use ndarray::{ArrayD, arr0};
use serde_json::{Value, json};

use super::layout::{Place, check_layers, layer_list, places, snake_case};
use super::{FORMAT, KERAS_VERSION, KerasFile, LayerWeights, OptimizerState};
use crate::archive::{self, Archive};
use crate::h5::{Group, GroupWriter, H5File, StoredArray, Text};
use crate::{InteropError, Result};

const CONFIG: &str = "config.json";
const METADATA: &str = "metadata.json";
const WEIGHTS: &str = "model.weights.h5";

/// The layer whose file has the kernel of the layer inside it twice.
const SPECTRAL: &str = "SpectralNormalization";

/// The configuration of the model in an archive, and the file of its weights.
pub(super) fn open(bytes: Vec<u8>) -> Result<(Value, H5File)> {
    let mut archive = Archive::open(bytes)?;
    open_parts(&mut archive)
}

fn open_parts(archive: &mut Archive) -> Result<(Value, H5File)> {
    let config = archive.read_values(CONFIG)?.ok_or_else(|| missing(CONFIG))?;
    let config: Value = serde_json::from_slice(&config)
        .map_err(|error| InteropError::malformed(FORMAT, format!("{CONFIG} is not JSON: {error}")))?;
    if layer_list(&config).is_none() {
        let class_name = config["class_name"].as_str().unwrap_or("unknown").to_owned();
        let reason = format!(
            "a model of class {class_name} without a list of layers (Sequential and Functional are read)"
        );
        return Err(InteropError::unsupported(FORMAT, reason));
    }
    let weights = archive.read(WEIGHTS)?.ok_or_else(|| missing(WEIGHTS))?;
    let weights = H5File::open_packed(weights, archive.size())?;
    Ok((config, weights))
}

pub(super) fn read(bytes: Vec<u8>) -> Result<KerasFile<StoredArray>> {
    let mut archive = Archive::open(bytes)?;
    let (mut config, weights) = open_parts(&mut archive)?;
    let compiled = config.as_object_mut().and_then(|config| config.shift_remove("compile_config"));
    let compile_config =
        compiled.filter(|compiled| compiled.as_object().is_some_and(|compiled| !compiled.is_empty()));
    let root = weights.root();
    let layers = layers(&root, &config)?;
    let optimizer =
        root.group("optimizer/vars")?.map(|variables| optimizer(&variables)).transpose()?.flatten();
    let further =
        archive.names().into_iter().filter(|name| ![CONFIG, METADATA, WEIGHTS].contains(&name.as_str()));
    let members: Result<_> = further
        .filter_map(|name| {
            archive.read(&name).map(|content| content.map(|content| (name, content))).transpose()
        })
        .collect();
    Ok(KerasFile { config, compile_config, layers, optimizer, members: members? })
}

/// The arrays of the layers of the model `config`, in its order, from the root of its HDF5 file.
pub(super) fn layers(root: &Group<'_>, config: &Value) -> Result<Vec<LayerWeights<StoredArray>>> {
    let mut layers = Vec::new();
    for place in places(config)?.into_iter().filter(|place| !place.group.is_empty()) {
        let mut weights = Vec::new();
        if let Some(group) = layer_group(root, &place)? {
            let depth = if place.is_model { 0 } else { MAX_PARTS };
            collect(&group, "", depth, &mut weights)?;
        }
        if place.class_name == SPECTRAL && weights.len() > 2 && weights[1].0 == "1" {
            // The kernel of the layer inside stands in both.
            weights.remove(0);
            weights[0].0 = "0".into();
        }
        if !weights.is_empty() {
            layers.push(LayerWeights { path: place.path, class_name: place.class_name, weights });
        }
    }
    Ok(layers)
}

fn missing(member: &str) -> InteropError {
    InteropError::malformed(FORMAT, format!("the archive has no {member}"))
}

/// The group of a layer. Keras 2.12 called the outermost group `_layer_checkpoint_dependencies`.
fn layer_group<'a>(root: &Group<'a>, place: &Place) -> Result<Option<Group<'a>>> {
    match root.group(&place.group)? {
        Some(group) => Ok(Some(group)),
        None => root.group(&place.group.replace("layers/", "_layer_checkpoint_dependencies/")),
    }
}

/// Parts of layers that are deeper than this are not believed.
const MAX_PARTS: usize = 16;

/// The arrays of a layer and of its parts: `0`, `1`, `cell/0`, …. What is not made of numbers alone is none of them.
fn collect(
    group: &Group<'_>,
    path: &str,
    depth: usize,
    weights: &mut Vec<(String, StoredArray)>,
) -> Result<()> {
    if let Some(variables) = group.group("vars")? {
        for (i, array) in numbered(&variables)?.into_iter().enumerate() {
            weights.push((format!("{path}{i}"), array));
        }
    }
    for part in group.groups()? {
        // Where a random stream stands.
        if depth == 0 || part == "vars" || part == "seed_generator" {
            continue;
        }
        if let Some(inner) = group.group(&part)? {
            collect(&inner, &format!("{path}{part}/"), depth - 1, weights)?;
        }
    }
    Ok(())
}

/// The arrays `0`, `1`, … of a group.
fn numbered(group: &Group<'_>) -> Result<Vec<StoredArray>> {
    (0..group.arrays()?.len()).map(|i| group.stored(&i.to_string())).collect()
}

/// `0` is the iteration, `1` the learning rate if it is one number, the rest are slots.
fn optimizer(variables: &Group<'_>) -> Result<Option<OptimizerState>> {
    let count = variables.arrays()?.len();
    if count == 0 {
        return Ok(None);
    }
    let iteration = variables.integers("0")?.first().copied().unwrap_or(0);
    let slots = (1..count).map(|i| variables.floats(&i.to_string())).collect::<Result<_>>()?;
    Ok(Some(OptimizerState::from_floats(iteration, slots)))
}

impl OptimizerState {
    /// From the iteration and the arrays behind it. A trainable weight always has an axis, the learning rate never.
    pub(super) fn from_floats(iteration: i64, mut slots: Vec<ArrayD<f32>>) -> Self {
        let has_rate = slots.first().is_some_and(|first| first.ndim() == 0);
        let learning_rate = if has_rate { slots.remove(0).first().copied() } else { None };
        Self { iteration, learning_rate, slots }
    }
}

pub(super) fn write(file: &KerasFile) -> Result<Vec<u8>> {
    let mut config = file.config.clone();
    config["compile_config"] = file.compile_config.clone().unwrap_or_else(|| json!({}));
    let config =
        serde_json::to_vec(&config).map_err(|error| InteropError::malformed(FORMAT, error.to_string()))?;
    let metadata =
        json!({"keras_version": KERAS_VERSION, "saved_by": concat!("convnet ", env!("CARGO_PKG_VERSION"))});
    let metadata = metadata.to_string().into_bytes();
    let weights = weights(file)?.to_file()?;
    let members = [(METADATA, metadata.as_slice()), (CONFIG, &config), (WEIGHTS, &weights)].into_iter();
    archive::to_bytes(
        members.chain(file.members.iter().map(|(name, content)| (name.as_str(), content.as_slice()))),
    )
}

pub(super) fn weights(file: &KerasFile) -> Result<GroupWriter> {
    let places = places(&file.config)?;
    check_layers(file, &places)?;
    let mut root = GroupWriter::default();
    root.group("vars").attribute("name", Text::Utf8(file.model_name().into()));
    for place in places.iter().filter(|place| !place.group.is_empty()) {
        root.group(&place.group).group("vars").attribute("name", Text::Utf8(place.name.clone()));
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let kernel = |name: &str| ["layer/kernel", "layer/embeddings", "layer/0"].contains(&name);
        let inner = file.weights(&place.path).iter().find(|(name, _)| kernel(name));
        if let Some((_, kernel)) = inner.filter(|_| place.class_name == SPECTRAL) {
            root.group(&place.group).group("vars").floats("0", kernel.view());
            counts.insert("", 1);
        }
        for (name, array) in file.weights(&place.path) {
            let part = name.rsplit_once('/').map_or("", |(part, _)| part);
            let count = counts.entry(part).or_default();
            let variables = root.group(&place.group).group(&format!("{part}/vars"));
            variables.floats(&count.to_string(), array.view());
            *count += 1;
        }
    }
    if let Some(state) = &file.optimizer {
        let name = file.compile_config.as_ref().map_or(&Value::Null, |compiled| &compiled["optimizer"]);
        let default_name = || snake_case(name["class_name"].as_str().unwrap_or("optimizer"));
        let name = name["config"]["name"].as_str().map_or_else(default_name, str::to_owned);
        let variables = root.group("optimizer/vars");
        variables.attribute("name", Text::Utf8(name)).integer("0", state.iteration);
        let rate = state.learning_rate.map(|rate| arr0(rate).into_dyn());
        for (i, array) in rate.iter().chain(&state.slots).enumerate() {
            variables.floats(&(i + 1).to_string(), array.view());
        }
    }
    Ok(root)
}
