//! Metrics that are means of a number for each row.

use convnet_engine::Shape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::rows::{Rows, weight};
use super::{Measure, Meter, ratio, to_map};
use crate::error::{Error, Result};

/// A mean over rows of what a function says of each.
#[derive(Clone, Copy, Debug)]
struct RowMean<F> {
    rows: Rows,
    each: F,
    root: bool,
    sum: f64,
    weight: f64,
}

impl<F: Fn(&[f32], &dyn Fn(usize) -> f32) -> f64> RowMean<F> {
    fn new(rows: Rows, each: F) -> Self {
        Self { rows, each, root: false, sum: 0.0, weight: 0.0 }
    }
}

/// A [`RowMean`], whose function cannot be shown.
struct Shown<F>(RowMean<F>);

impl<F> std::fmt::Debug for Shown<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowMean").field("sum", &self.0.sum).field("weight", &self.0.weight).finish()
    }
}

impl<F: Fn(&[f32], &dyn Fn(usize) -> f32) -> f64 + Send> Meter for Shown<F> {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let RowMean { rows, each, sum, weight: total, .. } = &mut self.0;
        let count = fetched.len() / rows.columns.max(1);
        for (row, predictions) in fetched.chunks_exact(rows.columns).enumerate() {
            let weight = weight(weights, row, count);
            *sum += weight * each(predictions, &|class| rows.target(targets, row, class));
            *total += weight;
        }
    }

    fn state(&self) -> Vec<f64> {
        vec![self.0.sum, self.0.weight]
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        super::restore([&mut self.0.sum, &mut self.0.weight], state)
    }

    fn values(&self) -> Vec<f64> {
        let mean = ratio(self.0.sum, self.0.weight);
        vec![if self.0.root { mean.sqrt() } else { mean }]
    }
}

/// Share of rows whose true class is among the k with the largest scores.
///
/// As Keras's [TopKCategoricalAccuracy](https://keras.io/api/metrics/accuracy_metrics/) and
/// [SparseTopKCategoricalAccuracy](https://keras.io/api/metrics/accuracy_metrics/); of equal scores, all that tie with the k-th count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopK {
    /// How many are looked at. Default 5.
    pub k: usize,
    /// Whether targets are class numbers: under which of Keras's names it goes.
    #[serde(skip)]
    pub sparse: bool,
}

impl Default for TopK {
    fn default() -> Self {
        Self { k: 5, sparse: true }
    }
}

impl TopK {
    /// The k largest scores; targets are class numbers.
    pub fn sparse(k: usize) -> Self {
        Self { k, sparse: true }
    }

    /// The k largest scores; targets are one-hot.
    pub fn categorical(k: usize) -> Self {
        Self { k, sparse: false }
    }
}

impl Measure for TopK {
    fn class_name(&self) -> &'static str {
        if self.sparse { "SparseTopKCategoricalAccuracy" } else { "TopKCategoricalAccuracy" }
    }

    fn name(&self) -> &'static str {
        if self.sparse { "sparse_top_k_categorical_accuracy" } else { "top_k_categorical_accuracy" }
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn heeds_mask(&self) -> bool {
        true
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        let k = self.k;
        let rows = Rows::new(self.name(), predictions, targets)?;
        let each = move |scores: &[f32], target: &dyn Fn(usize) -> f32| {
            let mut class = 0;
            for other in 0..scores.len() {
                if target(other) > target(class) {
                    class = other;
                }
            }
            let better = scores.iter().filter(|&&score| score > scores[class]).count();
            f64::from(u8::from(better < k && scores[class].is_finite()))
        };
        Ok(Box::new(Shown(RowMean::new(rows, each))))
    }
}

/// The root of the mean squared error.
///
/// As Keras's [RootMeanSquaredError](https://keras.io/api/metrics/regression_metrics/).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootMeanSquaredError {}

impl Measure for RootMeanSquaredError {
    fn class_name(&self) -> &'static str {
        "RootMeanSquaredError"
    }

    fn name(&self) -> &'static str {
        "root_mean_squared_error"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        let rows = Rows::new(self.name(), predictions, targets)?;
        let each = |y: &[f32], t: &dyn Fn(usize) -> f32| {
            let error = |(place, &y): (usize, &f32)| (f64::from(y) - f64::from(t(place))).powi(2);
            y.iter().enumerate().map(error).sum::<f64>() / y.len() as f64
        };
        Ok(Box::new(Shown(RowMean { root: true, ..RowMean::new(rows, each) })))
    }
}

/// The pairs of a prediction and a target of a row, one after another.
type Pairs<'r> = &'r mut dyn ExactSizeIterator<Item = (f64, f64)>;

/// The mean over rows of a number that `each` makes of a row's pairs, and of the mean and spread of predictions and of targets.
fn correlation(
    metric: &impl Measure,
    axis: i64,
    predictions: &Shape,
    targets: &Shape,
    each: impl Fn(Pairs<'_>, (f64, f64), (f64, f64)) -> f64 + Send + 'static,
) -> Result<Box<dyn Meter>> {
    if axis != -1 {
        let problem = format!("axis {axis} is not supported, only -1");
        return Err(Error::argument(format!("metric {}", metric.name()), problem));
    }
    let rows = Rows::new(metric.name(), predictions, targets)?;
    let each = move |y: &[f32], t: &dyn Fn(usize) -> f32| {
        let y = y.iter().map(|&y| f64::from(y));
        let t = (0..y.len()).map(|place| f64::from(t(place)));
        each(&mut y.clone().zip(t.clone()), moments(y), moments(t))
    };
    Ok(Box::new(Shown(RowMean::new(rows, each))))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Mean, and mean square of the distance from it.
fn moments(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let middle = mean(values.clone());
    (middle, mean(values.map(|x| (x - middle).powi(2))))
}

/// The correlation of predictions and targets along the last axis.
///
/// As Keras's [PearsonCorrelation](https://keras.io/api/metrics/regression_metrics/).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PearsonCorrelation {
    /// The axis: the last one, −1, is the only one that is possible here.
    pub axis: i64,
}

impl Default for PearsonCorrelation {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

impl Measure for PearsonCorrelation {
    fn class_name(&self) -> &'static str {
        "PearsonCorrelation"
    }

    fn name(&self) -> &'static str {
        "pearson_correlation"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        correlation(self, self.axis, predictions, targets, |pairs, (mean_y, spread_y), (mean_t, spread_t)| {
            let both = mean(pairs.map(|(y, t)| (y - mean_y) * (t - mean_t)));
            both / (spread_y * spread_t).sqrt()
        })
    }
}

/// How near predictions and targets are to the line on which they are equal (Lin, 1989), along the last axis, in Keras's form.
///
/// As Keras's [ConcordanceCorrelation](https://keras.io/api/metrics/regression_metrics/), which takes targets less the
/// predictions' mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConcordanceCorrelation {
    /// The axis: the last one, −1, is the only one that is possible here.
    pub axis: i64,
}

impl Default for ConcordanceCorrelation {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

impl Measure for ConcordanceCorrelation {
    fn class_name(&self) -> &'static str {
        "ConcordanceCorrelation"
    }

    fn name(&self) -> &'static str {
        "concordance_correlation"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        correlation(self, self.axis, predictions, targets, |pairs, (mean_y, spread_y), (mean_t, spread_t)| {
            let norm = spread_t + spread_y + (mean_t - mean_y).powi(2) + 1e-7;
            mean(pairs.map(|(y, t)| 2.0 * (t - mean_y) * (y - mean_y) / norm))
        })
    }
}
