//! Negatives of what is bright.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::WHITE;
use super::{Augment, Draw, to_map, within};

/// Inverts values of at least `threshold`, as overexposed film does. As torchvision's and Pillow's `solarize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Solarize {
    /// From where on, 0 to 256.
    pub threshold: f32,
}

impl Default for Solarize {
    fn default() -> Self {
        Self { threshold: 128.0 }
    }
}

/// 255 − x where x is at least `threshold`.
pub fn solarize(sample: &mut Annotated, threshold: f32) {
    let inverted = sample.pixels().iter_mut().filter(|value| **value >= threshold);
    inverted.for_each(|value| *value = WHITE - *value);
}

impl Augment for Solarize {
    fn name(&self) -> &'static str {
        "solarize"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("threshold", self.threshold, 0.0, 256.0)
    }

    fn apply(&self, _random: &mut Draw, sample: &mut Annotated) {
        solarize(sample, self.threshold);
    }
}
