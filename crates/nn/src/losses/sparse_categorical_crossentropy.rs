//! Cross-entropy with class numbers as targets.

use convnet_engine::ops::{CrossEntropy, SoftmaxCrossEntropy, Target};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde_json::{Map, Value as Json};

use super::{Loss, class_numbers, scores_behind};

/// `loss = −log p[class]`, targets class numbers counted from 0.
///
/// As Keras's [SparseCategoricalCrossentropy](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseCategoricalCrossentropy {
    /// Whether predictions are scores before a softmax. Default false: they are probabilities.
    pub from_logits: bool,
}

impl Loss for SparseCategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "SparseCategoricalCrossentropy"
    }

    fn config(&self) -> Map<String, Json> {
        [("from_logits".to_owned(), self.from_logits.into())].into_iter().collect()
    }

    fn target_shape(&self, predictions: &Shape) -> Shape {
        class_numbers(predictions)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        if self.from_logits {
            return graph.apply(SoftmaxCrossEntropy(Target::Sparse), &[predictions, targets]);
        }
        match scores_behind(graph, predictions, true) {
            Some(scores) => graph.apply(SoftmaxCrossEntropy(Target::Sparse), &[scores, targets]),
            None => graph.apply(CrossEntropy(Target::Sparse), &[predictions, targets]),
        }
    }
}
