//! Multiplication and addition of constants.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Binary, BinaryFunction, ScaleShift};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{constants, to_map};
use crate::layer::{Layer, LayerContext, WeightSpec};

/// A number, or one for each channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerChannel {
    /// The same for all.
    All(f64),
    /// One for each channel.
    Each(Vec<f64>),
}

impl From<f64> for PerChannel {
    fn from(all: f64) -> Self {
        Self::All(all)
    }
}

impl<const N: usize> From<[f64; N]> for PerChannel {
    fn from(each: [f64; N]) -> Self {
        Self::Each(each.to_vec())
    }
}

impl PerChannel {
    pub(super) fn check(&self, channels: usize) -> Result<(), Mismatch> {
        match self {
            Self::Each(numbers) if numbers.len() != channels && numbers.len() != 1 => {
                Err(Mismatch::new(format!("a number for each of {channels} channels"), numbers.len()))
            }
            _ => Ok(()),
        }
    }

    /// The function of a value and these numbers.
    pub(super) fn apply(
        &self,
        at: &mut LayerContext<'_>,
        function: BinaryFunction,
        x: Value,
    ) -> Result<Value, EngineError> {
        let numbers = match self {
            Self::All(number) => std::slice::from_ref(number),
            Self::Each(numbers) => numbers,
        };
        let numbers = constants(at, numbers)?;
        at.graph.apply(Binary(function), &[x, numbers])
    }
}

/// y = x · scale + offset. Output as the input.
///
/// As Keras's [Rescaling](https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/): `scale` 1/255 brings
/// bytes to 0 … 1; `scale` 1/127.5 with `offset` −1 to −1 … 1. Both may be numbers for each channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rescaling {
    /// The factor.
    pub scale: PerChannel,
    /// The summand. Default 0.
    #[serde(default = "zero")]
    pub offset: PerChannel,
}

fn zero() -> PerChannel {
    PerChannel::All(0.0)
}

impl Rescaling {
    /// Multiplies by `scale`.
    pub fn new(scale: impl Into<PerChannel>) -> Self {
        Self { scale: scale.into(), offset: zero() }
    }

    /// Sets the summand.
    pub fn offset(self, offset: impl Into<PerChannel>) -> Self {
        Self { offset: offset.into(), ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(0.5).offset(-1.0), vec![vec![4, 3, 2]]),
            (Self::new([0.5, 2.0]).offset([-1.0, 0.0]), vec![vec![4, 2]]),
        ]
    }
}

impl Layer for Rescaling {
    fn class_name(&self) -> &'static str {
        "Rescaling"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let channels = inputs.first().map_or(1, Shape::channels);
        self.scale.check(channels)?;
        self.offset.check(channels)?;
        Ok(Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        match (&self.scale, &self.offset) {
            (&PerChannel::All(scale), &PerChannel::All(shift)) => {
                at.graph.apply(ScaleShift { scale: scale as f32, shift: shift as f32 }, inputs)
            }
            (scale, offset) => {
                let scaled = scale.apply(at, BinaryFunction::Multiply, inputs[0])?;
                offset.apply(at, BinaryFunction::Add, scaled)
            }
        }
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
