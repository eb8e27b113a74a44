//! The exponential linear unit.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{not_negative, to_map};
use crate::activation::Activation;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// y = x where it is positive, else α (e^x − 1). Output as the input.
///
/// As Keras's [ELU](https://keras.io/api/layers/activation_layers/elu/) (Clevert et al., 2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ELU {
    /// Saturates at −α; at least 0. Default 1.0.
    pub alpha: f64,
}

impl Default for ELU {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl ELU {
    /// Keras's default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value at which it saturates, less its sign.
    pub fn alpha(self, alpha: f64) -> Self {
        Self { alpha }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![4, 3]]), (Self::new().alpha(0.05), vec![vec![5]])]
    }
}

impl Layer for ELU {
    fn class_name(&self) -> &'static str {
        "ELU"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        not_negative("alpha", self.alpha)?;
        Ok(Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        Activation::Elu { alpha: self.alpha as f32 }.apply(at.graph, inputs[0])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
