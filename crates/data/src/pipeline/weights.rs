//! What each sample counts in the loss.

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

use super::stage::{Filled, Stage};
use crate::{DataError, Labelled, Result, SampleSet};

/// Weights that make classes count alike however many samples they have: samples / (classes · samples of the class), so that the mean over samples is 1;
/// 0 for a class without samples, which is not counted as one. scikit-learn's `class_weight="balanced"`.
///
/// ```
/// assert_eq!(convnet_data::balanced_class_weights(&[0, 0, 0, 1], 2), [2.0 / 3.0, 2.0]);
/// ```
pub fn balanced_class_weights(labels: &[u32], classes: usize) -> Vec<f32> {
    let mut counts =
        vec![0usize; labels.iter().map(|&label| label as usize + 1).max().unwrap_or(0).max(classes)];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let present = counts.iter().filter(|&&count| count > 0).count();
    let weight = |count: usize| if count == 0 { 0.0 } else { labels.len() as f64 / (present * count) as f64 };
    counts.iter().map(|&count| weight(count) as f32).collect()
}

/// A weight for each sample.
struct Weights(Vec<f32>);

impl SampleSet {
    /// With what each sample counts in the loss, in the samples' order; times the weights that they have already. Keras's `sample_weight`.
    ///
    /// # Errors
    /// [`DataError::Shape`] when there is not one for each sample, or one is negative or not finite.
    pub fn with_weights(&self, weights: Vec<f32>) -> Result<SampleSet> {
        let wrong =
            |expected: String, received: String| DataError::Shape { what: "weights", expected, received };
        if weights.len() != self.len() {
            return Err(wrong(format!("{}, one a sample", self.len()), weights.len().to_string()));
        }
        match weights.iter().find(|weight| !(0.0..f32::INFINITY).contains(*weight)) {
            Some(weight) => Err(wrong("finite numbers from 0 on".into(), weight.to_string())),
            None => Ok(self.staged(Weights(weights))),
        }
    }

    /// With what the samples of each class count. Keras's `class_weight`.
    ///
    /// # Errors
    /// As [`with_weights`](Self::with_weights), and [`DataError::Shape`] when the samples have no labels or there are too few weights.
    pub fn with_class_weights(&self, weights: &[f32]) -> Result<SampleSet> {
        let wrong = |expected: String, received: String| DataError::Shape {
            what: "class weights",
            expected,
            received,
        };
        let labels = self.labels();
        let labels = labels.ok_or_else(|| wrong("samples with labels".into(), "samples without".into()))?;
        let of = |&label: &u32| weights.get(label as usize).copied();
        let each: Option<Vec<f32>> = labels.iter().map(of).collect();
        let each = each.ok_or_else(|| {
            let classes = labels.iter().max().map_or(0, |&label| label + 1);
            wrong(format!("{classes}, one a class"), weights.len().to_string())
        })?;
        self.with_weights(each)
    }

    /// With weights that make classes count alike: [`balanced_class_weights`].
    ///
    /// # Errors
    /// [`DataError::Shape`] when the samples have no labels.
    pub fn balanced(&self) -> Result<SampleSet> {
        let labels = self.labels().unwrap_or_default();
        self.with_class_weights(&balanced_class_weights(&labels, self.classes().unwrap_or(0)))
    }
}

impl Stage for Weights {
    fn weighted(&self, _: &SampleSet) -> bool {
        true
    }

    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        if !set.weighted() {
            batch.weights.fill(1.0);
        }
        set.fill(visit, indices, batch)?;
        for (weight, &index) in batch.weights.iter_mut().zip(indices) {
            *weight *= self.0[index];
        }
        Ok(())
    }
}
