//! Evaluation: loss and metrics without training.

use super::{Batch, Samples, Visit};
use crate::error::{Error, Result};
use crate::model::{Model, Purpose};

/// Loss and metrics on some data.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Mean loss.
    pub loss: f64,
    /// Names and means of the metrics.
    pub metrics: Vec<(String, f64)>,
}

impl Scores {
    /// A metric by name.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }
}

/// Means over batches of different sizes.
#[derive(Debug, Default)]
pub(super) struct Means {
    sums: Vec<f64>,
    count: usize,
}

impl Means {
    /// Counts the means of a batch in.
    pub(super) fn add(&mut self, means: impl IntoIterator<Item = f32>, count: usize) {
        for (i, mean) in means.into_iter().enumerate() {
            if self.sums.len() == i {
                self.sums.push(0.0);
            }
            self.sums[i] += f64::from(mean) * count as f64;
        }
        self.count += count;
    }

    /// Loss, then metrics.
    pub(super) fn scores(&self, model: &Model) -> Scores {
        let mut means = self.sums.iter().map(|sum| sum / self.count as f64);
        let loss = means.next().unwrap_or(0.0);
        let names = model.compiled().map_or(&[][..], |compiled| &compiled.metrics);
        Scores { loss, metrics: names.iter().map(|metric| metric.name().to_owned()).zip(means).collect() }
    }
}

impl Model {
    /// Loss and metrics on `samples`. Keras's `evaluate`.
    ///
    /// # Errors
    /// If the model is not compiled, or the samples do not fit it.
    pub fn evaluate(&self, samples: &dyn Samples) -> Result<Scores> {
        if self.compiled().is_none() {
            return Err(Error::NotCompiled("evaluate"));
        }
        self.check_samples(samples)?;
        let (size, class_numbers) = (self.prediction_batch()?, self.class_numbers());
        let mut means = Means::default();
        let mut indices: Vec<usize> = Vec::new();
        let mut batch = None;
        for start in (0..samples.len()).step_by(size) {
            let count = size.min(samples.len() - start);
            if indices.len() != count {
                batch = None;
            }
            indices.clear();
            indices.extend(start..start + count);
            let batch = batch.get_or_insert_with(|| Batch::new(samples, count));
            samples.fill(Visit::default(), &indices, batch)?;
            class_numbers.check(batch)?;
            let inputs: Vec<&[f32]> = batch.slices().collect();
            let scores: Vec<f32> = self.run_forward(Purpose::Evaluate, count, &inputs, |plan, memory| {
                plan.fetched_scalars(memory).collect()
            })?;
            means.add(scores, count);
        }
        Ok(means.scores(self))
    }
}
