//! Cutting out and resizing, as the Inception networks were trained.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::cut::{self, Part};
use super::{Augment, Draw, Fill, Size, to_map, within};

/// Cuts out a part of random area, proportions and place, and brings it to a size (Szegedy et al., "Going deeper with convolutions", 2014; torchvision's
/// `RandomResizedCrop`). Where nothing is augmented, it takes the middle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResizedCrop {
    /// Least share of the picture's area, above 0 and at most 1.
    pub area: f32,
    /// Largest proportion of the sides, at least 1; the least is its reciprocal.
    pub ratio: f32,
    /// Height and width of the result; by default the picture's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
}

impl Default for ResizedCrop {
    fn default() -> Self {
        Self { area: 0.25, ratio: 4.0 / 3.0, size: None }
    }
}

impl ResizedCrop {
    /// The part to cut out: tries a few times, else the largest part in the middle whose proportions are allowed.
    fn part(&self, random: &mut Draw, [height, width]: [usize; 2]) -> Part {
        for _ in 0..10 {
            let area = random.between(self.area, 1.0) * (height * width) as f32;
            let ratio = random.between(-self.ratio.ln(), self.ratio.ln()).exp();
            let rows = (area / ratio).sqrt().round() as usize;
            let columns = (area * ratio).sqrt().round() as usize;
            if (1..=height).contains(&rows) && (1..=width).contains(&columns) {
                let top = random.below(height - rows + 1) as isize;
                let left = random.below(width - columns + 1) as isize;
                return Part { top, left, height: rows, width: columns };
            }
        }
        let rows = (((width as f32 * self.ratio).round() as usize).clamp(1, height.max(1))).min(height);
        let columns = (((height as f32 * self.ratio).round() as usize).clamp(1, width.max(1))).min(width);
        let (top, left) = (((height - rows) / 2) as isize, ((width - columns) / 2) as isize);
        Part { top, left, height: rows, width: columns }
    }
}

impl Augment for ResizedCrop {
    fn name(&self) -> &'static str {
        "resized-crop"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("area", self.area, 1e-4, 1.0)?;
        within("ratio", self.ratio, 1.0, 100.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        let size = self.output_size(sample.size());
        let part = self.part(random, sample.size());
        cut::crop(sample, part, Fill::Nearest, 0.0);
        cut::resize(sample, size);
    }

    fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        self.size.map_or(size, |size| size.0)
    }

    fn rest(&self, sample: &mut Annotated) {
        let size = self.output_size(sample.size());
        cut::middle(sample, size);
    }
}
