//! Saturation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::{blend, each_colour, luma};
use super::{Augment, Draw, to_map, within};

/// Makes colours paler or stronger by a factor of 1 − `share` … 1 + `share`. As torchvision's `adjust_saturation`. Grey pictures stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Saturation {
    /// How far the factor may be from 1, 0 to 1.
    pub share: f32,
}

impl Default for Saturation {
    fn default() -> Self {
        Self { share: 0.3 }
    }
}

/// Multiplies the distance of each pixel from its grey by a factor, within 0 … 255.
pub fn adjust_saturation(sample: &mut Annotated, factor: f32) {
    each_colour(sample, |pixel| {
        let grey = luma(pixel);
        pixel.iter_mut().for_each(|value| *value = blend(*value, grey, factor));
    });
}

impl Augment for Saturation {
    fn name(&self) -> &'static str {
        "saturation"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("share", self.share, 0.0, 1.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        adjust_saturation(sample, random.between(1.0 - self.share, 1.0 + self.share));
    }
}
