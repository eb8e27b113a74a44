//! The training loop.

use std::ops::ControlFlow;
use std::time::Instant;

use super::evaluate::Tally;
use super::prefetch::{Course, Prefetch};
use super::{EpochLog, History, Part, Samples};
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
    /// Seconds of these in which a step waited for its batch.
    pub waited: f64,
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
        let course = Course {
            samples: &training,
            class_numbers: self.class_numbers(),
            epochs: options.epochs,
            batch_size: options.batch_size,
            shuffle: options.shuffle,
            seed: options.seed,
        };
        std::thread::scope(|scope| {
            let mut batches = Prefetch::start(scope, course);
            let mut history = History::default();
            for epoch in 1..=options.epochs {
                let mut log = self.train_epoch(&mut batches, training.len(), epoch, &options, observer)?;
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
        })
    }

    fn train_epoch(
        &mut self,
        batches: &mut Prefetch<'_>,
        samples: usize,
        epoch: usize,
        options: &Fit<'_>,
        observer: &mut dyn Observer,
    ) -> Result<EpochLog> {
        let start = Instant::now();
        let steps = samples.div_ceil(options.batch_size);
        let mut tally = Tally::new(self)?;
        let (mut seen, mut waited) = (0, 0.0);
        for step in 1..=steps {
            let before = start.elapsed();
            let filled = batches.next()?;
            waited += (start.elapsed() - before).as_secs_f64();
            let (batch, count) = (&filled.batch, filled.count);
            let loss = self.train_step(batch, count, options.seed, &mut tally)?;
            if !loss.is_finite() {
                let origin = self.origin_of_not_finite(batch, count, options.seed)?;
                return Err(Error::NotFinite { loss, epoch, step, origin });
            }
            seen += count;
            batches.give_back(filled);
            let progress = || {
                let scores = tally.scores();
                Progress {
                    epoch,
                    epochs: options.epochs,
                    step,
                    steps,
                    samples: seen,
                    loss: scores.loss,
                    metrics: scores.metrics,
                    seconds: start.elapsed().as_secs_f64(),
                    waited,
                }
            };
            if observer.step(&progress).is_break() {
                return Err(Error::Interrupted);
            }
        }
        let (scores, seconds) = (tally.scores(), start.elapsed().as_secs_f64());
        Ok(EpochLog {
            epoch,
            loss: scores.loss,
            metrics: scores.metrics,
            val_loss: None,
            val_metrics: Vec::new(),
            seconds,
            waited,
            images_per_second: seen as f64 / seconds,
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
