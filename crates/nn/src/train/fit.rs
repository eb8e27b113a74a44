//! The training loop.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::callbacks::{Callback, Clock, Often, Planned};
use super::evaluate::Tally;
use super::prefetch::{Course, Prefetch};
use super::{Checkpoint, EpochLog, History, Part, PartOfEpoch, Place, Regime, Samples};
use crate::error::{Error, Result};
use crate::model::Model;

/// Takes the checkpoints of a training.
type Keep<'a> = &'a dyn Fn(&Checkpoint) -> Result<()>;

/// The arguments of [`Model::fit`], Keras's defaults.
#[derive(Clone, Copy)]
pub struct Fit<'a> {
    epochs: usize,
    batch_size: usize,
    validation_split: f64,
    validation_data: Option<&'a dyn Samples>,
    shuffle: bool,
    seed: u64,
    class_weight: &'a [f32],
    checkpoints: Option<(Often, Keep<'a>)>,
    resume: Option<&'a Checkpoint>,
    stop: Option<&'a AtomicBool>,
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
            class_weight: &[],
            checkpoints: None,
            resume: None,
            stop: None,
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

    /// What a sample of each class counts in the loss of training, by class number; classes beyond the end count 1. One-hot targets
    /// are of the class of their largest number. It multiplies the samples' own weights. Keras's `class_weight`: for models with one output.
    pub fn class_weight(self, class_weight: &'a [f32]) -> Self {
        Self { class_weight, ..self }
    }

    /// Gives a [`Checkpoint`] to `keep` as often as said, and after the last step, however training ends.
    pub fn checkpoints(self, often: Often, keep: Keep<'a>) -> Self {
        Self { checkpoints: Some((often, keep)), ..self }
    }

    /// Goes on from a checkpoint of a training with the same model, samples, batch size, seed and callbacks, to the bits that it would have come to:
    /// the model takes over its weights and optimizer memory, the callbacks what they remember. More `epochs` than before may be asked for.
    pub fn resume(self, checkpoint: &'a Checkpoint) -> Self {
        Self { resume: Some(checkpoint), ..self }
    }

    /// A flag that ends the training after the running step when somebody sets it, without an error; [`History::stopped`] tells where.
    pub fn stop(self, flag: &'a AtomicBool) -> Self {
        Self { stop: Some(flag), ..self }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|flag| flag.load(Ordering::Relaxed))
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

/// Somebody who is told of a training, in turn with others.
pub(super) type Callbacks<'c, 'd> = [&'c mut (dyn Callback + 'd)];

/// How an epoch ended.
enum Ending {
    /// After its last step.
    Whole(EpochLog),
    /// After an earlier step.
    Broken,
}

impl Model {
    /// Trains on samples. Keras's `fit`. Batches are made by a thread of their own while the step before them computes.
    ///
    /// # Errors
    /// If the model is not compiled, samples do not fit or cannot be read, an argument is out of range, or the loss becomes infinite or NaN
    /// (the weights are then those before that step).
    pub fn fit(&mut self, samples: &dyn Samples, options: Fit<'_>) -> Result<History> {
        self.fit_with(samples, options, &mut [])
    }

    /// As [`Model::fit`], with [callbacks](super::callbacks).
    ///
    /// # Errors
    /// As [`Model::fit`], and those of callbacks.
    pub fn fit_with(
        &mut self,
        samples: &dyn Samples,
        options: Fit<'_>,
        callbacks: &mut Callbacks<'_, '_>,
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
        let mut session = Session::new(self, &training, validation, options)?;
        let planned = Planned {
            epochs: options.epochs,
            steps: session.steps,
            first_epoch: session.place.epoch,
            samples: trained_on,
            batch_size: options.batch_size,
            validated: validation.is_some(),
        };
        for callback in &mut *callbacks {
            callback.train_begin(self, &planned)?;
        }
        if let Some(checkpoint) = options.resume {
            restore(checkpoint, callbacks)?;
        }
        let course = session.course(self, &training);
        std::thread::scope(|scope| session.run(self, &mut Prefetch::start(scope, course), callbacks))?;
        self.finalize_weights();
        for callback in &mut *callbacks {
            callback.train_end(self, &session.history)?;
        }
        Ok(session.history)
    }
}

/// Gives callbacks what those of their names remembered.
fn restore(checkpoint: &Checkpoint, callbacks: &mut Callbacks<'_, '_>) -> Result<()> {
    let mut states = checkpoint.callbacks.iter();
    for callback in callbacks {
        if let Some(own) = callback.state() {
            let state = states.clone().find(|state| state.name == own.name).ok_or_else(|| {
                Error::argument(
                    "checkpoint",
                    format!("the callback `{}` had no part in that training", own.name),
                )
            })?;
            callback.restore(state)?;
            // Two of one name are told apart by their order.
            let at = checkpoint.callbacks.iter().position(|other| std::ptr::eq(other, state)).unwrap_or(0);
            states = checkpoint.callbacks[at + 1..].iter();
        }
    }
    Ok(())
}

/// A call of [`Model::fit_with`].
struct Session<'a> {
    options: Fit<'a>,
    validation: Option<&'a dyn Samples>,
    regime: Regime,
    /// Steps of an epoch.
    steps: usize,
    place: Place,
    /// What is done of the running epoch.
    tally: Tally,
    seconds: f64,
    waited: f64,
    history: History,
    /// Whether a callback ended the training after an epoch.
    ended: bool,
    /// Whether one did so after the last step of an epoch.
    broken: bool,
    clock: Option<Clock>,
    /// Whether it is time for a checkpoint after the epoch's last step.
    due: bool,
}

impl<'a> Session<'a> {
    fn new(
        model: &mut Model,
        training: &dyn Samples,
        validation: Option<&'a dyn Samples>,
        options: Fit<'a>,
    ) -> Result<Self> {
        let regime = Regime {
            seed: options.seed,
            batch_size: options.batch_size,
            samples: training.len(),
            shuffle: options.shuffle,
        };
        let mut session = Self {
            options,
            validation,
            regime,
            steps: training.len().div_ceil(options.batch_size),
            place: Place { epoch: 1, step: 0 },
            tally: Tally::new(model)?,
            seconds: 0.0,
            waited: 0.0,
            history: History::default(),
            ended: false,
            broken: false,
            clock: options.checkpoints.map(|(often, _)| Clock::new(often)),
            due: false,
        };
        let Some(checkpoint) = options.resume else { return Ok(session) };
        if checkpoint.regime != regime {
            let problem = format!("it is of a training with {:?}, not with {regime:?}", checkpoint.regime);
            return Err(Error::argument("checkpoint", problem));
        }
        if checkpoint.place.epoch == 0 || checkpoint.place.step >= session.steps {
            return Err(Error::argument("checkpoint", format!("there is no {:?}", checkpoint.place)));
        }
        checkpoint.set_model(model)?;
        session.place = checkpoint.place;
        session.tally.restore(&checkpoint.part.gathered, checkpoint.part.seen)?;
        (session.seconds, session.waited) = (checkpoint.part.seconds, checkpoint.part.waited);
        session.history = checkpoint.history.clone();
        session.ended = checkpoint.ended;
        Ok(session)
    }

    fn course<'s>(&self, model: &Model, samples: &'s dyn Samples) -> Course<'s>
    where
        'a: 's,
    {
        Course {
            samples,
            class_numbers: model.class_numbers(),
            class_weight: self.options.class_weight,
            first: self.place,
            epochs: if self.ended { 0 } else { self.options.epochs },
            batch_size: self.options.batch_size,
            shuffle: self.options.shuffle,
            seed: self.options.seed,
        }
    }

    /// All epochs that are left.
    fn run(
        &mut self,
        model: &mut Model,
        batches: &mut Prefetch<'_>,
        callbacks: &mut Callbacks<'_, '_>,
    ) -> Result<()> {
        while !self.ended && self.place.epoch <= self.options.epochs {
            if self.place.step == 0 {
                for callback in &mut *callbacks {
                    callback.epoch_begin(model, self.place.epoch)?;
                }
            }
            let Ending::Whole(mut log) = self.epoch(model, batches, callbacks)? else {
                self.history.stopped = Some(self.place);
                return self.keep(model, callbacks);
            };
            if let Some(validation) = self.validation {
                let scores = model.evaluate(validation)?;
                log.val_loss = Some(scores.loss);
                log.val_metrics = scores.metrics;
            }
            for callback in &mut *callbacks {
                self.ended |= callback.epoch_end(model, &mut log)?.is_break();
            }
            self.history.epochs.push(log);
            self.place = Place { epoch: self.place.epoch + 1, step: 0 };
            (self.tally, self.seconds, self.waited) = (Tally::new(model)?, 0.0, 0.0);
            let last = self.ended || self.place.epoch > self.options.epochs;
            let often = self.due || self.options.checkpoints.is_some_and(|(often, _)| often == Often::Epoch);
            let stopped = self.broken || self.options.is_stopped();
            if last || often || stopped {
                self.keep(model, callbacks)?;
            }
            if stopped {
                self.history.stopped = (!last).then_some(self.place);
                break;
            }
        }
        Ok(())
    }

    /// The steps that are left of an epoch.
    fn epoch(
        &mut self,
        model: &mut Model,
        batches: &mut Prefetch<'_>,
        callbacks: &mut Callbacks<'_, '_>,
    ) -> Result<Ending> {
        let (start, before) = (Instant::now(), self.seconds);
        while self.place.step < self.steps {
            let asked = Instant::now();
            let filled = batches.next()?;
            self.waited += asked.elapsed().as_secs_f64();
            let (batch, count) = (&filled.batch, filled.count);
            let loss = model.train_step(batch, count, self.options.seed, &mut self.tally)?;
            if !loss.is_finite() {
                let origin = model.origin_of_not_finite(batch, count, self.options.seed)?;
                let Place { epoch, step } = self.place;
                let problem = Error::NotFinite { loss, epoch, step: step + 1, origin };
                let told = callbacks.iter_mut().map(|callback| callback.not_finite(model, &problem));
                if told.filter(ControlFlow::is_break).count() == 0 {
                    return Err(problem);
                }
                return Ok(Ending::Broken);
            }
            batches.give_back(filled);
            self.place.step += 1;
            self.seconds = before + start.elapsed().as_secs_f64();
            let mut flow = ControlFlow::Continue(());
            for callback in &mut *callbacks {
                if callback.step_end(model, &|| self.progress())?.is_break() {
                    flow = ControlFlow::Break(());
                }
            }
            let whole = self.place.step == self.steps;
            if !whole && (flow.is_break() || self.options.is_stopped()) {
                return Ok(Ending::Broken);
            }
            self.broken = flow.is_break();
            self.due = self.clock.as_mut().is_some_and(Clock::step);
            if self.due && !whole {
                self.keep(model, callbacks)?;
            }
        }
        self.seconds = before + start.elapsed().as_secs_f64();
        let scores = self.tally.scores();
        Ok(Ending::Whole(EpochLog {
            epoch: self.place.epoch,
            loss: scores.loss,
            metrics: scores.metrics,
            learning_rate: model.learning_rate()?,
            seconds: self.seconds,
            waited: self.waited,
            images_per_second: self.regime.samples as f64 / self.seconds,
            ..EpochLog::default()
        }))
    }

    fn progress(&self) -> Progress {
        let scores = self.tally.scores();
        Progress {
            epoch: self.place.epoch,
            epochs: self.options.epochs,
            step: self.place.step,
            steps: self.steps,
            samples: self.tally.count(),
            loss: scores.loss,
            metrics: scores.metrics,
            seconds: self.seconds,
            waited: self.waited,
        }
    }

    /// Makes a checkpoint for those who want one.
    fn keep(&self, model: &Model, callbacks: &Callbacks<'_, '_>) -> Result<()> {
        let Some((_, keep)) = self.options.checkpoints else { return Ok(()) };
        keep(&Checkpoint {
            model: model.config(),
            weights: (model.weights())
                .map(|weight| (weight.path.clone(), model.weight_values(weight).to_owned()))
                .collect(),
            optimizer: model.optimizer_memory().unwrap_or_default(),
            learning_rate: model.fixed_learning_rate(),
            place: self.place,
            regime: self.regime,
            ended: self.ended,
            history: History { stopped: None, ..self.history.clone() },
            part: PartOfEpoch {
                gathered: self.tally.gathered(),
                seen: self.tally.count(),
                seconds: self.seconds,
                waited: self.waited,
            },
            callbacks: callbacks.iter().filter_map(|callback| callback.state()).collect(),
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
    if !options.class_weight.is_empty() {
        match &samples.target_dims()[..] {
            [target] if target.len() <= 1 => {}
            _ => {
                let problem = "they are for models with one output and one class a sample";
                return Err(Error::argument("class_weight", problem));
            }
        }
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
