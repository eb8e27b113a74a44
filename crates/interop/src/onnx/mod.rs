//! ONNX files: networks of other frameworks, read into models and written from them.
//!
//! [`load_model`] gives the model of a file; [`Import`] does so with choices. A file's nodes become the layers of Keras that do the same,
//! and [`Operation`](convnet_nn::layers::Operation)s where there is none, so that what was read is trained, explained and saved like
//! any other model. Images have their channels last in it, whichever way the file has them. The format is described at
//! <https://onnx.ai/onnx/>; operator sets 7 and newer are read, and older ones but for what they did otherwise.
//!
//! A [`File`] can be asked for its inputs and outputs before it becomes a model, and computes its outputs once for values of its inputs
//! ([`File::with_values`]), of which some may say sizes.

mod arrays;
mod evaluate;
mod export;
mod external;
mod file;
mod import;
mod limits;
pub mod node_test;
#[allow(missing_docs, unused_qualifications, rust_2018_idioms, clippy::all, reason = "generated")]
mod proto;
mod tensor;

use std::path::Path;

use convnet_nn::Model;

pub use evaluate::Evaluation;
pub use file::{File, Import, Port};
pub use tensor::{Data, Element, Tensor};

use crate::Result;

pub(crate) const FORMAT: &str = "ONNX model";

/// A model, and what its file says of its inputs and outputs.
#[derive(Debug)]
pub struct Imported {
    /// The model.
    pub model: Model,
    /// Its inputs, in its order. Inputs that no output depends on are left out.
    pub inputs: Vec<End>,
    /// Its outputs.
    pub outputs: Vec<End>,
    /// Whether the file's first axis is the model's batch. If not, the file has fixed sizes and mixes the elements of its first axis: the
    /// model's samples then are what the file calls an input, first axis included.
    pub has_batch: bool,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Its name in the file.
    pub name: String,
    /// For each axis of a sample of the model the axis of the file, both counted without the batch.
    pub order: Vec<usize>,
    /// What the file says its elements are; the model computes with 32-bit floating point throughout.
    pub element: Element,
}

/// The model of an ONNX file, images with their channels last.
///
/// # Errors
/// With the file's name: it cannot be read, is damaged, uses operators that are not known (all are named), or does with them what
/// cannot be done here (the node is named).
pub fn load_model(path: impl AsRef<Path>) -> Result<Model> {
    Ok(Import::new().read(path)?.model)
}

/// Writes the model as the file `path`, whole or not at all. Inputs and outputs have the model's order of axes.
///
/// # Errors
/// If a layer does something that ONNX cannot express (the layer is named), or the file cannot be written.
pub fn save_model(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let bytes = to_bytes(model).map_err(|error| error.in_file(path))?;
    crate::atomic::write(path, &bytes)
}

/// The bytes of a model's file; the same model gives the same bytes.
///
/// # Errors
/// As [`save_model`].
pub fn to_bytes(model: &Model) -> Result<Vec<u8>> {
    export::to_bytes(model)
}

/// The operators that are read, by family.
pub fn operators() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    import::OPERATORS
        .iter()
        .map(|(family, operators)| (*family, operators.iter().map(|operator| operator.name).collect()))
}
