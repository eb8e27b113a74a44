//! Smaller steps when a training gets no better.

use std::ops::ControlFlow;

use serde_json::json;

use super::monitor::{Mode, Monitor};
use super::{Callback, CallbackState, Planned, count, from_number, number};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::train::EpochLog;

/// Multiplies the learning rate by a factor when a figure has not improved for some epochs. As Keras's
/// [ReduceLROnPlateau](https://keras.io/api/callbacks/reduce_lr_on_plateau/); a figure that is not there is an error, where Keras warns.
#[derive(Clone, Debug)]
pub struct ReduceLROnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    cooldown: usize,
    min_lr: f32,
    wait: usize,
    cooling: usize,
}

impl ReduceLROnPlateau {
    /// Watches a figure such as `val_loss`, with Keras's defaults: a tenth of the rate after 10 epochs that are not better by 0.0001.
    pub fn new(monitor: impl Into<String>) -> Self {
        let mut monitor = Monitor::new(monitor);
        monitor.min_delta = 1e-4;
        Self { monitor, factor: 0.1, patience: 10, cooldown: 0, min_lr: 0.0, wait: 0, cooling: 0 }
    }

    /// What the rate is multiplied by, below 1. Default 0.1.
    pub fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// Epochs without an improvement after which the rate is reduced. Default 10.
    pub fn patience(self, patience: usize) -> Self {
        Self { patience, ..self }
    }

    /// Which way the figure ought to go. Default: what its name says.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.monitor.mode = mode;
        self
    }

    /// What counts as no improvement though it is one: a change of less than this. Default 0.0001.
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.monitor.min_delta = min_delta;
        self
    }

    /// Epochs after a reduction in which none are counted. Default 0.
    pub fn cooldown(self, cooldown: usize) -> Self {
        Self { cooldown, ..self }
    }

    /// The rate is not made smaller than this. Default 0.
    pub fn min_lr(self, min_lr: f32) -> Self {
        Self { min_lr, ..self }
    }
}

impl Callback for ReduceLROnPlateau {
    fn train_begin(&mut self, _model: &mut Model, _planned: &Planned) -> Result<()> {
        if !(0.0..1.0).contains(&self.factor) {
            return Err(Error::argument(
                "ReduceLROnPlateau",
                format!("factor must be below 1, got {}", self.factor),
            ));
        }
        (self.monitor.best, self.wait, self.cooling) = (None, 0, 0);
        self.monitor.check()
    }

    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> Result<ControlFlow<()>> {
        let current = self.monitor.value(log)?;
        if self.cooling > 0 {
            self.cooling -= 1;
            self.wait = 0;
        }
        if self.monitor.improves(current, self.monitor.best)? {
            self.monitor.best = Some(current);
            self.wait = 0;
        } else if self.cooling == 0 {
            self.wait += 1;
            let rate = model.learning_rate()?;
            if self.wait >= self.patience && rate > self.min_lr {
                let rate = (f64::from(rate) * self.factor).max(f64::from(self.min_lr));
                model.set_learning_rate(rate as f32)?;
                (self.cooling, self.wait) = (self.cooldown, 0);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn state(&self) -> Option<CallbackState> {
        Some(CallbackState {
            name: format!("ReduceLROnPlateau {}", self.monitor.name),
            data: json!({ "wait": self.wait, "cooling": self.cooling, "best": number(self.monitor.best) }),
            arrays: Vec::new(),
        })
    }

    fn restore(&mut self, state: &CallbackState) -> Result<()> {
        self.wait = count(state, "wait")?;
        self.cooling = count(state, "cooling")?;
        self.monitor.best = from_number(&state.data["best"]);
        Ok(())
    }
}
