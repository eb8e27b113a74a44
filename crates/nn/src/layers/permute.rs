//! Axes in another order.

use convnet_engine::{EngineError, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext};

/// Puts the axes of each sample into another order.
///
/// As Keras's [Permute](https://keras.io/api/layers/reshaping_layers/permute/).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::Permute;
///
/// assert_eq!(Symbol::input([10, 64]).apply(Permute::new([2, 1]))?.shape().dims, [64, 10]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permute {
    /// For each axis of the output the axis of the input, 1 being the first after the batch.
    pub dims: Vec<usize>,
}

impl Permute {
    /// Takes for each axis of the output an axis of the input, 1 being the first after the batch.
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Self { dims: dims.into() }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new([2, 1]), vec![vec![3, 4]]), (Self::new([2, 1, 3]), vec![vec![2, 3, 4]])]
    }
}

impl Layer for Permute {
    fn class_name(&self) -> &'static str {
        "Permute"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        // An axis 0 becomes one that does not exist, which the operation refuses.
        let axes = self.dims.iter().map(|axis| axis.wrapping_sub(1)).collect();
        at.graph.apply(ops::Permute { axes }, inputs)
    }
}
