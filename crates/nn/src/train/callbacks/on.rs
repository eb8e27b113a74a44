//! A callback made of closures.

use std::fmt;
use std::ops::ControlFlow;

use super::{Callback, Planned};
use crate::error::Result;
use crate::model::Model;
use crate::train::{EpochLog, History, Progress};

type TrainBegin<'f> = Box<dyn FnMut(&mut Model, &Planned) -> Result<()> + 'f>;
type EpochBegin<'f> = Box<dyn FnMut(&mut Model, usize) -> Result<()> + 'f>;
type StepEnd<'f> = Box<dyn FnMut(&mut Model, &dyn Fn() -> Progress) -> Result<ControlFlow<()>> + 'f>;
type EpochEnd<'f> = Box<dyn FnMut(&mut Model, &mut EpochLog) -> Result<ControlFlow<()>> + 'f>;
type TrainEnd<'f> = Box<dyn FnMut(&mut Model, &History) -> Result<()> + 'f>;

/// Closures that are called in the course of a training. As Keras's [LambdaCallback](https://keras.io/api/callbacks/lambda_callback/).
///
/// ```
/// use std::ops::ControlFlow;
///
/// use convnet_nn::train::On;
///
/// let mut losses = Vec::new();
/// let mut callback = On::new().epoch_end(|_model, log| {
///     losses.push(log.loss);
///     Ok(if log.loss < 0.1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
/// });
/// # let _: &mut dyn convnet_nn::train::Callback = &mut callback;
/// ```
#[derive(Default)]
pub struct On<'f> {
    train_begin: Option<TrainBegin<'f>>,
    epoch_begin: Option<EpochBegin<'f>>,
    step_end: Option<StepEnd<'f>>,
    epoch_end: Option<EpochEnd<'f>>,
    train_end: Option<TrainEnd<'f>>,
}

impl<'f> On<'f> {
    /// Does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls before the first step.
    pub fn train_begin(self, call: impl FnMut(&mut Model, &Planned) -> Result<()> + 'f) -> Self {
        Self { train_begin: Some(Box::new(call)), ..self }
    }

    /// Calls before each epoch, counted from 1.
    pub fn epoch_begin(self, call: impl FnMut(&mut Model, usize) -> Result<()> + 'f) -> Self {
        Self { epoch_begin: Some(Box::new(call)), ..self }
    }

    /// Calls after each step; a break ends the training there.
    pub fn step_end(
        self,
        call: impl FnMut(&mut Model, &dyn Fn() -> Progress) -> Result<ControlFlow<()>> + 'f,
    ) -> Self {
        Self { step_end: Some(Box::new(call)), ..self }
    }

    /// Calls after each epoch and its validation; a break ends the training.
    pub fn epoch_end(
        self,
        call: impl FnMut(&mut Model, &mut EpochLog) -> Result<ControlFlow<()>> + 'f,
    ) -> Self {
        Self { epoch_end: Some(Box::new(call)), ..self }
    }

    /// Calls after all.
    pub fn train_end(self, call: impl FnMut(&mut Model, &History) -> Result<()> + 'f) -> Self {
        Self { train_end: Some(Box::new(call)), ..self }
    }
}

impl Callback for On<'_> {
    fn train_begin(&mut self, model: &mut Model, planned: &Planned) -> Result<()> {
        self.train_begin.as_mut().map_or(Ok(()), |call| call(model, planned))
    }

    fn epoch_begin(&mut self, model: &mut Model, epoch: usize) -> Result<()> {
        self.epoch_begin.as_mut().map_or(Ok(()), |call| call(model, epoch))
    }

    fn step_end(&mut self, model: &mut Model, progress: &dyn Fn() -> Progress) -> Result<ControlFlow<()>> {
        self.step_end.as_mut().map_or(Ok(ControlFlow::Continue(())), |call| call(model, progress))
    }

    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> Result<ControlFlow<()>> {
        self.epoch_end.as_mut().map_or(Ok(ControlFlow::Continue(())), |call| call(model, log))
    }

    fn train_end(&mut self, model: &mut Model, history: &History) -> Result<()> {
        self.train_end.as_mut().map_or(Ok(()), |call| call(model, history))
    }
}

impl fmt::Debug for On<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").finish_non_exhaustive()
    }
}
