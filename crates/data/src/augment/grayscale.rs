//! Grey.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::{each_colour, luma};
use super::{Augment, Draw, to_map};

/// Takes the colours away; the channels remain, all alike. As torchvision's `rgb_to_grayscale`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grayscale {}

/// Gives red, green and blue the value of their brightness.
pub fn grayscale(sample: &mut Annotated) {
    each_colour(sample, |pixel| pixel.fill(luma(pixel)));
}

impl Augment for Grayscale {
    fn name(&self) -> &'static str {
        "grayscale"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn apply(&self, _random: &mut Draw, sample: &mut Annotated) {
        grayscale(sample);
    }
}
