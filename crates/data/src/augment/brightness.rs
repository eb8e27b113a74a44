//! Brightness.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::WHITE;
use super::{Augment, Draw, to_map, within};

/// Multiplies by a factor of 1 − `share` … 1 + `share`. As torchvision's `adjust_brightness` and Pillow's enhancer, which is behind Keras's
/// `brightness_range`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Brightness {
    /// How far the factor may be from 1, 0 to 1.
    pub share: f32,
}

impl Default for Brightness {
    fn default() -> Self {
        Self { share: 0.2 }
    }
}

/// Multiplies values by a factor; what would be brighter than white is white.
pub fn adjust_brightness(sample: &mut Annotated, factor: f32) {
    sample.pixels().iter_mut().for_each(|value| *value = (*value * factor).clamp(0.0, WHITE));
}

impl Augment for Brightness {
    fn name(&self) -> &'static str {
        "brightness"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("share", self.share, 0.0, 1.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        adjust_brightness(sample, random.between(1.0 - self.share, 1.0 + self.share));
    }
}
