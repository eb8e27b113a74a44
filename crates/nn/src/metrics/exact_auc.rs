//! The area under a curve of two rates, exactly.

use convnet_engine::Shape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::auc::Curve;
use super::rows::{Rows, rows_by_class, weight};
use super::{Measure, Meter, ratio, to_map};
use crate::error::Result;

/// The area under the ROC curve, or average precision, from every prediction there was, so that no
/// thresholds need be chosen; of several classes the mean over them. It keeps twelve bytes a prediction.
///
/// ROC: the share of pairs of a true and a false one of which the true one has the larger score, half for equal scores (Hanley, McNeil, 1982). PR:
/// Σ (Rₙ − Rₙ₋₁) Pₙ over all thresholds, as scikit-learn's `average_precision_score`. Keras has only [`Auc`](super::Auc), so this is not written into its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExactAuc {
    /// Which curve. Default ROC.
    pub curve: Curve,
}

impl ExactAuc {
    /// The area under a curve.
    pub fn new(curve: Curve) -> Self {
        Self { curve }
    }
}

impl Measure for ExactAuc {
    fn class_name(&self) -> &'static str {
        "ExactAUC"
    }

    fn name(&self) -> &'static str {
        match self.curve {
            Curve::Roc => "exact_auc",
            Curve::Pr => "average_precision",
        }
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn is_keras(&self) -> bool {
        false
    }

    fn check(&self, predictions: &Shape, targets: &Shape) -> Result<()> {
        rows_by_class(self.name(), predictions, targets).map(drop)
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        let rows = rows_by_class(self.name(), predictions, targets)?;
        Ok(Box::new(Scores { curve: self.curve, rows, scores: vec![Vec::new(); rows.columns] }))
    }
}

/// Score, and weight, negative for false ones, of each prediction, class by class.
#[derive(Debug)]
struct Scores {
    curve: Curve,
    rows: Rows,
    scores: Vec<Vec<(f32, f64)>>,
}

impl Meter for Scores {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let count = fetched.len() / self.rows.columns.max(1);
        for (row, predictions) in fetched.chunks_exact(self.rows.columns).enumerate() {
            let weight = weight(weights, row, count);
            for (class, &score) in predictions.iter().enumerate() {
                let sign = if self.rows.target(targets, row, class) != 0.0 { 1.0 } else { -1.0 };
                self.scores[class].push((score, sign * weight));
            }
        }
    }

    fn state(&self) -> Vec<f64> {
        // Of each class how many there are, then scores and signed weights in turn.
        let of_class = |scores: &Vec<(f32, f64)>| {
            let pairs = scores.iter().flat_map(|&(score, weight)| [f64::from(score), weight]);
            [scores.len() as f64].into_iter().chain(pairs).collect::<Vec<_>>()
        };
        self.scores.iter().flat_map(of_class).collect()
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        let mut rest = state;
        for scores in &mut self.scores {
            let (count, after) = rest.split_first()?;
            let (pairs, after) = after.split_at_checked((*count as usize).checked_mul(2)?)?;
            *scores = pairs.chunks_exact(2).map(|pair| (pair[0] as f32, pair[1])).collect();
            rest = after;
        }
        rest.is_empty().then_some(())
    }

    fn values(&self) -> Vec<f64> {
        self.scores.iter().map(|scores| area(self.curve, scores)).collect()
    }
}

fn area(curve: Curve, scores: &[(f32, f64)]) -> f64 {
    let mut scores = scores.to_vec();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let weights_of = |sign: f64| -> f64 { scores.iter().map(|&(_, weight)| (weight * sign).max(0.0)).sum() };
    let (all_true, all_false) = (weights_of(1.0), weights_of(-1.0));
    let (mut found_true, mut found_false, mut sum) = (0.0, 0.0, 0.0);
    for equal in scores.chunk_by(|a, b| a.0 == b.0) {
        let gained: f64 = equal.iter().map(|&(_, weight)| weight.max(0.0)).sum();
        let wrong: f64 = equal.iter().map(|&(_, weight)| (-weight).max(0.0)).sum();
        match curve {
            Curve::Roc => sum += wrong * (found_true + gained / 2.0),
            Curve::Pr => {
                let found = found_true + gained + found_false + wrong;
                sum += gained * ratio(found_true + gained, found);
            }
        }
        (found_true, found_false) = (found_true + gained, found_false + wrong);
    }
    match curve {
        Curve::Roc => ratio(sum, all_true * all_false),
        Curve::Pr => ratio(sum, all_true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_those_counted_by_hand() {
        let meter = |curve, batches: &[(&[f32], &[f32])]| {
            let shape = Shape::batched([1]);
            let mut meter = ExactAuc::new(curve).meter(&shape, &shape).unwrap();
            batches.iter().for_each(|(scores, truths)| meter.add(scores, truths, &[]));
            meter.value()
        };
        // Of four pairs, one is in the wrong order; scikit-learn's first example.
        let batches: &[(&[f32], &[f32])] = &[(&[0.1, 0.4, 0.35], &[0.0, 0.0, 1.0]), (&[0.8], &[1.0])];
        assert_eq!(meter(Curve::Roc, batches), 0.75);
        assert!((meter(Curve::Pr, batches) - 0.833_333_333).abs() < 1e-8);
        assert_eq!(meter(Curve::Roc, &[(&[0.5, 0.5], &[0.0, 1.0])]), 0.5);
    }
}
