//! Evaluation: loss and metrics without training.

use super::{Batch, Samples, Visit};
use crate::error::{Error, Result};
use crate::metrics::{Meter, Metric};
use crate::model::{Model, Purpose};

/// Loss and metrics on some data.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Mean loss.
    pub loss: f64,
    /// Names and values of the metrics.
    pub metrics: Vec<(String, f64)>,
}

impl Scores {
    /// A metric by name.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }
}

/// Loss and metrics over batches of different sizes.
#[derive(Debug)]
pub(crate) struct Tally {
    loss: f64,
    count: usize,
    meters: Vec<(Metric, Box<dyn Meter>)>,
}

impl Tally {
    /// One that has seen nothing.
    pub(super) fn new(model: &Model) -> Result<Self> {
        let compiled = model.compiled().ok_or(Error::NotCompiled("training or evaluation"))?;
        let predictions = &model.output_shapes()[0];
        let targets = compiled.loss.target_shape(predictions);
        let meter = |metric: &Metric| Ok((metric.clone(), metric.meter(predictions, &targets)?));
        let meters = compiled.metrics.iter().map(meter).collect::<Result<_>>()?;
        Ok(Self { loss: 0.0, count: 0, meters })
    }

    /// Counts a batch in: what the plan has fetched (the mean loss, then what each metric wants to see), for the batch's targets
    /// and weights. A loss that is not finite is not counted.
    pub(super) fn add<'m>(
        &mut self,
        fetched: impl Fn(usize) -> &'m [f32],
        batch: &Batch,
        count: usize,
    ) -> f32 {
        let loss = fetched(0)[0];
        if loss.is_finite() {
            self.loss += f64::from(loss) * count as f64;
            self.count += count;
            for (place, (metric, meter)) in self.meters.iter_mut().enumerate() {
                let weights = if metric.is_weighted() { &*batch.weights } else { &[] };
                meter.add(fetched(place + 1), &batch.targets[0], weights);
            }
        }
        loss
    }

    /// Loss, then metrics.
    pub(super) fn scores(&self) -> Scores {
        let metrics = self.meters.iter().map(|(metric, meter)| (metric.name().to_owned(), meter.value()));
        Scores { loss: self.loss / self.count.max(1) as f64, metrics: metrics.collect() }
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
        let mut tally = Tally::new(self)?;
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
            self.run_forward(Purpose::Evaluate, count, &inputs, |plan, memory| {
                tally.add(|index| plan.fetched(index, memory), batch, count)
            })?;
        }
        Ok(tally.scores())
    }
}
