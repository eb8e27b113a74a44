//! Numbers that lie in files beside the model's.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::FORMAT;
use super::proto::TensorProto;
use crate::{InteropError, Result};

/// Tensors may have the same numbers of a file in common, but not more often than this on the whole.
const READINGS: u64 = 4;

/// The files of a model's folder that hold numbers of its tensors.
#[derive(Debug, Default)]
pub(super) struct Beside<'f> {
    folder: Option<&'f Path>,
    known: HashSet<PathBuf>,
    /// Bytes that were read of the known files, and that may still be.
    pub taken: usize,
    left: u64,
}

impl<'f> Beside<'f> {
    /// Those of a folder, if it is known.
    pub fn of_folder(folder: Option<&'f Path>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// The bytes of a tensor, of which there must be `expected`.
    pub fn read(&mut self, proto: &TensorProto, expected: usize) -> Result<Vec<u8>> {
        let name = &proto.name;
        let entry = |key: &str| proto.external_data.iter().find(|entry| entry.key == key);
        let refuse = |reason: String| InteropError::malformed(FORMAT, format!("tensor `{name}`: {reason}"));
        let location = entry("location").map(|entry| Path::new(&entry.value));
        let location = location.ok_or_else(|| refuse("its external data has no location".into()))?;
        let inside =
            location.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            return Err(refuse(format!(
                "its data would lie outside of the model's folder, in {}",
                location.display()
            )));
        }
        let Some(folder) = self.folder else {
            let reason = format!(
                "tensor `{name}` lies in the file {}; read the model from its folder",
                location.display()
            );
            return Err(InteropError::unsupported(FORMAT, reason));
        };
        let number = |key: &str| {
            let entry = entry(key).map(|entry| entry.value.parse::<u64>());
            entry.transpose().map_err(|_| refuse(format!("its {key} is not a number")))
        };
        let path = folder.join(location);
        let io = |source| InteropError::io("read", &path, source);
        // To open a pipe would wait for who writes to it.
        let about = std::fs::metadata(&path).map_err(io)?;
        if !about.is_file() {
            return Err(refuse(format!("{} is no regular file", path.display())));
        }
        let size = about.len();
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(refuse(format!(
                "{} has {size} bytes, not {length} from {offset} on",
                path.display()
            )));
        }
        if length != expected as u64 {
            return Err(refuse(format!("{length} bytes of external data, not {expected}")));
        }
        if self.known.insert(path.clone()) {
            self.left = self.left.saturating_add(size.saturating_mul(READINGS));
        }
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            let reason = format!("its tensors read {} more than {READINGS} times", path.display());
            InteropError::too_large(FORMAT, reason)
        })?;
        self.taken = self.taken.saturating_add(expected);
        let mut bytes = vec![0; expected];
        let mut file = File::open(&path).map_err(io)?;
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        file.read_exact(&mut bytes).map_err(io)?;
        Ok(bytes)
    }
}
