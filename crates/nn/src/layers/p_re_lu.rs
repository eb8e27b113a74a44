//! A rectifier whose slope is trained.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{self, Activate, Binary, BinaryFunction, Sum};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, to_map};
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// y = x where it is positive, else alpha · x, with a trained alpha for each place of a sample. Output as the input.
///
/// Weights: `alpha`, of the sizes of a sample, 1 along shared axes. As Keras's
/// [PReLU](https://keras.io/api/layers/activation_layers/prelu/) (He et al., 2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PReLU {
    /// How alpha is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub alpha_initializer: Initializer,
    /// Axes along which alpha is the same, counted with the batch: `[1, 2]` makes one alpha a channel of an image.
    /// Default none.
    #[serde(default)]
    pub shared_axes: Option<Vec<usize>>,
}

impl Default for PReLU {
    fn default() -> Self {
        Self { alpha_initializer: config::zeros(), shared_axes: None }
    }
}

impl PReLU {
    /// An alpha of 0 for each place.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how alpha is filled at first.
    pub fn alpha_initializer(self, alpha_initializer: Initializer) -> Self {
        Self { alpha_initializer, ..self }
    }

    /// Sets the axes along which alpha is the same, counted with the batch.
    pub fn shared_axes(self, shared_axes: impl Into<Vec<usize>>) -> Self {
        Self { shared_axes: Some(shared_axes.into()), ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let shared = Self::new().shared_axes([1, 2]).alpha_initializer(Initializer::GlorotUniform);
        vec![(Self::new(), vec![vec![5]]), (shared, vec![vec![4, 3, 2]])]
    }
}

impl Layer for PReLU {
    fn class_name(&self) -> &'static str {
        "PReLU"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let [shape] = inputs else { return Err(Mismatch::new("one input", inputs.len())) };
        let mut dims = shape.dims.clone();
        for &axis in self.shared_axes.iter().flatten() {
            match axis.checked_sub(1).and_then(|axis| dims.get_mut(axis)) {
                Some(size) => *size = 1,
                None => {
                    let expected = format!("shared axes of 1 to {}", shape.dims.len());
                    return Err(Mismatch::new(expected, axis));
                }
            }
        }
        Ok(vec![WeightSpec::trainable("alpha", dims, self.alpha_initializer)])
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let positive = at.graph.apply(Activate(ops::Activation::Relu), inputs)?;
        let negative = at.graph.apply(Binary(BinaryFunction::Subtract), &[inputs[0], positive])?;
        let scaled = at.graph.apply(Binary(BinaryFunction::Multiply), &[negative, at.weights[0]])?;
        at.graph.apply(Sum, &[positive, scaled])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
