//! What a person says: layers, models, losses, metrics, optimizers, training. Keras's names, defaults and numerics.
//!
//! A [`Model`] is made of [`layers`], either in a row ([`Sequential`]) or by calling layers on [`Symbol`]s (the functional
//! API); [`Model::compile`] gives it an optimizer, a loss and metrics, and [`Model::fit`] trains it. Below, `convnet-engine` turns
//! it into a graph and runs that; files and formats are in `convnet-interop`.
//!
//! To add a layer, loss, metric, initializer or optimizer: one file in its folder, one line in the folder's registry.

pub mod activation;
pub mod blocks;
pub mod constraints;
pub mod error;
pub mod initializers;
pub mod layer;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod model;
pub mod names;
pub mod optimizers;
pub mod regularizers;
pub mod schedules;
pub mod threads;
pub mod train;
pub mod utils;

pub use activation::Activation;
pub use constraints::Constraint;
pub use convnet_engine as engine;
pub use convnet_engine::{Precision, Shape};
pub use error::{Error, Result};
pub use initializers::Initializer;
pub use layer::{Layer, LayerRef};
pub use losses::Loss;
pub use metrics::Metric;
pub use model::{Model, Sequential, Symbol, Weight};
pub use optimizers::Optimizer;
pub use regularizers::Regularizer;
pub use schedules::Schedule;
pub use threads::set_threads;
pub use train::{Fit, History, Samples};
