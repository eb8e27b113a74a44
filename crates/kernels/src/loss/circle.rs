//! Circle loss: embeddings of one class near each other, those of others far.

use super::check_sparse;

/// How similar pairs weigh. Sun et al., 2020.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Scale of all similarities.
    pub gamma: f32,
    /// How far from ideal a pair still counts for little.
    pub margin: f32,
    /// Whether an embedding is no neighbour of itself.
    pub remove_diagonal: bool,
}

/// What one other embedding adds to an anchor.
enum Pair {
    /// The exponent of one of the same class, and its slope by the distance.
    Same(f32, f32),
    /// Of another class.
    Other(f32, f32),
    /// The anchor itself.
    Nothing,
}

impl Circle {
    /// A negative distance counts as 0, and does not change with the embeddings.
    fn pair(self, labels: &[f32], anchor: usize, other: usize, distance: f32) -> Pair {
        let Self { gamma, margin, remove_diagonal } = self;
        let (passes, distance) = (distance >= 0.0, distance.max(0.0));
        // Keras takes labels for whole numbers.
        if labels[anchor] as i32 != labels[other] as i32 {
            let weight = 1.0 + margin - distance;
            let slope = if weight > 0.0 && passes { 2.0 * gamma * (distance - 1.0) } else { 0.0 };
            Pair::Other(gamma * weight.max(0.0) * (1.0 - margin - distance), slope)
        } else if remove_diagonal && anchor == other {
            Pair::Nothing
        } else {
            let weight = margin + distance;
            let slope = if weight > 0.0 && passes { 2.0 * gamma * distance } else { 0.0 };
            Pair::Same(-gamma * weight.max(0.0) * (margin - distance), slope)
        }
    }
}

/// ln Σ eˣ of numbers that come one by one.
#[derive(Clone, Copy)]
struct LogSum {
    largest: f32,
    sum: f32,
}

impl LogSum {
    const EMPTY: Self = Self { largest: f32::NEG_INFINITY, sum: 0.0 };

    fn add(&mut self, x: f32) {
        if x > self.largest {
            self.sum *= (self.largest - x).exp();
            self.largest = x;
        }
        self.sum += (x - self.largest).exp();
    }

    fn value(self) -> f32 {
        self.largest + self.sum.ln()
    }
}

/// 1 − a · b. Of vectors of length 1 it is negative only by rounding.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    let (mut a, mut b) = (a.chunks_exact(8), b.chunks_exact(8));
    for (a, b) in a.by_ref().zip(b.by_ref()) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    1.0 - (lanes.iter().sum::<f32>() + rest)
}

/// Distances of an anchor from all embeddings, and the logarithms of the sums of both kinds of pairs.
fn neighbours(
    rule: Circle,
    width: usize,
    labels: &[f32],
    x: &[f32],
    anchor: usize,
    distances: &mut [f32],
) -> [f32; 2] {
    let (mut same, mut others) = (LogSum::EMPTY, LogSum::EMPTY);
    let own = &x[anchor * width..][..width];
    for (other, (to, x)) in distances.iter_mut().zip(x.chunks_exact(width)).enumerate() {
        *to = distance(own, x);
        match rule.pair(labels, anchor, other, *to) {
            Pair::Same(exponent, _) => same.add(exponent),
            Pair::Other(exponent, _) => others.add(exponent),
            Pair::Nothing => {}
        }
    }
    [same.value(), others.value()]
}

/// With d the distance `1 − x[r]·x[s]`: `loss[r] = softplus(log Σ e^(γ (m + d) (d − m)) + log Σ e^(γ (1 + m − d) (1 − m − d)))`, the first sum over
/// rows of the same label, the second over the others; 0 where one of the sums is empty.
///
/// `distances` is working memory, a number a row.
///
/// # Panics
/// If the lengths do not fit.
pub fn circle(
    width: usize,
    rule: Circle,
    labels: &[f32],
    x: &[f32],
    loss: &mut [f32],
    distances: &mut [f32],
) {
    check_sparse(width, labels, x, loss.len(), "circle");
    let distances = &mut distances[..labels.len()];
    for (anchor, loss) in loss.iter_mut().enumerate() {
        let [same, others] = neighbours(rule, width, labels, x, anchor, distances);
        let z = same + others;
        *loss = z.max(0.0) + (-z.abs()).exp().ln_1p();
    }
}

/// The gradient of [`circle`] by the embeddings, which all rows' losses depend on.
///
/// # Panics
/// As [`circle`].
pub fn circle_gradient(
    width: usize,
    rule: Circle,
    labels: &[f32],
    x: &[f32],
    dloss: &[f32],
    dx: &mut [f32],
    distances: &mut [f32],
) {
    check_sparse(width, labels, x, dloss.len(), "circle_gradient");
    assert_eq!(dx.len(), x.len(), "circle_gradient: lengths differ");
    let distances = &mut distances[..labels.len()];
    dx.fill(0.0);
    for (anchor, dloss) in dloss.iter().enumerate() {
        let [same, others] = neighbours(rule, width, labels, x, anchor, distances);
        let z = same + others;
        if z == f32::NEG_INFINITY {
            continue;
        }
        let scale = dloss / (1.0 + (-z).exp());
        for (other, &distance) in distances.iter().enumerate() {
            let slope = match rule.pair(labels, anchor, other, distance) {
                Pair::Same(exponent, slope) => (exponent - same).exp() * slope,
                Pair::Other(exponent, slope) => (exponent - others).exp() * slope,
                Pair::Nothing => continue,
            };
            let slope = -scale * slope;
            for place in 0..width {
                dx[anchor * width + place] += slope * x[other * width + place];
                dx[other * width + place] += slope * x[anchor * width + place];
            }
        }
    }
}
