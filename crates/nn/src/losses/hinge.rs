//! Losses that end where a margin is kept.

use convnet_engine::ops::{Activation, ReduceFunction};
use convnet_engine::{EngineError, Graph, Value};
use serde_json::{Map, Value as Json};

use super::Loss;
use super::maths::Maths;

/// loss = mean of max(1 − t y, 0), targets −1 and 1. Targets that are all 0 or 1 are taken for −1 and 1.
///
/// As Keras's [Hinge](https://keras.io/api/losses/hinge_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hinge;

/// loss = mean of max(1 − t y, 0)², targets as of [`Hinge`].
///
/// As Keras's [SquaredHinge](https://keras.io/api/losses/hinge_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SquaredHinge;

/// loss = max(the largest (1 − t) y − Σ t y + 1, 0), targets one-hot.
///
/// As Keras's [CategoricalHinge](https://keras.io/api/losses/hinge_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CategoricalHinge;

/// max(1 − t y, 0).
fn margins(maths: &mut Maths<'_>, predictions: Value, targets: Value) -> Result<Value, EngineError> {
    let (zero, one) = (maths.equals(targets, 0.0)?, maths.equals(targets, 1.0)?);
    let binary = maths.add(zero, one)?;
    let all = maths.over_all(ReduceFunction::Min, binary)?;
    // t + all · (t − 1): 2 t − 1 if all are binary, else t.
    let less = maths.affine(targets, 1.0, -1.0)?;
    let shift = maths.multiply(less, all)?;
    let signs = maths.add(targets, shift)?;
    let product = maths.multiply(signs, predictions)?;
    let margin = maths.affine(product, -1.0, 1.0)?;
    maths.activate(Activation::Relu, margin)
}

impl Loss for Hinge {
    fn class_name(&self) -> &'static str {
        "Hinge"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let margins = margins(&mut maths, predictions, targets)?;
        maths.over_last(ReduceFunction::Mean, margins)
    }
}

impl Loss for SquaredHinge {
    fn class_name(&self) -> &'static str {
        "SquaredHinge"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let margins = margins(&mut maths, predictions, targets)?;
        let squares = maths.square(margins)?;
        maths.over_last(ReduceFunction::Mean, squares)
    }
}

impl Loss for CategoricalHinge {
    fn class_name(&self) -> &'static str {
        "CategoricalHinge"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let own = maths.multiply(targets, predictions)?;
        let own = maths.over_last(ReduceFunction::Sum, own)?;
        let rest = maths.affine(targets, -1.0, 1.0)?;
        let others = maths.multiply(rest, predictions)?;
        let best = maths.over_last(ReduceFunction::Max, others)?;
        let lead = maths.subtract(best, own)?;
        let margin = maths.affine(lead, 1.0, 1.0)?;
        maths.activate(Activation::Relu, margin)
    }
}
