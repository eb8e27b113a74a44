//! Ends a training whose loss is not finite any more, without an error.

use std::ops::ControlFlow;

use super::{Callback, Planned};
use crate::error::{Error, Result};
use crate::model::Model;

/// Ends the training when the loss is infinite or NaN; weights are those before that step. As Keras's
/// [TerminateOnNaN](https://keras.io/api/callbacks/terminate_on_nan/). Without it that is an error, which names the first layer that is to blame.
#[derive(Clone, Debug, Default)]
pub struct TerminateOnNaN {
    problem: Option<Error>,
}

impl TerminateOnNaN {
    /// Waits for such a loss.
    pub fn new() -> Self {
        Self::default()
    }

    /// What ended the training, if that did.
    pub fn problem(&self) -> Option<&Error> {
        self.problem.as_ref()
    }
}

impl Callback for TerminateOnNaN {
    fn train_begin(&mut self, _model: &mut Model, _planned: &Planned) -> Result<()> {
        self.problem = None;
        Ok(())
    }

    fn not_finite(&mut self, _model: &mut Model, problem: &Error) -> ControlFlow<()> {
        self.problem = Some(problem.clone());
        ControlFlow::Break(())
    }
}
