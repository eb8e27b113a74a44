//! Layers that change brightness and contrast of images at random during training.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Binary, BinaryFunction, Reduce, ReduceFunction, Uniform};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{channels, setters, to_map};
use super::random_warp::Factor;
use super::rescaling::PerChannel;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Adds a random number to each image during training, then keeps values within a range. Input and output `(batch, height, width, channels)`.
///
/// As Keras's [RandomBrightness](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_brightness/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomBrightness {
    /// Range of what is added, as a share of the range of values.
    pub factor: Factor,
    /// Black and white. Default 0 and 255.
    #[serde(default = "bytes")]
    pub value_range: [f64; 2],
}

/// Multiplies the distance of values from the mean of their image and channel by a random factor during training, then keeps them within a range. Input and
/// output `(batch, height, width, channels)`.
///
/// As Keras's [RandomContrast](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_contrast/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomContrast {
    /// Of `[lower, upper]` the factor is 1 − lower … 1 + upper; one number stands for both.
    pub factor: Factor,
    /// Black and white. Default 0 and 255.
    #[serde(default = "bytes")]
    pub value_range: [f64; 2],
}

fn bytes() -> [f64; 2] {
    [0.0, 255.0]
}

/// A random number for each image.
fn draw(at: &mut LayerContext<'_>, low: f64, high: f64) -> Result<Value, EngineError> {
    let shape = Shape::batched([1, 1, 1]);
    at.graph.apply(Uniform { low: low as f32, high: high as f32, stream: at.stream, shape }, &[])
}

/// Keeps values within a range.
fn clip(at: &mut LayerContext<'_>, x: Value, [black, white]: [f64; 2]) -> Result<Value, EngineError> {
    let x = PerChannel::All(black).apply(at, BinaryFunction::Maximum, x)?;
    PerChannel::All(white).apply(at, BinaryFunction::Minimum, x)
}

fn check_range([black, white]: [f64; 2]) -> Result<(), Mismatch> {
    if black < white {
        return Ok(());
    }
    Err(Mismatch::new("a value_range that rises", format!("{black} to {white}")))
}

impl RandomBrightness {
    /// A range of what is added, as a share of the range of values.
    pub fn new(factor: impl Into<Factor>) -> Self {
        Self { factor: factor.into(), value_range: bytes() }
    }

    setters! {
        /// Sets what is black and what white.
        value_range: [f64; 2],
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let shifted = Self::new((-0.1, 0.3)).value_range([-1.0, 1.0]);
        vec![(Self::new(0.1).value_range([-2.0, 2.0]), vec![vec![4, 5, 3]]), (shifted, vec![vec![4, 4, 1]])]
    }
}

impl RandomContrast {
    /// A range of what is subtracted from 1 and added to it.
    pub fn new(factor: impl Into<Factor>) -> Self {
        Self { factor: factor.into(), value_range: bytes() }
    }

    setters! {
        /// Sets what is black and what white.
        value_range: [f64; 2],
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let other = Self::new((0.1, 0.5)).value_range([-1.0, 1.0]);
        vec![(Self::new(0.2).value_range([-2.0, 2.0]), vec![vec![4, 5, 3]]), (other, vec![vec![4, 4, 1]])]
    }
}

impl Layer for RandomBrightness {
    fn class_name(&self) -> &'static str {
        "RandomBrightness"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        self.factor.check("factor", -1.0)?;
        check_range(self.value_range)?;
        channels::<2>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if !at.training {
            return Ok(inputs[0]);
        }
        let [black, white] = self.value_range;
        let [low, high] = self.factor.range().map(|share| share * (white - black));
        let more = draw(at, low, high)?;
        let y = at.graph.apply(Binary(BinaryFunction::Add), &[inputs[0], more])?;
        clip(at, y, self.value_range)
    }
}

impl Layer for RandomContrast {
    fn class_name(&self) -> &'static str {
        "RandomContrast"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        self.factor.check("factor", -1.0)?;
        check_range(self.value_range)?;
        channels::<2>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if !at.training {
            return Ok(inputs[0]);
        }
        let [lower, upper] = match self.factor {
            Factor::Both(both) => [both.abs(); 2],
            Factor::Range(_) => self.factor.range(),
        };
        let factor = draw(at, 1.0 - lower, 1.0 + upper)?;
        let mean = Reduce { keep_dims: true, ..Reduce::new(ReduceFunction::Mean, [0, 1]) };
        let mean = at.graph.apply(mean, inputs)?;
        let distance = at.graph.apply(Binary(BinaryFunction::Subtract), &[inputs[0], mean])?;
        let distance = at.graph.apply(Binary(BinaryFunction::Multiply), &[distance, factor])?;
        let y = at.graph.apply(Binary(BinaryFunction::Add), &[distance, mean])?;
        clip(at, y, self.value_range)
    }
}
