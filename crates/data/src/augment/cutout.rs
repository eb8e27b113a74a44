//! A hole in the picture.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::cut::paint;
use super::{Augment, Draw, to_map, within};

/// Paints squares at random places, whose middle is in the picture (DeVries and Taylor, "Improved regularization of convolutional neural networks with
/// cutout", 2017). Marks stay, since the object is still there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cutout {
    /// Side of a square as a share of the picture's shorter side, 0 to 1.
    pub share: f32,
    /// How many squares.
    pub count: usize,
    /// What they are painted in.
    pub value: f32,
}

impl Default for Cutout {
    fn default() -> Self {
        Self { share: 0.25, count: 1, value: 0.0 }
    }
}

impl Augment for Cutout {
    fn name(&self) -> &'static str {
        "cutout"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("share", self.share, 0.0, 1.0)?;
        within("count", self.count as f32, 1.0, 1000.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        let [height, width] = sample.size();
        let side = (self.share * height.min(width) as f32).round() as usize;
        for _ in 0..self.count {
            let (row, column) = (random.below(height), random.below(width));
            let range =
                |middle: usize| middle.saturating_sub(side / 2)..(middle + side).saturating_sub(side / 2);
            paint(sample, range(row), range(column), self.value);
        }
    }
}
