//! Finding the files of a folder of classes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::names::Names;
use crate::{DataError, Result};

/// Folders within folders that are followed below a class.
const MAX_DEPTH: usize = 16;
/// Files of one data set.
const MAX_FILES: usize = 50_000_000;

/// Files and folders that were seen and not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Names that begin with a dot.
    pub hidden: usize,
    /// Names with another ending than a picture's (or a text's, where texts are read).
    pub other: usize,
    /// Files that lie beside the classes' folders, or folders too deep below them.
    pub misplaced: usize,
}

impl PassedOver {
    /// How many in all.
    pub fn total(&self) -> usize {
        self.hidden + self.other + self.misplaced
    }
}

/// The names of the folders in `folder` that are not hidden, sorted.
pub(crate) fn folders_in(folder: &Path, passed: &mut PassedOver) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in read(folder, true)? {
        let (name, is_folder) = entry?;
        match name.into_string() {
            Ok(name) if name.starts_with('.') => passed.hidden += 1,
            Ok(name) if is_folder => found.push(name),
            _ => passed.misplaced += 1,
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Adds the files below `folder` whose names have one of the endings: those of a folder sorted, then those of its folders, as Keras does.
pub(crate) fn files_below(
    folder: &Path,
    endings: &[&str],
    names: &mut Names,
    passed: &mut PassedOver,
) -> Result<()> {
    below(folder, endings, names, passed, MAX_DEPTH)
}

fn below(
    folder: &Path,
    endings: &[&str],
    names: &mut Names,
    passed: &mut PassedOver,
    depth: usize,
) -> Result<()> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in read(folder, false)? {
        let (name, is_folder) = entry?;
        if name.as_encoded_bytes().starts_with(b".") {
            passed.hidden += 1;
        } else if is_folder {
            folders.push(name);
        } else if has_ending(&name, endings) {
            files.push(name);
        } else {
            passed.other += 1;
        }
    }
    files.sort_unstable();
    folders.sort_unstable();
    names.folder(folder.to_path_buf());
    passed.other += files.iter().filter(|name| !names.push(name)).count();
    if names.len() > MAX_FILES {
        let (path, limit) = (folder.to_path_buf(), format!("{MAX_FILES} files"));
        return Err(DataError::TooLarge { path, what: "the number of files".into(), limit });
    }
    if depth == 0 {
        passed.misplaced += folders.len();
        return Ok(());
    }
    folders.iter().try_for_each(|inner| below(&folder.join(inner), endings, names, passed, depth - 1))
}

/// Whether a name ends in a dot and one of `endings`, in letters of any case.
pub(crate) fn has_ending(name: &OsString, endings: &[&str]) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| endings.iter().any(|ending| extension.eq_ignore_ascii_case(ending)))
}

/// Names in a folder, and whether each is a folder itself. Links to folders count as such only if asked: they could lead in a circle, and asking what
/// a link leads to takes its time with 100,000 files.
fn read(folder: &Path, follow: bool) -> Result<impl Iterator<Item = Result<(OsString, bool)>>> {
    let entries = fs::read_dir(folder).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            DataError::Missing { path: folder.to_path_buf(), help: "expected a folder".into() }
        }
        _ => DataError::io(folder, "read the folder", source),
    })?;
    let folder: PathBuf = folder.to_path_buf();
    Ok(entries.map(move |entry| {
        let failed = |source| DataError::io(&folder, "read the folder", source);
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let linked =
            follow && kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir());
        Ok((entry.file_name(), kind.is_dir() || linked))
    }))
}
