//! Joining of inputs along an axis.

use convnet_engine::{EngineError, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, inner_axis, to_map};
use super::masks;
use crate::layer::{Layer, LayerContext};

/// Joins inputs that differ in one axis only, along that axis.
///
/// As Keras's [Concatenate](https://keras.io/api/layers/merging_layers/concatenate/). Axis 0 is the batch, which cannot
/// be joined; −1 is the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concatenate {
    /// The axis, counted with the batch; negative from the end. Default −1: the channels.
    #[serde(default = "config::last_axis")]
    pub axis: isize,
}

impl Default for Concatenate {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

impl Concatenate {
    /// Joins along the channels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the axis, counted with the batch; negative from the end.
    pub fn axis(self, axis: isize) -> Self {
        Self { axis }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(), vec![vec![3, 2, 4], vec![3, 2, 1], vec![3, 2, 2]]),
            (Self::new().axis(1), vec![vec![2, 3], vec![4, 3]]),
        ]
    }
}

impl Layer for Concatenate {
    fn class_name(&self) -> &'static str {
        "Concatenate"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let axis = inner_axis(self.axis, at.graph.shape(inputs[0]))
            .map_err(|mismatch| at.mismatch("concatenate", mismatch))?;
        let mut masks = std::mem::take(&mut at.masks);
        masks.resize(inputs.len(), None);
        at.output_masks = vec![masks::joined(at.graph, &masks, inputs, axis)?];
        at.graph.apply(ops::Concatenate { axis }, inputs)
    }
}
