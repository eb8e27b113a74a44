//! A trained factor for each channel.

use convnet_nn::Initializer;
use convnet_nn::engine::error::Mismatch;
use convnet_nn::engine::ops::{Binary, BinaryFunction};
use convnet_nn::engine::{EngineError, Shape, Value};
use convnet_nn::layer::{Layer, LayerContext, WeightSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// y = x · gamma, channel by channel. Output as the input; weight: `gamma` `(channels)`.
///
/// The factors are small before training, so that a deep residual network starts as little more than the identity. Touvron,
/// Cord, Sablayrolles, Synnaeve, Jégou, "Going deeper with Image Transformers", 2021
/// ([arXiv:2103.17239](https://arxiv.org/abs/2103.17239)), section 2. As the layer of this name in Keras's ConvNeXt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerScale {
    /// The factors before training.
    pub init_values: f64,
    /// The channels of the input.
    pub projection_dim: usize,
}

impl LayerScale {
    /// Factors that start at `init_values`, for inputs of so many channels.
    pub fn new(init_values: f64, projection_dim: usize) -> Self {
        Self { init_values, projection_dim }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(0.5, 3), vec![vec![4, 2, 3]])]
    }
}

impl Layer for LayerScale {
    fn class_name(&self) -> &'static str {
        "LayerScale"
    }

    fn module(&self) -> &'static str {
        "keras.src.applications.convnext"
    }

    fn config(&self) -> Map<String, Json> {
        super::to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        match inputs {
            [shape] if !shape.dims.is_empty() && shape.channels() == self.projection_dim => {
                let value = self.init_values as f32;
                Ok(vec![WeightSpec::trainable(
                    "gamma",
                    [self.projection_dim],
                    Initializer::Constant { value },
                )])
            }
            [shape] => Err(Mismatch::new(format!("{} channels", self.projection_dim), shape)),
            _ => Err(Mismatch::new("one input", inputs.len())),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        at.graph.apply(Binary(BinaryFunction::Multiply), &[inputs[0], at.weights[0]])
    }
}
