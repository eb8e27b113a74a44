//! Rescaling of pixels.

use convnet_engine::{EngineError, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext};

/// y = x · scale + offset. Output as the input.
///
/// As Keras's [Rescaling](https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/): `scale` 1/255 brings
/// bytes to 0 … 1; `scale` 1/127.5 with `offset` −1 to −1 … 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rescaling {
    /// The factor.
    pub scale: f64,
    /// The summand. Default 0.
    #[serde(default)]
    pub offset: f64,
}

impl Rescaling {
    /// Multiplies by `scale`.
    pub fn new(scale: f64) -> Self {
        Self { scale, offset: 0.0 }
    }

    /// Sets the summand.
    pub fn offset(self, offset: f64) -> Self {
        Self { offset, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(0.5).offset(-1.0), vec![vec![4, 3, 2]])]
    }
}

impl Layer for Rescaling {
    fn class_name(&self) -> &'static str {
        "Rescaling"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        at.graph.apply(ops::ScaleShift { scale: self.scale as f32, shift: self.offset as f32 }, inputs)
    }
}
