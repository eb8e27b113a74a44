//! Cross-entropy with class indices as targets.

use super::{check_sparse, class, clip};
use crate::par;
use crate::softmax::{log_sum_exp, row_chunk, softmax_row};

/// `loss[r] = log Σ_c e^x[r,c] − x[r, label[r]]`: softmax and cross-entropy as one stable step.
///
/// # Panics
/// If the lengths do not fit or a label is no class index.
pub fn sparse_cross_entropy_from_logits(columns: usize, labels: &[f32], logits: &[f32], loss: &mut [f32]) {
    check_sparse(columns, labels, logits, loss.len(), "sparse_cross_entropy_from_logits");
    for ((loss, x), label) in loss.iter_mut().zip(logits.chunks_exact(columns)).zip(labels) {
        *loss = log_sum_exp(x) - x[class(*label, columns)];
    }
}

/// `dlogits[r,c] = (softmax(x)[r,c] − [c = label[r]]) · dloss[r]`.
///
/// # Panics
/// As [`sparse_cross_entropy_from_logits`].
pub fn sparse_cross_entropy_from_logits_gradient(
    columns: usize,
    labels: &[f32],
    logits: &[f32],
    dloss: &[f32],
    dlogits: &mut [f32],
) {
    check_sparse(columns, labels, logits, dloss.len(), "sparse_cross_entropy_from_logits_gradient");
    assert_eq!(dlogits.len(), logits.len(), "sparse_cross_entropy_from_logits_gradient: lengths differ");
    par::for_each_chunk(dlogits, row_chunk(columns), logits.len() as u64 * 2, |start, dlogits| {
        for (row, dx) in dlogits.chunks_exact_mut(columns).enumerate() {
            let row = row + start / columns;
            softmax_row(&logits[row * columns..][..columns], dx);
            dx[class(labels[row], columns)] -= 1.0;
            dx.iter_mut().for_each(|dx| *dx *= dloss[row]);
        }
    });
}

/// From probabilities, as Keras with TensorFlow: with q = clip(p), `loss[r] = log Σ_c q[r,c] − log q[r, label[r]]`
/// (the clipped probabilities are turned into logits, so they are normalised anew).
///
/// # Panics
/// As [`sparse_cross_entropy_from_logits`].
pub fn sparse_cross_entropy(columns: usize, labels: &[f32], probabilities: &[f32], loss: &mut [f32]) {
    check_sparse(columns, labels, probabilities, loss.len(), "sparse_cross_entropy");
    for ((loss, p), label) in loss.iter_mut().zip(probabilities.chunks_exact(columns)).zip(labels) {
        let sum: f32 = p.iter().map(|&p| clip(p).0).sum();
        *loss = sum.ln() - clip(p[class(*label, columns)]).0.ln();
    }
}

/// The gradient of [`sparse_cross_entropy`]: `dp[r,c] = (1/Σq − [c = label[r]]/q[r,c]) · dloss[r]`, zero where p was
/// clipped.
///
/// # Panics
/// As [`sparse_cross_entropy_from_logits`].
pub fn sparse_cross_entropy_gradient(
    columns: usize,
    labels: &[f32],
    probabilities: &[f32],
    dloss: &[f32],
    dprobabilities: &mut [f32],
) {
    check_sparse(columns, labels, probabilities, dloss.len(), "sparse_cross_entropy_gradient");
    assert_eq!(dprobabilities.len(), probabilities.len(), "sparse_cross_entropy_gradient: lengths differ");
    for (row, dp) in dprobabilities.chunks_exact_mut(columns).enumerate() {
        let p = &probabilities[row * columns..][..columns];
        let label = class(labels[row], columns);
        let inverse = 1.0 / p.iter().map(|&p| clip(p).0).sum::<f32>();
        for c in 0..columns {
            let (q, inside) = clip(p[c]);
            let own = if c == label { 1.0 / q } else { 0.0 };
            dp[c] = if inside { (inverse - own) * dloss[row] } else { 0.0 };
        }
    }
}
