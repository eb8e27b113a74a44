//! What every optimizer can do besides its own rule: decay, clipping, averages, accumulation, a schedule.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Optimizer, Step, to_map};
use crate::error::{Error, Result};
use crate::schedules::{self, Schedule};

/// The arguments that all of Keras's [optimizers](https://keras.io/api/optimizers/) have in common, by Keras's names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Share of the weights, times the step size, by which they get smaller before each step. Default: none.
    pub weight_decay: Option<f32>,
    /// The gradient of a weight that is longer than this is brought to this length. Default: none.
    pub clipnorm: Option<f32>,
    /// All gradients together, if they are longer than this, are brought to this length. Default: none.
    pub global_clipnorm: Option<f32>,
    /// Elements of gradients are kept between minus this and this. Default: none.
    pub clipvalue: Option<f32>,
    /// Whether a moving average of the weights is kept. Default false.
    pub use_ema: bool,
    /// Share of the average that is kept at a step. Default 0.99.
    pub ema_momentum: f32,
    /// After every so many steps the weights become their average. Default: never, but when training ends.
    pub ema_overwrite_frequency: Option<u64>,
    /// Keras multiplies the loss by it and divides the gradients, for 16-bit floats. Here it changes nothing, and is kept for files.
    pub loss_scale_factor: Option<f32>,
    /// So many steps add up their gradients; the last of them changes the weights, by the mean. Default: each does.
    pub gradient_accumulation_steps: Option<u64>,
    /// Weights in whose path (`conv2d/bias`) one of these words occurs do not decay. Keras does not write it into files, so it is not here either.
    #[serde(skip_serializing)]
    pub exclude_from_weight_decay: Vec<String>,
    /// The step size by the number of steps taken; takes the place of the optimizer's own.
    #[serde(skip)]
    pub schedule: Option<Arc<dyn Schedule>>,
}

impl Settings {
    /// Nothing of it.
    pub const NONE: Self = Self {
        weight_decay: None,
        clipnorm: None,
        global_clipnorm: None,
        clipvalue: None,
        use_ema: false,
        ema_momentum: 0.99,
        ema_overwrite_frequency: None,
        loss_scale_factor: None,
        gradient_accumulation_steps: None,
        exclude_from_weight_decay: Vec::new(),
        schedule: None,
    };

    /// Names of the slots that they need, before the optimizer's own.
    pub(super) fn slots(&self) -> impl Iterator<Item = &'static str> {
        let average = self.use_ema.then_some("average");
        average.into_iter().chain((self.accumulated() > 1).then_some("gradient_accumulator"))
    }

    /// How many steps make an update.
    pub(super) fn accumulated(&self) -> u64 {
        self.gradient_accumulation_steps.unwrap_or(1).max(1)
    }

    fn check(&self, class: &str) -> Result<()> {
        let problem = |problem: &str| Err(Error::argument(class, problem));
        let clips = [self.clipnorm, self.global_clipnorm, self.clipvalue];
        if clips.iter().flatten().count() > 1 {
            return problem("only one of clipnorm, global_clipnorm and clipvalue can be set");
        }
        if clips.iter().flatten().any(|clip| !clip.is_finite() || *clip < 0.0) {
            return problem("clipnorm, global_clipnorm and clipvalue must be positive numbers");
        }
        if !(0.0..=1.0).contains(&self.ema_momentum) {
            return problem("ema_momentum must lie between 0 and 1");
        }
        if self.ema_overwrite_frequency == Some(0) {
            return problem("ema_overwrite_frequency must be at least 1");
        }
        if self.gradient_accumulation_steps == Some(1) {
            return problem("gradient_accumulation_steps must be at least 2");
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::NONE
    }
}

/// An optimizer with [`Settings`]. Made by the methods of [`WithSettings`].
#[derive(Debug)]
pub struct Tuned {
    rule: Box<dyn Optimizer>,
    settings: Settings,
}

impl Tuned {
    /// An optimizer with settings beside its own rule.
    pub fn new(rule: Box<dyn Optimizer>, settings: Settings) -> Self {
        Self { rule, settings }
    }

    /// Takes the common arguments out of an optimizer's configuration. What is left is the optimizer's own.
    /// `default_rate` is the step size where the configuration has none.
    pub(super) fn take(
        class: &str,
        default_rate: f32,
        config: &mut Map<String, Json>,
    ) -> Result<Option<Settings>> {
        let mut common = Map::new();
        let known = to_map(&Settings::NONE);
        for key in known.keys().map(String::as_str).chain(["exclude_from_weight_decay"]) {
            common.extend(config.remove(key).map(|value| (key.to_owned(), value)));
        }
        // Keras 2 has a frequency even where no average is kept, and both write zeros for what is off.
        if common.get("use_ema").and_then(Json::as_bool) != Some(true) {
            common.remove("ema_overwrite_frequency");
        }
        let is_off = |value: &Json| value == false || value.as_f64() == Some(0.0);
        common.retain(|key, value| !value.is_null() && (key == "ema_momentum" || !is_off(value)));
        if common.keys().all(|key| key == "ema_momentum") {
            common.clear();
        }
        let schedule = schedules::take(class, default_rate, config)?;
        if common.is_empty() && schedule.is_none() {
            return Ok(None);
        }
        let settings: Settings = serde_json::from_value(Json::Object(common))
            .map_err(|problem| Error::argument(class, problem.to_string()))?;
        settings.check(class)?;
        Ok(Some(Settings { schedule, ..settings }))
    }
}

impl Optimizer for Tuned {
    fn class_name(&self) -> &'static str {
        self.rule.class_name()
    }

    fn config(&self) -> Map<String, Json> {
        let mut config = self.rule.config();
        let defaults = to_map(&Settings::NONE);
        let changed =
            to_map(&self.settings).into_iter().filter(|(key, value)| defaults.get(key) != Some(value));
        config.extend(changed);
        if let Some(schedule) = &self.settings.schedule {
            config.insert("learning_rate".into(), schedules::object(&**schedule));
        }
        config
    }

    fn slots(&self) -> Vec<&'static str> {
        self.settings.slots().chain(self.rule.slots()).collect()
    }

    fn slot_groups(&self) -> Vec<usize> {
        self.settings.slots().map(|_| 1).chain(self.rule.slot_groups()).collect()
    }

    fn slot_start(&self, slot: usize) -> f32 {
        slot.checked_sub(self.settings.slots().count()).map_or(0.0, |slot| self.rule.slot_start(slot))
    }

    fn file_scalars(&self, updates: u64) -> Vec<f32> {
        self.rule.file_scalars(updates)
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> Option<&mut Settings> {
        Some(&mut self.settings)
    }

    fn weight_decay(&self) -> Option<f32> {
        self.settings.weight_decay.or(self.rule.weight_decay())
    }

    fn by_weight(&self) -> bool {
        self.rule.by_weight()
    }

    fn learning_rate(&self) -> f32 {
        self.settings.schedule.as_ref().map_or(self.rule.learning_rate(), |schedule| schedule.rate(0))
    }

    fn set_learning_rate(&mut self, learning_rate: f32) {
        self.settings.schedule = None;
        self.rule.set_learning_rate(learning_rate);
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        self.rule.update(at, parameters, gradients, slots);
    }

    fn tuned(self) -> Tuned {
        self
    }
}

/// Builders for the [`Settings`] of any optimizer.
///
/// ```
/// use convnet_nn::optimizers::{Adam, Optimizer, WithSettings};
/// use convnet_nn::schedules::CosineDecay;
///
/// let optimizer = Adam::default().schedule(CosineDecay::new(1e-3, 10_000)).global_clipnorm(1.0).use_ema(0.999);
/// assert_eq!(optimizer.config()["global_clipnorm"], 1.0);
/// ```
pub trait WithSettings: Optimizer + Sized {
    /// Sets the share of the weights, times the step size, by which they get smaller at each step.
    fn with_weight_decay(self, share: f32) -> Tuned {
        changed(self, |settings| settings.weight_decay = Some(share))
    }

    /// Sets words that exempt the weights in whose path they occur from decay.
    fn exclude_from_weight_decay<W: Into<String>>(self, words: impl IntoIterator<Item = W>) -> Tuned {
        let words = words.into_iter().map(Into::into).collect();
        changed(self, |settings| settings.exclude_from_weight_decay = words)
    }

    /// Sets the largest length of a weight's gradient.
    fn clipnorm(self, length: f32) -> Tuned {
        changed(self, |settings| settings.clipnorm = Some(length))
    }

    /// Sets the largest length of all gradients together.
    fn global_clipnorm(self, length: f32) -> Tuned {
        changed(self, |settings| settings.global_clipnorm = Some(length))
    }

    /// Sets the largest size of an element of a gradient.
    fn clipvalue(self, size: f32) -> Tuned {
        changed(self, |settings| settings.clipvalue = Some(size))
    }

    /// Keeps a moving average of the weights, of which this share is kept at each step, and which the weights become when training ends.
    fn use_ema(self, momentum: f32) -> Tuned {
        changed(self, |settings| (settings.use_ema, settings.ema_momentum) = (true, momentum))
    }

    /// Lets the weights become their average after every so many steps, too.
    fn ema_overwrite_frequency(self, steps: u64) -> Tuned {
        changed(self, |settings| settings.ema_overwrite_frequency = Some(steps))
    }

    /// Changes the weights once in so many steps, by the mean of their gradients.
    fn gradient_accumulation_steps(self, steps: u64) -> Tuned {
        changed(self, |settings| settings.gradient_accumulation_steps = Some(steps))
    }

    /// Lets the step size follow a schedule.
    fn schedule(self, schedule: impl Schedule) -> Tuned {
        changed(self, |settings| settings.schedule = Some(Arc::new(schedule)))
    }
}

impl<T: Optimizer + Sized> WithSettings for T {}

fn changed(optimizer: impl Optimizer, change: impl FnOnce(&mut Settings)) -> Tuned {
    let mut tuned = optimizer.tuned();
    change(&mut tuned.settings);
    tuned
}
