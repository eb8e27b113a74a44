//! Training and evaluation: one loop, one step.

mod evaluate;
mod fit;
mod history;
mod prefetch;
mod profile;
mod samples;
mod state;
mod step;

pub use evaluate::Scores;
pub use fit::{Fit, Observer, Progress};
pub use history::{EpochLog, History};
pub use samples::{Arrays, Batch, OneHot, Part, Samples, Visit};
pub use state::OptimizerMemory;
pub use step::TrainingState;
