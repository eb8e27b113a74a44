//! Cross-entropy of yes and no.

use convnet_engine::ops::BinaryCrossEntropy;
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::maths::Maths;
use super::{Loss, last_axis, scores_behind, to_map};

/// loss = mean of −t log p − (1 − t) log(1 − p) over the last axis, targets 0 or 1, of the predictions' shape.
///
/// As Keras's [BinaryCrossentropy](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BinaryCrossentropy {
    /// Whether predictions are scores before a sigmoid. Default false: they are probabilities.
    pub from_logits: bool,
    /// By how much targets are drawn to ½: a target of 1 becomes 1 − half of it. Default 0.
    pub label_smoothing: f32,
    /// The axis of the mean, counted from the batch or backwards. Default −1.
    pub axis: i64,
}

impl Default for BinaryCrossentropy {
    fn default() -> Self {
        Self { from_logits: false, label_smoothing: 0.0, axis: last_axis() }
    }
}

impl Loss for BinaryCrossentropy {
    fn class_name(&self) -> &'static str {
        "BinaryCrossentropy"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let scores =
            if self.from_logits { Some(predictions) } else { scores_behind(graph, predictions, false) };
        let op = BinaryCrossEntropy { from_logits: scores.is_some() };
        let mut maths = Maths(graph);
        let predictions = maths.axis_last(scores.unwrap_or(predictions), self.axis)?;
        let targets = maths.axis_last(targets, self.axis)?;
        let smoothing = self.label_smoothing;
        let targets = maths.affine(targets, 1.0 - smoothing, 0.5 * smoothing)?;
        graph.apply(op, &[predictions, targets])
    }
}
