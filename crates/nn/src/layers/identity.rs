//! The layer that does nothing.

use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::layer::{Layer, LayerContext};

/// y = x: a name for a place. As Keras's [Identity](https://keras.io/api/layers/core_layers/identity/).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {}

impl Identity {
    /// The layer; it has no arguments.
    pub fn new() -> Self {
        Self {}
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![3, 2]])]
    }
}

impl Layer for Identity {
    fn class_name(&self) -> &'static str {
        "Identity"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn call(&self, _at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        Ok(inputs[0])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
