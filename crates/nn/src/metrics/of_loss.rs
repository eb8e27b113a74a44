//! Losses as metrics.

use std::sync::Arc;

use convnet_engine::ops::ScaleShift;
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde_json::{Map, Value as Json};

use super::{Mean, Measure, Meter};
use crate::error::{Error, Result};
use crate::losses::Loss;

/// The mean of a loss over all samples: mean squared error, cross-entropies, and so on.
///
/// As Keras's [probabilistic](https://keras.io/api/metrics/probabilistic_metrics/), [regression](https://keras.io/api/metrics/regression_metrics/)
/// and [hinge](https://keras.io/api/metrics/hinge_metrics/) metrics. The cosine similarity has the opposite sign of the loss.
#[derive(Clone, Debug)]
pub struct OfLoss {
    class_name: &'static str,
    name: &'static str,
    loss: Arc<dyn Loss>,
    negative: bool,
}

impl OfLoss {
    /// The metric of a class and a name.
    pub(super) fn new(class_name: &'static str, name: &'static str, loss: Box<dyn Loss>) -> Self {
        Self { class_name, name, loss: loss.into(), negative: class_name == "CosineSimilarity" }
    }
}

impl Measure for OfLoss {
    fn class_name(&self) -> &'static str {
        self.class_name
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn config(&self) -> Map<String, Json> {
        let mut config = self.loss.config();
        if self.class_name == "BinaryCrossentropy" {
            // The loss has an axis, Keras's metric has none.
            config.remove("axis");
        }
        config
    }

    fn heeds_mask(&self) -> bool {
        true
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let losses = self.loss.build(graph, predictions, targets)?;
        if !self.negative {
            return Ok(losses);
        }
        graph.apply(ScaleShift { scale: -1.0, shift: 0.0 }, &[losses])
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        let wanted = self.loss.target_shape(predictions);
        if wanted.dims == targets.dims {
            return Ok(Box::new(Mean::default()));
        }
        let problem = format!("it wants targets {wanted}, and those of the loss are {targets}");
        Err(Error::argument(format!("metric {}", self.name), problem))
    }
}
