//! Other programs' files: Keras archives, legacy HDF5 models and weights, PyTorch's state dicts, safetensors, ONNX, HDF5 itself,
//! NumPy arrays, TensorBoard's event files.
//!
//! Files become plain data first (JSON, named arrays), then models of `convnet-nn`, and back. Every reader takes its file
//! for hostile: lengths are checked before memory is asked for, what a compressed file may unpack to is bounded, and
//! whatever is wrong comes back as an [`InteropError`], never as a panic. Every writer goes through [`atomic`], so that
//! a reader sees the old file or the new one, whole.

pub mod archive;
pub mod atomic;
pub mod checkpoint;
mod error;
mod formats;
pub mod h5;
pub mod keras;
pub mod npy;
mod numbers;
pub mod onnx;
pub mod pytorch;
pub mod safetensors;
pub mod tensorboard;

pub use error::{InteropError, Result};
pub use formats::{MODEL_FORMATS, ModelFormat, load, model_format, save};
