//! Softmax over any axis.

use convnet_engine::{EngineError, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, inner_axis, to_map};
use crate::layer::{Layer, LayerContext};

/// y = e^xᵢ / Σⱼ e^xⱼ along an axis. Output as the input.
///
/// As Keras's [Softmax](https://keras.io/api/layers/activation_layers/softmax/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    /// The axis whose elements get the sum 1, counted with the batch; negative from the end. Default −1, the last.
    #[serde(default = "config::last_axis")]
    pub axis: isize,
}

impl Default for Softmax {
    fn default() -> Self {
        Self { axis: config::last_axis() }
    }
}

impl Softmax {
    /// Over the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the axis, counted with the batch; negative from the end.
    pub fn axis(self, axis: isize) -> Self {
        Self { axis }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![2, 5]]), (Self::new().axis(1), vec![vec![4, 3]])]
    }
}

impl Layer for Softmax {
    fn class_name(&self) -> &'static str {
        "Softmax"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let axis = inner_axis(self.axis, at.graph.shape(inputs[0]))
            .map_err(|mismatch| at.mismatch("softmax", mismatch))?;
        ops::softmax_along(at.graph, inputs[0], axis)
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
