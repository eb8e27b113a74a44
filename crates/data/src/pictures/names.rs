//! Many files' names in little memory.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Paths that share their folders: each name is kept once, in one piece of memory with all others, so that 100,000 files take a few megabytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    folders: Vec<PathBuf>,
    /// The names, one behind the other.
    text: Vec<u8>,
    /// Where each name ends in `text`.
    ends: Vec<usize>,
    /// The folder of each name.
    folder_of: Vec<u32>,
}

impl Names {
    /// Adds a folder for the names that follow.
    pub(crate) fn folder(&mut self, folder: PathBuf) {
        self.folders.push(folder);
    }

    /// Adds a file of the last folder. False, and nothing is added, for a name that this system cannot keep as bytes.
    pub(crate) fn push(&mut self, name: &OsStr) -> bool {
        let Some(bytes) = to_bytes(name) else { return false };
        self.text.extend_from_slice(bytes);
        self.ends.push(self.text.len());
        self.folder_of.push(self.folders.len().saturating_sub(1) as u32);
        true
    }

    /// Number of files.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The path of file `index`.
    pub(crate) fn path(&self, index: usize) -> PathBuf {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let name = from_bytes(&self.text[start..self.ends[index]]);
        let folder = self.folders.get(self.folder_of[index] as usize);
        folder.map_or(Path::new(""), PathBuf::as_path).join(Path::new(&*name))
    }

    /// Gives back memory that was set aside for more names.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.folder_of.shrink_to_fit();
    }
}

#[cfg(unix)]
fn to_bytes(name: &OsStr) -> Option<&[u8]> {
    Some(std::os::unix::ffi::OsStrExt::as_bytes(name))
}

#[cfg(unix)]
fn from_bytes(bytes: &[u8]) -> Cow<'_, OsStr> {
    Cow::Borrowed(std::os::unix::ffi::OsStrExt::from_bytes(bytes))
}

#[cfg(not(unix))]
fn to_bytes(name: &OsStr) -> Option<&[u8]> {
    name.to_str().map(str::as_bytes)
}

#[cfg(not(unix))]
fn from_bytes(bytes: &[u8]) -> Cow<'_, OsStr> {
    Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_with_their_folders() {
        let mut names = Names::default();
        names.folder("photos/cat".into());
        assert!(names.push(OsStr::new("a.png")) && names.push(OsStr::new("b.png")));
        names.folder("photos/dog".into());
        assert!(names.push(OsStr::new("ä b.jpg")));
        let paths: Vec<PathBuf> = (0..names.len()).map(|index| names.path(index)).collect();
        let expected = ["photos/cat/a.png", "photos/cat/b.png", "photos/dog/ä b.jpg"].map(PathBuf::from);
        assert_eq!(paths, expected);
    }
}
