//! Checkpoints of trainings as files, from which a training goes on to the same bits.
//!
//! A file is of the safetensors form: weights, optimizer memory and the callbacks' arrays by name, and all else as JSON in its metadata. It
//! is written beside its place and renamed into it, so that a program that is killed at any moment leaves the last checkpoint or the one before, whole.
//!
//! ```
//! use convnet_interop::checkpoint;
//! use convnet_nn::layers::Dense;
//! use convnet_nn::losses::MeanSquaredError;
//! use convnet_nn::optimizers::Adam;
//! use convnet_nn::train::{Arrays, Often};
//! use convnet_nn::{Fit, Sequential};
//! use ndarray::Array2;
//!
//! let (x, y) = (Array2::ones((40, 3)), Array2::ones((40, 1)));
//! let samples = Arrays::new(x.view(), y.view())?;
//! let mut model = Sequential::new([3]).add(Dense::new(1)).build()?;
//! model.compile(Adam::default(), MeanSquaredError, [])?;
//! let path = std::env::temp_dir().join("convnet-checkpoint-example.safetensors");
//! model.fit(&samples, Fit::new().epochs(2).checkpoints(Often::Steps(1), &checkpoint::keep(&path)))?;
//!
//! let checkpoint = checkpoint::load(&path)?;
//! let mut later = checkpoint.to_model()?;
//! let history = later.fit(&samples, Fit::new().epochs(3).resume(&checkpoint))?;
//! assert_eq!(history.epochs.len(), 3);
//! # std::fs::remove_file(&path).unwrap();
//! # Ok::<(), convnet_interop::InteropError>(())
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use convnet_nn::train::{Callback, Checkpoint, ModelCheckpoint, Often, Samples};
use convnet_nn::{Error, Fit, History, Model};
use safetensors::SafeTensors;
use serde_json::{Map, Value as Json, json};

use crate::error::file_bytes;
use crate::{InteropError, Result, atomic, keras, safetensors as tensors};

const FORMAT: &str = "checkpoint of a training";

/// The key of the metadata under which the JSON stands.
const KEY: &str = "convnet.checkpoint";

/// Writes a checkpoint as the file `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written; an older one is then as it was.
pub fn save(checkpoint: &Checkpoint, path: impl AsRef<Path>) -> Result<()> {
    let arrays = checkpoint.arrays();
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ KEY: checkpoint.to_json().to_string() }));
    let mut end = 0;
    for (name, values) in &arrays {
        let start = end;
        end += size_of::<f32>() * values.len();
        let entry = json!({ "dtype": "F32", "shape": values.shape(), "data_offsets": [start, end] });
        header.insert(name.clone(), entry);
    }
    let mut header = Json::Object(header).to_string();
    // Numbers begin at a multiple of 8.
    header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
    atomic::write_with(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        arrays.iter().try_for_each(|(_, values)| write_numbers(file, values.iter().copied()))
    })
}

/// Writes numbers a few at a time, since a copy of all of them may not fit into memory.
fn write_numbers(file: &mut impl Write, values: impl Iterator<Item = f32>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    let mut filled = 0;
    for value in values {
        bytes[filled..filled + 4].copy_from_slice(&value.to_le_bytes());
        filled += 4;
        if filled == bytes.len() {
            file.write_all(&bytes)?;
            filled = 0;
        }
    }
    file.write_all(&bytes[..filled])
}

/// Reads the checkpoint that [`save`] wrote.
///
/// # Errors
/// With the file's name: cannot be read, is no checkpoint, is cut short, or is of a model that cannot be built here.
pub fn load(path: impl AsRef<Path>) -> Result<Checkpoint> {
    let path = path.as_ref();
    from_bytes(&file_bytes(path)?).map_err(|error| error.in_file(path))
}

/// As [`load`], from a file's bytes.
///
/// # Errors
/// As [`load`], without a name.
pub fn from_bytes(bytes: &[u8]) -> Result<Checkpoint> {
    let wrong = |reason: String| InteropError::malformed(FORMAT, reason);
    tensors::check_ends(bytes)?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| wrong(error.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|own| own.get(KEY));
    let text = text.ok_or_else(|| wrong(format!("its metadata have no `{KEY}`")))?;
    let json: Json = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    Ok(Checkpoint::from_parts(&json, tensors::from_bytes(bytes)?)?)
}

/// What [`Fit::checkpoints`] takes to keep the newest checkpoint as the file `path`.
pub fn keep(path: &Path) -> impl Fn(&Checkpoint) -> convnet_nn::Result<()> + use<> {
    let path = path.to_owned();
    move |checkpoint| save(checkpoint, &path).map_err(to_training_error)
}

/// An error in writing a file, as training tells it.
fn to_training_error(problem: InteropError) -> Error {
    match problem {
        InteropError::Model(problem) => problem,
        other => Error::Saving(other.to_string()),
    }
}

/// A callback that saves the model as a Keras file: `.keras`, `.h5`, or only its weights if `path` ends in `.weights.h5`. The name may hold
/// figures, as [`ModelCheckpoint::new`] says; folders are made.
///
/// # Errors
/// If the name has another ending.
pub fn model_checkpoint<'f>(path: impl Into<String>) -> Result<ModelCheckpoint<'f>> {
    let path = path.into();
    if !path.ends_with(".keras") && !path.ends_with(".h5") {
        let reason = format!("the name `{path}` must end in .keras, .h5 or .weights.h5");
        return Err(InteropError::unsupported("Keras file", reason));
    }
    Ok(ModelCheckpoint::new(path, |model: &Model, path: &Path| {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)
                .map_err(|source| to_training_error(InteropError::io("make", folder, source)))?;
        }
        let saved = match path.to_string_lossy().ends_with(".weights.h5") {
            true => keras::save_weights(model, path),
            false => keras::save_model(model, path),
        };
        saved.map_err(to_training_error)
    }))
}

/// Trainings that go on where they were when their program ended. As Keras's
/// [BackupAndRestore](https://keras.io/api/callbacks/backup_and_restore/), but exact: the weights come out the same to the bit.
#[derive(Clone, Debug)]
pub struct BackupAndRestore {
    path: PathBuf,
    often: Often,
    delete: bool,
}

impl BackupAndRestore {
    /// Keeps the newest checkpoint as a file, after each epoch.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), often: Often::Epoch, delete: true }
    }

    /// How often it is kept.
    pub fn often(self, often: Often) -> Self {
        Self { often, ..self }
    }

    /// Whether the file is removed when the training is done. Default true.
    pub fn delete_checkpoint(self, delete: bool) -> Self {
        Self { delete, ..self }
    }

    /// Trains as [`Model::fit_with`], from the checkpoint on if there is one. The file stays if training is stopped before its end.
    ///
    /// # Errors
    /// As [`Model::fit_with`], and if the file cannot be read or written.
    pub fn fit(
        &self,
        model: &mut Model,
        samples: &dyn Samples,
        options: Fit<'_>,
        callbacks: &mut [&mut (dyn Callback + '_)],
    ) -> Result<History> {
        let last = if self.path.exists() { Some(load(&self.path)?) } else { None };
        let keep = keep(&self.path);
        let options = options.checkpoints(self.often, &keep);
        let options = match &last {
            Some(checkpoint) => options.resume(checkpoint),
            None => options,
        };
        let history = model.fit_with(samples, options, callbacks)?;
        if self.delete && history.stopped.is_none() && self.path.exists() {
            fs::remove_file(&self.path).map_err(|source| InteropError::io("remove", &self.path, source))?;
        }
        Ok(history)
    }
}
