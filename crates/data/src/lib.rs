//! Data sets and pictures for convnet, from disk to arrays.
//!
//! - [`load`] turns a name from [`SOURCES`] (`mnist`, `fashion-mnist`) or a folder of IDX files into a [`Dataset`].
//! - [`Dataset`] and [`Split`] hold images as bytes, shaped `(count, height, width, channels)`, and hand them out as
//!   `f32` in `[0, 1]`: whole as `ndarray` arrays, or gathered into a batch that the caller owns.
//! - [`augment`] makes other pictures of the same things, with what is marked on them.
//! - [`images`] brings any PNG or JPEG to the size and channels that a model expects, and tells what it changed.
//!
//! Every reader takes its file for hostile: what a header claims is checked before memory is taken for it, and an
//! error names the file. A [`Split`] is what a model trains on (`convnet_nn::Samples`). Arrays on disk in other programs' formats (npy,
//! Keras, ONNX) are `convnet-interop`'s.
//!
//! ```
//! let mnist = convnet_data::load("mnist")?;
//! assert_eq!(mnist.train.len(), 60_000);
//! assert_eq!(mnist.class_names.len(), 10);
//!
//! let (mut pixels, mut labels) = (vec![0.0; 2 * 28 * 28], vec![0.0; 2]);
//! mnist.train.batch(&[0, 1], &mut pixels, &mut labels)?;
//! assert_eq!(labels, [5.0, 0.0]);
//! # Ok::<(), convnet_data::DataError>(())
//! ```

pub mod augment;
mod dataset;
mod error;
pub mod images;
mod samples;
pub mod sources;

pub use dataset::{Dataset, ImageShape, Split};
pub use error::{DataError, Result};
pub use sources::{SOURCES, Source, load, load_with};
