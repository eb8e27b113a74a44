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

/// −log of the sum over all rows of classes that spell a label, by trying every one: repeats count once, class 0 is left out. `logits` are rows of
/// `classes`.
pub fn ctc(classes: usize, label: &[usize], logits: &[f64]) -> f64 {
    let steps: Vec<Vec<f64>> = logits.chunks(classes).map(softmax).collect();
    let all = classes.pow(steps.len() as u32);
    let way = |mut number: usize| -> Vec<usize> {
        let digits = steps.iter().map(|_| {
            let digit = number % classes;
            number /= classes;
            digit
        });
        digits.collect()
    };
    let spells = |way: &Vec<usize>| {
        let mut read = way.clone();
        read.dedup();
        read.retain(|&class| class != 0);
        read == label
    };
    let chance = |way: Vec<usize>| way.iter().zip(&steps).map(|(&class, p)| p[class]).product::<f64>();
    -(0..all).map(way).filter(spells).map(chance).sum::<f64>().ln()
}

/// The Circle loss of one of some embeddings of `width` numbers.
pub fn circle(
    width: usize,
    (gamma, margin, remove_diagonal): (f64, f64, bool),
    labels: &[usize],
    embeddings: &[f64],
    anchor: usize,
) -> f64 {
    let row = |index: usize| &embeddings[index * width..][..width];
    let (mut same, mut others) = (0.0, 0.0);
    for (other, label) in labels.iter().enumerate() {
        let cosine: f64 = row(anchor).iter().zip(row(other)).map(|(a, b)| a * b).sum();
        let distance = (1.0 - cosine).max(0.0);
        if *label != labels[anchor] {
            others += (gamma * (1.0 + margin - distance).max(0.0) * (1.0 - margin - distance)).exp();
        } else if anchor != other || !remove_diagonal {
            same += (-gamma * (margin + distance).max(0.0) * (margin - distance)).exp();
        }
    }
    (same * others).ln_1p()
}
