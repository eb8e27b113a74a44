//! Where data sets come from: a name in the table [`SOURCES`], or a path of any kind in the table [`KINDS`].
//!
//! [`open`] takes either and says what it looked for when it is neither. To add a named data set: a file here with a `load` function, and a line in
//! the first table; to add a kind of file or folder: a file here, and a line in the second.

use std::path::Path;

use crate::{DataError, Dataset, Result};

mod array_files;
mod cache;
mod cifar;
mod download;
mod fashion_mnist;
mod folder;
mod idx;
mod imdb;
mod labelled;
mod mnist;
mod opening;
mod published;
mod table;
mod texts;

pub use array_files::{Keys, read_arrays};
pub use cache::{CACHE_VARIABLE, cache_folder};
pub use cifar::load_cifar;
pub use folder::load_folder;
pub use idx::{Idx, read_idx};
pub use imdb::{ImdbRules, read_imdb};
pub use labelled::{Columns, ImageTable, Labels, read_labels};
pub use opening::{Collection, KINDS, Kind, Opening, open, open_with};
pub use published::{MIRROR_VARIABLE, Published};
pub use texts::{TextFolder, read_text_file, read_text_folder};

/// Told, in a line of plain text, of what takes long (a download).
pub type Notify<'a> = &'a mut dyn FnMut(&str);

/// A data set that is known by name.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Source {
    /// What to call it.
    pub name: &'static str,
    /// One line: what it holds and where it comes from.
    pub description: &'static str,
    loader: fn(Notify<'_>) -> Result<Dataset>,
}

impl Source {
    /// Reads the data set, fetching it first if need be.
    ///
    /// # Errors
    /// What the data set's files or the download give.
    pub fn load(&self, notify: Notify<'_>) -> Result<Dataset> {
        (self.loader)(notify)
    }
}

/// All data sets that are known by name.
pub const SOURCES: &[Source] = &[
    Source { name: mnist::NAME, description: mnist::DESCRIPTION, loader: mnist::load },
    Source {
        name: fashion_mnist::NAME,
        description: fashion_mnist::DESCRIPTION,
        loader: fashion_mnist::load,
    },
];

/// Loads a data set by its name in [`SOURCES`], or else from a folder of IDX files (see [`load_folder`]).
///
/// A name goes before a folder of the same name; write `./mnist` to mean the folder.
///
/// # Errors
/// [`DataError::UnknownDataset`] when it is neither, else what the source gives.
pub fn load(name_or_path: &str) -> Result<Dataset> {
    load_with(name_or_path, &mut |_| {})
}

/// Like [`load`]; `notify` hears of downloads.
///
/// # Errors
/// As [`load`].
pub fn load_with(name_or_path: &str, notify: Notify<'_>) -> Result<Dataset> {
    if let Some(source) = SOURCES.iter().find(|source| source.name == name_or_path) {
        return source.load(notify);
    }
    let path = Path::new(name_or_path);
    let is_path = path.exists() || name_or_path.contains(std::path::is_separator);
    if is_path { load_folder(path) } else { Err(unknown(name_or_path)) }
}

/// The text in a file of at most so many bytes; what is not UTF-8 is taken for Latin-1, which old collections are written in.
pub(crate) fn read_text(path: &Path, most: u64, help: &str) -> Result<String> {
    let bytes = crate::images::read_limited(path, most, help)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

fn unknown(name: &str) -> DataError {
    let nearest = convnet_nn::names::nearest(name, SOURCES.iter().map(|source| source.name));
    DataError::UnknownDataset {
        name: name.into(),
        nearest: nearest.map(Into::into),
        known: SOURCES.iter().map(|source| source.name).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_gets_the_nearest_known_one() {
        for (asked, nearest) in [("mnits", "mnist"), ("MNIST", "mnist"), ("fashon", "fashion-mnist")] {
            let error = load(asked).unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean `{nearest}`?")), "{error}");
        }
        let error = load("imagenet-22k").unwrap_err().to_string();
        assert!(!error.contains("did you mean") && error.contains("mnist, fashion-mnist"), "{error}");
    }
}
