//! A step size that falls as half a wave again and again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Checked, Schedule, half_wave, to_map};

/// Falls as half a wave, then begins anew: each time `t_mul` times longer, from `m_mul` times the height. Loshchilov, Hutter, 2017.
///
/// As Keras's [CosineDecayRestarts](https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay_restarts/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineDecayRestarts {
    /// The step size at first.
    pub initial_learning_rate: f64,
    /// Steps of the first fall.
    pub first_decay_steps: u64,
    /// How much longer each is than the one before. Default 2.
    #[serde(default = "default_t_mul")]
    pub t_mul: f64,
    /// How much higher each begins than the one before. Default 1.
    #[serde(default = "default_m_mul")]
    pub m_mul: f64,
    /// What is left at the end of each, as a share of the start. Default 0.
    #[serde(default)]
    pub alpha: f64,
}

fn default_t_mul() -> f64 {
    2.0
}

fn default_m_mul() -> f64 {
    1.0
}

impl CosineDecayRestarts {
    /// Each fall twice as long as the one before.
    pub fn new(initial_learning_rate: f64, first_decay_steps: u64) -> Self {
        let (t_mul, m_mul) = (default_t_mul(), default_m_mul());
        Self { initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha: 0.0 }
    }
}

impl Checked for CosineDecayRestarts {
    fn problem(&self) -> Option<&'static str> {
        if self.first_decay_steps == 0 {
            return Some("first_decay_steps must be above 0");
        }
        // Falls that get shorter have an end beyond which there is no step size.
        (self.t_mul.is_nan() || self.t_mul < 1.0).then_some("t_mul must be at least 1")
    }
}

impl Schedule for CosineDecayRestarts {
    fn class_name(&self) -> &'static str {
        "CosineDecayRestarts"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn rate(&self, steps: u64) -> f32 {
        let done = steps as f64 / self.first_decay_steps as f64;
        let (mut restarts, mut start, mut length) = (0.0, 0.0, 1.0);
        if self.t_mul > 1.0 {
            while done >= start + length {
                (restarts, start, length) = (restarts + 1.0, start + length, length * self.t_mul);
            }
        } else {
            (restarts, start) = (done.floor(), done.floor());
        }
        let height = self.m_mul.powf(restarts) * half_wave((done - start) / length);
        (self.initial_learning_rate * ((1.0 - self.alpha) * height + self.alpha)) as f32
    }
}
