//! A loss of texts that are read off a row of time steps.

use convnet_engine::{EngineError, Graph, Shape, Value};
use serde_json::{Map, Value as Json};

use super::maths::without_axis;
use super::{Loss, last_axis};

/// loss = −log of the probability that the time steps spell the target, in any of the ways they can: connectionist temporal classification. Graves,
/// Fernández, Gomez, Schmidhuber, 2006.
///
/// As Keras's [CTC](https://keras.io/api/losses/): predictions are scores `(steps, classes)` before a softmax, class 0 being the blank between
/// symbols; targets are `(steps)` class numbers from 1, the symbols first and then zeros, as
/// `convnet_data::text::pad_sequences` puts them behind. All steps count; a mask of the predictions is not heeded. A target that does not fit into the
/// steps has a loss of some 700, as in TensorFlow, instead of an infinite one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ctc;

impl Loss for Ctc {
    fn class_name(&self) -> &'static str {
        "CTC"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn target_shape(&self, predictions: &Shape) -> Shape {
        without_axis(predictions, last_axis())
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        graph.apply(convnet_engine::ops::Ctc, &[predictions, targets])
    }
}
