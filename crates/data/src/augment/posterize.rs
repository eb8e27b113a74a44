//! Fewer shades.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::{Augment, Draw, to_map};

/// Keeps only the upper `bits` of each value's eight. As torchvision's and Pillow's `posterize`; fractions are cut off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Posterize {
    /// How many bits stay, 1 to 8.
    pub bits: u32,
}

impl Default for Posterize {
    fn default() -> Self {
        Self { bits: 4 }
    }
}

/// Keeps only the upper bits of each value's eight.
pub fn posterize(sample: &mut Annotated, bits: u32) {
    let mask = if bits >= 8 { 0xff } else { !(0xff_u8 >> bits) };
    sample.pixels().iter_mut().for_each(|value| *value = f32::from(*value as u8 & mask));
}

impl Augment for Posterize {
    fn name(&self) -> &'static str {
        "posterize"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        if (1..=8).contains(&self.bits) {
            Ok(())
        } else {
            Err(format!("bits must be 1 to 8, received {}", self.bits))
        }
    }

    fn apply(&self, _random: &mut Draw, sample: &mut Annotated) {
        posterize(sample, self.bits);
    }
}
