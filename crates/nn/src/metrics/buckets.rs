//! Predictions counted by the thresholds that they pass.

use super::counts::Four;

/// Weights of predictions by the last threshold that they pass: of false ones, of true ones.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    /// Rising; empty if they are evenly spaced from 0 to 1.
    thresholds: Vec<f32>,
    weights: Vec<[f64; 2]>,
}

impl Buckets {
    /// With so many thresholds, evenly spaced from 0 to 1; at least two.
    pub(super) fn even(thresholds: usize) -> Self {
        Self { thresholds: Vec::new(), weights: vec![[0.0; 2]; thresholds] }
    }

    /// With these thresholds, in rising order. What passes none counts as what passes the first.
    pub(super) fn at(thresholds: Vec<f32>) -> Self {
        Self { weights: vec![[0.0; 2]; thresholds.len()], thresholds }
    }

    /// The last threshold below a prediction.
    fn bucket(&self, prediction: f32) -> usize {
        if !self.thresholds.is_empty() {
            let passed = self.thresholds.iter().take_while(|threshold| prediction > **threshold).count();
            // Below the lowest threshold nothing lies but what is not a number.
            return passed.saturating_sub(1);
        }
        let place = (prediction.clamp(0.0, 1.0) * (self.weights.len() - 1) as f32).ceil() - 1.0;
        place.max(0.0) as usize
    }

    pub(super) fn add(&mut self, prediction: f32, truth: bool, weight: f64) {
        let bucket = self.bucket(prediction);
        self.weights[bucket][usize::from(truth)] += weight;
    }

    /// The counts for each threshold.
    pub(super) fn counts(&self) -> Vec<Four> {
        let [all_false, all_true] =
            self.weights.iter().fold([0.0; 2], |sum, bucket| [sum[0] + bucket[0], sum[1] + bucket[1]]);
        let mut passed = [0.0; 2];
        let mut counts: Vec<Four> = (self.weights.iter().rev())
            .map(|bucket| {
                passed = [passed[0] + bucket[0], passed[1] + bucket[1]];
                Four {
                    true_positives: passed[1],
                    false_positives: passed[0],
                    true_negatives: all_false - passed[0],
                    false_negatives: all_true - passed[1],
                }
            })
            .collect();
        counts.reverse();
        counts
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = f64> {
        self.weights.iter().flatten().copied()
    }

    pub(super) fn numbers_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        self.weights.iter_mut().flatten()
    }
}
