//! An activation function as a layer of its own.

use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::activation::Activation as Function;
use crate::layer::{Layer, LayerContext};

/// Applies an activation function. Output as the input.
///
/// As Keras's [Activation](https://keras.io/api/layers/core_layers/activation/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The function.
    pub activation: Function,
}

impl Activation {
    /// Applies a function.
    pub fn new(activation: Function) -> Self {
        Self { activation }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        Function::ALL.iter().map(|&function| (Self::new(function), vec![vec![3, 6]])).collect()
    }
}

impl Layer for Activation {
    fn class_name(&self) -> &'static str {
        "Activation"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        self.activation.apply(at.graph, inputs[0])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
