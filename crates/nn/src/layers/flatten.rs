//! Flattening.

use convnet_engine::ops::Reshape;
use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext};

/// Makes each sample one row of numbers, channels fastest.
///
/// Input `(batch, …)`, output `(batch, product of the sizes)`. As Keras's
/// [Flatten](https://keras.io/api/layers/reshaping_layers/flatten/).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Flatten {
    /// The layer; it has no arguments.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![3, 2, 4]]), (Self::new(), vec![vec![5]])]
    }
}

impl Layer for Flatten {
    fn class_name(&self) -> &'static str {
        "Flatten"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let len = at.graph.shape(inputs[0]).len();
        at.graph.apply(Reshape { dims: vec![len] }, inputs)
    }
}
