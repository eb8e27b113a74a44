//! The engine: what is computed, and when, and where in memory. Safe code only.
//!
//! A [`Graph`] is a list of operations ([`ops`]) over values whose shapes are known but for the batch. Its gradients are
//! more graph ([`gradients`]). [`passes`] rewrite it, and a [`Plan`] fixes for one batch size the order of the
//! kernel calls and the place of every buffer, so that a run only walks a list.
//!
//! The arithmetic itself is elsewhere (`convnet-kernels`), and so is what a person says: layers, losses,
//! optimizers, training loops (`convnet-nn`).

pub mod error;
pub mod gradient;
pub mod graph;
pub mod op;
pub mod ops;
pub mod passes;
pub mod plan;
pub mod precision;
pub mod run;
pub mod shape;
pub mod slab;

pub use convnet_kernels as kernels;
pub use error::EngineError;
pub use gradient::gradients;
pub use graph::{Graph, Value};
pub use op::Op;
pub use plan::{Plan, Program, Target};
pub use precision::Precision;
pub use run::{Memory, RunContext};
pub use shape::{Element, Shape, TensorType};
pub use slab::Slab;
