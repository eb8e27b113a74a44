//! Convolutional networks in Rust: Keras's words, a fast CPU engine, no Python.
//!
//! This crate names what a program needs of the crates below it, and has no logic of its own. See [`prelude`] for what most
//! programs import, and the examples for whole programs.
//!
//! ```
//! use convnet::prelude::*;
//!
//! let model = Sequential::new([28, 28, 1])
//!     .add(Conv2D::new(32, 3).activation(Activation::Relu))
//!     .add(MaxPooling2D::new(2))
//!     .add(Flatten::new())
//!     .add(Dense::new(10).activation(Activation::Softmax))
//!     .build()?;
//! println!("{}", model.summary(64)?);
//! # Ok::<(), convnet::nn::Error>(())
//! ```

pub use convnet_data as data;
pub use convnet_interop as interop;
pub use convnet_nn as nn;
pub use convnet_nn::engine;
pub use convnet_nn::engine::kernels;
pub use convnet_vision as vision;

/// What most programs import.
pub mod prelude {
    pub use convnet_interop::keras::{load_model, save_model};
    pub use convnet_nn::layers::{
        Add, AveragePooling2D, BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Flatten,
        GlobalAveragePooling2D, MaxPooling2D, Padding, Rescaling, WithRules,
    };
    pub use convnet_nn::losses::{
        BinaryCrossentropy, CategoricalCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy,
    };
    pub use convnet_nn::metrics::Auc;
    pub use convnet_nn::optimizers::{Adam, AdamW, RmsProp, Sgd, WithSettings};
    pub use convnet_nn::train::{Arrays, Callback, OneHot, Samples};
    pub use convnet_nn::utils::to_categorical;
    pub use convnet_nn::{
        Activation, Constraint, Fit, History, Initializer, LayerRef, Metric, Model, Precision, Regularizer,
        Sequential, Symbol, set_threads,
    };
}

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
