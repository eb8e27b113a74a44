//! A step size that falls by the same factor again and again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Checked, Schedule, to_map};

/// rate = start · factor^(steps / `decay_steps`); as a staircase, with whole numbers in the exponent.
///
/// As Keras's [ExponentialDecay](https://keras.io/api/optimizers/learning_rate_schedules/exponential_decay/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExponentialDecay {
    /// The step size at first.
    pub initial_learning_rate: f64,
    /// Steps in which it falls by the factor once.
    pub decay_steps: f64,
    /// The factor.
    pub decay_rate: f64,
    /// Whether it falls at once at the end of so many steps, instead of a little at each. Default false.
    #[serde(default)]
    pub staircase: bool,
}

impl ExponentialDecay {
    /// Falls by `decay_rate` in each `decay_steps` steps.
    pub fn new(initial_learning_rate: f64, decay_steps: f64, decay_rate: f64) -> Self {
        Self { initial_learning_rate, decay_steps, decay_rate, staircase: false }
    }

    /// Says whether it falls at once at the end of so many steps.
    pub fn staircase(self, staircase: bool) -> Self {
        Self { staircase, ..self }
    }
}

impl Checked for ExponentialDecay {
    fn problem(&self) -> Option<&'static str> {
        (self.decay_steps <= 0.0).then_some("decay_steps must be above 0")
    }
}

impl Schedule for ExponentialDecay {
    fn class_name(&self) -> &'static str {
        "ExponentialDecay"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn rate(&self, steps: u64) -> f32 {
        let part = steps as f64 / self.decay_steps;
        let part = if self.staircase { part.floor() } else { part };
        (self.initial_learning_rate * self.decay_rate.powf(part)) as f32
    }
}
