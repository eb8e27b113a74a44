//! Fashion-MNIST: Zalando's 70,000 pictures of clothes, 28×28 grey, in ten classes (MIT licence).
//!
//! Looked for in the cache folder, then where Debian's package `dataset-fashion-mnist` puts it, then fetched from its
//! public home into the cache. Its home speaks plain HTTP, so what comes is checked against the SHA-256 digests of the
//! inflated originals (those whose gzip files have the MD5 sums that Zalando publishes) before it takes its place.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::cache::{CACHE_VARIABLE, cache_folder};
use super::folder::{is_complete, load_named};
use super::{Notify, download};
use crate::{DataError, Dataset, Result};

pub(super) const NAME: &str = "fashion-mnist";
pub(super) const DESCRIPTION: &str =
    "70,000 grey pictures of clothes, 28×28, 10 classes; from Debian's package, the cache or its home";

const CLASS_NAMES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

const DEBIAN_FOLDER: &str = "/usr/share/datasets/fashion-mnist";
const HOME: &str = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com";

/// One of the four files at the public home.
struct Remote {
    name: &'static str,
    /// Length once inflated.
    length: u64,
    /// SHA-256 of the inflated file.
    sha256: &'static str,
}

const FILES: [Remote; 4] = [
    Remote {
        name: "train-images-idx3-ubyte.gz",
        length: 16 + 60_000 * 784,
        sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    },
    Remote {
        name: "train-labels-idx1-ubyte.gz",
        length: 8 + 60_000,
        sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    },
    Remote {
        name: "t10k-images-idx3-ubyte.gz",
        length: 16 + 10_000 * 784,
        sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    },
    Remote {
        name: "t10k-labels-idx1-ubyte.gz",
        length: 8 + 10_000,
        sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
];

pub(super) fn load(notify: Notify<'_>) -> Result<Dataset> {
    let cache = cache_folder().map(|folder| folder.join(NAME));
    load_from(cache, Path::new(DEBIAN_FOLDER), HOME, notify)
}

fn load_from(cache: Option<PathBuf>, debian: &Path, home: &str, notify: Notify<'_>) -> Result<Dataset> {
    let found = cache.as_deref().into_iter().chain([debian]).find(|folder| is_complete(folder));
    let folder = match found {
        Some(folder) => folder.to_path_buf(),
        None => fetch_all(cache, home, notify)?,
    };
    load_named(&folder, NAME.into(), Some(&CLASS_NAMES))
}

/// Fetches what the cache lacks, and gives the cache.
fn fetch_all(cache: Option<PathBuf>, home: &str, notify: Notify<'_>) -> Result<PathBuf> {
    let Some(cache) = cache else {
        let problem = format!("there is no folder to keep it in; set {CACHE_VARIABLE}");
        return Err(unavailable(problem, Path::new("that folder"), home));
    };
    fs::create_dir_all(&cache).map_err(|source| DataError::io(&cache, "create the folder", source))?;
    for file in &FILES {
        fetch(file, &cache, home, notify).map_err(|problem| unavailable(problem, &cache, home))?;
    }
    Ok(cache)
}

/// Fetches one file beside its place and renames it when its digest is right, so that a killed download or a forged
/// file never stands under the name that [`is_complete`] looks for.
fn fetch(file: &Remote, cache: &Path, home: &str, notify: Notify<'_>) -> Result<(), String> {
    let target = cache.join(file.name);
    if target.is_file() {
        return Ok(());
    }
    let url = format!("{home}/{}", file.name);
    notify(&format!("fetching {url}"));
    let part = cache.join(format!("{}.{}.part", file.name, std::process::id()));
    let fetched =
        download::fetch(&url, &part, file.length).and_then(|()| check(&part, file, &url)).and_then(|()| {
            fs::rename(&part, &target)
                .map_err(|error| format!("{}: cannot take its place: {error}", target.display()))
        });
    if fetched.is_err() {
        // Best effort: the first error is the one to tell.
        let _ = fs::remove_file(&part);
    }
    fetched
}

fn check(part: &Path, file: &Remote, url: &str) -> Result<(), String> {
    let opened = File::open(part).map_err(|error| format!("{}: {error}", part.display()))?;
    let mut inflated = GzDecoder::new(io::BufReader::new(opened)).take(file.length + 1);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match inflated.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) => return Err(format!("{url} gave something that is no gzip file ({error})")),
        }
    }
    let received: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if received == file.sha256 {
        return Ok(());
    }
    Err(format!("{url} gave other contents than expected: SHA-256 {received} instead of {}", file.sha256))
}

fn unavailable(problem: String, cache: &Path, home: &str) -> DataError {
    let names = FILES.map(|file| file.name).join(", ");
    let help = format!(
        "Either install Debian's package (apt-get install dataset-fashion-mnist), or put {names} from {home}/ into {} \
         ({CACHE_VARIABLE} moves the cache).",
        cache.display()
    );
    DataError::Unavailable { name: NAME, problem, help }
}

#[cfg(test)]
#[path = "fashion_mnist_tests.rs"]
mod tests;
