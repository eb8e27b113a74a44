//! Losses of one row, with Keras's rules.

use crate::activation::softmax;

/// Keras's epsilon.
const EPSILON: f64 = 1e-7;

fn clip(p: f64) -> f64 {
    p.clamp(EPSILON, 1.0 - EPSILON)
}

/// Mean of the terms of a row.
fn mean(terms: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = terms.len() as f64;
    terms.sum::<f64>() / count
}

/// −Σ t·log softmax(x).
pub fn categorical_from_logits(targets: &[f64], logits: &[f64]) -> f64 {
    -softmax(logits).iter().zip(targets).map(|(p, t)| t * p.ln()).sum::<f64>()
}

/// −Σ t·log clip(p / Σp).
pub fn categorical(targets: &[f64], probabilities: &[f64]) -> f64 {
    let sum: f64 = probabilities.iter().sum();
    -probabilities.iter().zip(targets).map(|(p, t)| t * clip(p / sum).ln()).sum::<f64>()
}

/// `−log softmax(x)[label]`.
pub fn sparse_from_logits(label: usize, logits: &[f64]) -> f64 {
    -softmax(logits)[label].ln()
}

/// The cross-entropy with the logarithms of the clipped probabilities as logits.
pub fn sparse(label: usize, probabilities: &[f64]) -> f64 {
    let logits: Vec<f64> = probabilities.iter().map(|&p| clip(p).ln()).collect();
    sparse_from_logits(label, &logits)
}

/// Mean of −t·log σ(x) − (1 − t)·log(1 − σ(x)).
pub fn binary_from_logits(targets: &[f64], logits: &[f64]) -> f64 {
    // log σ(x) = −log(1 + e⁻ˣ), with the exponential of a negative number only.
    let log_sigmoid = |x: f64| x.min(0.0) - (-x.abs()).exp().ln_1p();
    mean(logits.iter().zip(targets).map(|(&x, t)| -t * log_sigmoid(x) - (1.0 - t) * log_sigmoid(-x)))
}

/// Mean of −t·log q − (1 − t)·log(1 − q) with q = clip(p).
pub fn binary(targets: &[f64], probabilities: &[f64]) -> f64 {
    mean(
        probabilities.iter().zip(targets).map(|(&p, t)| -t * clip(p).ln() - (1.0 - t) * (1.0 - clip(p)).ln()),
    )
}

/// Mean of (p − t)².
pub fn squared(targets: &[f64], predictions: &[f64]) -> f64 {
    mean(predictions.iter().zip(targets).map(|(p, t)| (p - t).powi(2)))
}
