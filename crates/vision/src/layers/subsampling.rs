//! LeNet-5's pooling, which is trained.

use convnet_nn::Initializer;
use convnet_nn::engine::error::Mismatch;
use convnet_nn::engine::ops::{AveragePool, BiasAdd, Binary, BinaryFunction, ScaleShift, Sliding};
use convnet_nn::engine::{EngineError, Shape, Value};
use convnet_nn::layer::{Layer, LayerContext, WeightSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The sum of each 2×2 window, times a trained factor of its channel, plus a trained bias.
///
/// Input `(batch, height, width, channels)`, output `(batch, ⌊height / 2⌋, ⌊width / 2⌋, channels)`. Weights: `coefficient` and
/// `bias`, each `(channels)`. LeCun, Bottou, Bengio, Haffner, 1998, section II.B: layers S2 and S4.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsampling {}

impl Subsampling {
    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self {}, vec![vec![4, 6, 3]])]
    }
}

impl Layer for Subsampling {
    fn class_name(&self) -> &'static str {
        "Subsampling"
    }

    fn config(&self) -> Map<String, Json> {
        super::to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        match inputs {
            [shape] if shape.dims.len() == 3 => {
                let channels = [shape.channels()];
                let coefficient = WeightSpec::trainable("coefficient", channels, Initializer::Ones);
                Ok(vec![coefficient, WeightSpec::trainable("bias", channels, Initializer::Zeros)])
            }
            [shape] => Err(Mismatch::new("an image (height, width, channels)", shape)),
            _ => Err(Mismatch::new("one input", inputs.len())),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let sliding = Sliding { strides: [1, 2, 2], ..Sliding::default() };
        let mean = at.graph.apply(AveragePool { window: vec![2, 2], sliding }, inputs)?;
        let sum = at.graph.apply(ScaleShift { scale: 4.0, shift: 0.0 }, &[mean])?;
        let scaled = at.graph.apply(Binary(BinaryFunction::Multiply), &[sum, at.weights[0]])?;
        at.graph.apply(BiasAdd, &[scaled, at.weights[1]])
    }
}
