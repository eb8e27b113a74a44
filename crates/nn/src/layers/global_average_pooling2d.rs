//! Mean of whole images.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{AveragePool, Reshape, Sliding};
use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext};

/// The mean of each channel over all pixels.
///
/// Input `(batch, height, width, channels)`, output `(batch, channels)`. As Keras's
/// [GlobalAveragePooling2D](https://keras.io/api/layers/pooling_layers/global_average_pooling2d/).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAveragePooling2D {}

impl GlobalAveragePooling2D {
    /// The layer; it has no arguments.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![5, 4, 3]])]
    }
}

impl Layer for GlobalAveragePooling2D {
    fn class_name(&self) -> &'static str {
        "GlobalAveragePooling2D"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let shape = at.graph.shape(inputs[0]).clone();
        let &[height, width, channels] = &shape.dims[..] else {
            let mismatch = Mismatch::new("an image (height, width, channels)", shape);
            return Err(at.mismatch("global average pool", mismatch));
        };
        let pool = AveragePool { window: vec![height, width], sliding: Sliding::default() };
        let mean = at.graph.apply(pool, inputs)?;
        at.graph.apply(Reshape { dims: vec![channels] }, &[mean])
    }
}
