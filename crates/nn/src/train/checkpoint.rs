//! All of a training at one moment, so that it can go on from there to the same bits.

use ndarray::ArrayD;
use serde_json::{Value as Json, json};

use super::callbacks::CallbackState;
use super::{EpochLog, History, OptimizerMemory};
use crate::error::{Error, Result};
use crate::model::{self, Model};

/// A place in a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The epoch, counted from 1. One more than the last epoch when all is done.
    pub epoch: usize,
    /// Steps of it that have been taken.
    pub step: usize,
}

/// What decides which samples a step sees. A training that goes on must have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regime {
    /// Seed of order and dropout.
    pub seed: u64,
    /// Samples in a step.
    pub batch_size: usize,
    /// Samples that are trained on in an epoch.
    pub samples: usize,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
}

/// The part of an epoch that has been done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartOfEpoch {
    /// What loss and metrics have gathered so far, in the form of their own.
    pub gathered: Vec<Vec<f64>>,
    /// Samples so far.
    pub seen: usize,
    /// Seconds that it took.
    pub seconds: f64,
    /// Seconds of these in which a step waited for its batch.
    pub waited: f64,
}

/// A training at one moment: [`Fit::checkpoints`](super::Fit::checkpoints) makes them, [`Fit::resume`](super::Fit::resume) goes on from one to the
/// same bits, and `convnet_interop::checkpoint` keeps them in files.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The model without its weights, as [`Model::config`] gives it.
    pub model: Json,
    /// Paths and numbers of all weights, moving statistics among them.
    pub weights: Vec<(String, ArrayD<f32>)>,
    /// What the optimizer remembers.
    pub optimizer: OptimizerMemory,
    /// The optimizer's step size, if it follows no schedule.
    pub learning_rate: Option<f32>,
    /// Where the training is.
    pub place: Place,
    /// What it is trained with.
    pub regime: Regime,
    /// Whether a callback ended the training there.
    pub ended: bool,
    /// The epochs that are done.
    pub history: History,
    /// What is done of the epoch that is not.
    pub part: PartOfEpoch,
    /// What the callbacks remember.
    pub callbacks: Vec<CallbackState>,
}

/// No training counts further.
pub(super) const MAX_COUNT: u64 = 1 << 48;

/// No optimizer has more arrays for each weight.
const MAX_SLOTS: usize = 64;

impl Checkpoint {
    /// The model at that moment, compiled.
    ///
    /// # Errors
    /// If the configuration has a layer that is not known here, or weights do not fit it.
    pub fn to_model(&self) -> Result<Model> {
        // A configuration from a damaged file asks for no more memory than the file has numbers.
        let numbers = self.weights.iter().map(|(_, values)| values.len()).sum();
        let mut model = model::from_config_within(&self.model, numbers)?;
        self.set_model(&mut model)?;
        Ok(model)
    }

    /// Gives weights, optimizer memory and learning rate to a model that was made and compiled alike.
    ///
    /// # Errors
    /// If it was not.
    pub(super) fn set_model(&self, model: &mut Model) -> Result<()> {
        let own = model.weights().count();
        if own != self.weights.len() {
            let problem = format!("it has {} weights, the model {own}", self.weights.len());
            return Err(Error::argument("checkpoint", problem));
        }
        for (path, values) in &self.weights {
            model.set_weight(path, values.view())?;
        }
        if let Some(rate) = self.learning_rate {
            model.set_learning_rate(rate)?;
        }
        if self.optimizer == OptimizerMemory::default() {
            model.training = None;
            return Ok(());
        }
        model.set_optimizer_memory(&self.optimizer)
    }

    /// What is not arrays, as JSON.
    pub fn to_json(&self) -> Json {
        let part = &self.part;
        json!({
            "model": self.model,
            "steps": self.optimizer.steps,
            "slots": self.optimizer.slots.len(),
            "learning_rate": self.learning_rate.map(|rate| bits(f64::from(rate))),
            "place": { "epoch": self.place.epoch, "step": self.place.step },
            "regime": {
                "seed": self.regime.seed.to_string(),
                "batch_size": self.regime.batch_size,
                "samples": self.regime.samples,
                "shuffle": self.regime.shuffle,
            },
            "ended": self.ended,
            "history": self.history.epochs.iter().map(epoch_to_json).collect::<Json>(),
            "part": {
                "gathered": part.gathered.iter().map(|own| own.iter().copied().map(bits).collect::<Json>()).collect::<Json>(),
                "seen": part.seen,
                "seconds": bits(part.seconds),
                "waited": bits(part.waited),
            },
            "callbacks": self.callbacks.iter().map(|state| json!({
                "name": state.name,
                "data": state.data,
                "arrays": state.arrays.len(),
            })).collect::<Json>(),
        })
    }

    /// All arrays, with names: `weights/PATH`, `optimizer/SLOT/NUMBER`, `callbacks/NUMBER/NUMBER`.
    pub fn arrays(&self) -> Vec<(String, &ArrayD<f32>)> {
        let weights = self.weights.iter().map(|(path, values)| (format!("weights/{path}"), values));
        let slots = self.optimizer.slots.iter().enumerate().flat_map(|(slot, arrays)| {
            arrays.iter().enumerate().map(move |(at, values)| (format!("optimizer/{slot}/{at}"), values))
        });
        let callbacks = self.callbacks.iter().enumerate().flat_map(|(callback, state)| {
            state
                .arrays
                .iter()
                .enumerate()
                .map(move |(at, values)| (format!("callbacks/{callback}/{at}"), values))
        });
        weights.chain(slots).chain(callbacks).collect()
    }

    /// The checkpoint of which [`Checkpoint::to_json`] and [`Checkpoint::arrays`] are the parts; arrays may come in any order.
    ///
    /// # Errors
    /// If something is missing.
    pub fn from_parts(json: &Json, arrays: Vec<(String, ArrayD<f32>)>) -> Result<Self> {
        let mut arrays: std::collections::BTreeMap<String, ArrayD<f32>> = arrays.into_iter().collect();
        // Weights come in the model's order, which its configuration tells.
        let held = arrays.values().map(|array| array.len()).sum();
        let model = model::from_config_within(field(json, "model")?, held)?;
        let mut take = |name: String| arrays.remove(&name).ok_or_else(|| missing(&name));
        let weights = (model.weights())
            .map(|weight| Ok((weight.path.clone(), take(format!("weights/{}", weight.path))?)))
            .collect::<Result<_>>()?;
        let trained = model.trainable_weights().count();
        let slots = (0..size(json, "slots")?.min(MAX_SLOTS))
            .map(|slot| (0..trained).map(|at| take(format!("optimizer/{slot}/{at}"))).collect())
            .collect::<Result<_>>()?;
        let callbacks = list(json, "callbacks")?.iter().enumerate().map(|(callback, state)| {
            let arrays = (0..size(state, "arrays")?).map(|at| take(format!("callbacks/{callback}/{at}")));
            Ok(CallbackState {
                name: field(state, "name")?.as_str().ok_or_else(|| missing("name"))?.to_owned(),
                data: field(state, "data")?.clone(),
                arrays: arrays.collect::<Result<_>>()?,
            })
        });
        let callbacks = callbacks.collect::<Result<_>>()?;
        let (place, regime, part) = (field(json, "place")?, field(json, "regime")?, field(json, "part")?);
        let seed = field(regime, "seed")?.as_str().and_then(|seed| seed.parse().ok());
        Ok(Self {
            model: field(json, "model")?.clone(),
            weights,
            optimizer: OptimizerMemory { steps: size(json, "steps")? as u64, slots },
            learning_rate: match field(json, "learning_rate")? {
                Json::Null => None,
                rate => Some(from_bits(rate)? as f32),
            },
            place: Place { epoch: size(place, "epoch")?, step: size(place, "step")? },
            regime: Regime {
                seed: seed.ok_or_else(|| missing("seed"))?,
                batch_size: size(regime, "batch_size")?,
                samples: size(regime, "samples")?,
                shuffle: field(regime, "shuffle")? == true,
            },
            ended: field(json, "ended")? == true,
            history: History {
                epochs: list(json, "history")?.iter().map(epoch_from_json).collect::<Result<_>>()?,
                stopped: None,
            },
            part: PartOfEpoch {
                gathered: list(part, "gathered")?.iter().map(numbers).collect::<Result<_>>()?,
                seen: size(part, "seen")?,
                seconds: float(part, "seconds")?,
                waited: float(part, "waited")?,
            },
            callbacks,
        })
    }
}

fn epoch_to_json(log: &EpochLog) -> Json {
    let named = |figures: &[(String, f64)]| -> Json {
        figures.iter().map(|(name, value)| json!([name, bits(*value)])).collect()
    };
    json!({
        "epoch": log.epoch,
        "loss": bits(log.loss),
        "metrics": named(&log.metrics),
        "val_loss": log.val_loss.map(bits),
        "val_metrics": named(&log.val_metrics),
        "learning_rate": bits(f64::from(log.learning_rate)),
        "seconds": bits(log.seconds),
        "waited": bits(log.waited),
        "images_per_second": bits(log.images_per_second),
    })
}

fn epoch_from_json(json: &Json) -> Result<EpochLog> {
    let named = |key| -> Result<Vec<(String, f64)>> {
        let pair = |pair: &Json| {
            let name = pair.get(0).and_then(Json::as_str).ok_or_else(|| missing(key))?;
            Ok((name.to_owned(), from_bits(pair.get(1).unwrap_or(&Json::Null))?))
        };
        list(json, key)?.iter().map(pair).collect()
    };
    Ok(EpochLog {
        epoch: size(json, "epoch")?,
        loss: float(json, "loss")?,
        metrics: named("metrics")?,
        val_loss: match field(json, "val_loss")? {
            Json::Null => None,
            loss => Some(from_bits(loss)?),
        },
        val_metrics: named("val_metrics")?,
        learning_rate: float(json, "learning_rate")? as f32,
        seconds: float(json, "seconds")?,
        waited: float(json, "waited")?,
        images_per_second: float(json, "images_per_second")?,
    })
}

/// A number as JSON; infinities and NaN, which JSON does not have, as text.
fn bits(value: f64) -> Json {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

fn from_bits(json: &Json) -> Result<f64> {
    let text = || json.as_str().and_then(|text| text.parse().ok());
    json.as_f64()
        .or_else(text)
        .ok_or_else(|| Error::argument("checkpoint", format!("expected a number, got {json}")))
}

fn numbers(json: &Json) -> Result<Vec<f64>> {
    json.as_array().ok_or_else(|| missing("gathered"))?.iter().map(from_bits).collect()
}

fn missing(what: &str) -> Error {
    Error::argument("checkpoint", format!("`{what}` is missing"))
}

fn field<'j>(json: &'j Json, key: &str) -> Result<&'j Json> {
    json.get(key).ok_or_else(|| missing(key))
}

fn list<'j>(json: &'j Json, key: &str) -> Result<&'j Vec<Json>> {
    field(json, key)?.as_array().ok_or_else(|| missing(key))
}

fn size(json: &Json, key: &str) -> Result<usize> {
    let size = field(json, key)?.as_u64().filter(|&size| size <= MAX_COUNT);
    size.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| missing(key))
}

fn float(json: &Json, key: &str) -> Result<f64> {
    from_bits(field(json, key)?)
}
