//! Hue.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::each_colour;
use super::{Augment, Draw, to_map, within};

/// Turns the circle of colours by −`turn` … `turn`. As torchvision's `adjust_hue`. Grey pictures stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hue {
    /// Largest part of the circle to either side, 0 to 0.5.
    pub turn: f32,
}

impl Default for Hue {
    fn default() -> Self {
        Self { turn: 0.05 }
    }
}

/// Turns the circle of colours by a part of it; 0.5 makes red blue-green.
pub fn adjust_hue(sample: &mut Annotated, turn: f32) {
    each_colour(sample, |pixel| {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]];
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let chroma = most - least;
        if chroma <= 0.0 {
            return;
        }
        // Sixths of the circle, from red over green and blue.
        let hue = if most == r {
            (g - b) / chroma
        } else if most == g {
            2.0 + (b - r) / chroma
        } else {
            4.0 + (r - g) / chroma
        };
        let hue = (hue + 6.0 * turn).rem_euclid(6.0);
        // A channel has its full value within a sixth of its own colour, and falls to the least within the next.
        for (value, own) in pixel.iter_mut().zip([0.0, 2.0, 4.0]) {
            let away = (hue - own).abs();
            let away = away.min(6.0 - away);
            *value = least + chroma * (2.0 - away).clamp(0.0, 1.0);
        }
    });
}

impl Augment for Hue {
    fn name(&self) -> &'static str {
        "hue"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("turn", self.turn, 0.0, 0.5)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        adjust_hue(sample, random.between(-self.turn, self.turn));
    }
}
