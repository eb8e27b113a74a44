//! The training loop.

use std::ops::ControlFlow;
use std::time::Instant;

use convnet_engine::kernels::random::Philox;

use super::evaluate::Tally;
use super::{Batch, EpochLog, History, Part, Samples};
use crate::error::{Error, Result};
use crate::model::Model;

/// The arguments of [`Model::fit`], Keras's defaults.
#[derive(Clone, Copy)]
pub struct Fit<'a> {
    epochs: usize,
    batch_size: usize,
    validation_split: f64,
    validation_data: Option<&'a dyn Samples>,
    shuffle: bool,
    seed: u64,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: 32,
            validation_split: 0.0,
            validation_data: None,
            shuffle: true,
            seed: 0,
        }
    }
}

impl<'a> Fit<'a> {
    /// One epoch, batches of 32, no validation, shuffled.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often to go through the data.
    pub fn epochs(self, epochs: usize) -> Self {
        Self { epochs, ..self }
    }

    /// Samples in a step.
    pub fn batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, ..self }
    }

    /// Share of the samples, cut off at the end before any shuffling, that are kept for validation.
    pub fn validation_split(self, validation_split: f64) -> Self {
        Self { validation_split, ..self }
    }

    /// Samples to validate on after each epoch; comes before a `validation_split`.
    pub fn validation_data(self, samples: &'a dyn Samples) -> Self {
        Self { validation_data: Some(samples), ..self }
    }

    /// Whether each epoch has an order of its own.
    pub fn shuffle(self, shuffle: bool) -> Self {
        Self { shuffle, ..self }
    }

    /// Seed of order and dropout. The same seed gives the same weights to the bit, on any number of threads.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

/// How far a training is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Step of the epoch, counted from 1.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Samples trained on in this epoch.
    pub samples: usize,
    /// Mean loss of the epoch so far.
    pub loss: f64,
    /// Names and means of the metrics so far.
    pub metrics: Vec<(String, f64)>,
    /// Seconds since the epoch began.
    pub seconds: f64,
}

/// Somebody who hears how training goes, and may stop it.
pub trait Observer {
    /// Called after each step; [`Model::fit`] returns [`Error::Interrupted`] on a break.
    fn step(&mut self, _progress: &dyn Fn() -> Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called after each epoch, validation included; training ends on a break.
    fn epoch(&mut self, _log: &EpochLog) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Nobody listens.
impl Observer for () {}

/// Stream of random numbers for the order of samples; layers count up from 0.
const SHUFFLE_STREAM: u64 = u64::MAX;

impl Model {
    /// Trains on samples. Keras's `fit`.
    ///
    /// # Errors
    /// If the model is not compiled, samples do not fit, an argument is out of range, or the loss becomes infinite or NaN
    /// (the weights are then those before that step).
    pub fn fit(&mut self, samples: &dyn Samples, options: Fit<'_>) -> Result<History> {
        self.fit_observed(samples, options, &mut ())
    }

    /// As [`Model::fit`], with somebody listening.
    ///
    /// # Errors
    /// As [`Model::fit`].
    pub fn fit_observed(
        &mut self,
        samples: &dyn Samples,
        options: Fit<'_>,
        observer: &mut dyn Observer,
    ) -> Result<History> {
        if self.compiled().is_none() {
            return Err(Error::NotCompiled("fit"));
        }
        self.check_samples(samples)?;
        let trained_on = check_options(samples, &options)?;
        let training = Part::new(samples, 0, trained_on);
        let held_back = Part::new(samples, trained_on, samples.len());
        let validation = match options.validation_data {
            Some(data) => {
                self.check_samples(data)?;
                Some(data)
            }
            None if held_back.is_empty() => None,
            None => Some(&held_back as &dyn Samples),
        };
        let mut history = History::default();
        for epoch in 1..=options.epochs {
            let mut log = self.train_epoch(&training, epoch, &options, observer)?;
            if let Some(validation) = validation {
                let scores = self.evaluate(validation)?;
                log.val_loss = Some(scores.loss);
                log.val_metrics = scores.metrics;
            }
            let flow = observer.epoch(&log);
            history.epochs.push(log);
            if flow.is_break() {
                break;
            }
        }
        self.finalize_weights();
        Ok(history)
    }

    fn train_epoch(
        &mut self,
        samples: &dyn Samples,
        epoch: usize,
        options: &Fit<'_>,
        observer: &mut dyn Observer,
    ) -> Result<EpochLog> {
        let start = Instant::now();
        let order = order(samples.len(), epoch, options);
        let steps = order.len().div_ceil(options.batch_size);
        let mut batch = Batch::new(samples, options.batch_size.min(order.len()));
        let mut tally = Tally::new(self)?;
        for (step, indices) in order.chunks(options.batch_size).enumerate() {
            if indices.len() < options.batch_size && step > 0 {
                batch = Batch::new(samples, indices.len());
            }
            samples.fill(indices, &mut batch);
            self.check_targets(&batch)?;
            let loss = self.train_step(&batch, indices.len(), options.seed, &mut tally)?;
            if !loss.is_finite() {
                let origin = self.origin_of_not_finite(&batch, indices.len(), options.seed)?;
                return Err(Error::NotFinite { loss, epoch, step: step + 1, origin });
            }
            let progress = || {
                let scores = tally.scores();
                Progress {
                    epoch,
                    epochs: options.epochs,
                    step: step + 1,
                    steps,
                    samples: (step * options.batch_size) + indices.len(),
                    loss: scores.loss,
                    metrics: scores.metrics,
                    seconds: start.elapsed().as_secs_f64(),
                }
            };
            if observer.step(&progress).is_break() {
                return Err(Error::Interrupted);
            }
        }
        let (scores, seconds) = (tally.scores(), start.elapsed().as_secs_f64());
        let images_per_second = order.len() as f64 / seconds;
        let (val_loss, val_metrics) = (None, Vec::new());
        Ok(EpochLog {
            epoch,
            loss: scores.loss,
            metrics: scores.metrics,
            val_loss,
            val_metrics,
            seconds,
            images_per_second,
        })
    }
}

/// Checks the arguments; returns how many samples are trained on.
fn check_options(samples: &dyn Samples, options: &Fit<'_>) -> Result<usize> {
    if options.batch_size == 0 {
        return Err(Error::argument("batch_size", "must be at least 1"));
    }
    if !(0.0..1.0).contains(&options.validation_split) {
        let problem = format!("must be at least 0 and below 1, got {}", options.validation_split);
        return Err(Error::argument("validation_split", problem));
    }
    if options.validation_data.is_some() {
        return Ok(samples.len());
    }
    // As Keras: the split is where the kept share ends, rounded down.
    let kept = (samples.len() as f64 * (1.0 - options.validation_split)) as usize;
    if kept == 0 {
        let problem =
            format!("{} leaves nothing of {} samples to train on", options.validation_split, samples.len());
        return Err(Error::argument("validation_split", problem));
    }
    Ok(kept)
}

/// The order in which an epoch visits the samples.
fn order(count: usize, epoch: usize, options: &Fit<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if options.shuffle {
        let random = Philox::new(options.seed, SHUFFLE_STREAM - epoch as u64);
        for last in (1..count).rev() {
            // The product's upper half is a number up to `last`, its bias below 2⁻³².
            let other = (u64::from(random.word(last as u64)) * (last as u64 + 1)) >> 32;
            order.swap(last, other as usize);
        }
    }
    order
}
