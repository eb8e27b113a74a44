//! Vectors for whole numbers.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Binary, BinaryFunction, Fill, Gather, ScaleShift};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Looks up a trained vector for each whole number: words, classes.
///
/// Input `(batch, …)` of whole numbers from 0 to `input_dim` − 1, output `(batch, …, output_dim)`. A model
/// refuses samples with other numbers where it gives them to this layer as they are; elsewhere they give a vector that is not a number.
/// Weights: `embeddings` `(input_dim, output_dim)`. As Keras's [Embedding](https://keras.io/api/layers/core_layers/embedding/).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::Embedding;
///
/// let review = Symbol::input([500]);
/// assert_eq!(review.apply(Embedding::new(10_000, 128))?.shape().dims, [500, 128]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// How many numbers there are.
    pub input_dim: usize,
    /// Size of the vectors.
    pub output_dim: usize,
    /// How the vectors are filled at first. Default uniform within ±0.05.
    #[serde(default = "uniform")]
    pub embeddings_initializer: Initializer,
    /// Whether 0 stands for nothing, so that recurrent layers pass over it. Default false.
    #[serde(default)]
    pub mask_zero: bool,
}

fn uniform() -> Initializer {
    Initializer::RandomUniform { minval: -0.05, maxval: 0.05 }
}

impl Embedding {
    /// Vectors of size `output_dim` for the numbers below `input_dim`.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Self { input_dim, output_dim, embeddings_initializer: uniform(), mask_zero: false }
    }

    /// Sets how the vectors are filled at first.
    pub fn embeddings_initializer(self, embeddings_initializer: Initializer) -> Self {
        Self { embeddings_initializer, ..self }
    }

    /// Says whether 0 stands for nothing.
    pub fn mask_zero(self, mask_zero: bool) -> Self {
        Self { mask_zero, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        // Inputs of tests are between −1 and 1, which is cut to the number 0.
        vec![(Self::new(3, 2), vec![vec![4]])]
    }
}

impl Layer for Embedding {
    fn class_name(&self) -> &'static str {
        "Embedding"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        if inputs.len() != 1 {
            return Err(Mismatch::new("one input", inputs.len()));
        }
        if self.input_dim == 0 || self.output_dim == 0 {
            return Err(Mismatch::new("an input_dim and an output_dim of at least 1", 0));
        }
        let dims = [self.input_dim, self.output_dim];
        Ok(vec![WeightSpec::trainable("embeddings", dims, self.embeddings_initializer)])
    }

    fn rows(&self) -> Option<usize> {
        Some(self.input_dim)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if self.mask_zero {
            let graph = &mut *at.graph;
            let zero = graph.apply(Fill { value: 0.0, shape: Shape::fixed([]) }, &[])?;
            let is_zero = graph.apply(Binary(BinaryFunction::Equal), &[inputs[0], zero])?;
            at.output_masks = vec![Some(graph.apply(ScaleShift { scale: -1.0, shift: 1.0 }, &[is_zero])?)];
        }
        at.graph.apply(Gather, &[inputs[0], at.weights[0]])
    }
}
