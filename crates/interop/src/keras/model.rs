//! From a [`KerasFile`] to a [`Model`] and back.

use std::path::Path;

use convnet_nn::model::{Slot, Weight};
use convnet_nn::train::OptimizerMemory;
use convnet_nn::{Metric, Model, model};
use ndarray::{ArrayD, arr0};
use serde_json::Value;

use super::{FORMAT, KerasFile, LayerWeights, OptimizerState};
use crate::{InteropError, Result};

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
    KerasFile::read(path)?.to_model().map_err(|error| error.in_file(path))
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
        let mut config = self.config.clone();
        if let (Some(compiled), Some(config)) = (&self.compile_config, config.as_object_mut()) {
            config.insert("compile_config".into(), compiled.clone());
        }
        let mut model = match model::from_config(&config) {
            Ok(model) => model,
            Err(problem) => {
                let mut model = model::from_config(&self.config)?;
                model.add_note(format!(
                    "it is not compiled, since its file says how in other terms: {problem}"
                ));
                model
            }
        };
        for key in ["metrics", "weighted_metrics"].iter().filter(|_| model.compiled().is_some()) {
            let metrics = self.compile_config.as_ref().map_or(&Value::Null, |compiled| &compiled[key]);
            let mut problems = Vec::new();
            unknown_metrics(metrics, &mut problems);
            problems.into_iter().for_each(|problem| model.add_note(problem));
        }
        let wanted: Vec<Weight> = model.weights().cloned().collect();
        for wanted in wanted.chunk_by(|a, b| a.layer == b.layer) {
            let layer = &wanted[0].layer;
            let found = self.weights(layer);
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
            for (place, weight) in wanted.iter().enumerate() {
                // Archives number the arrays of each part of a layer; legacy files list all, those that train first.
                let before = wanted[..place].iter().filter(|other| other.group == weight.group).count();
                let numbered = joined(&weight.group, &before.to_string());
                let named = found.iter().find(|(name, _)| *name == numbered);
                let frozen = !model.get_layer(layer)?.trainable();
                let trains = |weight: &Weight| frozen || matches!(weight.slot, Slot::Parameter(_));
                let earlier = |(at, other): (usize, &Weight)| match (trains(other), trains(weight)) {
                    (true, false) => true,
                    (false, true) => false,
                    _ => at < place,
                };
                let listed = wanted.iter().enumerate().filter(|&other| earlier(other)).count();
                let (_, values) = named.unwrap_or(&found[listed]);
                model.set_weight(&weight.path, values.view())?;
            }
        }
        if let Some(memory) = self.optimizer.as_ref().and_then(|state| state.to_memory(&model)) {
            // Arrays of other sizes are those of other weights: as in Keras, training then starts afresh.
            if model.set_optimizer_memory(&memory).is_err() {
                model.add_note(
                    "the optimizer starts afresh, since its state in the file is that of other weights"
                        .into(),
                );
            }
        }
        Ok(model)
    }

    /// The file of a model: configuration, weights, how it was compiled, and what its optimizer remembers.
    pub fn of_model(model: &Model) -> Self {
        let mut config = model.config();
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
