//! Files that are whole or not there: written beside their place, forced to disk, then renamed into it.
//!
//! A crash or a full disk at any moment leaves the old file as it was; the half-written one is removed where the
//! program still runs to do so, and never bears the final name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{InteropError, Result};

/// Writes `bytes` as the file `path`, replacing what was there.
///
/// # Errors
/// [`InteropError::Io`] when the folder does not exist, may not be written, or the disk is full; `path` is then untouched.
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes the file `path` by a closure, for content that is made piece by piece.
///
/// ```
/// # use std::io::Write;
/// let path = std::env::temp_dir().join("convnet-atomic-example.txt");
/// convnet_interop::atomic::write_with(&path, |file| writeln!(file, "{}", 6 * 7))?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "42\n");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), convnet_interop::InteropError>(())
/// ```
///
/// # Errors
/// As [`write()`], and whatever the closure returns.
pub fn write_with(
    path: impl AsRef<Path>,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let given = path.as_ref();
    let failed = |source| InteropError::io("write", given, source);
    // A link stays one: what it leads to is replaced.
    let path = &fs::canonicalize(given).unwrap_or_else(|_| given.to_owned());
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        // A pipe or device such as /dev/stdout has no old content to keep, and renaming onto it would destroy it.
        let mut writer = BufWriter::new(OpenOptions::new().write(true).open(path).map_err(failed)?);
        return content(&mut writer).and_then(|()| writer.flush()).map_err(failed);
    }
    let temporary = Temporary::beside(path).map_err(failed)?;
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary.0).map_err(failed)?;
    let mut writer = BufWriter::new(file);
    content(&mut writer).map_err(failed)?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    // Without this the rename can reach the disk before the content, and a power cut leaves an empty file.
    file.sync_all().map_err(failed)?;
    drop(file);
    keep_permissions(path, &temporary.0);
    fs::rename(&temporary.0, path).map_err(failed)?;
    temporary.keep();
    sync_folder(path);
    Ok(())
}

/// The temporary file's name; the file is removed when this is dropped before [`keep`](Self::keep).
struct Temporary(PathBuf);

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name =
            path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let temporary = path.with_file_name(hidden);
        // A killed process with our number may have left one.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self(temporary)),
        }
    }

    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // an error is already on its way to the caller
    }
}

/// The replaced file's permissions go to the new one; failing is harmless.
fn keep_permissions(old: &Path, new: &Path) {
    if let Ok(metadata) = fs::metadata(old) {
        let _ = fs::set_permissions(new, metadata.permissions());
    }
}

/// Makes the rename itself durable where the system lets folders be synced (not on Windows); the content is safe already.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("convnet-atomic-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn replaces_the_old_file() {
        let folder = folder("replace");
        let path = folder.join("model.keras");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn failure_leaves_the_old_file_and_nothing_else() {
        let folder = folder("failure");
        let path = folder.join("model.keras");
        write(&path, b"old").unwrap();
        let error = write_with(&path, |file| {
            file.write_all(&[0; 100_000])?;
            Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))
        })
        .unwrap_err();
        assert!(error.to_string().contains("no space left") && error.to_string().contains("model.keras"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_reported_and_devices_survive() {
        use std::os::unix::fs::FileTypeExt;
        let error = write("/dev/full", &[0; 100]).unwrap_err();
        assert!(matches!(error, InteropError::Io { action: "write", .. }));
        write("/dev/null", b"x").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = folder("link");
        let (real, link) = (folder.join("epoch-1.keras"), folder.join("latest.keras"));
        write(&real, b"old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write(std::env::temp_dir().join("convnet-no-such-folder/x.npy"), b"").unwrap_err();
        assert!(error.to_string().contains("convnet-no-such-folder"));
    }
}
