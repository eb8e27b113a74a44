//! The rectifier with all its arguments.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{not_negative, to_map};
use crate::activation::Activation;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// y = x from the threshold up to the largest value, slope · (x − threshold) below. Output as the input.
///
/// As Keras's [ReLU](https://keras.io/api/layers/activation_layers/relu/).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::ReLU;
///
/// let maps = Symbol::input([112, 112, 32]).apply(ReLU::new().max_value(6.0))?;
/// assert_eq!(maps.shape().dims, [112, 112, 32]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReLU {
    /// The largest value, at least 0. Default none.
    pub max_value: Option<f64>,
    /// Slope below the threshold, at least 0. Default 0.
    pub negative_slope: f64,
    /// Where the part of slope 1 begins, at least 0. Default 0.
    pub threshold: f64,
}

impl ReLU {
    /// y = max(x, 0).
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest value.
    pub fn max_value(self, max_value: f64) -> Self {
        Self { max_value: Some(max_value), ..self }
    }

    /// Sets the slope below the threshold.
    pub fn negative_slope(self, negative_slope: f64) -> Self {
        Self { negative_slope, ..self }
    }

    /// Sets where the part of slope 1 begins.
    pub fn threshold(self, threshold: f64) -> Self {
        Self { threshold, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = || vec![vec![4, 3, 2]];
        let bent = Self::new().max_value(0.8).negative_slope(0.1).threshold(0.2);
        vec![(Self::new(), input()), (Self::new().max_value(6.0), input()), (bent, input())]
    }
}

impl Layer for ReLU {
    fn class_name(&self) -> &'static str {
        "ReLU"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        not_negative("max_value", self.max_value.unwrap_or(0.0))?;
        not_negative("negative_slope", self.negative_slope)?;
        not_negative("threshold", self.threshold)?;
        Ok(Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let function = if *self == Self::new() {
            Activation::Relu
        } else {
            Activation::Rectifier {
                negative_slope: self.negative_slope as f32,
                max_value: self.max_value.map(|value| value as f32),
                threshold: self.threshold as f32,
            }
        };
        function.apply(at.graph, inputs[0])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
