//! Mirror images.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::{Augment, Draw, to_map};

/// Exchanges left and right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flip {}

/// Exchanges top and bottom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlipVertical {}

/// Mirrors a picture and its marks: axis 0 exchanges top and bottom, axis 1 left and right.
pub fn mirror(sample: &mut Annotated, axis: usize) {
    let [height, width] = sample.size();
    let channels = sample.image.dim().2;
    mirror_values(sample.pixels(), [height, width, channels], axis);
    for mask in &mut sample.masks {
        mask.invert_axis(ndarray::Axis(axis));
        *mask = mask.as_standard_layout().into_owned();
    }
    let last = if axis == 0 { height } else { width } as f32;
    sample.move_marks(|[x, y]| if axis == 0 { [x, last - y] } else { [last - x, y] });
}

fn mirror_values(values: &mut [f32], [height, width, channels]: [usize; 3], axis: usize) {
    let stride = width * channels;
    if stride == 0 {
        return;
    }
    if axis == 0 {
        let (upper, lower) = values.split_at_mut(height / 2 * stride);
        let lower = lower.chunks_exact_mut(stride).rev();
        upper.chunks_exact_mut(stride).zip(lower).for_each(|(upper, lower)| upper.swap_with_slice(lower));
        return;
    }
    for row in values.chunks_exact_mut(stride) {
        let (left, right) = row.split_at_mut(width / 2 * channels);
        let right = right.chunks_exact_mut(channels).rev();
        left.chunks_exact_mut(channels).zip(right).for_each(|(left, right)| left.swap_with_slice(right));
    }
}

impl Augment for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn apply(&self, _random: &mut Draw, sample: &mut Annotated) {
        mirror(sample, 1);
    }
}

impl Augment for FlipVertical {
    fn name(&self) -> &'static str {
        "flip-vertical"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn apply(&self, _random: &mut Draw, sample: &mut Annotated) {
        mirror(sample, 0);
    }
}
