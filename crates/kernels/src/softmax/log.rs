//! The logarithm of softmax.

use super::{log_sum_exp, row_chunk, rows_of};
use crate::elementwise::math;
use crate::par;
use crate::simd::vectorized;

/// `y[r,c] = x[r,c] − ln Σ_c e^x[r,c]` over rows of `columns`.
///
/// # Panics
/// If the lengths do not fit.
pub fn log_softmax(columns: usize, x: &[f32], y: &mut [f32]) {
    rows_of(x.len(), columns, "log_softmax");
    assert_eq!(x.len(), y.len(), "log_softmax: lengths differ");
    par::for_each_chunk(y, row_chunk(columns), x.len() as u64 * 2, |start, y| {
        for (y, x) in y.chunks_exact_mut(columns).zip(x[start..].chunks_exact(columns)) {
            let total = log_sum_exp(x);
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x - total);
        }
    });
}

/// The gradient of [`log_softmax`] from its output: `dx[r,c] = dy[r,c] − e^y[r,c] · Σ_c dy[r,c]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn log_softmax_gradient(columns: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    rows_of(y.len(), columns, "log_softmax_gradient");
    assert!(y.len() == dy.len() && y.len() == dx.len(), "log_softmax_gradient: lengths differ");
    par::for_each_chunk(dx, row_chunk(columns), y.len() as u64 * 2, |start, dx| {
        let rows = y[start..].chunks_exact(columns).zip(dy[start..].chunks_exact(columns));
        for (dx, (y, dy)) in dx.chunks_exact_mut(columns).zip(rows) {
            gradient_row(y, dy, dx);
        }
    });
}

vectorized! {
    fn gradient_row(y: &[f32], dy: &[f32], dx: &mut [f32]) {
        let total: f32 = dy.iter().sum();
        for c in 0..dx.len() {
            dx[c] = dy[c] - math::exp(y[c]) * total;
        }
    }
}
