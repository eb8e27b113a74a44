//! Evaluation: loss and metrics without training.

use super::{Batch, Samples, Visit};
use crate::error::{Error, Result};
use crate::metrics::Meter;
use crate::model::{Model, Purpose};

/// Loss and metrics on some data.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Mean loss.
    pub loss: f64,
    /// Names and values of the metrics; of a model with several outputs first the outputs' losses.
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
    /// Names of what follows the loss.
    names: Vec<String>,
    /// Sums of the loss over samples and, of several outputs, of each one's.
    losses: Vec<f64>,
    count: usize,
    meters: Vec<Gauge>,
}

/// A metric's meter.
#[derive(Debug)]
struct Gauge {
    meter: Box<dyn Meter>,
    weighted: bool,
    /// Which of the batch's targets it looks at.
    target: usize,
    /// Which of the fetched masks it heeds.
    mask: Option<usize>,
}

impl Tally {
    /// One that has seen nothing.
    pub(super) fn new(model: &Model) -> Result<Self> {
        let compiled = model.compiled().ok_or(Error::NotCompiled("training or evaluation"))?;
        let shapes = model.output_shapes();
        let heeded = compiled.objectives.iter().any(|objective| objective.heeds_mask());
        let masked = if heeded { model.masked_outputs()? } else { vec![false; shapes.len()] };
        let outputs = compiled.objectives.iter().zip(&shapes).zip(masked);
        let judged = outputs.filter(|((objective, _), _)| objective.wants_targets());
        let (mut meters, mut masks) = (Vec::new(), 0);
        for (target, ((objective, predictions), masked)) in judged.enumerate() {
            let targets = objective.target_shape(predictions);
            for metric in &objective.metrics {
                let (meter, weighted) = (metric.meter(predictions, &targets)?, metric.is_weighted());
                let mask = (masked && metric.heeds_mask()).then_some(masks);
                meters.push(Gauge { meter, weighted, target, mask });
            }
            masks += usize::from(masked && objective.heeds_mask());
        }
        let outputs = compiled.objectives.iter().filter(|objective| objective.loss.is_some()).count();
        let losses = vec![0.0; if outputs > 1 { outputs + 1 } else { 1 }];
        Ok(Self { names: model.figure_names().split_off(1), losses, count: 0, meters })
    }

    /// Counts a batch in: what the plan has fetched (the mean loss, of several outputs each one's, then what each metric wants to
    /// see, then masks), for the batch's targets and weights.
    pub(super) fn add<'m>(&mut self, fetched: impl Fn(usize) -> &'m [f32], batch: &Batch, count: usize) {
        for (place, sum) in self.losses.iter_mut().enumerate() {
            *sum += f64::from(fetched(place)[0]) * count as f64;
        }
        self.count += count;
        let (first, count) = (self.losses.len(), self.meters.len());
        for (place, Gauge { meter, weighted, target, mask }) in self.meters.iter_mut().enumerate() {
            let (fetched_values, targets) = (fetched(first + place), &batch.targets[*target]);
            let weights = if *weighted { &*batch.weights } else { &[] };
            let mask = mask.map(|mask| fetched(first + count + mask));
            match mask.filter(|mask| fetched_values.len().is_multiple_of(mask.len().max(1))) {
                Some(mask) => meter.add(fetched_values, targets, &of_steps(mask, weights)),
                None => meter.add(fetched_values, targets, weights),
            }
        }
    }

    /// Loss, then metrics.
    pub(super) fn scores(&self) -> Scores {
        let mut losses = self.losses.iter().map(|sum| sum / self.count.max(1) as f64);
        let loss = losses.next().unwrap_or(0.0);
        let values = losses.chain(self.meters.iter().map(|gauge| gauge.meter.value()));
        Scores { loss, metrics: self.names.iter().cloned().zip(values).collect() }
    }

    /// Samples that were counted in.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// All that was gathered: of the losses, then of each metric.
    pub(super) fn gathered(&self) -> Vec<Vec<f64>> {
        let meters = self.meters.iter().map(|gauge| gauge.meter.state());
        [self.losses.clone()].into_iter().chain(meters).collect()
    }

    /// Brings back what [`Tally::gathered`] and [`Tally::count`] told; nothing, if nothing is given.
    pub(super) fn restore(&mut self, gathered: &[Vec<f64>], count: usize) -> Result<()> {
        let other = || {
            Error::argument("checkpoint", "it is of a model that was compiled with other losses or metrics")
        };
        let Some((losses, meters)) = gathered.split_first() else { return Ok(()) };
        if losses.len() != self.losses.len() || meters.len() != self.meters.len() {
            return Err(other());
        }
        self.losses.copy_from_slice(losses);
        self.count = count;
        for (gauge, state) in self.meters.iter_mut().zip(meters) {
            gauge.meter.restore(state).ok_or_else(other)?;
        }
        Ok(())
    }
}

/// What each time step counts: what its sample does, or nothing.
fn of_steps(mask: &[f32], weights: &[f32]) -> Vec<f32> {
    let steps = (mask.len() / weights.len().max(1)).max(1);
    let weight = |place: usize| if weights.is_empty() { 1.0 } else { weights[place / steps] };
    mask.iter().enumerate().map(|(place, mask)| mask * weight(place)).collect()
}

impl Model {
    /// Loss and metrics on `samples`. Keras's `evaluate`.
    ///
    /// # Errors
    /// If the model is not compiled, or the samples do not fit it or cannot be read.
    pub fn evaluate(&self, samples: &dyn Samples) -> Result<Scores> {
        if self.compiled().is_none() {
            return Err(Error::NotCompiled("evaluate"));
        }
        self.check_samples(samples)?;
        let (size, class_numbers) = (self.prediction_batch()?, self.class_numbers());
        let purpose = Purpose::Evaluate { weighted: samples.weighted() };
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
            self.run_forward(purpose, count, &inputs, |plan, memory| {
                tally.add(|index| plan.fetched(index, memory), batch, count)
            })?;
        }
        Ok(tally.scores())
    }
}
