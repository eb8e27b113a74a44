use std::path::{Path, PathBuf};

/// What can be wrong with a file, or with writing one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InteropError {
    /// The operating system refused: missing file, no permission, full disk.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The bytes are not what the format asks for: another format, cut short, or damaged.
    #[error("not a valid {format}: {reason}")]
    Malformed {
        /// The format that was expected.
        format: &'static str,
        /// What was expected and what was found.
        reason: String,
    },
    /// Valid, but something that this crate does not read or write.
    #[error("unsupported {format}: {reason}")]
    Unsupported {
        /// The format.
        format: &'static str,
        /// Which feature, and what to do about it.
        reason: String,
    },
    /// The file claims to hold more than it can: unpacking it would exhaust memory.
    #[error("refused {format}: {reason}")]
    TooLarge {
        /// The format.
        format: &'static str,
        /// What was claimed, and the bound.
        reason: String,
    },
    /// The file is whole, but its model cannot be built here.
    #[error(transparent)]
    Model(#[from] convnet_nn::Error),
    /// An error in a file, with the file's name.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<InteropError>,
    },
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, InteropError>;

impl InteropError {
    pub(crate) fn malformed(format: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { format, reason: reason.into() }
    }

    pub(crate) fn unsupported(format: &'static str, reason: impl Into<String>) -> Self {
        Self::Unsupported { format, reason: reason.into() }
    }

    pub(crate) fn too_large(format: &'static str, reason: impl Into<String>) -> Self {
        Self::TooLarge { format, reason: reason.into() }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Io { .. } | Self::InFile { .. } => self,
            other => Self::InFile { path: path.to_owned(), source: Box::new(other) },
        }
    }
}

/// A whole file's bytes.
pub(crate) fn file_bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| InteropError::io("read", path, source))
}
