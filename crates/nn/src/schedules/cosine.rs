//! A step size that falls as half a wave, after a rise if wanted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Checked, Schedule, half_wave, to_map};

/// rate = start · ((1 − alpha) · (1 + cos(π · steps / `decay_steps`)) / 2 + alpha), and the last of it afterwards. Loshchilov, Hutter,
/// 2017. With a `warmup_target` it first goes there in a straight line, in `warmup_steps` steps, and falls from there.
///
/// As Keras's [CosineDecay](https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineDecay {
    /// The step size at first.
    pub initial_learning_rate: f64,
    /// Steps of the fall.
    pub decay_steps: u64,
    /// What is left at the end, as a share of the start. Default 0.
    #[serde(default)]
    pub alpha: f64,
    /// Where the rise leads to. Default: there is none.
    #[serde(default)]
    pub warmup_target: Option<f64>,
    /// Steps of the rise. Default 0.
    #[serde(default)]
    pub warmup_steps: u64,
}

impl CosineDecay {
    /// From a step size to 0.
    pub fn new(initial_learning_rate: f64, decay_steps: u64) -> Self {
        Self { initial_learning_rate, decay_steps, alpha: 0.0, warmup_target: None, warmup_steps: 0 }
    }

    /// Sets what is left at the end, as a share.
    pub fn alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// Sets a rise before the fall.
    pub fn warmup(self, target: f64, steps: u64) -> Self {
        Self { warmup_target: Some(target), warmup_steps: steps, ..self }
    }
}

impl Checked for CosineDecay {
    fn problem(&self) -> Option<&'static str> {
        (self.decay_steps == 0).then_some("decay_steps must be above 0")
    }
}

impl Schedule for CosineDecay {
    fn class_name(&self) -> &'static str {
        "CosineDecay"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn rate(&self, steps: u64) -> f32 {
        let start = self.initial_learning_rate;
        let (from, steps) = match self.warmup_target {
            Some(target) if steps < self.warmup_steps => {
                let part = steps as f64 / self.warmup_steps as f64;
                return ((target - start) * part + start) as f32;
            }
            Some(target) => (target, steps - self.warmup_steps),
            None => (start, steps),
        };
        let part = (steps as f64 / self.decay_steps as f64).min(1.0);
        (from * ((1.0 - self.alpha) * half_wave(part) + self.alpha)) as f32
    }
}
