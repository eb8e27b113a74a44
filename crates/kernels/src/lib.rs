//! Compute kernels of convnet: slices, geometry and scratch in, slices out.
//!
//! This crate knows no graph, no file and no layer, and it is the only one with `unsafe`. Every public function is
//! safe: it checks its lengths on entry and panics with a clear text if they do not fit (a bug of the caller, never
//! something a user typed). Tensors are `f32`, row-major, channels last: `(batch, depth, height, width, channels)`.
//!
//! * [`geometry`] – window arithmetic, for every crate above
//! * [`cpu`] – the instruction set in use; [`par`] – threads; [`peak`] – what the machine can do at best
//! * [`conv`] – convolutions and dense layers, forward and both gradients; [`winograd`] – 3 × 3 ones by tiles, which
//!   [`conv`] uses where a cost model says so
//! * [`pool`], [`norm`], [`elementwise`], [`reduce`], [`resize`], [`warp`], [`softmax`], [`loss`] – the other layers' mathematics
//! * [`optimizer`], [`random`], [`images`] – around a training step
//!
//! Work is cut by shape and instruction set, never by the number of threads, so results have the same bits on any
//! number of threads. Callers own all memory: a kernel that needs scratch has a twin that tells how much. Slices that
//! start on a 64-byte border run fastest.

pub mod conv;
pub mod cpu;
pub mod elementwise;
#[cfg(all(feature = "fences", unix))]
pub mod fence;
pub mod geometry;
pub mod images;
pub mod loss;
pub mod norm;
pub mod optimizer;
pub mod pages;
pub mod par;
pub mod peak;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod resize;
pub mod softmax;
pub mod warp;
pub mod winograd;

mod depthwise;
mod gemm;
mod simd;
