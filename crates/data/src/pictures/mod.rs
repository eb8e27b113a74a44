//! Folders and lists of picture files, read lazily: [`ImageFolder`] finds them, [`PictureFiles`] are what a model trains on.

mod directory;
mod files;
mod names;
mod order;
mod walk;

pub(crate) use directory::split_folders;
pub use directory::{ColorMode, ImageFolder, Pictures};
pub(crate) use files::Reading;
pub use files::{OnBroken, OnChange, OnReport, PictureFiles};
pub(crate) use names::Names;
pub(crate) use order::numpy_shuffle;
pub use walk::PassedOver;
pub(crate) use walk::{files_below, folders_in, has_ending};
