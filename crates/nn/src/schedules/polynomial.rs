//! A step size that falls as a power of the time that is left.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Checked, Schedule, to_map};

/// rate = (start − end) · (1 − steps / `decay_steps`)^power + end; when the steps are over it stays, or in cycles falls again from
/// where it would be over the next multiple of them.
///
/// As Keras's [PolynomialDecay](https://keras.io/api/optimizers/learning_rate_schedules/polynomial_decay/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolynomialDecay {
    /// The step size at first.
    pub initial_learning_rate: f64,
    /// Steps until the end.
    pub decay_steps: f64,
    /// The step size at the end. Default 0.0001.
    #[serde(default = "default_end")]
    pub end_learning_rate: f64,
    /// The power. Default 1: a straight line.
    #[serde(default = "default_power")]
    pub power: f64,
    /// Whether it begins again. Default false.
    #[serde(default)]
    pub cycle: bool,
}

fn default_end() -> f64 {
    0.0001
}

fn default_power() -> f64 {
    1.0
}

impl PolynomialDecay {
    /// A straight line down to 0.0001.
    pub fn new(initial_learning_rate: f64, decay_steps: f64) -> Self {
        let (end_learning_rate, power) = (default_end(), default_power());
        Self { initial_learning_rate, decay_steps, end_learning_rate, power, cycle: false }
    }

    /// Sets the step size at the end.
    pub fn end(self, end_learning_rate: f64) -> Self {
        Self { end_learning_rate, ..self }
    }

    /// Sets the power.
    pub fn power(self, power: f64) -> Self {
        Self { power, ..self }
    }
}

impl Checked for PolynomialDecay {
    fn problem(&self) -> Option<&'static str> {
        (self.decay_steps <= 0.0).then_some("decay_steps must be above 0")
    }
}

impl Schedule for PolynomialDecay {
    fn class_name(&self) -> &'static str {
        "PolynomialDecay"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn rate(&self, steps: u64) -> f32 {
        let steps = steps as f64;
        let whole = if self.cycle {
            self.decay_steps * (steps / self.decay_steps).ceil().max(1.0)
        } else {
            self.decay_steps
        };
        let left = 1.0 - (steps / whole).min(1.0);
        let fall = self.initial_learning_rate - self.end_learning_rate;
        (fall * left.powf(self.power) + self.end_learning_rate) as f32
    }
}
