//! From a [`KerasFile`] to a [`Model`] and back.

use std::path::Path;

use convnet_nn::model::{Slot, StatedInput, Weight};
use convnet_nn::train::OptimizerMemory;
use convnet_nn::{Metric, Model, model};
use ndarray::{ArrayD, arr0};
use serde_json::Value;

use super::fill::{Numbers, fill};
use super::{FORMAT, KerasFile, LayerWeights, OptimizerState};
use crate::{InteropError, Result};

/// A model may have so many numbers without arrays in the file, whose absence is then told by name.
const FREE_NUMBERS: usize = 1 << 26;

/// Reads the model that Keras, or [`save_model`], wrote: `.keras` or legacy `.h5`.
///
/// ```no_run
/// let model = convnet_interop::keras::load_model("mnist.keras")?;
/// println!("{} has {} parameters", model.name(), model.count_params());
/// # Ok::<(), convnet_interop::InteropError>(())
/// ```
///
/// # Errors
/// With the file's name: as [`KerasFile::read`] and [`KerasFile::to_model`].
pub fn load_model(path: impl AsRef<Path>) -> Result<Model> {
    let path = path.as_ref();
    let load = || build(&KerasFile::open(path)?);
    load().map_err(|error| error.in_file(path))
}

/// As [`load_model`], for a model whose inputs have open sizes: they become these, the batch not counted, input by input.
///
/// # Errors
/// As [`load_model`], and if the sizes are not those that the file states.
pub fn load_model_sized(path: impl AsRef<Path>, sizes: &[Vec<usize>]) -> Result<Model> {
    let path = path.as_ref();
    let load = || {
        let mut file = KerasFile::open(path)?;
        file.config = model::with_input_sizes(&file.config, sizes)?;
        build(&file)
    };
    load().map_err(|error| error.in_file(path))
}

/// What a file says of its model's inputs, some of whose sizes may be open, and the names of the outputs.
///
/// # Errors
/// As [`KerasFile::read`].
pub fn stated_ends(path: impl AsRef<Path>) -> Result<(Vec<StatedInput>, Vec<String>)> {
    let path = path.as_ref();
    let file = KerasFile::open(path).map_err(|error| error.in_file(path))?;
    Ok(model::stated_ends(&file.config))
}

/// Writes `model` as a file that Keras's `load_model` opens: legacy HDF5 if `path` ends in `.h5`, else `.keras`.
///
/// # Errors
/// When the file cannot be written; an older one is then as it was.
pub fn save_model(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    KerasFile::of_model(model).write(path)
}

impl KerasFile {
    /// The model of this file, with its weights. It is compiled if the file says how in terms known here (other
    /// optimizers or losses do not hinder prediction; [`Model::notes`] tells of them).
    ///
    /// # Errors
    /// When the configuration has layers or arguments that are not known here, or a layer's arrays do not fit it.
    pub fn to_model(&self) -> Result<Model> {
        build(self)
    }

    /// The file of a model: configuration, weights, how it was compiled, and what its optimizer remembers.
    pub fn of_model(model: &Model) -> Self {
        let mut config = model.config();
        leave_names_to_masks(&mut config);
        let compiled = config.as_object_mut().and_then(|config| config.shift_remove("compile_config"));
        let weights: Vec<&Weight> = model.weights().collect();
        let layers = weights.chunk_by(|a, b| a.layer == b.layer).map(|weights| LayerWeights {
            path: weights[0].layer.clone(),
            class_name: model
                .get_layer(&weights[0].layer)
                .map_or_else(|_| String::new(), |layer| layer.class_name().to_owned()),
            weights: weights
                .iter()
                .map(|w| (joined(&w.group, w.name), model.weight_values(w).to_owned()))
                .collect(),
        });
        let compile_config =
            compiled.filter(|compiled| compiled.get("optimizer").is_some_and(Value::is_object));
        let optimizer = OptimizerState::of_model(model);
        Self { layers: layers.collect(), compile_config, config, optimizer, ..Self::default() }
    }
}

/// Operations that Keras makes masks with. While it opens a functional model it adds them again, called `concatenate` or `concatenate_1`, and refuses a layer of that name.
const OF_MASKS: [&str; 7] =
    ["any", "concatenate", "expand_dims", "logical_or", "not_equal", "ones_like", "zeros_like"];

/// Gives layers of a model with masks, and of models in it, other names than those of [`OF_MASKS`].
fn leave_names_to_masks(object: &mut Value) {
    let Some(config) = object.get_mut("config") else { return };
    let Some(layers) = config.get_mut("layers").and_then(Value::as_array_mut) else { return };
    layers.iter_mut().for_each(leave_names_to_masks);
    let makes_mask = |layer: &Value| {
        layer["class_name"] == "Masking"
            || layer["class_name"] == "Embedding" && layer["config"]["mask_zero"] == true
    };
    if !layers.iter().any(makes_mask) {
        return;
    }
    let names: Vec<String> =
        layers.iter().filter_map(|layer| layer["config"]["name"].as_str().map(str::to_owned)).collect();
    for name in &names {
        let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
        if OF_MASKS.contains(&base.strip_suffix('_').unwrap_or(base)) {
            let mut other = format!("{name}_layer");
            while names.contains(&other) {
                other.push('_');
            }
            rename(config, name, &other);
        }
    }
}

/// Gives a layer another name, wherever a model's configuration has it: as a layer's, or first of three that name a tensor.
fn rename(json: &mut Value, from: &str, to: &str) {
    match json {
        Value::Array(items) => {
            if let [Value::String(name), Value::Number(_), Value::Number(_), ..] = &mut items[..]
                && name == from
            {
                to.clone_into(name);
            }
            items.iter_mut().for_each(|item| rename(item, from, to));
        }
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::String(name) if key == "name" && name == from => to.clone_into(name),
                    value => rename(value, from, to),
                }
            }
        }
        _ => {}
    }
}

/// What is wrong with those of a file's metrics that are left out.
fn unknown_metrics(metrics: &Value, problems: &mut Vec<String>) {
    match metrics {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| unknown_metrics(item, problems)),
        Value::Object(outputs) if !outputs.contains_key("class_name") => {
            outputs.values().for_each(|item| unknown_metrics(item, problems));
        }
        one => {
            let problem = Metric::from_json(one).err();
            problems.extend(problem.map(|problem| format!("a metric of its file is left out: {problem}")));
        }
    }
}

/// Makes one number of the arrays that weights are to start with: they have their values in the file, and only starting afresh is
/// something else then.
fn constants_of_arrays(json: &mut Value, notes: &mut Vec<String>) {
    match json {
        Value::Object(fields) if fields.get("class_name").is_some_and(|class| class == "Constant") => {
            let Some(value) = fields.get_mut("config").and_then(|config| config.get_mut("value")) else {
                return;
            };
            if !value.is_number() {
                *value = 0.into();
                notes.push("a weight that is to start with given numbers would start with zeros if it were made anew".into());
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| constants_of_arrays(field, notes)),
        Value::Array(items) => items.iter_mut().for_each(|item| constants_of_arrays(item, notes)),
        _ => {}
    }
}

/// As [`KerasFile::to_model`], from arrays that may lie in the file still.
fn build<A: Numbers>(file: &KerasFile<A>) -> Result<Model> {
    let mut config = file.config.clone();
    let mut notes = Vec::new();
    constants_of_arrays(&mut config, &mut notes);
    if let (Some(compiled), Some(config)) = (&file.compile_config, config.as_object_mut()) {
        config.insert("compile_config".into(), compiled.clone());
    }
    // Each weight has its array, so that a model that is too large for the file takes no memory.
    let arrays = file.layers.iter().flat_map(|layer| &layer.weights);
    let numbers =
        arrays.map(|(_, array)| array.shape().iter().product::<usize>()).sum::<usize>().max(FREE_NUMBERS);
    let mut model = match model::from_config_within(&config, numbers) {
        Ok(model) => model,
        Err(problem) => {
            if let Some(config) = config.as_object_mut() {
                config.shift_remove("compile_config");
            }
            let mut model = model::from_config_within(&config, numbers)?;
            let note = format!("it is not compiled: {problem}");
            model.add_note(note);
            model
        }
    };
    notes.into_iter().for_each(|note| model.add_note(note));
    let is_compiled = model.compiled().is_some();
    for key in ["metrics", "weighted_metrics"].into_iter().filter(|_| is_compiled) {
        let metrics = file.compile_config.as_ref().map_or(&Value::Null, |compiled| &compiled[key]);
        let mut problems = Vec::new();
        unknown_metrics(metrics, &mut problems);
        problems.into_iter().for_each(|problem| model.add_note(problem));
    }
    let arrays = arrays_of(file, &model)?;
    fill(&mut model, &arrays)?;
    if let Some(memory) = file.optimizer.as_ref().and_then(|state| state.to_memory(&model)) {
        // Arrays of other sizes are those of other weights: as in Keras, training then starts afresh.
        if model.set_optimizer_memory(&memory).is_err() {
            let note = "the optimizer starts afresh, since its state in the file is that of other weights";
            model.add_note(note.into());
        }
    }
    Ok(model)
}

/// The array of each of the model's weights.
fn arrays_of<'a, A: Numbers>(file: &'a KerasFile<A>, model: &Model) -> Result<Vec<&'a A>> {
    let wanted: Vec<&Weight> = model.weights().collect();
    let mut arrays = Vec::with_capacity(wanted.len());
    for wanted in wanted.chunk_by(|a, b| a.layer == b.layer) {
        let layer = &wanted[0].layer;
        let found = file.weights(layer);
        if found.len() != wanted.len() {
            let names: Vec<&str> = wanted.iter().map(|weight| &*weight.path).collect();
            let reason = format!(
                "layer {layer:?} needs {} arrays ({}), the file has {}",
                wanted.len(),
                names.join(", "),
                found.len()
            );
            return Err(InteropError::malformed(FORMAT, reason));
        }
        arrays.extend(matched(model, wanted, found)?);
    }
    Ok(arrays)
}

/// For each of a layer's weights its array, of as many.
pub(super) fn matched<'a, A>(
    model: &Model,
    wanted: &[&Weight],
    found: &'a [(String, A)],
) -> Result<Vec<&'a A>> {
    let Some(first) = wanted.first() else { return Ok(Vec::new()) };
    let exact = |weight: &&Weight| {
        let name = joined(&weight.group, weight.name);
        found.iter().find(|(known, _)| *known == name).map(|(_, array)| array)
    };
    if let Some(arrays) = wanted.iter().map(exact).collect() {
        return Ok(arrays);
    }
    let frozen = !model.get_layer(&first.layer)?.trainable();
    let trains = |weight: &Weight| frozen || matches!(weight.slot, Slot::Parameter(_));
    let array = |(place, weight): (usize, &&Weight)| {
        // Archives number the arrays of each part of a layer; legacy files list all, those that train first.
        let before = wanted[..place].iter().filter(|other| other.group == weight.group).count();
        let numbered = joined(&weight.group, &before.to_string());
        let named = found.iter().find(|(name, _)| *name == numbered);
        let earlier = |&(at, other): &(usize, &&Weight)| match (trains(other), trains(weight)) {
            (true, false) => true,
            (false, true) => false,
            _ => at < place,
        };
        let listed = wanted.iter().enumerate().filter(earlier).count();
        &named.unwrap_or(&found[listed]).1
    };
    Ok(wanted.iter().enumerate().map(array).collect())
}

/// The part of a layer, if there is one, and a name in it.
fn joined(group: &str, name: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") }
}

/// Where a slot's array for a weight stands among all that an optimizer stores: groups of slots follow each other, and in a group
/// all arrays of one weight come before those of the next.
fn place(groups: &[usize], weights: usize, slot: usize, weight: usize) -> usize {
    let mut first = 0;
    for &size in groups {
        if slot < first + size {
            return first * weights + weight * size + slot - first;
        }
        first += size;
    }
    slot * weights + weight
}

impl OptimizerState {
    /// What the optimizer of a model remembers, in Keras's order; `None` before the first step.
    fn of_model(model: &Model) -> Option<Self> {
        let (compiled, memory) = (model.compiled()?, model.optimizer_memory()?);
        let optimizer = &compiled.optimizer;
        let (weights, groups) = (model.trainable_weights().count(), optimizer.slot_groups());
        let arrays = memory.slots.into_iter().enumerate().flat_map(|(slot, arrays)| {
            let place = |weight: usize| place(&groups, weights, slot, weight);
            arrays.into_iter().enumerate().map(|(weight, array)| (place(weight), array)).collect::<Vec<_>>()
        });
        let mut arrays: Vec<(usize, ArrayD<f32>)> = arrays.collect();
        arrays.sort_by_key(|&(place, _)| place);
        let updates = memory.steps / optimizer.settings().gradient_accumulation_steps.unwrap_or(1).max(1);
        let scalars = optimizer.file_scalars(updates).into_iter().map(|scalar| arr0(scalar).into_dyn());
        let follows_schedule = optimizer.settings().schedule.is_some();
        Some(Self {
            iteration: i64::try_from(memory.steps).ok()?,
            learning_rate: (!follows_schedule).then(|| optimizer.learning_rate()),
            slots: arrays.into_iter().map(|(_, array)| array).chain(scalars).collect(),
        })
    }

    /// The same for a model with this optimizer, if it has as many arrays.
    fn to_memory(&self, model: &Model) -> Option<OptimizerMemory> {
        let optimizer = &model.compiled()?.optimizer;
        let (weights, slots) = (model.trainable_weights().count(), optimizer.slots().len());
        let scalars = optimizer.file_scalars(0).len();
        if self.slots.len() != weights * slots + scalars {
            return None;
        }
        let groups = optimizer.slot_groups();
        let arrays = |slot: usize| -> Vec<ArrayD<f32>> {
            (0..weights).map(|weight| self.slots[place(&groups, weights, slot, weight)].clone()).collect()
        };
        let steps = u64::try_from(self.iteration).ok()?;
        Some(OptimizerMemory { steps, slots: (0..slots).map(arrays).collect() })
    }
}
