//! Sparsemax (Martins, Astudillo, 2016): the point of the probability simplex that is nearest to a row.

use super::{row_chunk, rows_of};
use crate::par;

/// `y[r,c] = max(x[r,c] − τ_r, 0)` over rows of `columns`, with the τ for which each row of y has the sum 1.
///
/// # Panics
/// If the lengths do not fit.
pub fn sparsemax(columns: usize, x: &[f32], y: &mut [f32]) {
    rows_of(x.len(), columns, "sparsemax");
    assert_eq!(x.len(), y.len(), "sparsemax: lengths differ");
    par::for_each_chunk(y, row_chunk(columns), x.len() as u64 * 16, |start, y| {
        for (y, x) in y.chunks_exact_mut(columns).zip(x[start..].chunks_exact(columns)) {
            y.copy_from_slice(x);
            let threshold = threshold(y);
            y.iter_mut().zip(x).for_each(|(y, x)| {
                let rest = x - threshold;
                *y = if rest <= 0.0 { 0.0 } else { rest };
            });
        }
    });
}

/// τ of a row, which is sorted by it.
fn threshold(row: &mut [f32]) -> f32 {
    row.sort_unstable_by(|a, b| b.total_cmp(a));
    let largest = row[0];
    // Sums are of distances from the largest element, so that a common summand costs no digits.
    let (mut sum, mut threshold) = (0.0, -1.0);
    for (index, x) in row.iter().enumerate() {
        let count = (index + 1) as f32;
        let distance = x - largest;
        sum += distance;
        // All elements so far are in the support as long as the last of them is.
        if 1.0 + count * distance <= sum {
            break;
        }
        threshold = (sum - 1.0) / count;
    }
    largest + threshold
}

/// The gradient of [`sparsemax`] from its output: on the support of y, dy less its mean there; else 0.
///
/// # Panics
/// If the lengths do not fit.
pub fn sparsemax_gradient(columns: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    rows_of(y.len(), columns, "sparsemax_gradient");
    assert!(y.len() == dy.len() && y.len() == dx.len(), "sparsemax_gradient: lengths differ");
    par::for_each_chunk(dx, row_chunk(columns), y.len() as u64 * 2, |start, dx| {
        let rows = y[start..].chunks_exact(columns).zip(dy[start..].chunks_exact(columns));
        for (dx, (y, dy)) in dx.chunks_exact_mut(columns).zip(rows) {
            let support = || y.iter().zip(dy).filter(|(y, _)| **y != 0.0);
            let mean = support().map(|(_, dy)| dy).sum::<f32>() / support().count().max(1) as f32;
            for c in 0..columns {
                dx[c] = if y[c] != 0.0 { dy[c] - mean } else { 0.0 };
            }
        }
    });
}
