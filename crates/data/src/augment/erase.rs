//! Random erasing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::cut::paint;
use super::{Augment, Draw, to_map, within};

/// Covers a rectangle of random area, proportions and place with noise or one value (Zhong et al., "Random erasing data augmentation", 2017; torchvision's
/// `RandomErasing`). Marks stay, since the object is still there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Erase {
    /// Largest share of the picture's area, 0.02 to 1; the least is 0.02.
    pub area: f32,
    /// Largest proportion of the sides, at least 1; the least is its reciprocal.
    pub ratio: f32,
    /// What it is covered with; without it noise of all values alike often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
}

impl Default for Erase {
    fn default() -> Self {
        Self { area: 0.33, ratio: 3.3, value: None }
    }
}

/// Least share of the area, as in the paper.
const LEAST: f32 = 0.02;

impl Augment for Erase {
    fn name(&self) -> &'static str {
        "erase"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("area", self.area, LEAST, 1.0)?;
        within("ratio", self.ratio, 1.0, 100.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        let [height, width] = sample.size();
        for _ in 0..10 {
            let area = random.between(LEAST, self.area) * (height * width) as f32;
            let ratio = random.between(-self.ratio.ln(), self.ratio.ln()).exp();
            let rows = (area * ratio).sqrt().round() as usize;
            let columns = (area / ratio).sqrt().round() as usize;
            if rows >= height || columns >= width || rows == 0 || columns == 0 {
                continue;
            }
            let (top, left) = (random.below(height - rows + 1), random.below(width - columns + 1));
            if let Some(value) = self.value {
                return paint(sample, top..top + rows, left..left + columns, value);
            }
            let part = ndarray::s![top..top + rows, left..left + columns, ..];
            sample
                .image
                .slice_mut(part)
                .iter_mut()
                .for_each(|value| *value = random.between(0.0, 256.0).floor());
            return;
        }
    }
}
