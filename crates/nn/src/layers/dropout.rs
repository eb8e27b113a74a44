//! Dropout.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use super::noise::check_rate;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Zeroes a random share of the inputs during training and scales the others up, so that the sum stays the same on average;
/// does nothing in prediction.
///
/// Output as the input. As Keras's [Dropout](https://keras.io/api/layers/regularization_layers/dropout/)
/// (Srivastava et al., 2014).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Share of the inputs that become zero, 0 ≤ rate < 1.
    pub rate: f32,
}

impl Dropout {
    /// Drops a share of the inputs.
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(0.5), vec![vec![4, 3]]), (Self::new(0.0), vec![vec![5]])]
    }
}

impl Layer for Dropout {
    fn class_name(&self) -> &'static str {
        "Dropout"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        check_rate(self.rate)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if at.training && self.rate > 0.0 {
            at.graph.apply(ops::Dropout { rate: self.rate, stream: at.stream }, inputs)
        } else {
            Ok(inputs[0])
        }
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
