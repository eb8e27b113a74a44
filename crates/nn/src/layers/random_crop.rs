//! Cutting out at a random place.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Crop, Interpolation as Between, RandomWarp, Resize};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{channels, to_map};
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Cuts a part out of each image, in training at a random place. Input `(batch, rows, columns, channels)`, output `(batch, height, width, channels)`.
///
/// In prediction, and where images are smaller, it is the largest part in the middle that has the right proportions, brought to the size.
/// As Keras's [RandomCrop](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_crop/), but that each image has its own place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// The new height.
    pub height: usize,
    /// The new width.
    pub width: usize,
}

impl RandomCrop {
    /// A height and a width.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(3, 4), vec![vec![5, 6, 2]]), (Self::new(6, 3), vec![vec![4, 4, 1]])]
    }
}

/// The largest part in the middle of images that has the proportions of a height and width, brought to these. Keras's `smart_resize`.
pub(super) fn middle(at: &mut LayerContext<'_>, x: Value, size: [usize; 2]) -> Result<Value, EngineError> {
    let [height, width] = size;
    let dims = &at.graph.shape(x).dims;
    let (rows, columns) = (dims[0], dims[1]);
    if rows == 0 || columns == 0 {
        return Err(at.mismatch("crop", Mismatch::new("images that have pixels", at.graph.shape(x))));
    }
    let share = |size: usize, [to, from]: [usize; 2], most: usize| {
        (size as u128 * to as u128 / from as u128).clamp(1, most as u128) as usize
    };
    let part = [share(columns, [height, width], rows), share(rows, [width, height], columns)];
    let sides = |size: usize, part: usize| ((size - part) / 2, size - part - (size - part) / 2);
    let border = vec![sides(rows, part[0]), sides(columns, part[1])];
    let middle = at.graph.apply(Crop { border }, &[x])?;
    if part == size {
        return Ok(middle);
    }
    at.graph.apply(Resize { size, interpolation: Between::Bilinear }, &[middle])
}

impl Layer for RandomCrop {
    fn class_name(&self) -> &'static str {
        "RandomCrop"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        if self.height == 0 || self.width == 0 {
            return Err(Mismatch::new(
                "a height and a width of at least 1",
                format!("{} × {}", self.height, self.width),
            ));
        }
        channels::<2>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let dims = &at.graph.shape(inputs[0]).dims;
        let (rows, columns) = (dims[0], dims[1]);
        let size = [self.height, self.width];
        if at.training && rows >= self.height && columns >= self.width {
            return at.graph.apply(RandomWarp::new(size, at.stream), inputs);
        }
        middle(at, inputs[0], size)
    }
}
