//! Mean squared error.

use convnet_engine::ops::SquaredError;
use convnet_engine::{EngineError, Graph, Value};
use serde_json::{Map, Value as Json};

use super::Loss;
use super::maths::Maths;

/// loss = mean of (y − t)² over the last axis, targets of the predictions' shape.
///
/// As Keras's [MeanSquaredError](https://keras.io/api/losses/regression_losses/).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanSquaredError;

impl Loss for MeanSquaredError {
    fn class_name(&self) -> &'static str {
        "MeanSquaredError"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        if graph.shape(predictions).dims.is_empty() {
            // The operation takes the mean over an axis; a sample of one number has none.
            let mut maths = Maths(graph);
            let error = maths.subtract(predictions, targets)?;
            return maths.square(error);
        }
        graph.apply(SquaredError, &[predictions, targets])
    }
}
