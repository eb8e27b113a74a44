//! Arrays under keys: HDF5, `.npz`, and pairs of `.npy` files.

use std::path::Path;

use convnet_interop::archive::Archive;
use convnet_interop::h5::{Group, H5File};
use convnet_interop::npy;
use ndarray::ArrayD;

use crate::arrays::ArraySamples;
use crate::images::read_limited;
use crate::{DataError, Result};

/// Bytes of a file that is read whole.
const MAX_FILE: u64 = 8 << 30;
/// Groups within groups of an HDF5 file.
const MAX_DEPTH: usize = 8;

/// Where in a file the arrays lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Samples and targets to train on.
    pub train: (String, String),
    /// Those to validate on.
    pub validation: Option<(String, String)>,
    /// Those to test with.
    pub test: Option<(String, String)>,
}

/// The words that stand for a split, and those for samples and for targets.
const SPLITS: [&[&str]; 3] =
    [&["train", "training", "tr"], &["val", "valid", "validation", "dev"], &["test", "testing", "te"]];
const INPUTS: &[&str] = &["x", "images", "image", "data", "inputs", "input", "features", "samples"];
const TARGETS: &[&str] = &["y", "labels", "label", "targets", "target", "classes", "class"];
/// Words that say nothing: `train_set_x`.
const FILLERS: &[&str] = &["set", "orig", "arr"];

/// Arrays of texts that name the classes.
const CLASS_NAMES: &[&str] =
    &["list_classes", "class_names", "classes", "label_names", "classes_names", "labels_names", "names"];

/// What arrays a file has, in memory.
#[derive(Clone, Debug)]
pub struct ArraySets {
    /// To train on.
    pub train: ArraySamples,
    /// To validate on.
    pub validation: Option<ArraySamples>,
    /// To test with.
    pub test: Option<ArraySamples>,
    /// The classes' names, where an HDF5 file has an array of texts for them: `list_classes`, `class_names`, `label_names`, …
    pub class_names: Vec<String>,
}

/// What a name says: the split (train, validation, test, or none) and whether it is samples or targets.
fn meaning(name: &str) -> Option<(Option<usize>, bool)> {
    let lower = name.to_lowercase();
    // `xtrain` and `trainx` are written too.
    let spaced = SPLITS.concat().iter().filter(|word| word.len() > 2).fold(lower, |text, word| {
        let glued = [format!("x{word}"), format!("y{word}"), format!("{word}x"), format!("{word}y")];
        if glued.contains(&text) { text.replace(word, "_").replace('_', &format!("_{word}_")) } else { text }
    });
    let (mut split, mut kind) = (None, None);
    for word in
        spaced.split(['_', '-', '/', '.', ' ']).filter(|word| !word.is_empty() && !FILLERS.contains(word))
    {
        if let Some(place) = SPLITS.iter().position(|words| words.contains(&word)) {
            split = Some(place);
        } else if INPUTS.contains(&word) {
            kind = kind.or(Some(true));
        } else if TARGETS.contains(&word) {
            kind = Some(false);
        } else {
            return None;
        }
    }
    kind.map(|kind| (split, kind))
}

/// Finds samples and targets among names: `train_set_x` and `train_set_y`, `x_train` and `y_train`, `x` and `y`, `images` and `labels`, …
fn find_keys(names: &[String]) -> Option<Keys> {
    let of = |wanted: (Option<usize>, bool)| names.iter().find(|name| meaning(name) == Some(wanted)).cloned();
    let pair = |split| Some((of((split, true))?, of((split, false))?));
    let train = pair(Some(0)).or_else(|| pair(None))?;
    Some(Keys { train, validation: pair(Some(1)), test: pair(Some(2)) })
}

/// A file's arrays by name, read when asked for.
enum Arrays {
    Hdf5(H5File),
    Zip(Archive),
}

impl Arrays {
    fn open(path: &Path) -> Result<Self> {
        let bytes = read_limited(path, MAX_FILE, "expected an HDF5 or .npz file")?;
        Ok(if H5File::recognises(&bytes) {
            Self::Hdf5(H5File::open(bytes)?)
        } else {
            Self::Zip(Archive::open(bytes)?)
        })
    }

    fn names(&self) -> Result<Vec<String>> {
        match self {
            Self::Zip(archive) => {
                Ok(archive.names().iter().map(|name| name.trim_end_matches(".npy").to_owned()).collect())
            }
            Self::Hdf5(file) => {
                let mut names = Vec::new();
                list(&file.root(), "", MAX_DEPTH, &mut names)?;
                Ok(names)
            }
        }
    }

    /// The names of so many classes, if the file tells them.
    fn class_names(&self, classes: usize) -> Vec<String> {
        let Self::Hdf5(file) = self else { return Vec::new() };
        let texts = CLASS_NAMES.iter().find_map(|name| file.root().strings(name).ok());
        // Fewer would leave a class without a name; an odd array is not worth failing for.
        texts.filter(|texts| classes > 0 && texts.len() >= classes).unwrap_or_default()
    }

    fn read(&mut self, path: &Path, name: &str) -> Result<ArrayD<f32>> {
        match self {
            Self::Hdf5(file) => Ok(file.root().floats(name)?),
            Self::Zip(archive) => {
                let member = archive.read(&format!("{name}.npy"))?;
                let bytes = member
                    .ok_or_else(|| DataError::malformed(path, format!("it holds no array `{name}`")))?;
                npy::read(&bytes).map_err(|error| DataError::malformed(path, format!("{name}: {error}")))
            }
        }
    }
}

fn list(group: &Group<'_>, prefix: &str, depth: usize, names: &mut Vec<String>) -> Result<()> {
    names.extend(group.arrays()?.into_iter().map(|name| format!("{prefix}{name}")));
    for inner in group.groups()? {
        if let (true, Some(group)) = (depth > 0, group.group(&inner)?) {
            list(&group, &format!("{prefix}{inner}/"), depth - 1, names)?;
        }
    }
    Ok(())
}

/// Reads the arrays of an HDF5 or `.npz` file, or of a folder of `.npy` files: those under `keys`, or if none are given those that are called as samples and targets
/// usually are (`train_set_x`, `x_train`, `train/images`, `x`, `data`, …, with `y`, `labels`, `target`, …).
///
/// Classes are as many as the highest label of all splits asks for.
///
/// # Errors
/// [`DataError::Malformed`] when there are no such arrays (it names those that are there), they do not fit each other, or hold other things than numbers; what
/// reading the file gives.
pub fn read_arrays(path: &Path, keys: Option<&Keys>) -> Result<ArraySets> {
    let folder = path.is_dir();
    let mut file = if folder { None } else { Some(Arrays::open(path)?) };
    let names = match &file {
        Some(file) => file.names()?,
        None => npy_names(path)?,
    };
    let keys = keys.cloned().or_else(|| find_keys(&names)).ok_or_else(|| {
        let held = if names.is_empty() { "nothing".into() } else { names.join(", ") };
        let problem = format!("no arrays are called as samples and targets usually are (x_train and y_train, images and labels, …); it holds {held}. Give their keys");
        DataError::malformed(path, problem)
    })?;
    let mut read = |name: &String| match &mut file {
        Some(file) => file.read(path, name),
        None => Ok(npy::read_file(path.join(format!("{name}.npy")))?),
    };
    let mut samples = |(x, y): &(String, String)| {
        let samples = ArraySamples::new(read(x)?, read(y)?);
        samples.map_err(|error| DataError::malformed(path, format!("{x}, {y}: {error}")))
    };
    let train = samples(&keys.train)?;
    let validation = keys.validation.as_ref().map(&mut samples).transpose()?;
    let test = keys.test.as_ref().map(&mut samples).transpose()?;
    let counts =
        [Some(&train), validation.as_ref(), test.as_ref()].map(|set| set.and_then(ArraySamples::class_count));
    let classes = counts.into_iter().flatten().max().unwrap_or(0);
    let class_names = file.as_ref().map_or_else(Vec::new, |file| file.class_names(classes));
    let fit = |samples: ArraySamples| samples.at_least_classes(classes.max(class_names.len()));
    Ok(ArraySets { train: fit(train), validation: validation.map(fit), test: test.map(fit), class_names })
}

/// The names of the `.npy` files of a folder, without the ending.
fn npy_names(folder: &Path) -> Result<Vec<String>> {
    let entries =
        std::fs::read_dir(folder).map_err(|source| DataError::io(folder, "read the folder", source))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".npy").map(str::to_owned)).collect();
    names.sort_unstable();
    Ok(names)
}

/// Whether a folder holds `.npy` files that are called as samples and targets are.
pub(super) fn recognises(folder: &Path) -> bool {
    npy_names(folder).is_ok_and(|names| find_keys(&names).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_understood() {
        for (name, expected) in [
            ("train_set_x", Some((Some(0), true))),
            ("train_set_y", Some((Some(0), false))),
            ("test_set_y", Some((Some(2), false))),
            ("X_train", Some((Some(0), true))),
            ("y_val", Some((Some(1), false))),
            ("train/images", Some((Some(0), true))),
            ("valid/labels", Some((Some(1), false))),
            ("xtrain", Some((Some(0), true))),
            ("testy", Some((Some(2), false))),
            ("x", Some((None, true))),
            ("target", Some((None, false))),
            ("x_train_orig", Some((Some(0), true))),
            ("list_classes", None),
            ("mean", None),
            ("train", None),
        ] {
            assert_eq!(meaning(name), expected, "{name}");
        }
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let keys =
            find_keys(&names(&["list_classes", "test_set_x", "test_set_y", "train_set_x", "train_set_y"]))
                .unwrap();
        assert_eq!(keys.train, ("train_set_x".into(), "train_set_y".into()));
        assert_eq!((keys.validation, keys.test), (None, Some(("test_set_x".into(), "test_set_y".into()))));
        assert_eq!(find_keys(&names(&["x_train", "y_test"])), None);
    }
}
