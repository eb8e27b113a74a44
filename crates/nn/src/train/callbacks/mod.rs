//! What listens to a training, and may change or end it.
//!
//! A [`Callback`] is told of the begin and end of the training, of each epoch and of each step. Those here do what Keras's do
//! (<https://keras.io/api/callbacks/>); [`On`] makes one of closures. [`Model::fit_with`] calls them in the order given.
//!
//! ```
//! use convnet_nn::layers::Dense;
//! use convnet_nn::losses::MeanSquaredError;
//! use convnet_nn::optimizers::Sgd;
//! use convnet_nn::train::{Arrays, EarlyStopping, ReduceLROnPlateau};
//! use convnet_nn::{Fit, Sequential};
//! use ndarray::Array2;
//!
//! let (x, y) = (Array2::ones((40, 3)), Array2::ones((40, 1)));
//! let mut model = Sequential::new([3]).add(Dense::new(1)).build()?;
//! model.compile(Sgd::default(), MeanSquaredError, [])?;
//! let mut slower = ReduceLROnPlateau::new("val_loss").factor(0.5).patience(2);
//! let mut stop = EarlyStopping::new("val_loss").patience(5).restore_best_weights(true);
//! let options = Fit::new().epochs(50).validation_split(0.25);
//! let history = model.fit_with(&Arrays::new(x.view(), y.view())?, options, &mut [&mut slower, &mut stop])?;
//! println!("{}", history.to_csv());
//! # Ok::<(), convnet_nn::Error>(())
//! ```

use std::ops::ControlFlow;

use ndarray::ArrayD;
use serde_json::Value as Json;

use super::checkpoint::MAX_COUNT;
use super::{EpochLog, History, Progress};
use crate::error::{Error, Result};
use crate::model::Model;

mod csv_logger;
mod early_stopping;
mod learning_rate_scheduler;
mod model_checkpoint;
mod monitor;
mod on;
mod pattern;
mod reduce_lr_on_plateau;
mod terminate_on_nan;

pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use learning_rate_scheduler::LearningRateScheduler;
pub(super) use model_checkpoint::Clock;
pub use model_checkpoint::{ModelCheckpoint, Often};
pub use monitor::Mode;
pub use on::On;
pub use reduce_lr_on_plateau::ReduceLROnPlateau;
pub use terminate_on_nan::TerminateOnNaN;

/// What a training is going to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Epochs in all.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// The first epoch of this call, counted from 1: above 1 if an earlier training goes on.
    pub first_epoch: usize,
    /// Samples that are trained on in an epoch.
    pub samples: usize,
    /// Samples in a step; the last of an epoch may have fewer.
    pub batch_size: usize,
    /// Whether each epoch ends with a validation.
    pub validated: bool,
}

/// What a callback remembers, to be kept in a [`Checkpoint`](super::Checkpoint).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallbackState {
    /// Its name, by which a training that goes on finds it again.
    pub name: String,
    /// Plain data.
    pub data: Json,
    /// Arrays, such as the best weights.
    pub arrays: Vec<ArrayD<f32>>,
}

/// Somebody who hears how training goes, may change the model, and may end the training by a break. An error ends it, too, and is what
/// [`Model::fit_with`] returns.
pub trait Callback {
    /// Before the first step.
    ///
    /// # Errors
    /// Whatever keeps it from working.
    fn train_begin(&mut self, _model: &mut Model, _planned: &Planned) -> Result<()> {
        Ok(())
    }

    /// Before an epoch, counted from 1; not if an earlier training goes on in the middle of that epoch.
    ///
    /// # Errors
    /// Whatever keeps it from working.
    fn epoch_begin(&mut self, _model: &mut Model, _epoch: usize) -> Result<()> {
        Ok(())
    }

    /// After a step. On a break training ends there: the epoch is neither validated nor in the history, unless it was its last step. `progress` takes a little time, so call it
    /// only to use it.
    ///
    /// # Errors
    /// Whatever keeps it from working.
    fn step_end(&mut self, _model: &mut Model, _progress: &dyn Fn() -> Progress) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }

    /// After an epoch and its validation; on a break it was the last.
    ///
    /// # Errors
    /// Whatever keeps it from working.
    fn epoch_end(&mut self, _model: &mut Model, _log: &mut EpochLog) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }

    /// After the last step and all else, unless there was an error.
    ///
    /// # Errors
    /// Whatever keeps it from working.
    fn train_end(&mut self, _model: &mut Model, _history: &History) -> Result<()> {
        Ok(())
    }

    /// The loss became infinite or NaN, and the step was not taken. On a break training ends there without an error.
    fn not_finite(&mut self, _model: &mut Model, _problem: &Error) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// What has to be remembered for a training that goes on later; `None` if nothing has.
    fn state(&self) -> Option<CallbackState> {
        None
    }

    /// Remembers what [`Callback::state`] said, after `train_begin`.
    ///
    /// # Errors
    /// If it is nothing that this callback could have said.
    fn restore(&mut self, _state: &CallbackState) -> Result<()> {
        Ok(())
    }
}

/// A number of a state as JSON, which knows neither NaN nor infinity.
fn number(value: Option<f64>) -> Json {
    value.map_or(Json::Null, |value| value.to_string().into())
}

/// The same back.
fn from_number(json: &Json) -> Option<f64> {
    json.as_str()?.parse().ok()
}

/// A count of a state.
fn count(state: &CallbackState, key: &str) -> Result<usize> {
    let count = state.data.get(key).and_then(Json::as_u64).filter(|&count| count <= MAX_COUNT);
    count
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(|| Error::argument(&*state.name, format!("its state has no {key}")))
}
