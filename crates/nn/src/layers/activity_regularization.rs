//! A cost of activations, as a layer.

use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext};
use crate::regularizers::Regularizer;

/// Adds l1 · Σ |x| + l2 · Σ x², on average over the batch, to the loss. Output as the input.
///
/// As Keras's [ActivityRegularization](https://keras.io/api/layers/regularization_layers/activity_regularization/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityRegularization {
    /// The factor of the absolute values. Default 0.
    #[serde(default)]
    pub l1: f32,
    /// The factor of the squares. Default 0.
    #[serde(default)]
    pub l2: f32,
}

impl ActivityRegularization {
    /// Factors of the absolute values and of the squares.
    pub fn new(l1: f32, l2: f32) -> Self {
        Self { l1, l2 }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(0.01, 0.02), vec![vec![4, 3]])]
    }
}

impl Layer for ActivityRegularization {
    fn class_name(&self) -> &'static str {
        "ActivityRegularization"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let regularizer = Regularizer::L1L2 { l1: self.l1, l2: self.l2 };
        at.penalties.push(regularizer.activity_penalty(at.graph, inputs[0])?);
        Ok(inputs[0])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
