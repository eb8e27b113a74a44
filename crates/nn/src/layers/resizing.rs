//! Images brought to a size, as part of a model.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::Crop;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{channels, to_map};
use super::resampling::{Interpolation, resized};
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Brings images to a height and width, whatever their own. Input `(batch, height, width, channels)`.
///
/// Pixels have their centres at halves, and there is no filter against aliases. As Keras's
/// [Resizing](https://keras.io/api/layers/preprocessing_layers/image_preprocessing/resizing/) without cropping or padding to the aspect ratio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resizing {
    /// The new height.
    pub height: usize,
    /// The new width.
    pub width: usize,
    /// What stands between the pixels. Default bilinear.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

impl Resizing {
    /// A height and a width.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, interpolation: Interpolation::Bilinear }
    }

    /// Sets what stands between the pixels.
    pub fn interpolation(self, interpolation: Interpolation) -> Self {
        Self { interpolation, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let nearest = Self::new(2, 5).interpolation(Interpolation::Nearest);
        let cubic = Self::new(3, 7).interpolation(Interpolation::Bicubic);
        vec![
            (Self::new(3, 2), vec![vec![4, 5, 2]]),
            (nearest, vec![vec![4, 3, 1]]),
            (cubic, vec![vec![4, 3, 2]]),
        ]
    }
}

impl Layer for Resizing {
    fn class_name(&self) -> &'static str {
        "Resizing"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        resized(at, inputs[0], [self.height, self.width], self.interpolation)
    }
}

/// Cuts the middle out of images. Input `(batch, height, width, channels)`; of images that are smaller, the largest part of the right proportions is enlarged.
///
/// As Keras's [CenterCrop](https://keras.io/api/layers/preprocessing_layers/image_preprocessing/center_crop/).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenterCrop {
    /// The new height.
    pub height: usize,
    /// The new width.
    pub width: usize,
}

impl CenterCrop {
    /// A height and a width.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(3, 2), vec![vec![4, 5, 2]]), (Self::new(6, 4), vec![vec![4, 5, 2]])]
    }
}

impl Layer for CenterCrop {
    fn class_name(&self) -> &'static str {
        "CenterCrop"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        if self.height == 0 || self.width == 0 {
            let received = format!("{} × {}", self.height, self.width);
            return Err(Mismatch::new("a height and a width of at least 1", received));
        }
        channels::<2>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let sides = |size: usize, wanted: usize| ((size - wanted) / 2, size - wanted - (size - wanted) / 2);
        let dims = &at.graph.shape(inputs[0]).dims;
        if self.height > dims[0] || self.width > dims[1] {
            return super::random_crop::middle(at, inputs[0], [self.height, self.width]);
        }
        let border = vec![sides(dims[0], self.height), sides(dims[1], self.width)];
        at.graph.apply(Crop { border }, inputs)
    }
}
