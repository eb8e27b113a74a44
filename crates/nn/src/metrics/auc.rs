//! The area under a curve of two rates, by thresholds.

use convnet_engine::Shape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::buckets::Buckets;
use super::counts::Four;
use super::rows::{Rows, check_counters, check_thresholds, weight};
use super::{Measure, Meter, ratio, to_map};
use crate::error::{Error, Result};

/// Keras's epsilon.
const EPSILON: f32 = 1e-7;

/// Which two rates a curve shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Curve {
    /// Share of the true ones that are found, over share of the false ones that are found.
    #[default]
    #[serde(rename = "ROC")]
    Roc,
    /// Precision over recall.
    #[serde(rename = "PR")]
    Pr,
}

/// How the area between two points of a curve is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Summation {
    /// A trapezium; of a precision-recall curve the interpolation of Davis, Goadrich, 2006.
    #[default]
    Interpolation,
    /// A rectangle as high as the lower point.
    Minoring,
    /// A rectangle as high as the higher point.
    Majoring,
}

/// The area under the ROC or precision-recall curve, of which so many points are taken.
///
/// As Keras's [AUC](https://keras.io/api/metrics/classification_metrics/), to the digit. [`ExactAuc`](super::ExactAuc) takes all points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auc {
    /// Points of the curve. Default 200.
    pub num_thresholds: usize,
    /// Which curve. Default ROC.
    pub curve: Curve,
    /// How areas are taken. Default by interpolation.
    pub summation_method: Summation,
    /// Where between 0 and 1 the points are; without it evenly spaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f32>>,
    /// Whether each class has a curve of its own, and the figure is the mean of their areas. Default false: one curve of all.
    pub multi_label: bool,
    /// Number of classes of a `multi_label`; known without it.
    pub num_labels: Option<usize>,
    /// Weights of the classes.
    pub label_weights: Option<Vec<f32>>,
    /// Whether predictions are scores before a sigmoid. Default false.
    pub from_logits: bool,
}

impl Default for Auc {
    fn default() -> Self {
        Self {
            num_thresholds: 200,
            curve: Curve::Roc,
            summation_method: Summation::Interpolation,
            thresholds: None,
            multi_label: false,
            num_labels: None,
            label_weights: None,
            from_logits: false,
        }
    }
}

impl Auc {
    /// The area under the ROC curve with 200 points.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the curve.
    pub fn curve(self, curve: Curve) -> Self {
        Self { curve, ..self }
    }

    /// Sets the number of points.
    pub fn num_thresholds(self, num_thresholds: usize) -> Self {
        Self { num_thresholds, ..self }
    }

    /// Says whether each class has a curve of its own.
    pub fn multi_label(self, multi_label: bool) -> Self {
        Self { multi_label, ..self }
    }

    /// The rows of predictions and targets, if the arguments fit them and are no more than can be kept.
    fn rows(&self, predictions: &Shape, targets: &Shape) -> Result<Rows> {
        let problem = |problem: &str| Err(Error::argument("metric AUC", problem));
        let rows = Rows::new(self.name(), predictions, targets)?;
        if self.label_weights.as_ref().is_some_and(|weights| weights.len() != rows.columns) {
            return problem("label_weights must be as many as classes");
        }
        let thresholds = match &self.thresholds {
            Some(given) => given.len() + 2,
            None if self.num_thresholds < 2 => return problem("num_thresholds must be at least 2"),
            None => self.num_thresholds,
        };
        check_thresholds("AUC", thresholds)?;
        if self.multi_label {
            let what = format!("multi_label has {} classes and {thresholds} thresholds", rows.columns);
            check_counters("AUC", [thresholds, rows.columns], &what)?;
        }
        Ok(rows)
    }
}

impl Measure for Auc {
    fn class_name(&self) -> &'static str {
        "AUC"
    }

    fn name(&self) -> &'static str {
        "auc"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self, predictions: &Shape, targets: &Shape) -> Result<()> {
        self.rows(predictions, targets).map(drop)
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        let rows = self.rows(predictions, targets)?;
        let buckets = match &self.thresholds {
            Some(given) => {
                // Keras puts the ends outside of 0 … 1.
                let mut all = [given, &[-EPSILON, 1.0 + EPSILON][..]].concat();
                all.sort_by(f32::total_cmp);
                Buckets::at(all)
            }
            None => Buckets::even(self.num_thresholds),
        };
        let curves = vec![buckets; if self.multi_label { rows.columns } else { 1 }];
        Ok(Box::new(Curves { auc: self.clone(), rows, curves }))
    }
}

/// A curve of all classes, or one of each.
#[derive(Debug)]
struct Curves {
    auc: Auc,
    rows: Rows,
    curves: Vec<Buckets>,
}

impl Auc {
    /// The area under the curve through points of rising thresholds.
    pub(super) fn area(&self, points: &[Four]) -> f64 {
        let pairs = points.windows(2).map(|pair| (&pair[0], &pair[1]));
        if (self.curve, self.summation_method) == (Curve::Pr, Summation::Interpolation) {
            return pairs.map(|(low, high)| precision_recall_area(low, high)).sum();
        }
        let place = |point: &Four| match self.curve {
            Curve::Roc => (
                ratio(point.false_positives, point.false_positives + point.true_negatives),
                ratio(point.true_positives, point.true_positives + point.false_negatives),
            ),
            Curve::Pr => (
                ratio(point.true_positives, point.true_positives + point.false_negatives),
                ratio(point.true_positives, point.true_positives + point.false_positives),
            ),
        };
        pairs
            .map(|(low, high)| {
                let ((x0, y0), (x1, y1)) = (place(low), place(high));
                let height = match self.summation_method {
                    Summation::Interpolation => (y0 + y1) / 2.0,
                    Summation::Minoring => y0.min(y1),
                    Summation::Majoring => y0.max(y1),
                };
                (x0 - x1) * height
            })
            .sum()
    }
}

/// Between two points true positives rise in a line with all positives, so that precision does not.
fn precision_recall_area(low: &Four, high: &Four) -> f64 {
    let found = |point: &Four| point.true_positives + point.false_positives;
    let (gained, more) = (low.true_positives - high.true_positives, found(low) - found(high));
    let slope = ratio(gained, more.max(0.0));
    let intercept = high.true_positives - slope * found(high);
    let growth = if found(low) > 0.0 && found(high) > 0.0 { found(low) / found(high) } else { 1.0 };
    ratio(slope * (gained + intercept * growth.ln()), high.true_positives + high.false_negatives)
}

impl Meter for Curves {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let columns = self.rows.columns;
        let count = fetched.len() / columns.max(1);
        for (row, predictions) in fetched.chunks_exact(columns).enumerate() {
            let weight = weight(weights, row, count);
            for (class, &prediction) in predictions.iter().enumerate() {
                let prediction =
                    if self.auc.from_logits { 1.0 / (1.0 + (-prediction).exp()) } else { prediction };
                let truth = self.rows.target(targets, row, class) != 0.0;
                let of_class = match &self.auc.label_weights {
                    Some(weights) if !self.auc.multi_label => f64::from(weights[class]),
                    _ => 1.0,
                };
                let curve = if self.auc.multi_label { class } else { 0 };
                self.curves[curve].add(prediction, truth, weight * of_class);
            }
        }
    }

    fn state(&self) -> Vec<f64> {
        self.curves.iter().flat_map(Buckets::numbers).collect()
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        super::restore(self.curves.iter_mut().flat_map(Buckets::numbers_mut), state)
    }

    fn values(&self) -> Vec<f64> {
        let areas: Vec<f64> = self.curves.iter().map(|curve| self.auc.area(&curve.counts())).collect();
        let weights = match &self.auc.label_weights {
            Some(weights) if self.auc.multi_label => {
                weights.iter().map(|&weight| f64::from(weight)).collect()
            }
            _ => vec![1.0; areas.len()],
        };
        let sum: f64 = areas.iter().zip(&weights).map(|(area, weight)| area * weight).sum();
        vec![ratio(sum, weights.iter().sum())]
    }
}
