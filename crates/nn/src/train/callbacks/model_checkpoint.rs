//! Saves the model as it is trained.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::monitor::{Mode, Monitor};
use super::{Callback, CallbackState, Planned, count, from_number, number, pattern};
use crate::error::Result;
use crate::model::Model;
use crate::train::{EpochLog, Progress};

/// When something is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Often {
    /// After each epoch.
    #[default]
    Epoch,
    /// After so many steps.
    Steps(usize),
    /// After the first step when so many minutes have gone by.
    Minutes(f64),
}

/// Tells when it is time again.
#[derive(Clone, Copy, Debug)]
pub(in crate::train) struct Clock {
    often: Often,
    steps: usize,
    since: Instant,
}

impl Clock {
    pub(in crate::train) fn new(often: Often) -> Self {
        Self { often, steps: 0, since: Instant::now() }
    }

    /// Counts a step; whether it is time after it.
    pub(in crate::train) fn step(&mut self) -> bool {
        self.steps += 1;
        let due = match self.often {
            Often::Epoch => false,
            Often::Steps(steps) => self.steps >= steps,
            Often::Minutes(minutes) => {
                // What is no length of time never comes.
                Duration::try_from_secs_f64(60.0 * minutes).is_ok_and(|time| self.since.elapsed() >= time)
            }
        };
        if due {
            (self.steps, self.since) = (0, Instant::now());
        }
        due
    }
}

type Save<'f> = Box<dyn FnMut(&Model, &Path) -> Result<()> + 'f>;

/// Saves the model after each epoch, or as often as said, or whenever it is better than ever. As Keras's
/// [ModelCheckpoint](https://keras.io/api/callbacks/model_checkpoint/); a figure that is not there is an error, where Keras warns.
///
/// How a model is saved says the function that is given: `convnet_interop::checkpoint::model_checkpoint` gives those of Keras's files.
pub struct ModelCheckpoint<'f> {
    path: String,
    save: Save<'f>,
    monitor: Monitor,
    save_best_only: bool,
    often: Often,
    clock: Clock,
    last: Option<PathBuf>,
}

impl<'f> ModelCheckpoint<'f> {
    /// Saves under a name that may hold figures of the epoch in Python's form, `{epoch:02d}-{val_loss:.2f}.keras`, and after a step also `{step}`
    /// (or `{batch}`), counted from 1. Keras's defaults: after each epoch.
    pub fn new(path: impl Into<String>, save: impl FnMut(&Model, &Path) -> Result<()> + 'f) -> Self {
        Self {
            path: path.into(),
            save: Box::new(save),
            monitor: Monitor::new("val_loss"),
            save_best_only: false,
            often: Often::Epoch,
            clock: Clock::new(Often::Epoch),
            last: None,
        }
    }

    /// The figure that tells which model is best. Default `val_loss`.
    pub fn monitor(mut self, monitor: impl Into<String>) -> Self {
        self.monitor.name = monitor.into();
        self
    }

    /// Whether only a model that is better than all before is saved. Default false.
    pub fn save_best_only(self, save_best_only: bool) -> Self {
        Self { save_best_only, ..self }
    }

    /// Which way the figure ought to go. Default: what its name says.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.monitor.mode = mode;
        self
    }

    /// When it saves. The figures after a step are those of its epoch so far.
    pub fn often(self, often: Often) -> Self {
        Self { often, ..self }
    }

    /// What the figure has to be better than before the first model is saved.
    pub fn initial_value_threshold(mut self, threshold: f64) -> Self {
        self.monitor.best = Some(threshold);
        self
    }

    /// The file that was written last.
    pub fn last(&self) -> Option<&Path> {
        self.last.as_deref()
    }

    fn save(&mut self, model: &Model, figures: &[(String, f64)]) -> Result<()> {
        if self.save_best_only {
            let current = self.monitor.find(figures)?;
            if !self.monitor.improves(current, self.monitor.best)? {
                return Ok(());
            }
            self.monitor.best = Some(current);
        }
        let path = PathBuf::from(pattern::fill(&self.path, figures)?);
        (self.save)(model, &path)?;
        self.last = Some(path);
        Ok(())
    }
}

impl Callback for ModelCheckpoint<'_> {
    fn train_begin(&mut self, _model: &mut Model, _planned: &Planned) -> Result<()> {
        self.clock = Clock::new(self.often);
        if self.save_best_only { self.monitor.check() } else { Ok(()) }
    }

    fn step_end(&mut self, model: &mut Model, progress: &dyn Fn() -> Progress) -> Result<ControlFlow<()>> {
        if self.clock.step() {
            let progress = progress();
            let mut figures = vec![("loss".to_owned(), progress.loss)];
            figures.extend(progress.metrics);
            for (name, value) in
                [("epoch", progress.epoch), ("step", progress.step), ("batch", progress.step)]
            {
                figures.push((name.to_owned(), value as f64));
            }
            self.save(model, &figures)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> Result<ControlFlow<()>> {
        if self.often == Often::Epoch {
            let mut figures = log.figures();
            figures.push(("epoch".to_owned(), log.epoch as f64));
            self.save(model, &figures)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn state(&self) -> Option<CallbackState> {
        Some(CallbackState {
            name: format!("ModelCheckpoint {}", self.path),
            data: json!({ "best": number(self.monitor.best), "steps": self.clock.steps }),
            arrays: Vec::new(),
        })
    }

    fn restore(&mut self, state: &CallbackState) -> Result<()> {
        self.monitor.best = from_number(&state.data["best"]);
        self.clock.steps = count(state, "steps")?;
        Ok(())
    }
}

impl fmt::Debug for ModelCheckpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelCheckpoint")
            .field("path", &self.path)
            .field("often", &self.often)
            .finish_non_exhaustive()
    }
}
