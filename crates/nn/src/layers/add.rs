//! Elementwise sum of inputs.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Adds two or more inputs of one shape, which the output has too.
///
/// As Keras's [Add](https://keras.io/api/layers/merging_layers/add/).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl Add {
    /// The layer; it has no arguments.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![3, 2]; 2]), (Self::new(), vec![vec![4]; 3])]
    }
}

impl Layer for Add {
    fn class_name(&self) -> &'static str {
        "Add"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        if inputs.len() < 2 { Err(Mismatch::new("two or more inputs", inputs.len())) } else { Ok(Vec::new()) }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        at.graph.apply(ops::Sum, inputs)
    }
}
