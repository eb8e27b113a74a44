//! Single files that others publish, such as a network's weights: fetched once into the cache and proved by a digest.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest, Sha256};

use super::cache::{CACHE_VARIABLE, cache_folder};
use super::{Notify, download};
use crate::{DataError, Result};

/// The environment variable with the address of a folder that has copies of published files under their own names:
/// `https://…`, `http://…` or `file:///…`.
pub const MIRROR_VARIABLE: &str = "CONVNET_MIRROR";

/// A file that others publish.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// What it belongs to, for messages: `resnet50`.
    pub of: &'static str,
    /// The folder of the cache that it is kept in.
    pub folder: &'a str,
    /// The address of its folder, with a slash at its end.
    pub home: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its MD5 (32 hexadecimal digits) or SHA-256 (64), as its publisher gives it; `None` if it gives none. Either finds damage; MD5 does
    /// not keep out who forges a file on purpose, for which only the connection (`https`) vouches.
    pub digest: Option<&'a str>,
    /// More bytes than it has.
    pub max_bytes: u64,
}

impl Published<'_> {
    /// The file's place in the cache, fetched if it is not there: beside its place first, and renamed when its digest is right. A file that was
    /// put there by hand is checked once.
    ///
    /// # Errors
    /// If there is no cache folder, the file cannot be fetched, or is another than published. The error names the address, and where to
    /// put the file by hand.
    pub fn get(&self, notify: Notify<'_>) -> Result<PathBuf> {
        let mirror = std::env::var(MIRROR_VARIABLE).ok().filter(|mirror| !mirror.is_empty());
        self.get_from(cache_folder(), mirror.as_deref().unwrap_or(self.home), notify)
    }

    fn get_from(&self, cache: Option<PathBuf>, home: &str, notify: Notify<'_>) -> Result<PathBuf> {
        let Some(cache) = cache else {
            let problem = format!("there is no folder to keep it in; set {CACHE_VARIABLE}");
            return Err(self.unavailable(problem, Path::new("that folder")));
        };
        let folder = cache.join(self.folder);
        fs::create_dir_all(&folder).map_err(|source| DataError::io(&folder, "create the folder", source))?;
        let target = folder.join(self.name);
        let found =
            if target.is_file() { self.check_once(&target) } else { self.fetch(&target, home, notify) };
        match found {
            Ok(()) => Ok(target),
            Err(problem) => Err(self.unavailable(problem, &folder)),
        }
    }

    fn fetch(&self, target: &Path, home: &str, notify: Notify<'_>) -> Result<(), String> {
        let url = format!("{}/{}", home.trim_end_matches('/'), self.name);
        notify(&format!("fetching {url}"));
        if self.digest.is_none() {
            notify(&format!(
                "note: nobody publishes a checksum of {}, so it is taken as it comes",
                self.name
            ));
        }
        let part = target.with_file_name(format!("{}.{}.part", self.name, std::process::id()));
        let fetched = match url.strip_prefix("file://") {
            Some(path) => copy(Path::new(path), &part, self.max_bytes),
            None => download::fetch(&url, &part, self.max_bytes),
        };
        let placed = fetched.and_then(|()| self.check(&part, &url)).and_then(|()| {
            fs::rename(&part, target)
                .map_err(|error| format!("{}: cannot take its place: {error}", target.display()))
        });
        if placed.is_err() {
            // Best effort: the first error is the one to tell.
            let _ = fs::remove_file(&part);
        }
        placed.map(|()| self.remember(target))
    }

    /// That a file's contents are those published.
    fn check(&self, path: &Path, origin: &str) -> Result<(), String> {
        let Some(expected) = self.digest else { return Ok(()) };
        let (kind, received) = match expected.len() {
            32 => ("MD5", digest::<Md5>(path)),
            _ => ("SHA-256", digest::<Sha256>(path)),
        };
        let received = received.map_err(|error| format!("{}: {error}", path.display()))?;
        if received == expected {
            return Ok(());
        }
        Err(format!("{origin} has other contents than published: {kind} {received} instead of {expected}"))
    }

    /// Checks a file that lies in its place already, unless that was done before: a digest of hundreds of megabytes takes longer than reading them.
    fn check_once(&self, target: &Path) -> Result<(), String> {
        if self.digest.is_none()
            || fs::read_to_string(beside(target)).is_ok_and(|note| note == self.note(target))
        {
            return Ok(());
        }
        let problem = |problem| format!("{problem}; remove it, and it is fetched anew");
        self.check(target, &target.display().to_string()).map_err(problem)?;
        self.remember(target);
        Ok(())
    }

    /// Notes beside a file that it was checked. Without the note it is only checked again.
    fn remember(&self, target: &Path) {
        if self.digest.is_some() {
            let _ = fs::write(beside(target), self.note(target));
        }
    }

    /// The digest, length and time of the file that was checked: of another one the note says nothing.
    fn note(&self, target: &Path) -> String {
        let (length, time) =
            fs::metadata(target).map_or((0, None), |file| (file.len(), file.modified().ok()));
        let seconds = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let seconds = seconds.map_or(0, |time| time.as_nanos());
        format!("{} {length} {seconds}\n", self.digest.unwrap_or_default())
    }

    fn unavailable(&self, problem: String, folder: &Path) -> DataError {
        let help = format!(
            "Either put {}{} into {}, or set {MIRROR_VARIABLE} to the address of a folder that has it ({CACHE_VARIABLE} moves the cache).",
            self.home,
            self.name,
            folder.display()
        );
        DataError::File { name: self.name.to_owned(), of: self.of, problem, help }
    }
}

/// Where it is noted that a file was checked.
fn beside(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".checked");
    name.into()
}

fn copy(from: &Path, to: &Path, max_bytes: u64) -> Result<(), String> {
    let wrong = |error: io::Error| format!("{}: {error}", from.display());
    let mut from_file = File::open(from).map_err(wrong)?.take(max_bytes + 1);
    let mut to_file = File::create(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let copied = io::copy(&mut from_file, &mut to_file).map_err(wrong)?;
    to_file.flush().map_err(wrong)?;
    if copied > max_bytes {
        return Err(format!("{} has more than the {max_bytes} bytes expected", from.display()));
    }
    Ok(())
}

fn digest<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (D::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
#[path = "published_tests.rs"]
mod tests;
