//! How a model is trained and judged: optimizer, and for each output loss, weight and metrics.

use std::collections::{HashMap, HashSet};

use convnet_engine::Shape;
use serde_json::{Map, Value as Json, json};

use super::Model;
use super::config::checked_name;
use crate::error::{Error, Result};
use crate::losses::{self, Loss};
use crate::metrics::Metric;
use crate::optimizers::{self, Optimizer};
use crate::schedules;

/// Metrics that the configuration of a model may give to all its outputs together. One of a name is given to each output of that name.
const MAX_METRICS: usize = 1 << 14;

/// How the predictions of one output are judged.
#[derive(Debug)]
pub struct Objective {
    /// The loss; without one the output has no part in the training.
    pub loss: Option<Box<dyn Loss>>,
    /// What the loss is multiplied by before those of all outputs are added up. Keras's `loss_weights`.
    pub weight: f32,
    /// What is reported beside the loss.
    pub metrics: Vec<Metric>,
}

/// Optimizer, losses and metrics of a model that can be trained.
#[derive(Debug)]
pub struct Compiled {
    /// The optimizer.
    pub optimizer: Box<dyn Optimizer>,
    /// For each output of the model how it is judged.
    pub objectives: Vec<Objective>,
}

impl Objective {
    /// A loss of weight 1, without metrics.
    pub fn new(loss: impl Loss) -> Self {
        Self { loss: Some(Box::new(loss)), weight: 1.0, metrics: Vec::new() }
    }

    /// An output that is not trained on.
    pub fn none() -> Self {
        Self { loss: None, weight: 1.0, metrics: Vec::new() }
    }

    /// Sets the weight of the loss among those of all outputs.
    pub fn weight(self, weight: f32) -> Self {
        Self { weight, ..self }
    }

    /// Sets what is reported beside the loss.
    pub fn metrics(self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        Self { metrics: metrics.into_iter().collect(), ..self }
    }

    /// Shape of the targets for predictions of a shape: what the loss wants, without one what the predictions have.
    pub fn target_shape(&self, predictions: &Shape) -> Shape {
        self.loss.as_ref().map_or_else(|| predictions.clone(), |loss| loss.target_shape(predictions))
    }

    /// How many classes there are, if targets are their numbers.
    pub fn classes(&self, predictions: &Shape) -> Option<usize> {
        self.loss.as_ref().and_then(|loss| loss.classes(predictions))
    }

    /// Whether there must be targets for the output.
    pub(crate) fn wants_targets(&self) -> bool {
        self.loss.is_some() || !self.metrics.is_empty()
    }

    /// Whether one of its metrics passes over time steps that a mask leaves out.
    pub(crate) fn heeds_mask(&self) -> bool {
        self.metrics.iter().any(Metric::heeds_mask)
    }
}

impl Compiled {
    /// For a model with one output.
    pub fn new(optimizer: Box<dyn Optimizer>, loss: Box<dyn Loss>, metrics: Vec<Metric>) -> Self {
        Self { optimizer, objectives: vec![Objective { loss: Some(loss), weight: 1.0, metrics }] }
    }

    /// The loss of the first output that has one.
    pub fn loss(&self) -> Option<&dyn Loss> {
        self.objectives.iter().find_map(|objective| objective.loss.as_deref())
    }

    /// The metrics of all outputs.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.objectives.iter().flat_map(|objective| &objective.metrics)
    }

    /// Optimizer, losses and metrics as Keras writes them: for several outputs as lists in their order.
    pub fn config(&self) -> Json {
        let mut optimizer = self.optimizer.config();
        if let Some(schedule) = &self.optimizer.settings().schedule {
            optimizer.insert("learning_rate".into(), schedules::keras_object(&**schedule));
        }
        optimizer.insert("name".into(), json!(crate::names::snake_case(self.optimizer.class_name())));
        let mut losses =
            self.objectives.iter().map(|one| one.loss.as_deref().map_or(Json::Null, loss_object));
        let weights: Vec<f32> = self.objectives.iter().map(|one| one.weight).collect();
        let single = self.objectives.len() == 1;
        let loss: Json = if single { losses.next().unwrap_or_default() } else { losses.collect() };
        let metrics = |weighted: bool| -> Json {
            let mut each = self.objectives.iter().map(|one| -> Json {
                let of_kind = one.metrics.iter().filter(|metric| metric.is_weighted() == weighted);
                of_kind.filter_map(Metric::config).collect()
            });
            if single { each.next().unwrap_or_default() } else { each.collect() }
        };
        let has_weighted = self.metrics().any(Metric::is_weighted);
        json!({
            "optimizer": {
                "module": "keras.optimizers",
                "class_name": self.optimizer.class_name(),
                "config": optimizer,
                "registered_name": null,
            },
            "loss": loss,
            "loss_weights": weights.iter().any(|&weight| weight != 1.0).then_some(weights),
            "metrics": metrics(false),
            "weighted_metrics": has_weighted.then(|| metrics(true)),
            "run_eagerly": false,
            "steps_per_execution": 1,
            "jit_compile": false,
        })
    }

    /// Reads what Keras 2 or 3 wrote for a model with outputs of these names: losses, weights and metrics for all of them, in a list, or in a
    /// dictionary by name. Metrics that are not known here are left out.
    ///
    /// # Errors
    /// If the optimizer or a loss is not known here, there is not one for each output, or there are very many metrics, or one of a very long name.
    pub fn from_config(json: &Json, outputs: &[&str]) -> Result<Self> {
        let (optimizer, config) = named(json.get("optimizer"), "optimizer")?;
        let optimizer = optimizers::from_config(optimizer.trim_start_matches("Custom>"), &config)?;
        let losses = spread(json.get("loss"), outputs, "loss")?;
        let weights = spread(json.get("loss_weights"), outputs, "loss_weights")?;
        let mut left = MAX_METRICS;
        let mut metrics = Metrics::of(json.get("metrics"), outputs);
        let mut weighted = Metrics::of(json.get("weighted_metrics"), outputs);
        let objective = |at: usize| {
            let loss = match losses[at] {
                Json::Null if outputs.len() > 1 => None,
                given => {
                    let (loss, config) = named(Some(given), "loss")?;
                    Some(losses::from_config(&loss, &config)?)
                }
            };
            let weight = match weights[at] {
                Json::Null => 1.0,
                given => given.as_f64().ok_or_else(|| {
                    Error::argument("loss_weights", format!("expected a number, got {given}"))
                })? as f32,
            };
            let mut metrics = metrics.of_output(at, &mut left)?;
            metrics.extend(weighted.of_output(at, &mut left)?.into_iter().map(Metric::weighted));
            Ok(Objective { loss, weight, metrics })
        };
        Ok(Self { optimizer, objectives: (0..outputs.len()).map(objective).collect::<Result<_>>()? })
    }
}

impl Model {
    /// Gives the model what it needs to be trained and evaluated, as Keras's `compile`. Restarts the optimizer.
    ///
    /// # Errors
    /// If predictions do not fit the loss or a metric, or the model has several outputs.
    pub fn compile(
        &mut self,
        optimizer: impl Optimizer,
        loss: impl Loss,
        metrics: impl IntoIterator<Item = Metric>,
    ) -> Result<()> {
        self.compile_objectives(optimizer, [Objective::new(loss).metrics(metrics)])
    }

    /// As [`Model::compile`], with an objective for each output. The loss that is reported and made small is the sum of the outputs' losses, each
    /// times its weight; those of the outputs are reported as `NAME_loss`, without the weight.
    ///
    /// ```
    /// use convnet_nn::layers::Dense;
    /// use convnet_nn::losses::{BinaryCrossentropy, MeanSquaredError};
    /// use convnet_nn::model::Objective;
    /// use convnet_nn::optimizers::Adam;
    /// use convnet_nn::{Activation, LayerRef, Metric, Model, Symbol};
    ///
    /// let x = Symbol::input([5]);
    /// let size = x.apply(LayerRef::new(Dense::new(2)).named("size"))?;
    /// let sick = x.apply(LayerRef::new(Dense::new(1).activation(Activation::Sigmoid)).named("sick"))?;
    /// let mut model = Model::new(&[x], &[size, sick])?;
    /// let sick = Objective::new(BinaryCrossentropy::default()).weight(0.3).metrics([Metric::Accuracy]);
    /// model.compile_objectives(Adam::default(), [Objective::new(MeanSquaredError), sick])?;
    /// assert_eq!(model.figure_names(), ["loss", "size_loss", "sick_loss", "sick_accuracy"]);
    /// # Ok::<(), convnet_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not one objective for each output, none has a loss, or predictions do not fit a loss or a metric.
    pub fn compile_objectives(
        &mut self,
        optimizer: impl Optimizer,
        objectives: impl IntoIterator<Item = Objective>,
    ) -> Result<()> {
        let objectives = objectives.into_iter().collect();
        self.compile_with(Compiled { optimizer: Box::new(optimizer), objectives })
    }

    /// As [`Model::compile_objectives`], with an optimizer and losses that were chosen at run time.
    ///
    /// # Errors
    /// As [`Model::compile_objectives`].
    pub fn compile_with(&mut self, compiled: Compiled) -> Result<()> {
        let (given, outputs) = (compiled.objectives.len(), self.output_names());
        if given != outputs.len() {
            let problem = format!(
                "the model has {} outputs ({}), but {given} of them have a loss; give an objective for each with `compile_objectives`",
                outputs.len(),
                outputs.join(", "),
            );
            return Err(Error::argument("compile", problem));
        }
        if compiled.loss().is_none() {
            return Err(Error::argument("compile", "no output has a loss"));
        }
        self.compiled = Some(compiled);
        self.training = None;
        self.runtime_mut().forget_plans();
        if let Err(problem) = self.training_program(false) {
            self.compiled = None;
            return Err(problem);
        }
        Ok(())
    }

    /// Optimizer, losses and metrics.
    pub fn compiled(&self) -> Option<&Compiled> {
        self.compiled.as_ref()
    }

    /// The optimizer's step size; if it follows a schedule, that of the next step.
    ///
    /// # Errors
    /// If the model is not compiled.
    pub fn learning_rate(&self) -> Result<f32> {
        let compiled = self.compiled.as_ref().ok_or(Error::NotCompiled("a learning rate"))?;
        Ok(compiled.optimizer.rate_after(self.training.as_ref().map_or(0, |state| state.steps)))
    }

    /// The step size, unless it follows a schedule.
    pub(crate) fn fixed_learning_rate(&self) -> Option<f32> {
        let optimizer = &self.compiled.as_ref()?.optimizer;
        optimizer.settings().schedule.is_none().then(|| optimizer.learning_rate())
    }

    /// Changes the optimizer's step size, which then follows no schedule; what it remembers stays.
    ///
    /// # Errors
    /// If the model is not compiled.
    pub fn set_learning_rate(&mut self, learning_rate: f32) -> Result<()> {
        let compiled = self.compiled.as_mut().ok_or(Error::NotCompiled("a learning rate"))?;
        compiled.optimizer.set_learning_rate(learning_rate);
        Ok(())
    }

    /// Names of what training and evaluation report, as Keras's: `loss`; of several outputs each one's `NAME_loss`; metrics, of several outputs
    /// with the output's name in front.
    pub fn figure_names(&self) -> Vec<String> {
        let mut names = vec!["loss".to_owned()];
        let Some(compiled) = &self.compiled else { return names };
        let outputs = self.output_names();
        let judged = || compiled.objectives.iter().zip(&outputs);
        if judged().filter(|(objective, _)| objective.loss.is_some()).count() > 1 {
            let with_loss = judged().filter(|(objective, _)| objective.loss.is_some());
            names.extend(with_loss.map(|(_, output)| format!("{output}_loss")));
        }
        let mut times: HashMap<String, usize> = HashMap::new();
        names.iter().for_each(|name| *times.entry(name.clone()).or_default() += 1);
        for (objective, output) in judged() {
            for metric in &objective.metrics {
                let name = match compiled.objectives.len() {
                    1 => metric.name().to_owned(),
                    _ => format!("{output}_{}", metric.name()),
                };
                // Of one name for the second time Keras makes `name_1`.
                let same = times.get(&name).copied().unwrap_or(0);
                let name = if same > 0 { format!("{name}_{same}") } else { name };
                *times.entry(name.clone()).or_default() += 1;
                names.push(name);
            }
        }
        names
    }
}

fn loss_object(loss: &dyn Loss) -> Json {
    let mut config = loss.config();
    config.insert("name".into(), json!(crate::names::snake_case(loss.class_name())));
    config.insert("reduction".into(), json!("sum_over_batch_size"));
    json!({
        "module": "keras.losses",
        "class_name": loss.class_name(),
        "config": config,
        "registered_name": null,
    })
}

/// What is given for each output: one thing for all, a list, or a dictionary by the outputs' names.
fn spread<'j>(json: Option<&'j Json>, outputs: &[&str], what: &'static str) -> Result<Vec<&'j Json>> {
    let wrong = |problem: String| Err(Error::argument(what, problem));
    match json {
        None => Ok(vec![&Json::Null; outputs.len()]),
        Some(Json::Array(items)) if items.len() == outputs.len() => Ok(items.iter().collect()),
        Some(Json::Array(items)) => {
            wrong(format!("there are {} for the outputs {}", items.len(), outputs.join(", ")))
        }
        Some(Json::Object(fields)) if !fields.contains_key("class_name") => {
            let known: HashSet<&str> = outputs.iter().copied().collect();
            if let Some(stranger) = fields.keys().find(|key| !known.contains(key.as_str())) {
                return wrong(format!("there is no output `{stranger}`; there are {}", outputs.join(", ")));
            }
            Ok(outputs.iter().map(|output| fields.get(*output).unwrap_or(&Json::Null)).collect())
        }
        Some(all) => Ok(vec![all; outputs.len()]),
    }
}

/// Name and arguments of something that is given by its name alone, or as an object.
fn named(json: Option<&Json>, what: &'static str) -> Result<(String, Map<String, Json>)> {
    let json = json.unwrap_or(&Json::Null);
    if let Some(name) = json.as_str() {
        return Ok((name.to_owned(), Map::new()));
    }
    let class = json.get("class_name").and_then(Json::as_str);
    match (class, json.get("config")) {
        // A function: its configuration is its name.
        (Some("function"), Some(Json::String(name))) => Ok((name.clone(), Map::new())),
        (Some(class), Some(Json::Object(config))) => Ok((class.to_owned(), config.clone())),
        _ => Err(Error::argument(what, format!("expected a name or an object, got {json}"))),
    }
}

/// The metrics that are given for all outputs.
struct Metrics<'j> {
    json: &'j Json,
    outputs: &'j [&'j str],
    /// Those of a name, which several outputs may have, once they were read.
    by_name: HashMap<&'j str, Vec<Metric>>,
}

impl<'j> Metrics<'j> {
    fn of(json: Option<&'j Json>, outputs: &'j [&'j str]) -> Self {
        Self { json: json.unwrap_or(&Json::Null), outputs, by_name: HashMap::new() }
    }

    /// Those of one output, counted off `left`.
    fn of_output(&mut self, at: usize, left: &mut usize) -> Result<Vec<Metric>> {
        let mut metrics = Vec::new();
        match self.json {
            // Of a dictionary by names the one entry.
            Json::Object(fields) if !fields.contains_key("class_name") => {
                let output = self.outputs[at];
                if let Some(known) = self.by_name.get(output) {
                    metrics.clone_from(known);
                } else if let Some(own) = fields.get(output) {
                    collect_metrics(own, &mut metrics, *left)?;
                    self.by_name.insert(output, metrics.clone());
                }
            }
            all if self.outputs.len() == 1 => collect_metrics(all, &mut metrics, *left)?,
            Json::Array(items) if items.len() == self.outputs.len() => {
                collect_metrics(&items[at], &mut metrics, *left)?;
            }
            _ => {}
        }
        *left = left.checked_sub(metrics.len()).ok_or_else(too_many_metrics)?;
        Ok(metrics)
    }
}

/// The metrics of a name, an object, or lists of them, at most `most`; what is not known here is left out.
fn collect_metrics(json: &Json, metrics: &mut Vec<Metric>, most: usize) -> Result<()> {
    match json {
        Json::Array(items) => items.iter().try_for_each(|item| collect_metrics(item, metrics, most))?,
        Json::Null => {}
        one => {
            if let Ok(metric) = Metric::from_json(one) {
                checked_name("metric", metric.name())?;
                if metrics.len() == most {
                    return Err(too_many_metrics());
                }
                metrics.push(metric);
            }
        }
    }
    Ok(())
}

fn too_many_metrics() -> Error {
    Error::argument("metrics", format!("its outputs have more than {MAX_METRICS} together"))
}
