//! Cross-entropy with one-hot targets.

use convnet_engine::ops::{CrossEntropy, SoftmaxCrossEntropy, Target};
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::maths::Maths;
use super::{Loss, last_axis, scores_behind, smoothed, to_map};

/// loss = −Σᵢ tᵢ log pᵢ, targets one-hot or soft, of the predictions' shape.
///
/// As Keras's [CategoricalCrossentropy](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CategoricalCrossentropy {
    /// Whether predictions are scores before a softmax. Default false: they are probabilities.
    pub from_logits: bool,
    /// The share of each target that is given to all classes alike. Default 0.
    pub label_smoothing: f32,
    /// The axis of the classes, counted from the batch or backwards. Default −1.
    pub axis: i64,
}

impl Default for CategoricalCrossentropy {
    fn default() -> Self {
        Self { from_logits: false, label_smoothing: 0.0, axis: last_axis() }
    }
}

impl Loss for CategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "CategoricalCrossentropy"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let targets = smoothed(&mut maths, targets, self.label_smoothing)?;
        let targets = maths.axis_last(targets, self.axis)?;
        let ordered = maths.axis_last(predictions, self.axis)?;
        if self.from_logits {
            return graph.apply(SoftmaxCrossEntropy(Target::Dense), &[ordered, targets]);
        }
        match scores_behind(graph, ordered, true) {
            Some(scores) => graph.apply(SoftmaxCrossEntropy(Target::Dense), &[scores, targets]),
            None => graph.apply(CrossEntropy(Target::Dense), &[ordered, targets]),
        }
    }
}
