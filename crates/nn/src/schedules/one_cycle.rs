//! A step size that rises once and falls once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Checked, Schedule, half_wave, to_map};

/// Rises from a part of the peak to the peak, then falls far below where it began, both as half waves. Smith, Topin, 2018,
/// in the form that PyTorch's `OneCycleLR` made common (whose defaults are those here). Keras has no such schedule, and finds a
/// [`PiecewiseConstantDecay`](super::PiecewiseConstantDecay) near to it in files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneCycle {
    /// The step size at the peak.
    pub peak_learning_rate: f64,
    /// Steps in all.
    pub steps: u64,
    /// Share of the steps in which it rises. Default 0.3.
    #[serde(default = "default_rise")]
    pub rise: f64,
    /// How many times smaller than the peak it is at first. Default 25.
    #[serde(default = "default_start_factor")]
    pub start_factor: f64,
    /// How many times smaller than at first it is in the end. Default 10,000.
    #[serde(default = "default_end_factor")]
    pub end_factor: f64,
}

fn default_rise() -> f64 {
    0.3
}

fn default_start_factor() -> f64 {
    25.0
}

fn default_end_factor() -> f64 {
    10_000.0
}

impl OneCycle {
    /// A cycle of so many steps with this peak.
    pub fn new(peak_learning_rate: f64, steps: u64) -> Self {
        let (rise, start_factor, end_factor) = (default_rise(), default_start_factor(), default_end_factor());
        Self { peak_learning_rate, steps, rise, start_factor, end_factor }
    }
}

impl Checked for OneCycle {
    fn problem(&self) -> Option<&'static str> {
        if self.steps == 0 {
            return Some("steps must be above 0");
        }
        (!(0.0..=1.0).contains(&self.rise)).then_some("rise must lie between 0 and 1")
    }
}

impl Schedule for OneCycle {
    fn class_name(&self) -> &'static str {
        "OneCycle"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn is_keras(&self) -> bool {
        false
    }

    fn steps(&self) -> Option<u64> {
        Some(self.steps)
    }

    fn rate(&self, steps: u64) -> f32 {
        let first = self.peak_learning_rate / self.start_factor;
        let last = first / self.end_factor;
        let (peak, at) = (self.steps as f64 * self.rise, steps as f64);
        let between = |from: f64, to: f64, part: f64| to + (from - to) * half_wave(part.clamp(0.0, 1.0));
        let rate = if at < peak {
            between(first, self.peak_learning_rate, at / peak)
        } else {
            let fall = (self.steps as f64 - 1.0 - peak).max(1.0);
            between(self.peak_learning_rate, last, (at - peak) / fall)
        };
        rate as f32
    }
}
