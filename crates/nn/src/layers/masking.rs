//! Time steps that are to be passed over.

use convnet_engine::ops::{Binary, BinaryFunction, Fill, Reduce, ReduceFunction, Reshape, ScaleShift};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext};

/// Tells the layers behind it to pass over the time steps all of whose elements have a value, and zeroes them. Input and output `(batch, steps, features)`.
///
/// As Keras's [Masking](https://keras.io/api/layers/core_layers/masking/). The recurrent layers and `GlobalAveragePooling1D` heed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// The value. Default 0.
    #[serde(default)]
    pub mask_value: f32,
}

impl Default for Masking {
    fn default() -> Self {
        Self { mask_value: 0.0 }
    }
}

impl Masking {
    /// Passes over what has a value everywhere.
    pub fn new(mask_value: f32) -> Self {
        Self { mask_value }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(0.0), vec![vec![3, 2]])]
    }
}

impl Layer for Masking {
    fn class_name(&self) -> &'static str {
        "Masking"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let graph = &mut *at.graph;
        let last = graph.shape(inputs[0]).dims.len().saturating_sub(1);
        let value = graph.apply(Fill { value: self.mask_value, shape: Shape::fixed([]) }, &[])?;
        let equal = graph.apply(Binary(BinaryFunction::Equal), &[inputs[0], value])?;
        let differs = graph.apply(ScaleShift { scale: -1.0, shift: 1.0 }, &[equal])?;
        let any = Reduce { keep_dims: true, ..Reduce::new(ReduceFunction::Max, [last]) };
        let any = graph.apply(any, &[differs])?;
        let dims = graph.shape(any).dims[..last].to_vec();
        at.output_masks = vec![Some(graph.apply(Reshape { dims }, &[any])?)];
        graph.apply(Binary(BinaryFunction::Multiply), &[inputs[0], any])
    }
}
