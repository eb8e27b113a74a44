//! Model files by the ending of their name: the one place that knows which format is whose.

use std::path::Path;

use convnet_nn::Model;

use crate::{InteropError, Result, keras, onnx};

/// A format that holds whole models.
#[derive(Clone, Copy, Debug)]
pub struct ModelFormat {
    /// What it is called.
    pub name: &'static str,
    /// The endings of its files' names.
    pub endings: &'static [&'static str],
    load: fn(&Path) -> Result<Model>,
    save: fn(&Model, &Path) -> Result<()>,
}

/// The formats. To add one is a line here.
pub const MODEL_FORMATS: &[ModelFormat] = &[
    ModelFormat {
        name: "Keras 3 archive",
        endings: &["keras"],
        load: |path| keras::load_model(path),
        save: |model, path| keras::save_model(model, path),
    },
    ModelFormat {
        name: "Keras HDF5",
        endings: &["h5", "hdf5"],
        load: |path| keras::load_model(path),
        save: |model, path| keras::save_model(model, path),
    },
    ModelFormat {
        name: "ONNX",
        endings: &["onnx"],
        load: |path| onnx::load_model(path),
        save: |model, path| onnx::save_model(model, path),
    },
];

/// The format of a file's name.
///
/// # Errors
/// If no format has its ending.
pub fn model_format(path: &Path) -> Result<&'static ModelFormat> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let known = MODEL_FORMATS.iter().find(|format| format.endings.contains(&ending.as_str()));
    known.ok_or_else(|| {
        let endings: Vec<String> = MODEL_FORMATS
            .iter()
            .flat_map(|format| format.endings)
            .map(|ending| format!(".{ending}"))
            .collect();
        let reason = format!("{}: files of models end in {}", path.display(), endings.join(", "));
        InteropError::unsupported("model file", reason)
    })
}

/// The model in a file of any format, images with their channels last.
///
/// # Errors
/// With the file's name: the ending is of no format, the file cannot be read or is damaged, or holds what is not known here.
pub fn load(path: impl AsRef<Path>) -> Result<Model> {
    let path = path.as_ref();
    (model_format(path)?.load)(path)
}

/// Writes a model in the format of the file's name, whole or not at all.
///
/// # Errors
/// If the ending is of no format, the format cannot express the model, or the file cannot be written.
pub fn save(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    (model_format(path)?.save)(model, path)
}
