//! Mean squared error.

use super::check;

/// `loss[r] = mean_c (p[r,c] − t[r,c])²`.
///
/// # Panics
/// If the lengths do not fit.
pub fn mean_squared_error(columns: usize, targets: &[f32], predictions: &[f32], loss: &mut [f32]) {
    check(columns, targets, predictions, loss.len(), "mean_squared_error");
    let rows = predictions.chunks_exact(columns).zip(targets.chunks_exact(columns));
    for (loss, (p, t)) in loss.iter_mut().zip(rows) {
        *loss = p.iter().zip(t).map(|(p, t)| (p - t) * (p - t)).sum::<f32>() / columns as f32;
    }
}

/// `dp[r,c] = 2·(p[r,c] − t[r,c]) / columns · dloss[r]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn mean_squared_error_gradient(
    columns: usize,
    targets: &[f32],
    predictions: &[f32],
    dloss: &[f32],
    dpredictions: &mut [f32],
) {
    check(columns, targets, predictions, dloss.len(), "mean_squared_error_gradient");
    assert_eq!(dpredictions.len(), predictions.len(), "mean_squared_error_gradient: lengths differ");
    for (row, dp) in dpredictions.chunks_exact_mut(columns).enumerate() {
        let scale = 2.0 * dloss[row] / columns as f32;
        let (p, t) = (&predictions[row * columns..][..columns], &targets[row * columns..][..columns]);
        for c in 0..columns {
            dp[c] = (p[c] - t[c]) * scale;
        }
    }
}
