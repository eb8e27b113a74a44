//! Shift of all values.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::{Augment, Draw, to_map, within};

/// Adds a number of −`range` … `range`, kept between the least and the largest value of the picture. As Keras's `channel_shift_range`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelShift {
    /// Largest number, 0 to 255.
    pub range: f32,
}

impl Default for ChannelShift {
    fn default() -> Self {
        Self { range: 30.0 }
    }
}

/// Adds a number to all values, kept between the least and the largest that the picture had.
pub fn shift_channels(sample: &mut Annotated, intensity: f32) {
    let pixels = sample.pixels();
    let least = pixels.iter().copied().fold(f32::INFINITY, f32::min);
    let most = pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    pixels.iter_mut().for_each(|value| *value = (*value + intensity).max(least).min(most));
}

impl Augment for ChannelShift {
    fn name(&self) -> &'static str {
        "channel-shift"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("range", self.range, 0.0, 255.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        shift_channels(sample, random.between(-self.range, self.range));
    }
}
