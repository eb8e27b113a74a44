//! Losses of numbers: how far predictions are from targets of the same shape, as a mean over the last axis.

use convnet_engine::ops::{Activation, ReduceFunction};
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::maths::{EPSILON, Maths};
use super::{Loss, to_map};

/// loss = mean of |y − t|.
///
/// As Keras's [MeanAbsoluteError](https://keras.io/api/losses/regression_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanAbsoluteError;

impl Loss for MeanAbsoluteError {
    fn class_name(&self) -> &'static str {
        "MeanAbsoluteError"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let error = maths.subtract(predictions, targets)?;
        let size = maths.absolute(error)?;
        maths.over_last(ReduceFunction::Mean, size)
    }
}

/// loss = 100 · mean of |y − t| / max(|t|, 1e-7).
///
/// As Keras's [MeanAbsolutePercentageError](https://keras.io/api/losses/regression_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanAbsolutePercentageError;

impl Loss for MeanAbsolutePercentageError {
    fn class_name(&self) -> &'static str {
        "MeanAbsolutePercentageError"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let error = maths.subtract(targets, predictions)?;
        let size = maths.absolute(targets)?;
        let size = maths.clip(size, EPSILON, f32::INFINITY)?;
        let share = maths.divide(error, size)?;
        let share = maths.absolute(share)?;
        let mean = maths.over_last(ReduceFunction::Mean, share)?;
        maths.affine(mean, 100.0, 0.0)
    }
}

/// loss = mean of (log(y + 1) − log(t + 1))², y and t being at least 1e-7.
///
/// As Keras's [MeanSquaredLogarithmicError](https://keras.io/api/losses/regression_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanSquaredLogarithmicError;

impl Loss for MeanSquaredLogarithmicError {
    fn class_name(&self) -> &'static str {
        "MeanSquaredLogarithmicError"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let mut log = |x| {
            let x = maths.clip(x, EPSILON, f32::INFINITY)?;
            let more = maths.affine(x, 1.0, 1.0)?;
            maths.log(more)
        };
        let (y, t) = (log(predictions)?, log(targets)?);
        let error = maths.subtract(y, t)?;
        let square = maths.square(error)?;
        maths.over_last(ReduceFunction::Mean, square)
    }
}

/// loss = mean of e² / 2 where |e| = |y − t| is at most delta, else of delta · |e| − delta² / 2. Huber, 1964.
///
/// As Keras's [Huber](https://keras.io/api/losses/regression_losses/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Huber {
    /// Where the parabola goes over into a line. Default 1.
    pub delta: f32,
}

impl Default for Huber {
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl Loss for Huber {
    fn class_name(&self) -> &'static str {
        "Huber"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let error = maths.subtract(predictions, targets)?;
        let size = maths.absolute(error)?;
        // With m = min(|e|, delta) both cases are m² / 2 + delta · (|e| − m).
        let near = maths.clip(size, 0.0, self.delta)?;
        let far = maths.subtract(size, near)?;
        let square = maths.square(near)?;
        let (square, line) = (maths.affine(square, 0.5, 0.0)?, maths.affine(far, self.delta, 0.0)?);
        let both = maths.add(square, line)?;
        maths.over_last(ReduceFunction::Mean, both)
    }
}

/// loss = mean of log cosh(y − t).
///
/// As Keras's [LogCosh](https://keras.io/api/losses/regression_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogCosh;

impl Loss for LogCosh {
    fn class_name(&self) -> &'static str {
        "LogCosh"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let error = maths.subtract(predictions, targets)?;
        let double = maths.affine(error, -2.0, 0.0)?;
        let rest = maths.activate(Activation::Softplus, double)?;
        let sum = maths.add(error, rest)?;
        let each = maths.affine(sum, 1.0, -std::f32::consts::LN_2)?;
        maths.over_last(ReduceFunction::Mean, each)
    }
}

/// loss = −Σ y t / (‖y‖ ‖t‖) along an axis: −1 for the same direction, 1 for the opposite one.
///
/// As Keras's [CosineSimilarity](https://keras.io/api/losses/regression_losses/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosineSimilarity {
    /// The axis, counted from the batch or backwards. Default −1.
    pub axis: i64,
}

impl Default for CosineSimilarity {
    fn default() -> Self {
        Self { axis: super::last_axis() }
    }
}

impl Loss for CosineSimilarity {
    fn class_name(&self) -> &'static str {
        "CosineSimilarity"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let (y, t) = (maths.axis_last(predictions, self.axis)?, maths.axis_last(targets, self.axis)?);
        let (y, t) = (unit(&mut maths, y)?, unit(&mut maths, t)?);
        let product = maths.multiply(y, t)?;
        let sum = maths.over_last(ReduceFunction::Sum, product)?;
        maths.affine(sum, -1.0, 0.0)
    }
}

/// Rows of length 1; those shorter than 1e-7 stay short.
fn unit(maths: &mut Maths<'_>, x: Value) -> Result<Value, EngineError> {
    use convnet_engine::ops::{RowNorm, RowNormFunction};
    let function = RowNormFunction::Unit { epsilon: EPSILON };
    maths.0.apply(RowNorm { function, axes: 1, scale: false, center: false }, &[x])
}

/// loss = mean of y − t · log(y + 1e-7): for targets that are counts, and predictions that are their means.
///
/// As Keras's [Poisson](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Poisson;

impl Loss for Poisson {
    fn class_name(&self) -> &'static str {
        "Poisson"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let shifted = maths.affine(predictions, 1.0, EPSILON)?;
        let log = maths.log(shifted)?;
        let gain = maths.multiply(targets, log)?;
        let each = maths.subtract(predictions, gain)?;
        maths.over_last(ReduceFunction::Mean, each)
    }
}

/// loss = Σ t · log(t / p), both at least 1e-7 and at most 1: how far the distribution p is from t.
///
/// As Keras's [KLDivergence](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KlDivergence;

impl Loss for KlDivergence {
    fn class_name(&self) -> &'static str {
        "KLDivergence"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let (p, t) = (maths.clip(predictions, EPSILON, 1.0)?, maths.clip(targets, EPSILON, 1.0)?);
        let ratio = maths.divide(t, p)?;
        let log = maths.log(ratio)?;
        let each = maths.multiply(t, log)?;
        maths.over_last(ReduceFunction::Sum, each)
    }
}
