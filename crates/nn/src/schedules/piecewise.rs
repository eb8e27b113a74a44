//! A step size that changes at given steps.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Checked, Schedule, to_map};

/// The first value up to and with the first boundary, then the second, and so on.
///
/// As Keras's [PiecewiseConstantDecay](https://keras.io/api/optimizers/learning_rate_schedules/piecewise_constant_decay/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiecewiseConstantDecay {
    /// Numbers of steps, rising.
    pub boundaries: Vec<u64>,
    /// The step sizes, one more than boundaries.
    pub values: Vec<f64>,
}

impl PiecewiseConstantDecay {
    /// One value more than boundaries; where there are fewer, the last one stays.
    pub fn new(boundaries: impl Into<Vec<u64>>, values: impl Into<Vec<f64>>) -> Self {
        Self { boundaries: boundaries.into(), values: values.into() }
    }

    /// The one nearest to a schedule that changes no more after so many steps: the same for up to 128 of them, else as many pieces of
    /// (nearly) equal length, each with the step size in its middle.
    pub fn nearest(schedule: &dyn Schedule, steps: u64) -> Self {
        let (steps, pieces) = (steps.max(1), steps.clamp(1, PIECES));
        let start = |piece: u64| (u128::from(piece) * u128::from(steps) / u128::from(pieces)) as u64;
        let boundaries: Vec<u64> = (1..=pieces).map(|piece| start(piece) - 1).collect();
        let middles = (0..pieces).map(|piece| start(piece).midpoint(start(piece + 1) - 1));
        let values: Vec<f64> = middles.chain([steps]).map(|step| f64::from(schedule.rate(step))).collect();
        Self { boundaries, values }
    }
}

/// Pieces that stand for a curve. Each is some operations in the graph that TensorFlow makes of the schedule.
const PIECES: u64 = 128;

impl Checked for PiecewiseConstantDecay {
    fn problem(&self) -> Option<&'static str> {
        if self.values.len() != self.boundaries.len() + 1 {
            return Some("there must be one value more than boundaries");
        }
        (!self.boundaries.is_sorted()).then_some("boundaries must rise")
    }
}

impl Schedule for PiecewiseConstantDecay {
    fn class_name(&self) -> &'static str {
        "PiecewiseConstantDecay"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn rate(&self, steps: u64) -> f32 {
        let passed = self.boundaries.iter().take_while(|boundary| steps > **boundary).count();
        self.values.get(passed).or(self.values.last()).map_or(0.0, |&value| value as f32)
    }
}
