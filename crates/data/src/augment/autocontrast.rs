//! Contrast as large as it can be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::WHITE;
use super::{Augment, Draw, to_map};

/// Stretches each channel so that it reaches from black to white. As torchvision's and Pillow's `autocontrast`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Autocontrast {}

/// Stretches each channel to 0 … 255; one that has a single value stays.
pub fn autocontrast(sample: &mut Annotated) {
    let channels = sample.image.dim().2;
    let pixels = sample.pixels();
    for channel in 0..channels {
        let values = || pixels.iter().skip(channel).step_by(channels);
        let least = values().copied().fold(f32::INFINITY, f32::min);
        let most = values().copied().fold(f32::NEG_INFINITY, f32::max);
        if most > least {
            let scale = WHITE / (most - least);
            let values = pixels.iter_mut().skip(channel).step_by(channels);
            values.for_each(|value| *value = ((*value - least) * scale).clamp(0.0, WHITE));
        }
    }
}

impl Augment for Autocontrast {
    fn name(&self) -> &'static str {
        "autocontrast"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn apply(&self, _random: &mut Draw, sample: &mut Annotated) {
        autocontrast(sample);
    }
}
