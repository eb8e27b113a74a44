//! Cross-entropy with one-hot targets.

use convnet_engine::ops::{CrossEntropy, SoftmaxCrossEntropy, Target};
use convnet_engine::{EngineError, Graph, Value};
use serde_json::{Map, Value as Json};

use super::{Loss, scores_behind};

/// loss = −Σᵢ tᵢ log pᵢ, targets one-hot or soft, of the predictions' shape.
///
/// As Keras's [CategoricalCrossentropy](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CategoricalCrossentropy {
    /// Whether predictions are scores before a softmax. Default false: they are probabilities.
    pub from_logits: bool,
}

impl Loss for CategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "CategoricalCrossentropy"
    }

    fn config(&self) -> Map<String, Json> {
        [("from_logits".to_owned(), self.from_logits.into())].into_iter().collect()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        if self.from_logits {
            return graph.apply(SoftmaxCrossEntropy(Target::Dense), &[predictions, targets]);
        }
        match scores_behind(graph, predictions, true) {
            Some(scores) => graph.apply(SoftmaxCrossEntropy(Target::Dense), &[scores, targets]),
            None => graph.apply(CrossEntropy(Target::Dense), &[predictions, targets]),
        }
    }
}
