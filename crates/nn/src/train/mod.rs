//! Training and evaluation: one loop, one step.

pub mod callbacks;
mod checkpoint;
mod evaluate;
mod fit;
mod history;
mod prefetch;
mod profile;
mod samples;
mod state;
mod step;

pub use callbacks::{
    Callback, CallbackState, CsvLogger, EarlyStopping, LearningRateScheduler, Mode, ModelCheckpoint, Often,
    On, Planned, ReduceLROnPlateau, TerminateOnNaN,
};
pub use checkpoint::{Checkpoint, PartOfEpoch, Place, Regime};
pub use evaluate::Scores;
pub use fit::{Fit, Progress};
pub use history::{EpochLog, History};
pub use samples::{Arrays, Batch, OneHot, Part, Samples, Visit};
pub use state::OptimizerMemory;
pub use step::TrainingState;
