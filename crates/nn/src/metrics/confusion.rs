//! Which classes are taken for which.

use convnet_engine::Shape;
use ndarray::Array2;

use super::Meter;
use super::report::ClassReport;
use super::rows::{Rows, largest, weight};
use crate::error::Result;

/// How often (by weight) samples of each class, a row each, were taken for each class, a column each.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    rows: Rows,
    ignored: Option<i64>,
    counts: Array2<f64>,
}

impl ConfusionMatrix {
    /// For predictions `(…, classes)` and targets that are class numbers or one-hot; a single column means two classes, of which the second
    /// is predicted above 0.5.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn new(predictions: &Shape, targets: &Shape) -> Result<Self> {
        let rows = Rows::new("confusion matrix", predictions, targets)?;
        Ok(Self::of(rows, rows.columns.max(2), None))
    }

    pub(super) fn of(rows: Rows, classes: usize, ignored: Option<i64>) -> Self {
        Self { rows, ignored, counts: Array2::zeros((classes, classes)) }
    }

    /// Counts a pair in; classes that there are not are left out.
    pub fn count(&mut self, truth: usize, prediction: usize, weight: f64) {
        if self.ignored != i64::try_from(truth).ok() {
            self.counts.get_mut((truth, prediction)).into_iter().for_each(|count| *count += weight);
        }
    }

    /// The counts: true classes in rows, predicted ones in columns.
    pub fn counts(&self) -> &Array2<f64> {
        &self.counts
    }

    /// Precision, recall and F1 of each class.
    pub fn report(&self) -> ClassReport {
        ClassReport::new(&self.counts)
    }
}

impl Meter for ConfusionMatrix {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let columns = self.rows.columns;
        let count = fetched.len() / columns.max(1);
        for (row, predictions) in fetched.chunks_exact(columns).enumerate() {
            let (truth, prediction) = match predictions {
                [score] => (Some(usize::from(targets[row] > 0.5)), usize::from(*score > 0.5)),
                _ => (self.rows.true_class(targets, row), largest(predictions)),
            };
            if let Some(truth) = truth {
                self.count(truth, prediction, weight(weights, row, count));
            }
        }
    }

    /// The share that was taken for what it is.
    fn values(&self) -> Vec<f64> {
        vec![super::ratio(self.counts.diag().sum(), self.counts.sum())]
    }
}
