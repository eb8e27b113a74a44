//! PyTorch's `.pth` and `.pt`: state dicts, read without running what is in them.
//!
//! Both forms are read: the zip archives of PyTorch 1.6 and later, and the row of pickles before. See
//! [torch.save](https://docs.pytorch.org/docs/stable/generated/torch.save.html).

mod pickle;
mod state_dict;
mod storage;

use std::path::Path;

use ndarray::ArrayD;

use crate::Result;
use crate::error::file_bytes;
pub use state_dict::{load_state_dict, to_state_dict};

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
