//! Sharpness.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::blend;
use super::{Augment, Draw, to_map, within};

/// Makes pictures sharper or softer by a factor of 1 − `share` … 1 + `share`: 0 is smoothed by a 3 × 3 window, 2 the opposite. As torchvision's
/// `adjust_sharpness`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sharpness {
    /// How far the factor may be from 1, 0 to 10; a factor below 0 counts as 0.
    pub share: f32,
}

impl Default for Sharpness {
    fn default() -> Self {
        Self { share: 0.5 }
    }
}

/// Multiplies the distance from a smoothed copy by a factor, within 0 … 255. The border, one pixel wide, stays.
pub fn adjust_sharpness(sample: &mut Annotated, factor: f32) {
    let [height, width] = sample.size();
    let stride = width * sample.image.dim().2;
    let channels = sample.image.dim().2;
    if height < 3 || width < 3 {
        return;
    }
    let pixels = sample.pixels();
    let source = pixels.to_vec();
    for (row, out) in pixels.chunks_exact_mut(stride).enumerate().skip(1).take(height - 2) {
        let [above, here, below] = [row - 1, row, row + 1].map(|row| &source[row * stride..][..stride]);
        for at in channels..stride - channels {
            let (left, right) = (at - channels, at + channels);
            let line = |line: &[f32]| line[left] + line[at] + line[right];
            let smooth = (line(above) + line(below) + here[left] + 5.0 * here[at] + here[right]) / 13.0;
            out[at] = blend(here[at], smooth, factor);
        }
    }
}

impl Augment for Sharpness {
    fn name(&self) -> &'static str {
        "sharpness"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("share", self.share, 0.0, 10.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        adjust_sharpness(sample, random.between(1.0 - self.share, 1.0 + self.share).max(0.0));
    }
}
