//! Predictions and targets, row by row.

use convnet_engine::Shape;

use crate::error::{Error, Result};

/// How predictions are cut into rows of classes, and in which form the targets of a row are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Numbers in a row of predictions.
    pub columns: usize,
    /// Whether targets are class numbers, one a row.
    pub sparse: bool,
}

impl Rows {
    /// Of predictions and targets of these shapes: targets have the shape of the predictions, or lack the last axis.
    ///
    /// # Errors
    /// If neither holds.
    pub fn new(metric: &str, predictions: &Shape, targets: &Shape) -> Result<Self> {
        let columns = predictions.channels();
        let axes = predictions.dims.len();
        if targets.dims == predictions.dims {
            return Ok(Self { columns, sparse: false });
        }
        if axes == targets.dims.len() + 1 && predictions.dims[..axes - 1] == targets.dims {
            return Ok(Self { columns, sparse: true });
        }
        let problem = format!(
            "predictions {predictions} and targets {targets} do not fit; targets must be alike, or class numbers"
        );
        Err(Error::argument(format!("metric {metric}"), problem))
    }

    /// Target of a class in a row.
    pub fn target(&self, targets: &[f32], row: usize, class: usize) -> f32 {
        if self.sparse {
            f32::from(u8::from(targets[row] == class as f32))
        } else {
            targets[row * self.columns + class]
        }
    }

    /// The true class of a row; `None` if it is none of the classes.
    pub fn true_class(&self, targets: &[f32], row: usize) -> Option<usize> {
        if !self.sparse {
            return Some(largest(&targets[row * self.columns..][..self.columns]));
        }
        let class = targets[row];
        (class >= 0.0 && class.fract() == 0.0).then_some(class as usize)
    }
}

/// So many thresholds at most: far more than change a figure, and what a file says is not yet the memory for it.
const MOST_THRESHOLDS: usize = 1 << 16;

/// Counters that a metric may keep at most, for all classes and thresholds together.
const MOST_COUNTERS: usize = 1 << 24;

/// Refuses more thresholds than any figure needs.
pub(super) fn check_thresholds(metric: &str, thresholds: usize) -> Result<()> {
    if thresholds <= MOST_THRESHOLDS {
        return Ok(());
    }
    let problem = format!("num_thresholds must be at most {MOST_THRESHOLDS}, and is {thresholds}");
    Err(Error::argument(format!("metric {metric}"), problem))
}

/// Refuses more counters than fit into memory; `what` says what they come from.
pub(super) fn check_counters(metric: &str, counters: [usize; 2], what: &str) -> Result<()> {
    if counters[0].checked_mul(counters[1]).is_some_and(|all| all <= MOST_COUNTERS) {
        return Ok(());
    }
    let problem = format!("a metric counts in at most {MOST_COUNTERS} places, but {what}");
    Err(Error::argument(format!("metric {metric}"), problem))
}

/// The rows of a metric that counts each class by itself.
pub(super) fn rows_by_class(metric: &str, predictions: &Shape, targets: &Shape) -> Result<Rows> {
    let rows = Rows::new(metric, predictions, targets)?;
    check_counters(metric, [rows.columns, 1], &format!("there are {} classes", rows.columns))?;
    Ok(rows)
}

/// The weight of a row of so many: that of its sample.
pub(super) fn weight(weights: &[f32], row: usize, rows: usize) -> f64 {
    if weights.is_empty() { 1.0 } else { f64::from(weights[row * weights.len() / rows]) }
}

/// Place of the first of the largest numbers.
pub(super) fn largest(row: &[f32]) -> usize {
    let mut best = 0;
    for (place, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = place;
        }
    }
    best
}
