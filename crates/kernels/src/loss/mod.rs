//! Losses with Keras's numerics: one value per row (the mean over the last axis where a loss is per element), and the
//! gradient with respect to the prediction, scaled by the gradient of each row's loss.

mod binary;
mod categorical;
mod circle;
mod ctc;
mod sparse;
mod squared;

pub use binary::{
    binary_cross_entropy, binary_cross_entropy_from_logits, binary_cross_entropy_from_logits_gradient,
    binary_cross_entropy_gradient,
};
pub use categorical::{
    categorical_cross_entropy, categorical_cross_entropy_from_logits,
    categorical_cross_entropy_from_logits_gradient, categorical_cross_entropy_gradient,
};
pub use circle::{Circle, circle, circle_gradient};
pub use ctc::{Spelling, ctc, ctc_gradient};
pub use sparse::{
    sparse_cross_entropy, sparse_cross_entropy_from_logits, sparse_cross_entropy_from_logits_gradient,
    sparse_cross_entropy_gradient,
};
pub use squared::{mean_squared_error, mean_squared_error_gradient};

use crate::softmax::rows_of;

/// Probabilities are clipped to `[EPSILON, 1 − EPSILON]` before their logarithm is taken.
pub const EPSILON: f32 = 1e-7;

/// p clipped, and whether it lay inside (so that the gradient passes).
#[inline]
fn clip(p: f32) -> (f32, bool) {
    (p.clamp(EPSILON, 1.0 - EPSILON), (EPSILON..=1.0 - EPSILON).contains(&p))
}

/// Asserts that targets and predictions are `(rows, columns)` and that there is one value per row.
fn check(columns: usize, targets: &[f32], predictions: &[f32], per_row: usize, what: &str) {
    let rows = rows_of(predictions.len(), columns, what);
    assert_eq!(targets.len(), predictions.len(), "{what}: targets and predictions differ in length");
    assert_eq!(per_row, rows, "{what}: one value per row");
}

/// Asserts that there are one label and one value for each row of `columns`.
fn check_sparse(columns: usize, labels: &[f32], predictions: &[f32], per_row: usize, what: &str) {
    let rows = rows_of(predictions.len(), columns, what);
    assert_eq!(labels.len(), rows, "{what}: one label per row");
    assert_eq!(per_row, rows, "{what}: one value per row");
}

/// The class that a label names.
///
/// # Panics
/// If it is not a whole number below `columns`.
#[inline]
fn class(label: f32, columns: usize) -> usize {
    let index = label as usize;
    assert!(
        index as f32 == label && index < columns,
        "label {label} is not a class index below {columns}; check the data before the step"
    );
    index
}
