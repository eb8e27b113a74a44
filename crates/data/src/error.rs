//! What can go wrong between the disk and an array.

use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// What failed, with the file concerned, what was found there and how to mend it.
///
/// New kinds may be added, so matches need a `_` arm.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The name belongs to no data set and no folder of that name exists.
    #[error("no data set and no folder is called `{name}`{}; known data sets: {known}. Or give a folder of IDX files", did_you_mean(.nearest))]
    UnknownDataset {
        /// What was asked for.
        name: String,
        /// The known name that is spelt most like it, if one comes close.
        nearest: Option<String>,
        /// All known names, separated by commas.
        known: String,
    },
    /// A file or folder that must be there is not.
    #[error("{path}: not found; {help}", path = .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What would make it found.
        help: String,
    },
    /// The operating system refused.
    #[error("{path}: cannot {action}", path = .path.display())]
    Io {
        /// The file or folder concerned.
        path: PathBuf,
        /// What was tried: "read", "create the folder"…
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is there, but its contents are not what its format demands.
    #[error("{path}: {problem}", path = .path.display())]
    Malformed {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it, what was expected and what was found.
        problem: String,
    },
    /// The contents are beyond what this crate is willing to hold in memory.
    #[error("{path}: {what} is over the limit of {limit}", path = .path.display())]
    TooLarge {
        /// The file concerned.
        path: PathBuf,
        /// What is too large, with its size.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// Images and labels do not belong together.
    #[error("{images} holds {image_count} images but {labels} holds {label_count} labels; they must be of the same set", images = .images.display(), labels = .labels.display())]
    CountMismatch {
        /// The file of images.
        images: PathBuf,
        /// The file of labels.
        labels: PathBuf,
        /// Images found.
        image_count: usize,
        /// Labels found.
        label_count: usize,
    },
    /// Arrays given to a constructor or a batch do not fit each other.
    #[error("{what}: expected {expected}, received {received}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// What would have fitted.
        expected: String,
        /// What was given.
        received: String,
    },
    /// A label points past the last class.
    #[error("label {label} of image {index} is not below the number of classes, {classes}")]
    Label {
        /// The label.
        label: u32,
        /// Place of the image in its split, from 0.
        index: usize,
        /// Number of classes of the data set.
        classes: usize,
    },
    /// A file that others publish could neither be found nor fetched.
    #[error("{name}, published for {of}, cannot be had: {problem}\n{help}")]
    File {
        /// The file.
        name: String,
        /// What it belongs to.
        of: &'static str,
        /// Why fetching failed.
        problem: String,
        /// What to do by hand.
        help: String,
    },
    /// A file of another program's format cannot be read.
    #[error(transparent)]
    Interop(#[from] convnet_interop::InteropError),
    /// A data set could neither be found nor fetched.
    #[error("the data set {name} is not on this machine and could not be fetched: {problem}\n{help}")]
    Unavailable {
        /// The data set.
        name: &'static str,
        /// Why fetching failed.
        problem: String,
        /// What to do by hand.
        help: String,
    },
}

impl DataError {
    pub(crate) fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        DataError::Malformed { path: path.to_path_buf(), problem: problem.into() }
    }

    pub(crate) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        DataError::Io { path: path.to_path_buf(), action, source }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}
