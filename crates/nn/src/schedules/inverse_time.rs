//! A step size that falls as one over the time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Checked, Schedule, to_map};

/// rate = start / (1 + `decay_rate` · steps / `decay_steps`); as a staircase, with whole numbers in the place of the quotient. With
/// `decay_steps` 1 it is what the argument `decay` of Keras 2's optimizers did.
///
/// As Keras's [InverseTimeDecay](https://keras.io/api/optimizers/learning_rate_schedules/inverse_time_decay/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InverseTimeDecay {
    /// The step size at first.
    pub initial_learning_rate: f64,
    /// The unit in which steps are counted.
    pub decay_steps: f64,
    /// How fast it falls.
    pub decay_rate: f64,
    /// Whether it falls at once at the end of each unit, instead of a little at each step. Default false.
    #[serde(default)]
    pub staircase: bool,
}

impl InverseTimeDecay {
    /// Is down to `1 / (1 + decay_rate)` of the start after `decay_steps`.
    pub fn new(initial_learning_rate: f64, decay_steps: f64, decay_rate: f64) -> Self {
        Self { initial_learning_rate, decay_steps, decay_rate, staircase: false }
    }
}

impl Checked for InverseTimeDecay {
    fn problem(&self) -> Option<&'static str> {
        (self.decay_steps <= 0.0).then_some("decay_steps must be above 0")
    }
}

impl Schedule for InverseTimeDecay {
    fn class_name(&self) -> &'static str {
        "InverseTimeDecay"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn rate(&self, steps: u64) -> f32 {
        let part = steps as f64 / self.decay_steps;
        let part = if self.staircase { part.floor() } else { part };
        (self.initial_learning_rate / (1.0 + self.decay_rate * part)) as f32
    }
}
