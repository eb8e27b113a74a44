//! Binary cross-entropy: every element is a yes or no of its own.

use super::{check, clip};
use crate::elementwise::math;

/// `loss[r] = mean_c (max(x,0) − x·t + log(1 + e^−|x|))`.
///
/// # Panics
/// If the lengths do not fit.
pub fn binary_cross_entropy_from_logits(columns: usize, targets: &[f32], logits: &[f32], loss: &mut [f32]) {
    check(columns, targets, logits, loss.len(), "binary_cross_entropy_from_logits");
    let rows = logits.chunks_exact(columns).zip(targets.chunks_exact(columns));
    for (loss, (x, t)) in loss.iter_mut().zip(rows) {
        let terms = x.iter().zip(t).map(|(&x, &t)| x.max(0.0) - x * t + math::log1p_exp_neg(x.abs()));
        *loss = terms.sum::<f32>() / columns as f32;
    }
}

/// `dlogits[r,c] = (sigmoid(x[r,c]) − t[r,c]) / columns · dloss[r]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn binary_cross_entropy_from_logits_gradient(
    columns: usize,
    targets: &[f32],
    logits: &[f32],
    dloss: &[f32],
    dlogits: &mut [f32],
) {
    check(columns, targets, logits, dloss.len(), "binary_cross_entropy_from_logits_gradient");
    assert_eq!(dlogits.len(), logits.len(), "binary_cross_entropy_from_logits_gradient: lengths differ");
    for (row, dx) in dlogits.chunks_exact_mut(columns).enumerate() {
        let scale = dloss[row] / columns as f32;
        let (x, t) = (&logits[row * columns..][..columns], &targets[row * columns..][..columns]);
        for c in 0..columns {
            dx[c] = (math::sigmoid(x[c]) - t[c]) * scale;
        }
    }
}

/// From probabilities: with q = clip(p), `loss[r] = −mean_c (t·log q + (1 − t)·log(1 − q))`.
///
/// # Panics
/// If the lengths do not fit.
pub fn binary_cross_entropy(columns: usize, targets: &[f32], probabilities: &[f32], loss: &mut [f32]) {
    check(columns, targets, probabilities, loss.len(), "binary_cross_entropy");
    let rows = probabilities.chunks_exact(columns).zip(targets.chunks_exact(columns));
    for (loss, (p, t)) in loss.iter_mut().zip(rows) {
        let terms = p.iter().zip(t).map(|(&p, &t)| {
            let q = clip(p).0;
            t * q.ln() + (1.0 - t) * (1.0 - q).ln()
        });
        *loss = -terms.sum::<f32>() / columns as f32;
    }
}

/// The gradient of [`binary_cross_entropy`]: `dp[r,c] = ((1 − t)/(1 − q) − t/q) / columns · dloss[r]`, zero where p was
/// clipped.
///
/// # Panics
/// If the lengths do not fit.
pub fn binary_cross_entropy_gradient(
    columns: usize,
    targets: &[f32],
    probabilities: &[f32],
    dloss: &[f32],
    dprobabilities: &mut [f32],
) {
    check(columns, targets, probabilities, dloss.len(), "binary_cross_entropy_gradient");
    assert_eq!(dprobabilities.len(), probabilities.len(), "binary_cross_entropy_gradient: lengths differ");
    for (row, dp) in dprobabilities.chunks_exact_mut(columns).enumerate() {
        let scale = dloss[row] / columns as f32;
        let (p, t) = (&probabilities[row * columns..][..columns], &targets[row * columns..][..columns]);
        for c in 0..columns {
            let (q, inside) = clip(p[c]);
            dp[c] = if inside { ((1.0 - t[c]) / (1.0 - q) - t[c] / q) * scale } else { 0.0 };
        }
    }
}
