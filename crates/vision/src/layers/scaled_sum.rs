//! A sum whose second part is made smaller.

use convnet_nn::engine::error::Mismatch;
use convnet_nn::engine::ops::{ScaleShift, Sum};
use convnet_nn::engine::{EngineError, Shape, Value};
use convnet_nn::layer::{Layer, LayerContext, WeightSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// y = x₁ + scale · x₂, both of one shape: a residual that is made small so that training does not diverge.
///
/// Szegedy, Ioffe, Vanhoucke, Alemi, 2016 ([arXiv:1602.07261](https://arxiv.org/abs/1602.07261)), section 3.3. In Keras's
/// Inception-ResNet-v2 it is called `CustomScaleLayer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaledSum {
    /// The factor of the second input.
    pub scale: f64,
}

impl ScaledSum {
    /// A sum with this factor.
    pub fn new(scale: f64) -> Self {
        Self { scale }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(0.2), vec![vec![3, 4, 2]; 2])]
    }
}

impl Layer for ScaledSum {
    fn class_name(&self) -> &'static str {
        "CustomScaleLayer"
    }

    fn module(&self) -> &'static str {
        "keras.src.applications.inception_resnet_v2"
    }

    fn config(&self) -> Map<String, Json> {
        super::to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        match inputs {
            [a, b] if a == b => Ok(Vec::new()),
            [a, b] => Err(Mismatch::new(format!("a second input of shape {a}"), b)),
            _ => Err(Mismatch::new("two inputs", inputs.len())),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let scaled = at.graph.apply(ScaleShift { scale: self.scale as f32, shift: 0.0 }, &inputs[1..])?;
        at.graph.apply(Sum, &[inputs[0], scaled])
    }
}
