//! Cross-entropy of yes and no.

use convnet_engine::ops::BinaryCrossEntropy;
use convnet_engine::{EngineError, Graph, Value};
use serde_json::{Map, Value as Json};

use super::{Loss, scores_behind};

/// loss = mean of −t log p − (1 − t) log(1 − p) over the last axis, targets 0 or 1, of the predictions' shape.
///
/// As Keras's [BinaryCrossentropy](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinaryCrossentropy {
    /// Whether predictions are scores before a sigmoid. Default false: they are probabilities.
    pub from_logits: bool,
}

impl Loss for BinaryCrossentropy {
    fn class_name(&self) -> &'static str {
        "BinaryCrossentropy"
    }

    fn config(&self) -> Map<String, Json> {
        [("from_logits".to_owned(), self.from_logits.into())].into_iter().collect()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let scores =
            if self.from_logits { Some(predictions) } else { scores_behind(graph, predictions, false) };
        let op = BinaryCrossEntropy { from_logits: scores.is_some() };
        graph.apply(op, &[scores.unwrap_or(predictions), targets])
    }
}
