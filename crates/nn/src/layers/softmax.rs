//! Softmax over any axis.

use convnet_engine::ops::{self, Activate, Activation, Binary, BinaryFunction, Reduce, ReduceFunction};
use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::Axes;
use super::config::to_map;
use crate::layer::{Layer, LayerContext};

/// y = e^xᵢ / Σⱼ e^xⱼ along an axis, or several. Output as the input.
///
/// As Keras's [Softmax](https://keras.io/api/layers/activation_layers/softmax/).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    /// The axes whose elements get the sum 1, counted with the batch; negative from the end. Default −1, the last.
    #[serde(default)]
    pub axis: Axes,
}

impl Softmax {
    /// Over the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the axis or axes, counted with the batch; negative from the end.
    pub fn axis(self, axis: impl Into<Axes>) -> Self {
        Self { axis: axis.into() }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(), vec![vec![2, 5]]),
            (Self::new().axis(1), vec![vec![4, 3]]),
            (Self::new().axis([1, 2]), vec![vec![4, 3]]),
        ]
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
        let x = inputs[0];
        let axes = self.axis.inner(at.graph.shape(x)).map_err(|mismatch| at.mismatch("softmax", mismatch))?;
        if let [axis] = axes[..] {
            return ops::softmax_along(at.graph, x, axis);
        }
        let over = |function| Reduce { function, batch: false, axes: axes.clone(), keep_dims: true };
        let largest = at.graph.apply(over(ReduceFunction::Max), &[x])?;
        let rest = at.graph.apply(Binary(BinaryFunction::Subtract), &[x, largest])?;
        let powers = at.graph.apply(Activate(Activation::Exponential), &[rest])?;
        let sum = at.graph.apply(over(ReduceFunction::Sum), &[powers])?;
        at.graph.apply(Binary(BinaryFunction::Divide), &[powers, sum])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
