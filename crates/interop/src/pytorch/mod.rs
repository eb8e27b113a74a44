//! PyTorch's `.pth` and `.pt`: state dicts, read without running what is in them, and written.
//!
//! Both forms are read: the zip archives of PyTorch 1.6 and later, and the row of pickles before. The former are written. See
//! [torch.save](https://docs.pytorch.org/docs/stable/generated/torch.save.html).

mod pickle;
mod state_dict;
mod storage;
mod write;

use std::path::Path;

use ndarray::ArrayD;

use crate::error::file_bytes;
use crate::{Result, atomic};
pub use state_dict::{load_state_dict, to_state_dict};
pub use write::to_bytes;

/// The tensors of the state dict in the file `path`, by name, in the file's order.
///
/// A state dict that lies under `state_dict`, `model`, `model_state_dict`, `state_dict_ema` or `params` of a checkpoint is found.
/// Numbers of any type come as f32.
///
/// ```no_run
/// for (name, values) in convnet_interop::pytorch::read("resnet18.pth")? {
///     println!("{name} {:?}", values.shape()); // conv1.weight [64, 3, 7, 7]
/// }
/// # Ok::<(), convnet_interop::InteropError>(())
/// ```
///
/// # Errors
/// With the file's name: cannot be read, is cut short or damaged, claims more than it has, would run code, or has no
/// tensors by name.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<(String, ArrayD<f32>)>> {
    let path = path.as_ref();
    from_bytes(file_bytes(path)?).map_err(|error| error.in_file(path))
}

/// As [`read`], from a file's bytes.
///
/// # Errors
/// As [`read`], without a name.
pub fn from_bytes(bytes: Vec<u8>) -> Result<Vec<(String, ArrayD<f32>)>> {
    storage::read(bytes)
}

/// Writes tensors as the file `path`, whole or not at all, in the form that `torch.load(path, weights_only=True)` opens. [`to_state_dict`]
/// gives those of a model.
///
/// # Errors
/// When the file cannot be written, or two tensors have one name.
pub fn write(path: impl AsRef<Path>, tensors: &[(String, ArrayD<f32>)]) -> Result<()> {
    let path = path.as_ref();
    atomic::write(path, &to_bytes(tensors).map_err(|error| error.in_file(path))?)
}
