//! Negatives.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::colour::WHITE;
use super::{Augment, Draw, to_map};

/// Exchanges dark and bright: 255 − x.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Invert {}

/// 255 − x.
pub fn invert(sample: &mut Annotated) {
    sample.pixels().iter_mut().for_each(|value| *value = WHITE - *value);
}

impl Augment for Invert {
    fn name(&self) -> &'static str {
        "invert"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn apply(&self, _random: &mut Draw, sample: &mut Annotated) {
        invert(sample);
    }
}
