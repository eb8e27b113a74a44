//! Optimizers with Keras 3's numerics, on flat slices of parameters, gradients and slots.

mod adam;
mod rmsprop;
mod sgd;

pub use adam::{Adam, adam};
pub use rmsprop::{RmsProp, rmsprop};
pub use sgd::{Sgd, sgd};

/// Elements of a piece of a loop.
const CHUNK: usize = 1 << 13;
