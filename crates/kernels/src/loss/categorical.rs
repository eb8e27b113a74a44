//! Cross-entropy with a distribution (one-hot or soft) as target.

use super::{check, clip};
use crate::par;
use crate::softmax::{log_sum_exp, row_chunk, softmax_row};

/// `loss[r] = Σ_c t[r,c] · (log Σ_k e^x[r,k] − x[r,c])`.
///
/// # Panics
/// If the lengths do not fit.
pub fn categorical_cross_entropy_from_logits(
    columns: usize,
    targets: &[f32],
    logits: &[f32],
    loss: &mut [f32],
) {
    check(columns, targets, logits, loss.len(), "categorical_cross_entropy_from_logits");
    let rows = logits.chunks_exact(columns).zip(targets.chunks_exact(columns));
    for (loss, (x, t)) in loss.iter_mut().zip(rows) {
        let log_sum = log_sum_exp(x);
        *loss = t.iter().zip(x).map(|(t, x)| t * (log_sum - x)).sum();
    }
}

/// `dlogits[r,c] = (softmax(x)[r,c]·Σ_k t[r,k] − t[r,c]) · dloss[r]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn categorical_cross_entropy_from_logits_gradient(
    columns: usize,
    targets: &[f32],
    logits: &[f32],
    dloss: &[f32],
    dlogits: &mut [f32],
) {
    check(columns, targets, logits, dloss.len(), "categorical_cross_entropy_from_logits_gradient");
    assert_eq!(dlogits.len(), logits.len(), "categorical_cross_entropy_from_logits_gradient: lengths differ");
    par::for_each_chunk(dlogits, row_chunk(columns), logits.len() as u64 * 2, |start, dlogits| {
        for (row, dx) in dlogits.chunks_exact_mut(columns).enumerate() {
            let row = row + start / columns;
            let t = &targets[row * columns..][..columns];
            let mass: f32 = t.iter().sum();
            softmax_row(&logits[row * columns..][..columns], dx);
            dx.iter_mut().zip(t).for_each(|(dx, t)| *dx = (*dx * mass - t) * dloss[row]);
        }
    });
}

/// From probabilities, as Keras: with q = clip(p / Σp), `loss[r] = −Σ_c t[r,c]·log q[r,c]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn categorical_cross_entropy(columns: usize, targets: &[f32], probabilities: &[f32], loss: &mut [f32]) {
    check(columns, targets, probabilities, loss.len(), "categorical_cross_entropy");
    let rows = probabilities.chunks_exact(columns).zip(targets.chunks_exact(columns));
    for (loss, (p, t)) in loss.iter_mut().zip(rows) {
        let sum: f32 = p.iter().sum();
        *loss = -t.iter().zip(p).map(|(t, p)| t * clip(p / sum).0.ln()).sum::<f32>();
    }
}

/// The gradient of [`categorical_cross_entropy`]. With `u = p / Σp` and `g[c] = −t[c]/u[c]` (zero where u was clipped):
/// `dp[r,c] = (g[c] − Σ_k g[k]·u[k]) / Σp · dloss[r]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn categorical_cross_entropy_gradient(
    columns: usize,
    targets: &[f32],
    probabilities: &[f32],
    dloss: &[f32],
    dprobabilities: &mut [f32],
) {
    check(columns, targets, probabilities, dloss.len(), "categorical_cross_entropy_gradient");
    assert_eq!(
        dprobabilities.len(),
        probabilities.len(),
        "categorical_cross_entropy_gradient: lengths differ"
    );
    for (row, dp) in dprobabilities.chunks_exact_mut(columns).enumerate() {
        let p = &probabilities[row * columns..][..columns];
        let t = &targets[row * columns..][..columns];
        let sum: f32 = p.iter().sum();
        let mut dot = 0.0;
        for c in 0..columns {
            let (q, inside) = clip(p[c] / sum);
            dp[c] = if inside { -t[c] / q } else { 0.0 };
            dot += dp[c] * (p[c] / sum);
        }
        let scale = dloss[row] / sum;
        dp.iter_mut().for_each(|dp| *dp = (*dp - dot) * scale);
    }
}
