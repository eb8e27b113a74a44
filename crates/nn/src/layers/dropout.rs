//! Dropout.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use super::noise::{check_rate, random_mask};
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
    /// Sizes of the mask, the batch counted: along an axis of size 1 elements are dropped or kept together; `None` stands for the
    /// input's size. `[None, 1, 1, 1]` drops whole images: stochastic depth. By default each element is dropped by itself.
    #[serde(default)]
    pub noise_shape: Option<Vec<Option<usize>>>,
}

impl Dropout {
    /// Drops a share of the inputs.
    pub fn new(rate: f32) -> Self {
        Self { rate, noise_shape: None }
    }

    /// Sets the sizes of the mask, the batch counted.
    pub fn noise_shape(self, noise_shape: impl Into<Vec<Option<usize>>>) -> Self {
        Self { noise_shape: Some(noise_shape.into()), ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(0.5), vec![vec![4, 3]]),
            (Self::new(0.0), vec![vec![5]]),
            (Self::new(0.4).noise_shape([None, Some(1), None]), vec![vec![4, 3]]),
        ]
    }
}

/// The sizes of a mask for samples of an input, without the batch, if they are not the input's.
pub(super) fn mask_dims(
    noise_shape: Option<&[Option<usize>]>,
    input: &Shape,
) -> Result<Option<Vec<usize>>, Mismatch> {
    let Some(sizes) = noise_shape else { return Ok(None) };
    let wrong = || {
        let expected = format!("a noise_shape of null and a size for each axis of {input}, 1 or its own");
        Mismatch::new(expected, format!("{sizes:?}"))
    };
    let inner = match sizes {
        [None, inner @ ..] if inner.len() == input.dims.len() => inner,
        _ => return Err(wrong()),
    };
    let dims: Vec<usize> = inner.iter().zip(&input.dims).map(|(size, &own)| size.unwrap_or(own)).collect();
    let fits = dims.iter().zip(&input.dims).all(|(&size, &own)| size == 1 || size == own);
    if fits { Ok(Some(dims)) } else { Err(wrong()) }
}

impl Layer for Dropout {
    fn class_name(&self) -> &'static str {
        "Dropout"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        if let [input] = inputs {
            mask_dims(self.noise_shape.as_deref(), input)?;
        }
        check_rate(self.rate)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let x = inputs[0];
        if !(at.training && self.rate > 0.0) {
            return Ok(x);
        }
        let dropout = ops::Dropout { rate: self.rate, stream: at.stream };
        let dims = mask_dims(self.noise_shape.as_deref(), at.graph.shape(x));
        match dims.map_err(|mismatch| at.mismatch("dropout", mismatch))? {
            None => at.graph.apply(dropout, inputs),
            Some(dims) => {
                let mask = random_mask(at, dims, self.rate, at.stream)?;
                at.graph.apply(ops::Binary(ops::BinaryFunction::Multiply), &[x, mask])
            }
        }
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
