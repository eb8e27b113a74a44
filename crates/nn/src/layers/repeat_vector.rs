//! The same row several times.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Expand, Reshape};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Repeats each sample. Input `(batch, features)`, output `(batch, n, features)`.
///
/// As Keras's [RepeatVector](https://keras.io/api/layers/reshaping_layers/repeat_vector/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatVector {
    /// How often.
    pub n: usize,
}

impl RepeatVector {
    /// `n` times.
    pub fn new(n: usize) -> Self {
        Self { n }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(3), vec![vec![4]])]
    }
}

impl Layer for RepeatVector {
    fn class_name(&self) -> &'static str {
        "RepeatVector"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        match inputs {
            [Shape { dims, .. }] if dims.len() == 1 && self.n > 0 => Ok(Vec::new()),
            [_] if self.n == 0 => Err(Mismatch::new("n of at least 1", 0)),
            [shape] => Err(Mismatch::new("vectors (features)", shape)),
            _ => Err(Mismatch::new("one input", inputs.len())),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let features = at.graph.shape(inputs[0]).len();
        let row = at.graph.apply(Reshape { dims: vec![1, features] }, inputs)?;
        at.graph.apply(Expand { shape: Shape::batched([self.n, features]), shared: false }, &[row])
    }
}
