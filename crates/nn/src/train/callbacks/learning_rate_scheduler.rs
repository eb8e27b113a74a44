//! A learning rate for each epoch.

use std::fmt;

use super::Callback;
use crate::error::{Error, Result};
use crate::model::Model;

/// Sets the learning rate before each epoch to what a function makes of the epoch and the rate before it. As Keras's
/// [LearningRateScheduler](https://keras.io/api/callbacks/learning_rate_scheduler/): the epoch is counted from 0.
pub struct LearningRateScheduler<'f> {
    schedule: Box<dyn FnMut(usize, f32) -> f32 + 'f>,
}

impl<'f> LearningRateScheduler<'f> {
    /// Gives the function the epoch, counted from 0, and the rate, and takes the rate of the epoch from it.
    pub fn new(schedule: impl FnMut(usize, f32) -> f32 + 'f) -> Self {
        Self { schedule: Box::new(schedule) }
    }
}

impl Callback for LearningRateScheduler<'_> {
    fn epoch_begin(&mut self, model: &mut Model, epoch: usize) -> Result<()> {
        let rate = (self.schedule)(epoch - 1, model.learning_rate()?);
        if !rate.is_finite() {
            let problem = format!("the schedule gave {rate} for epoch {}, counted from 0", epoch - 1);
            return Err(Error::argument("LearningRateScheduler", problem));
        }
        model.set_learning_rate(rate)
    }
}

impl fmt::Debug for LearningRateScheduler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LearningRateScheduler").finish_non_exhaustive()
    }
}
