//! Metrics: what is reported beside the loss.

use std::fmt::Debug;
use std::str::FromStr;

use convnet_engine::ops::{Accuracy, AccuracyKind};
use convnet_engine::{EngineError, Graph, Value};

use crate::error::Error;

/// A number that tells how good predictions are. The value of an epoch is the mean over its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// Share of right predictions; which of the three forms below follows from the shapes, as in Keras.
    Accuracy,
    /// Targets are class numbers: right if the largest score is that of the class.
    SparseCategoricalAccuracy,
    /// Targets are one-hot: right if the largest score is where the target is.
    CategoricalAccuracy,
    /// Targets are 0 or 1: right if the prediction is on the target's side of the threshold (Keras's default is 0.5).
    BinaryAccuracy {
        /// Predictions above it mean 1.
        threshold: f32,
    },
}

/// Names and metrics, Keras's short forms included.
const NAMES: &[(&str, Metric)] = &[
    ("accuracy", Metric::Accuracy),
    ("acc", Metric::Accuracy),
    ("Accuracy", Metric::Accuracy),
    ("sparse_categorical_accuracy", Metric::SparseCategoricalAccuracy),
    ("SparseCategoricalAccuracy", Metric::SparseCategoricalAccuracy),
    ("categorical_accuracy", Metric::CategoricalAccuracy),
    ("CategoricalAccuracy", Metric::CategoricalAccuracy),
    ("binary_accuracy", Metric::BinaryAccuracy { threshold: 0.5 }),
    ("BinaryAccuracy", Metric::BinaryAccuracy { threshold: 0.5 }),
];

impl Metric {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::SparseCategoricalAccuracy => "sparse_categorical_accuracy",
            Self::CategoricalAccuracy => "categorical_accuracy",
            Self::BinaryAccuracy { .. } => "binary_accuracy",
        }
    }

    /// Adds the metric of each sample to a graph.
    ///
    /// # Errors
    /// If predictions and targets do not fit.
    pub fn build(self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let kind = match self {
            Self::Accuracy if graph.shape(targets).dims.len() < graph.shape(predictions).dims.len() => {
                AccuracyKind::Sparse
            }
            Self::Accuracy if graph.shape(predictions).channels() == 1 => {
                AccuracyKind::Binary { threshold: 0.5 }
            }
            Self::Accuracy | Self::CategoricalAccuracy => AccuracyKind::Categorical,
            Self::SparseCategoricalAccuracy => AccuracyKind::Sparse,
            Self::BinaryAccuracy { threshold } => AccuracyKind::Binary { threshold },
        };
        graph.apply(Accuracy(kind), &[predictions, targets])
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some(&(_, metric)) => Ok(metric),
            None => Err(Error::unknown("metric", name, NAMES.iter().map(|&(known, _)| known))),
        }
    }
}
