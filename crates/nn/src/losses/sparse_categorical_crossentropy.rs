//! Cross-entropy with class numbers as targets.

use convnet_engine::ops::{CrossEntropy, Fill, ReduceFunction, Select, SoftmaxCrossEntropy, Target};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::maths::{Maths, without_axis};
use super::{Loss, last_axis, scores_behind, to_map};

/// `loss = −log p[class]`, targets class numbers counted from 0.
///
/// As Keras's [SparseCategoricalCrossentropy](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SparseCategoricalCrossentropy {
    /// Whether predictions are scores before a softmax. Default false: they are probabilities.
    pub from_logits: bool,
    /// A class number that stands for no class: what has it does not count, and the mean is over the rest (the border of objects in
    /// segmentation, mostly 255). Default: there is none.
    pub ignore_class: Option<i64>,
    /// The axis of the classes, counted from the batch or backwards. Default −1.
    pub axis: i64,
}

impl Default for SparseCategoricalCrossentropy {
    fn default() -> Self {
        Self { from_logits: false, ignore_class: None, axis: last_axis() }
    }
}

impl Loss for SparseCategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "SparseCategoricalCrossentropy"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn target_shape(&self, predictions: &Shape) -> Shape {
        without_axis(predictions, self.axis)
    }

    fn classes(&self, predictions: &Shape) -> Option<usize> {
        let rank = predictions.dims.len() as i64;
        let axis = if self.axis < 0 { self.axis + rank } else { self.axis - 1 };
        usize::try_from(axis).ok().and_then(|axis| predictions.dims.get(axis).copied())
    }

    fn ignored_class(&self) -> Option<i64> {
        self.ignore_class
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let ordered = Maths(graph).axis_last(predictions, self.axis)?;
        let Some(ignored) = self.ignore_class else {
            return crossentropy(graph, self.from_logits, ordered, targets);
        };
        let shape = graph.shape(targets).clone();
        let nothing = graph.apply(Fill { value: 0.0, shape: shape.clone() }, &[])?;
        let mut maths = Maths(graph);
        let is_ignored = maths.equals(targets, ignored as f32)?;
        let counts = maths.affine(is_ignored, -1.0, 1.0)?;
        let share = maths.over_all(ReduceFunction::Mean, counts)?;
        // Nothing counts where nothing is left.
        let share = maths.clip(share, f32::MIN_POSITIVE, 1.0)?;
        let targets = graph.apply(Select, &[counts, targets, nothing])?;
        let losses = crossentropy(graph, self.from_logits, ordered, targets)?;
        let losses = graph.apply(Select, &[counts, losses, nothing])?;
        Maths(graph).divide(losses, share)
    }
}

fn crossentropy(
    graph: &mut Graph,
    from_logits: bool,
    predictions: Value,
    targets: Value,
) -> Result<Value, EngineError> {
    if from_logits {
        return graph.apply(SoftmaxCrossEntropy(Target::Sparse), &[predictions, targets]);
    }
    match scores_behind(graph, predictions, true) {
        Some(scores) => graph.apply(SoftmaxCrossEntropy(Target::Sparse), &[scores, targets]),
        None => graph.apply(CrossEntropy(Target::Sparse), &[predictions, targets]),
    }
}
