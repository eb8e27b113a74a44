//! Metrics, by Keras's names: what is reported beside the loss.
//!
//! A [`Measure`] says what a plan is to fetch for it, predictions mostly; a [`Meter`] takes that in batch by batch and keeps
//! what its figure needs (sums, counts, a histogram), so that the figure is that of all samples together, not a mean of batches.

use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::Arc;

use convnet_engine::ops::{Accuracy, AccuracyKind};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};

mod at_rate;
mod auc;
mod buckets;
mod confusion;
mod counts;
mod exact_auc;
mod f_score;
mod iou;
mod of_loss;
mod r2_score;
mod registry;
mod report;
mod rows;
mod samplewise;

pub use at_rate::{PrecisionAtRecall, RecallAtPrecision, SensitivityAtSpecificity, SpecificityAtSensitivity};
pub use auc::{Auc, Curve, Summation};
pub use confusion::ConfusionMatrix;
pub use counts::{FalseNegatives, FalsePositives, Precision, Recall, TrueNegatives, TruePositives};
pub use exact_auc::ExactAuc;
pub use f_score::{Average, FScore};
pub use iou::Iou;
pub use of_loss::OfLoss;
pub use r2_score::{R2Score, Spread};
pub use registry::{MetricClass, REGISTRY, from_config};
pub use report::{ClassFigures, ClassReport};
pub use rows::Rows;
pub use samplewise::{ConcordanceCorrelation, PearsonCorrelation, RootMeanSquaredError, TopK};

/// How good predictions are, as a kind: plain data. What is gathered while batches go by is in its [`Meter`].
pub trait Measure: Debug + Send + Sync + 'static {
    /// Keras's class name.
    fn class_name(&self) -> &'static str;

    /// Name in reports.
    fn name(&self) -> &'static str;

    /// The arguments under Keras's names, without the name.
    fn config(&self) -> Map<String, Json>;

    /// Whether Keras knows it, too.
    fn is_keras(&self) -> bool {
        true
    }

    /// Whether it passes over time steps that a mask leaves out, as Keras's means over predictions do and its other metrics do not.
    fn heeds_mask(&self) -> bool {
        false
    }

    /// Adds to a graph what the meter wants to see of each batch. The predictions themselves, if nothing else is said.
    ///
    /// # Errors
    /// If predictions and targets do not fit.
    fn build(&self, _graph: &mut Graph, predictions: Value, _targets: Value) -> Result<Value, EngineError> {
        Ok(predictions)
    }

    /// Whether there is a meter for predictions and targets of these shapes. Those that keep much say so without making one.
    ///
    /// # Errors
    /// As [`Measure::meter`].
    fn check(&self, predictions: &Shape, targets: &Shape) -> Result<()> {
        self.meter(predictions, targets).map(drop)
    }

    /// A meter that has seen nothing, for predictions and targets of these shapes.
    ///
    /// # Errors
    /// If the shapes do not fit, or it would keep more than memory holds.
    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>>;
}

/// What a metric has gathered.
pub trait Meter: Debug + Send {
    /// Counts a batch in: what [`Measure::build`] asked for, the targets, and a weight for each sample or each of its time steps
    /// (none: all count 1).
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]);

    /// All that it has gathered, to be brought back by [`Meter::restore`] when a training goes on.
    fn state(&self) -> Vec<f64>;

    /// Brings back what [`Meter::state`] of a meter of the same kind told; `None` if it cannot be that.
    fn restore(&mut self, state: &[f64]) -> Option<()>;

    /// The figure: one number, or one for each class or threshold.
    fn values(&self) -> Vec<f64>;

    /// The figure as one number: of several, their mean.
    fn value(&self) -> f64 {
        let values = self.values();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }
}

/// A number that tells how good predictions are. The value of an epoch is that of all its samples together.
///
/// ```
/// use convnet_nn::Metric;
/// use convnet_nn::metrics::{Auc, Curve};
///
/// let metrics = [Metric::Accuracy, Auc::new().curve(Curve::Pr).into(), "mse".parse()?];
/// assert_eq!(metrics.map(|metric| metric.name().to_owned()), ["accuracy", "auc", "mean_squared_error"]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
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
    /// Any other.
    Of(Arc<dyn Measure>),
    /// One under another name.
    Named(Arc<str>, Arc<Metric>),
    /// One in which samples count by their weights. Keras's `weighted_metrics`.
    Weighted(Arc<Metric>),
}

impl Metric {
    /// The same under another name.
    pub fn named(self, name: &str) -> Self {
        if self.name() == name { self } else { Self::Named(name.into(), Arc::new(self)) }
    }

    /// The same, counting samples by their weights.
    pub fn weighted(self) -> Self {
        if self.is_weighted() { self } else { Self::Weighted(Arc::new(self)) }
    }

    /// Whether samples count by their weights.
    pub fn is_weighted(&self) -> bool {
        match self {
            Self::Weighted(_) => true,
            Self::Named(_, inner) => inner.is_weighted(),
            _ => false,
        }
    }

    /// Whether it passes over time steps that a mask leaves out.
    pub(crate) fn heeds_mask(&self) -> bool {
        match self {
            Self::Of(measure) => measure.heeds_mask(),
            Self::Named(_, inner) | Self::Weighted(inner) => inner.heeds_mask(),
            _ => true,
        }
    }

    /// Name in reports.
    pub fn name(&self) -> &str {
        match self {
            Self::Accuracy => "accuracy",
            Self::SparseCategoricalAccuracy => "sparse_categorical_accuracy",
            Self::CategoricalAccuracy => "categorical_accuracy",
            Self::BinaryAccuracy { .. } => "binary_accuracy",
            Self::Of(measure) => measure.name(),
            Self::Named(name, _) => name,
            Self::Weighted(inner) => inner.name(),
        }
    }

    /// As Keras writes it; `None` if Keras does not know it, since its files could not be opened there.
    pub fn config(&self) -> Option<Json> {
        let object = |class: &str, mut config: Map<String, Json>| {
            config.insert("name".into(), self.name().into());
            Some(json!({
                "module": "keras.metrics",
                "class_name": class,
                "config": config,
                "registered_name": null,
            }))
        };
        match self {
            Self::Accuracy | Self::SparseCategoricalAccuracy | Self::CategoricalAccuracy => {
                Some(self.name().into())
            }
            Self::BinaryAccuracy { threshold: 0.5 } => Some(self.name().into()),
            Self::BinaryAccuracy { threshold } => object(
                "BinaryAccuracy",
                [("threshold".to_owned(), (*threshold).into())].into_iter().collect(),
            ),
            Self::Of(measure) => {
                measure.is_keras().then(|| object(measure.class_name(), measure.config())).flatten()
            }
            Self::Weighted(inner) => inner.config(),
            Self::Named(name, inner) => {
                let mut config = match (&**inner, inner.config()?) {
                    (Self::SparseCategoricalAccuracy, _) => object("SparseCategoricalAccuracy", Map::new())?,
                    (Self::CategoricalAccuracy, _) => object("CategoricalAccuracy", Map::new())?,
                    (Self::BinaryAccuracy { threshold }, _) => object(
                        "BinaryAccuracy",
                        [("threshold".to_owned(), (*threshold).into())].into_iter().collect(),
                    )?,
                    // Which accuracy is meant follows from shapes only where it has no name of its own.
                    (_, config) => config,
                };
                if let Some(Json::Object(arguments)) = config.get_mut("config") {
                    arguments.insert("name".into(), (**name).into());
                }
                Some(config)
            }
        }
    }

    /// Adds to a graph what the metric's meter wants to see of each batch: of accuracies, a number for each prediction.
    ///
    /// # Errors
    /// If predictions and targets do not fit.
    pub fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let kind = match self {
            Self::Of(measure) => return measure.build(graph, predictions, targets),
            Self::Named(_, inner) | Self::Weighted(inner) => return inner.build(graph, predictions, targets),
            Self::Accuracy if graph.shape(targets).dims.len() < graph.shape(predictions).dims.len() => {
                AccuracyKind::Sparse
            }
            Self::Accuracy if graph.shape(predictions).channels() == 1 => {
                AccuracyKind::Binary { threshold: 0.5 }
            }
            Self::Accuracy | Self::CategoricalAccuracy => AccuracyKind::Categorical,
            Self::SparseCategoricalAccuracy => AccuracyKind::Sparse,
            Self::BinaryAccuracy { threshold } => AccuracyKind::Binary { threshold: *threshold },
        };
        graph.apply(Accuracy(kind), &[predictions, targets])
    }

    /// Whether there is a meter for predictions and targets of these shapes.
    ///
    /// # Errors
    /// As [`Metric::meter`].
    pub fn check(&self, predictions: &Shape, targets: &Shape) -> Result<()> {
        match self {
            Self::Of(measure) => measure.check(predictions, targets),
            Self::Named(_, inner) | Self::Weighted(inner) => inner.check(predictions, targets),
            _ => Ok(()),
        }
    }

    /// A meter that has seen nothing, for predictions and targets of these shapes.
    ///
    /// # Errors
    /// If the shapes do not fit, or it would keep more than memory holds.
    pub fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        match self {
            Self::Of(measure) => measure.meter(predictions, targets),
            Self::Named(_, inner) | Self::Weighted(inner) => inner.meter(predictions, targets),
            _ => Ok(Box::new(Mean::default())),
        }
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        let text = |metric: &Self| format!("{metric:?}");
        text(self) == text(other)
    }
}

impl<M: Measure> From<M> for Metric {
    fn from(measure: M) -> Self {
        Self::Of(Arc::new(measure))
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        from_config(name, &Map::new())
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The mean of what is fetched, which has equally many numbers for each sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    sum: f64,
    weight: f64,
}

impl Meter for Mean {
    fn add(&mut self, fetched: &[f32], _targets: &[f32], weights: &[f32]) {
        if weights.is_empty() {
            self.sum += fetched.iter().map(|&x| f64::from(x)).sum::<f64>();
            self.weight += fetched.len() as f64;
            return;
        }
        let each = (fetched.len() / weights.len()).max(1);
        for (values, &weight) in fetched.chunks(each).zip(weights) {
            self.sum += f64::from(weight) * values.iter().map(|&x| f64::from(x)).sum::<f64>();
            self.weight += f64::from(weight) * each as f64;
        }
    }

    fn state(&self) -> Vec<f64> {
        vec![self.sum, self.weight]
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        restore([&mut self.sum, &mut self.weight], state)
    }

    fn values(&self) -> Vec<f64> {
        vec![ratio(self.sum, self.weight)]
    }
}

/// Gives numbers the values that were kept, if there are as many.
fn restore<'n>(numbers: impl IntoIterator<Item = &'n mut f64>, state: &[f64]) -> Option<()> {
    let numbers: Vec<&mut f64> = numbers.into_iter().collect();
    (numbers.len() == state.len()).then(|| numbers.into_iter().zip(state).for_each(|(to, from)| *to = *from))
}

/// a / b, and 0 where b is 0.
fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// The arguments of a metric as a map.
fn to_map(metric: &impl serde::Serialize) -> Map<String, Json> {
    match serde_json::to_value(metric) {
        Ok(Json::Object(map)) => map,
        _ => unreachable!("metrics are structures of plain data"),
    }
}
