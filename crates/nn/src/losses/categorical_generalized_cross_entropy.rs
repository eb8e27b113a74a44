//! A cross-entropy that bears wrong labels.

use convnet_engine::ops::{Activation, PickAlong, Reshape, SoftmaxCrossEntropy, Target};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::maths::{Maths, without_axis};
use super::{Loss, last_axis, parse, scores_behind, to_map};
use crate::error::{Error, Result};

/// `loss = (1 − p[class]^q) / q`, targets class numbers counted from 0: near 0 of q the cross-entropy, near 1 the absolute error, which labels that are
/// wrong lead astray less. Zhang, Sabuncu, 2018.
///
/// As Keras's [CategoricalGeneralizedCrossEntropy](https://keras.io/api/losses/probabilistic_losses/). Where the probabilities come from a softmax it is
/// computed from the scores, so that the gradient stays finite when p is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CategoricalGeneralizedCrossEntropy {
    /// How much wrong labels are borne, between 0 and 1. Default 0.5.
    pub q: f32,
}

impl Default for CategoricalGeneralizedCrossEntropy {
    fn default() -> Self {
        Self { q: 0.5 }
    }
}

impl CategoricalGeneralizedCrossEntropy {
    /// From Keras's arguments.
    pub(super) fn from_config(config: &Map<String, Json>) -> Result<Box<dyn Loss>> {
        let q = config.get("q").and_then(Json::as_f64).unwrap_or(0.5);
        if q > 0.0 && q < 1.0 {
            return parse::<Self>(config);
        }
        let problem = format!("q must lie between 0 and 1, and is {q}");
        Err(Error::argument("loss CategoricalGeneralizedCrossEntropy", problem))
    }
}

impl Loss for CategoricalGeneralizedCrossEntropy {
    fn class_name(&self) -> &'static str {
        "CategoricalGeneralizedCrossEntropy"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn target_shape(&self, predictions: &Shape) -> Shape {
        without_axis(predictions, last_axis())
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let power = if let Some(scores) = scores_behind(graph, predictions, true) {
            let entropy = graph.apply(SoftmaxCrossEntropy(Target::Sparse), &[scores, targets])?;
            let mut maths = Maths(graph);
            let power = maths.affine(entropy, -self.q, 0.0)?;
            maths.activate(Activation::Exponential, power)?
        } else {
            let dims = graph.shape(targets).dims.clone();
            let (axis, column) = (dims.len(), [&dims[..], &[1]].concat());
            let places = graph.apply(Reshape { dims: column }, &[targets])?;
            let p = graph.apply(PickAlong { axis }, &[predictions, places])?;
            let p = graph.apply(Reshape { dims }, &[p])?;
            Maths(graph).activate(Activation::Power { exponent: self.q }, p)?
        };
        Maths(graph).affine(power, -1.0 / self.q, 1.0 / self.q)
    }
}
