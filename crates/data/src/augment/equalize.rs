//! All shades alike often.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::byte;
use super::{Augment, Draw, to_map};

/// Spreads the values of each channel so that all shades are about alike often. As torchvision's and Pillow's `equalize`, on values rounded to
/// bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Equalize {}

/// Rounds to bytes and evens out the histogram of each channel.
pub fn equalize(sample: &mut Annotated) {
    let channels = sample.image.dim().2;
    let pixels = sample.pixels();
    for channel in 0..channels {
        let mut counts = [0_usize; 256];
        pixels
            .iter()
            .skip(channel)
            .step_by(channels)
            .for_each(|&value| counts[usize::from(byte(value))] += 1);
        let last = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        // The last shade that occurs is not counted, so that it becomes white.
        let step = (counts.iter().sum::<usize>() - counts[last]) / 255;
        let mut before = 0;
        let table = counts.map(|count| {
            let shade = (before + step / 2).checked_div(step).unwrap_or(0);
            before += count;
            shade.min(255) as f32
        });
        for value in pixels.iter_mut().skip(channel).step_by(channels) {
            let shade = byte(*value);
            *value = if step == 0 { f32::from(shade) } else { table[usize::from(shade)] };
        }
    }
}

impl Augment for Equalize {
    fn name(&self) -> &'static str {
        "equalize"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn apply(&self, _random: &mut Draw, sample: &mut Annotated) {
        equalize(sample);
    }
}
