//! Cutting out at a random place.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::cut::{self, Part};
use super::{Augment, Draw, Fill, Size, to_map, within};

/// Cuts a part of fixed size out at a random place, as Keras's `RandomCrop` layer; a picture that is smaller is cut to the proportions and enlarged.
///
/// With `padding` and no size the picture gets a border first and keeps its size, as is usual for CIFAR-10.
/// Where nothing is augmented, it takes the middle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Crop {
    /// Height and width of the part; by default the picture's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Pixels of border on each side.
    pub padding: usize,
    /// What the border shows.
    pub fill: Fill,
    /// The value of [`Fill::Constant`].
    pub value: f32,
}

impl Default for Crop {
    fn default() -> Self {
        Self { size: None, padding: 0, fill: Fill::Constant, value: 0.0 }
    }
}

impl Augment for Crop {
    fn name(&self) -> &'static str {
        "crop"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        if self.size.is_none() && self.padding == 0 {
            return Err("it needs a size (`crop=24`) or a padding (`crop:padding=4`)".into());
        }
        within("padding", self.padding as f32, 0.0, 10_000.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        let [height, width] = sample.size();
        let size = self.output_size([height, width]);
        let border = 2 * self.padding;
        if size[0] > height + border || size[1] > width + border {
            return cut::middle(sample, size);
        }
        let top = random.below(height + border - size[0] + 1) as isize - self.padding as isize;
        let left = random.below(width + border - size[1] + 1) as isize - self.padding as isize;
        cut::crop(sample, Part { top, left, height: size[0], width: size[1] }, self.fill, self.value);
    }

    fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        self.size.map_or(size, |size| size.0)
    }

    fn rest(&self, sample: &mut Annotated) {
        let size = self.output_size(sample.size());
        cut::middle(sample, size);
    }
}
