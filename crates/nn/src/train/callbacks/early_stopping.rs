//! Ends a training that gets no better.

use std::ops::ControlFlow;

use ndarray::ArrayD;
use serde_json::json;

use super::monitor::{Mode, Monitor};
use super::{Callback, CallbackState, Planned, count, from_number, number};
use crate::error::Result;
use crate::model::Model;
use crate::train::{EpochLog, History};

/// Ends the training when a figure has not improved for some epochs. As Keras's
/// [EarlyStopping](https://keras.io/api/callbacks/early_stopping/); a figure that is not there is an error, where Keras warns.
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    baseline: Option<f64>,
    restore_best_weights: bool,
    start_from_epoch: usize,
    wait: usize,
    best_epoch: usize,
    stopped_epoch: Option<usize>,
    best_weights: Option<Vec<ArrayD<f32>>>,
}

impl EarlyStopping {
    /// Watches a figure such as `val_loss` or `val_accuracy`, with Keras's defaults: stops after the first epoch that is not better.
    pub fn new(monitor: impl Into<String>) -> Self {
        Self {
            monitor: Monitor::new(monitor),
            patience: 0,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
            wait: 0,
            best_epoch: 0,
            stopped_epoch: None,
            best_weights: None,
        }
    }

    /// What counts as no improvement though it is one: a change of less than this. Default 0.
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.monitor.min_delta = min_delta;
        self
    }

    /// Epochs without an improvement after which training ends. Default 0.
    pub fn patience(self, patience: usize) -> Self {
        Self { patience, ..self }
    }

    /// Which way the figure ought to go. Default: what its name says.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.monitor.mode = mode;
        self
    }

    /// Improvements do not count before the figure is better than this.
    pub fn baseline(self, baseline: f64) -> Self {
        Self { baseline: Some(baseline), ..self }
    }

    /// Whether the model ends with the weights of its best epoch, however training ended. Default false.
    pub fn restore_best_weights(self, restore_best_weights: bool) -> Self {
        Self { restore_best_weights, ..self }
    }

    /// Epochs at first of which nothing is expected. Default 0.
    pub fn start_from_epoch(self, start_from_epoch: usize) -> Self {
        Self { start_from_epoch, ..self }
    }

    /// The epoch with the best value, counted from 1; 0 before there was one.
    pub fn best_epoch(&self) -> usize {
        self.best_epoch
    }

    /// The best value.
    pub fn best(&self) -> Option<f64> {
        self.monitor.best
    }

    /// The epoch after which it ended the training, if it did.
    pub fn stopped_epoch(&self) -> Option<usize> {
        self.stopped_epoch
    }
}

impl Callback for EarlyStopping {
    fn train_begin(&mut self, _model: &mut Model, _planned: &Planned) -> Result<()> {
        self.monitor.best = None;
        (self.wait, self.best_epoch, self.stopped_epoch, self.best_weights) = (0, 0, None, None);
        self.monitor.check()
    }

    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> Result<ControlFlow<()>> {
        let current = self.monitor.value(log)?;
        if log.epoch <= self.start_from_epoch {
            return Ok(ControlFlow::Continue(()));
        }
        if self.restore_best_weights && self.best_weights.is_none() {
            self.best_weights = Some(model.get_weights());
            self.best_epoch = log.epoch;
        }
        self.wait += 1;
        if self.monitor.improves(current, self.monitor.best)? {
            self.monitor.best = Some(current);
            self.best_epoch = log.epoch;
            if self.restore_best_weights {
                self.best_weights = Some(model.get_weights());
            }
            if self.monitor.improves(current, self.baseline)? {
                self.wait = 0;
            }
            return Ok(ControlFlow::Continue(()));
        }
        // Not after the first epoch, as in Keras.
        if self.wait >= self.patience && log.epoch > 1 {
            self.stopped_epoch = Some(log.epoch);
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn train_end(&mut self, model: &mut Model, _history: &History) -> Result<()> {
        match &self.best_weights {
            Some(weights) => model.set_weights(weights),
            None => Ok(()),
        }
    }

    fn state(&self) -> Option<CallbackState> {
        Some(CallbackState {
            name: format!("EarlyStopping {}", self.monitor.name),
            data: json!({
                "wait": self.wait,
                "best": number(self.monitor.best),
                "best_epoch": self.best_epoch,
                "stopped_epoch": self.stopped_epoch.unwrap_or(0),
                "has_weights": self.best_weights.is_some(),
            }),
            arrays: self.best_weights.clone().unwrap_or_default(),
        })
    }

    fn restore(&mut self, state: &CallbackState) -> Result<()> {
        self.wait = count(state, "wait")?;
        self.best_epoch = count(state, "best_epoch")?;
        self.stopped_epoch = Some(count(state, "stopped_epoch")?).filter(|&epoch| epoch > 0);
        self.monitor.best = from_number(&state.data["best"]);
        self.best_weights = (state.data["has_weights"] == true).then(|| state.arrays.clone());
        Ok(())
    }
}
