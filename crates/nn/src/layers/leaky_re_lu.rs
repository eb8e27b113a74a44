//! A rectifier that lets a share of negative inputs through.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{not_negative, to_map};
use crate::activation::Activation;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// y = x where it is positive, else slope · x. Output as the input.
///
/// As Keras's [LeakyReLU](https://keras.io/api/layers/activation_layers/leaky_relu/) (Maas et al., 2013).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeakyReLU {
    /// Slope where x is negative, at least 0. Default 0.3.
    #[serde(alias = "alpha")]
    pub negative_slope: f64,
}

impl Default for LeakyReLU {
    fn default() -> Self {
        Self { negative_slope: 0.3 }
    }
}

impl LeakyReLU {
    /// Keras's default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the slope where x is negative.
    pub fn negative_slope(self, negative_slope: f64) -> Self {
        Self { negative_slope }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![4, 3]]), (Self::new().negative_slope(0.05), vec![vec![5]])]
    }
}

impl Layer for LeakyReLU {
    fn class_name(&self) -> &'static str {
        "LeakyReLU"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        not_negative("negative_slope", self.negative_slope)?;
        Ok(Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        Activation::LeakyRelu { negative_slope: self.negative_slope as f32 }.apply(at.graph, inputs[0])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
