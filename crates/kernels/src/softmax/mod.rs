//! Softmax over the last axis and its relatives, their gradients, and arg-max.

mod log;
mod sparse;

pub use log::{log_softmax, log_softmax_gradient};
pub use sparse::{sparsemax, sparsemax_gradient};

use crate::elementwise::math;
use crate::par;
use crate::simd::vectorized;

/// Elements of a piece of a loop over rows.
const CHUNK: usize = 1 << 12;

/// Whole rows of a piece, in elements.
pub(crate) fn row_chunk(columns: usize) -> usize {
    (CHUNK / columns).max(1) * columns
}

/// Asserts that slices are `(rows, columns)`, and gives the number of rows.
pub(crate) fn rows_of(len: usize, columns: usize, what: &str) -> usize {
    assert!(
        columns > 0 && len.is_multiple_of(columns),
        "{what}: {len} elements are no whole rows of {columns}"
    );
    len / columns
}

/// `y[r,c] = e^(x[r,c] − max) / Σ_c e^(x[r,c] − max)` over rows of `columns`.
///
/// # Panics
/// If the lengths do not fit.
pub fn softmax(columns: usize, x: &[f32], y: &mut [f32]) {
    rows_of(x.len(), columns, "softmax");
    assert_eq!(x.len(), y.len(), "softmax: lengths differ");
    par::for_each_chunk(y, row_chunk(columns), x.len() as u64 * 2, |start, y| {
        for (y, x) in y.chunks_exact_mut(columns).zip(x[start..].chunks_exact(columns)) {
            softmax_row(x, y);
        }
    });
}

/// Softmax of one row; returns log Σ e^x.
pub(crate) fn softmax_row(x: &[f32], y: &mut [f32]) -> f32 {
    let (max, sum) = exponentials(x, y);
    let scale = 1.0 / sum;
    y.iter_mut().for_each(|y| *y *= scale);
    max + sum.ln()
}

/// log Σ e^x of a row.
pub(crate) fn log_sum_exp(x: &[f32]) -> f32 {
    let max = max(x);
    let sum: f32 = x.iter().map(|x| math::exp(x - max)).sum();
    max + sum.ln()
}

/// The largest element, or a NaN if there is one.
fn max(x: &[f32]) -> f32 {
    x.iter().fold(f32::NEG_INFINITY, |max, &x| if x > max || x.is_nan() { x } else { max })
}

vectorized! {
    /// `y = e^(x − max)`; returns max and Σ y.
    fn exponentials(x: &[f32], y: &mut [f32]) -> (f32, f32) {
        let max = max(x);
        y.iter_mut().zip(x).for_each(|(y, x)| *y = math::exp(x - max));
        (max, y.iter().sum())
    }
}

/// The gradient of softmax from its output: `dx[r,c] = y[r,c]·(dy[r,c] − Σ_c dy[r,c]·y[r,c])`.
///
/// # Panics
/// If the lengths do not fit.
pub fn softmax_gradient(columns: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    rows_of(y.len(), columns, "softmax_gradient");
    assert!(y.len() == dy.len() && y.len() == dx.len(), "softmax_gradient: lengths differ");
    par::for_each_chunk(dx, row_chunk(columns), y.len() as u64, |start, dx| {
        let rows = y[start..].chunks_exact(columns).zip(dy[start..].chunks_exact(columns));
        for (dx, (y, dy)) in dx.chunks_exact_mut(columns).zip(rows) {
            let dot: f32 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
            for c in 0..columns {
                dx[c] = y[c] * (dy[c] - dot);
            }
        }
    });
}

/// The column of the largest element of every row, the first one of equals: `out[r] = argmax_c x[r,c]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn arg_max(columns: usize, x: &[f32], out: &mut [usize]) {
    let rows = rows_of(x.len(), columns, "arg_max");
    assert_eq!(out.len(), rows, "arg_max: one index per row");
    for (out, x) in out.iter_mut().zip(x.chunks_exact(columns)) {
        *out = arg_max_row(x);
    }
}

/// The index of the largest element, the first one of equals; 0 of an empty row.
pub fn arg_max_row(x: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in x.iter().enumerate() {
        if *value > x[best] {
            best = index;
        }
    }
    best
}
