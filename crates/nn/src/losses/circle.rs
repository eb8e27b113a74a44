//! A loss of embeddings: what is alike comes together, what is not goes apart.

use convnet_engine::kernels::loss;
use convnet_engine::ops::{BinaryFunction, CircleLoss, Fill, ReduceFunction};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::maths::{Maths, without_axis};
use super::{Loss, last_axis, to_map};

/// loss = softplus(log Σ e^(gamma (d² − margin²)) + log Σ e^(gamma ((1 − d)² − margin²))) of distances d = 1 − cosine: the first sum over the samples of a
/// batch that have the same class number, the second over those that have another. Sun et al., 2020.
///
/// As Keras's [Circle](https://keras.io/api/losses/): predictions are embeddings of length 1 (`UnitNormalization` as the last layer), targets
/// class numbers, of which there may be any number. Samples that lack a partner or an opponent in the batch have no loss; the mean is over the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Circle {
    /// Scale of the similarities. Default 80.
    pub gamma: f32,
    /// Distance up to which neighbours of the same class count for little. Default 0.4.
    pub margin: f32,
    /// Whether a sample is no neighbour of itself. Default true.
    pub remove_diagonal: bool,
}

impl Default for Circle {
    fn default() -> Self {
        Self { gamma: 80.0, margin: 0.4, remove_diagonal: true }
    }
}

impl Loss for Circle {
    fn class_name(&self) -> &'static str {
        "Circle"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn target_shape(&self, predictions: &Shape) -> Shape {
        without_axis(predictions, last_axis())
    }

    fn classes(&self, _predictions: &Shape) -> Option<usize> {
        None
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let Self { gamma, margin, remove_diagonal } = *self;
        let rule = loss::Circle { gamma, margin, remove_diagonal };
        let losses = graph.apply(CircleLoss(rule), &[predictions, targets])?;
        let nothing = graph.apply(Fill { value: 0.0, shape: Shape::fixed([]) }, &[])?;
        let mut maths = Maths(graph);
        let counts = maths.binary(BinaryFunction::Greater, losses, nothing)?;
        let share = maths.over_all(ReduceFunction::Mean, counts)?;
        let share = maths.clip(share, f32::MIN_POSITIVE, 1.0)?;
        maths.divide(losses, share)
    }
}
