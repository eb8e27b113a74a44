//! Contrast.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::{blend, is_colour, luma};
use super::{Augment, Draw, to_map, within};

/// Brings values nearer to their mean, or away from it, by a factor of 1 − `share` … 1 + `share`. As torchvision's `adjust_contrast`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contrast {
    /// How far the factor may be from 1, 0 to 1.
    pub share: f32,
}

impl Default for Contrast {
    fn default() -> Self {
        Self { share: 0.2 }
    }
}

/// Multiplies the distance of values from the mean brightness of the picture by a factor, within 0 … 255.
pub fn adjust_contrast(sample: &mut Annotated, factor: f32) {
    let (channels, colour) = (sample.image.dim().2, is_colour(&sample.image));
    let pixels = sample.pixels();
    let (sum, count) = match colour {
        true => (
            pixels.chunks_exact(channels).map(|pixel| f64::from(luma(pixel))).sum::<f64>(),
            pixels.len() / channels,
        ),
        false => (pixels.iter().map(|&value| f64::from(value)).sum(), pixels.len()),
    };
    let mean = (sum / count.max(1) as f64) as f32;
    pixels.iter_mut().for_each(|value| *value = blend(*value, mean, factor));
}

impl Augment for Contrast {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("share", self.share, 0.0, 1.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        adjust_contrast(sample, random.between(1.0 - self.share, 1.0 + self.share));
    }
}
