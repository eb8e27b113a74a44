//! LeNet-5's squashing function.

use convnet_nn::engine::ops::{Activate, Activation, ScaleShift};
use convnet_nn::engine::{EngineError, Value};
use convnet_nn::layer::{Layer, LayerContext};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// y = 1.7159 tanh(⅔ x), so that ±1 stay ±1 and are where the function bends most. Output as the input.
///
/// LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998, equation 6 and appendix A.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaledTanh {}

impl ScaledTanh {
    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self {}, vec![vec![5, 2]])]
    }
}

impl Layer for ScaledTanh {
    fn class_name(&self) -> &'static str {
        "ScaledTanh"
    }

    fn config(&self) -> Map<String, Json> {
        super::to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let x = at.graph.apply(ScaleShift { scale: 2.0 / 3.0, shift: 0.0 }, inputs)?;
        let x = at.graph.apply(Activate(Activation::Tanh), &[x])?;
        at.graph.apply(ScaleShift { scale: 1.7159, shift: 0.0 }, &[x])
    }
}
