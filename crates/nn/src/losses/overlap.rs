//! Losses of masks: how little predicted and true regions overlap.

use convnet_engine::ops::ReduceFunction;
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use super::maths::{EPSILON, Maths};
use super::{Loss, to_map};

/// loss = 1 − 2 Σ p t / (Σ t + Σ p + 1e-7), sums over some axes. Dice, 1945; Milletari, Navab, Ahmadi, 2016.
///
/// As Keras's [Dice](https://keras.io/api/losses/regression_losses/): without axes the sums are over the whole batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dice {
    /// The axes, counted from the batch (0) or backwards; `[1, 2, 3]` gives a loss a sample. Default: all, with the batch.
    #[serde(deserialize_with = "axes")]
    pub axis: Option<Vec<i64>>,
}

/// loss = 1 − Σ p t / (Σ p t + alpha · Σ (1 − p) t + beta · Σ p (1 − t) + 1e-7), sums over some axes. Salehi, Erdogmus, Gholipour, 2017.
///
/// As Keras's [Tversky](https://keras.io/api/losses/regression_losses/), by whose formula alpha weighs what is missed and beta what is
/// found wrongly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tversky {
    /// Weight of what is missed. Default 0.5.
    pub alpha: f32,
    /// Weight of what is found wrongly. Default 0.5.
    pub beta: f32,
    /// The axes, as of [`Dice`].
    #[serde(deserialize_with = "axes")]
    pub axis: Option<Vec<i64>>,
}

impl Default for Tversky {
    fn default() -> Self {
        Self { alpha: 0.5, beta: 0.5, axis: None }
    }
}

/// None, one axis, or several.
fn axes<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<Vec<i64>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Axes {
        One(i64),
        Several(Vec<i64>),
    }
    Ok(Option::<Axes>::deserialize(deserializer)?.map(|axes| match axes {
        Axes::One(axis) => vec![axis],
        Axes::Several(axes) => axes,
    }))
}

impl Loss for Dice {
    fn class_name(&self) -> &'static str {
        "Dice"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let axes = self.axis.as_deref();
        let product = maths.multiply(predictions, targets)?;
        let both = maths.over(ReduceFunction::Sum, axes, product)?;
        let both = maths.affine(both, 2.0, 0.0)?;
        let sum = maths.add(predictions, targets)?;
        let all = maths.over(ReduceFunction::Sum, axes, sum)?;
        let all = maths.affine(all, 1.0, EPSILON)?;
        let share = maths.divide(both, all)?;
        maths.affine(share, -1.0, 1.0)
    }
}

impl Loss for Tversky {
    fn class_name(&self) -> &'static str {
        "Tversky"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let axes = self.axis.as_deref();
        let product = maths.multiply(predictions, targets)?;
        let (missed, wrong) = (maths.subtract(targets, product)?, maths.subtract(predictions, product)?);
        let both = maths.over(ReduceFunction::Sum, axes, product)?;
        let missed = maths.over(ReduceFunction::Sum, axes, missed)?;
        let wrong = maths.over(ReduceFunction::Sum, axes, wrong)?;
        let (missed, wrong) =
            (maths.affine(missed, self.alpha, 0.0)?, maths.affine(wrong, self.beta, EPSILON)?);
        let rest = maths.add(missed, wrong)?;
        let all = maths.add(both, rest)?;
        let share = maths.divide(both, all)?;
        maths.affine(share, -1.0, 1.0)
    }
}
