//! Keras's model files: `.keras` archives and legacy `.h5`, read into one form and written from it.
//!
//! A [`KerasFile`] has the model's configuration as JSON and its numbers by layer, in the same shape whichever format
//! they came from; [`load_model`] and [`save_model`] go on to the [`Model`](convnet_nn::Model) that it describes.

mod compile;
mod fill;
mod layout;
mod legacy;
mod model;
mod native;
mod weights;

use std::io::Read;
use std::path::Path;

use ndarray::ArrayD;
use serde_json::Value;

use crate::error::file_bytes;
use crate::h5::{H5File, StoredArray};
use crate::{InteropError, Result, atomic};

pub(crate) const FORMAT: &str = "Keras model";

pub use model::{load_model, load_model_sized, save_model, stated_ends};
pub use weights::{load_weights, load_weights_by_name, save_weights};

/// The version of Keras that the files written here are checked against, and say that they are from.
pub const KERAS_VERSION: &str = "3.15.1";

/// A model as Keras stores it. `A` is what it has of its layers' arrays: themselves, or where they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KerasFile<A = ArrayD<f32>> {
    /// The model's object: `{"class_name": "Sequential" | "Functional", "config": {…}, …}`, with `module` and
    /// `registered_name` in `.keras` files. Keras 2 and 3 differ in details inside; it is given as it was found,
    /// but for `compile_config`, which is below.
    pub config: Value,
    /// `{"optimizer": {"class_name", "config"}, "loss": …, "metrics": …, …}` as in `.keras` files (a legacy file's
    /// `training_config` is brought to this form); `None` for a model that was not compiled.
    pub compile_config: Option<Value>,
    /// The arrays of each layer that has some, in the configuration's order. Layers of nested models are among them.
    pub layers: Vec<LayerWeights<A>>,
    /// The optimizer's state, if the file has any.
    pub optimizer: Option<OptimizerState>,
    /// Further members of a `.keras` archive by name, `metadata.json` aside; Keras ignores those it does not know.
    pub members: Vec<(String, Vec<u8>)>,
}

/// One layer's arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeights<A = ArrayD<f32>> {
    /// The layer's name, behind those of the nested models that it is in: `dense_1`, `base/conv2d`.
    pub path: String,
    /// The layer's class: `Conv2D`.
    pub class_name: String,
    /// Name and value in the order of Keras's `get_weights()`: kernel, bias; gamma, beta, moving_mean, moving_variance.
    /// Only legacy files have the names; from `.keras` they are `0`, `1`, …. For writing, give the real ones.
    pub weights: Vec<(String, A)>,
}

/// An optimizer's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Steps taken.
    pub iteration: i64,
    /// The current learning rate; `None` from Keras 2 and with a schedule.
    pub learning_rate: Option<f32>,
    /// Momenta and the like in Keras's order over the trainable weights. SGD: momentum. RMSprop: all velocities, then all
    /// momenta, then all average gradients, those that are in use. Adam: momentum and velocity of each weight in turn. Before
    /// them the averages of weights and the sums of gradients, if they are kept; behind them single numbers (Nadam).
    pub slots: Vec<ArrayD<f32>>,
}

/// Which of Keras's two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The `.keras` archive of Keras 3.
    Archive,
    /// The HDF5 file of Keras 1 to 3.
    LegacyH5,
}

impl Format {
    /// The format of a file name: `.h5` and `.hdf5` are legacy, all else is an archive, as in Keras 3.
    pub fn of_path(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("h5" | "hdf5") => Self::LegacyH5,
            _ => Self::Archive,
        }
    }
}

impl KerasFile {
    /// Reads the model file `path`; its content tells the format.
    ///
    /// # Errors
    /// With the file's name: cannot be read, neither format, damaged, only weights without a model, or a layer's
    /// arrays are not where the configuration says.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = || KerasFile::open(path)?.floats();
        read().map_err(|error| error.in_file(path))
    }

    /// Reads a model from a file's bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read), without a name.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        KerasFile::open_bytes(bytes)?.floats()
    }

    /// Writes the model as the file `path`, whole or not at all, in the format that its name asks for.
    ///
    /// # Errors
    /// When the file cannot be written, or `layers` do not fit `config`.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes(Format::of_path(path)).map_err(|error| error.in_file(path))?;
        atomic::write(path, &bytes)
    }

    /// The model as a file's bytes; the same model gives the same bytes.
    ///
    /// # Errors
    /// When `layers` name a layer that `config` does not have.
    pub fn to_bytes(&self, format: Format) -> Result<Vec<u8>> {
        match format {
            Format::Archive => native::write(self),
            Format::LegacyH5 => legacy::write(self),
        }
    }

    /// The model's name, as Keras gives it to its groups.
    fn model_name(&self) -> &str {
        self.config["config"]["name"].as_str().unwrap_or_default()
    }
}

impl<A> KerasFile<A> {
    /// The arrays of the layer at `path`; none for a layer without.
    pub fn weights(&self, path: &str) -> &[(String, A)] {
        self.layers.iter().find(|layer| layer.path == path).map_or(&[], |layer| &layer.weights)
    }
}

impl KerasFile<StoredArray> {
    /// The file at `path`, the arrays of its layers left where they are.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        match File::open(path)? {
            File::Hdf5(file) => legacy::read(&file),
            File::Archive(bytes) => native::read(bytes),
        }
    }

    /// The same of a file's bytes.
    fn open_bytes(bytes: Vec<u8>) -> Result<Self> {
        match File::of_bytes(bytes)? {
            File::Hdf5(file) => legacy::read(&file),
            File::Archive(bytes) => native::read(bytes),
        }
    }

    /// The same with the arrays' numbers.
    fn floats(self) -> Result<KerasFile> {
        let Self { config, compile_config, layers, optimizer, members } = self;
        let read = |layer: LayerWeights<StoredArray>| {
            let LayerWeights { path, class_name, weights } = layer;
            let weights = weights.into_iter().map(|(name, array)| Ok((name, array.floats()?)));
            Ok(LayerWeights { path, class_name, weights: weights.collect::<Result<_>>()? })
        };
        let layers = layers.into_iter().map(read).collect::<Result<_>>()?;
        Ok(KerasFile { config, compile_config, layers, optimizer, members })
    }
}

/// A file of Keras's by what it begins with.
pub(super) enum File {
    /// HDF5, of which little is in memory.
    Hdf5(H5File),
    /// A zip archive.
    Archive(Vec<u8>),
}

impl File {
    fn open(path: &Path) -> Result<Self> {
        let mut start = [0; 8];
        let read = |start: &mut [u8]| std::fs::File::open(path)?.read_exact(start);
        match read(&mut start) {
            Ok(()) if H5File::recognises(&start) => Ok(Self::Hdf5(H5File::open_path(path)?)),
            // What is too short to be any of them is told as such below.
            _ => Self::of_bytes(file_bytes(path)?),
        }
    }

    fn of_bytes(bytes: Vec<u8>) -> Result<Self> {
        match () {
            () if H5File::recognises(&bytes) => Ok(Self::Hdf5(H5File::open(bytes)?)),
            () if bytes.starts_with(b"PK") => Ok(Self::Archive(bytes)),
            () => {
                let reason = "it is neither a .keras archive nor an HDF5 file, or is cut short";
                Err(InteropError::malformed(FORMAT, reason))
            }
        }
    }
}
