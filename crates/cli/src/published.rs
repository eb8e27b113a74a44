//! Weights that others publish, by the name of their network.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::data::sources;
use convnet::vision::zoo::{self, Known, Published};

use crate::output::note;

/// What `--weights` takes instead of a file.
const IMAGENET: &str = "imagenet";

/// The file that `--weights` means: what was given, or, for `imagenet`, the published one for the network of this name, fetched into the cache
/// if it is not there.
///
/// # Errors
/// If nobody publishes any, or they cannot be fetched.
pub fn resolve(network: &str, weights: &Path) -> Result<PathBuf> {
    if weights != Path::new(IMAGENET) || weights.exists() {
        return Ok(weights.to_owned());
    }
    let plain = network.replace('_', "-");
    let known = zoo::REGISTRY.iter().find(|known| known.name == plain);
    let known = known.with_context(|| {
        format!("no weights are known for {network}: it is not of the zoo (`convnet zoo`)")
    })?;
    fetch(known, false)
}

/// The file of weights for a network of the zoo, fetched if it is not in the cache.
///
/// # Errors
/// As [`resolve`].
pub fn fetch(known: &Known, without_top: bool) -> Result<PathBuf> {
    let (home, file) = match known.weights {
        None => bail!("nobody is known to publish weights that fit {}", known.name),
        Some(Published::Page(address)) => bail!(
            "weights for {} cannot be fetched by name; {address} has them, and --weights takes the file",
            known.name
        ),
        Some(Published::Files { home, whole, without_top: base }) => {
            (home, if without_top { base } else { whole })
        }
    };
    // What the numbers take, and something for their names.
    let parameters = (known.network)().build_empty()?.count_params() as u64;
    let published = sources::Published {
        of: known.name,
        folder: "weights",
        home,
        name: file.name,
        digest: file.digest,
        max_bytes: 5 * parameters + (16 << 20),
    };
    Ok(published.get(&mut |line| note(line))?)
}
