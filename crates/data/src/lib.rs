//! Data sets, pictures and texts for convnet, from disk to batch.
//!
//! - [`open`] takes a name from [`SOURCES`] (`mnist`, `fashion-mnist`) or whatever a path holds (a folder of pictures or texts, a table of labels, HDF5, `.npz`,
//!   IDX, CIFAR, IMDB; see [`sources`]) and gives a [`Collection`]: sets to train on, validate on and test with.
//! - [`SampleSet`] is what a model trains on (`convnet_nn::Samples`), with labels; [`pipeline`] makes sets of other sets: split, map, cache, weights, ….
//! - [`pictures`] reads folders of picture files lazily and side by side; [`Stream`] takes a user's own iterator; [`ArraySamples`] arrays.
//! - [`augment`] makes other pictures of the same things, with what is marked on them.
//! - [`images`] brings one picture (PNG, JPEG, GIF, BMP, WebP) to the size and channels that a model expects, and tells what it changed.
//! - [`text`] turns words into numbers by Keras's rules.
//! - [`load`] gives a [`Dataset`] that lies in memory as bytes: a named one, or a folder of IDX files.
//!
//! Pixels are `f32` in `[0, 1]` unless 255 is asked for as white, shaped `(height, width, channels)`. Every reader takes its file for hostile: what a header claims is
//! checked before memory is taken for it, and an error names the file. Formats of other programs are read by `convnet-interop`.
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

mod arrays;
pub mod augment;
mod dataset;
mod error;
pub mod images;
pub mod pictures;
pub mod pipeline;
mod samples;
mod set;
pub mod sources;
mod stream;
pub mod text;

pub use arrays::ArraySamples;
pub use dataset::{Dataset, ImageShape, Split};
pub use error::{DataError, Result};
pub use pictures::{ColorMode, ImageFolder, OnBroken, OnChange, OnReport, PictureFiles};
pub use pipeline::{Shares, balanced_class_weights};
pub use set::{Labelled, SampleSet};
pub use sources::{Collection, Opening, SOURCES, Source, load, load_with, open, open_with};
pub use stream::{Stream, StreamSample};
