//! A folder of IDX files named as those of MNIST are.

use std::path::{Path, PathBuf};

use super::idx::{Idx, read_idx};
use crate::{DataError, Dataset, ImageShape, Result, Split};

/// How each of the four files may be spelt; `.gz` may follow.
const SPELLINGS: [[&str; 2]; 4] = [
    ["train-images-idx3-ubyte", "train-images.idx3-ubyte"],
    ["train-labels-idx1-ubyte", "train-labels.idx1-ubyte"],
    ["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"],
    ["t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"],
];

/// Reads a folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and, if there, `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte`; each may be gzipped (`.gz`) or spelt with a dot (`train-images.idx3-ubyte`).
///
/// Classes are named by their number: as many as the highest label asks for.
///
/// # Errors
/// [`DataError::Missing`] when there is no such folder, it lacks the training files, or it has only one of the test
/// files; [`DataError::CountMismatch`], and whatever [`read_idx`] says of a file.
pub fn load_folder(folder: &Path) -> Result<Dataset> {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    load_named(folder, name, None)
}

/// Like [`load_folder`], with a name and, if known, the classes' names.
pub(crate) fn load_named(folder: &Path, name: String, classes: Option<&[&str]>) -> Result<Dataset> {
    if !folder.is_dir() {
        let help = if folder.exists() {
            "this is a file; give the folder that holds the four IDX files"
        } else {
            "expected a folder of IDX files"
        };
        return Err(DataError::Missing { path: folder.to_path_buf(), help: help.into() });
    }
    let found = SPELLINGS.map(|names| find(folder, names));
    let [train_images, train_labels, test_images, test_labels] = &found;
    let train = read_pair(&require(folder, train_images, 0)?, &require(folder, train_labels, 1)?)?;
    let test = match (test_images, test_labels) {
        (None, None) => None,
        _ => Some(read_pair(&require(folder, test_images, 2)?, &require(folder, test_labels, 3)?)?),
    };
    let labels = train.1.values.iter().chain(test.iter().flat_map(|test| &test.1.values));
    let highest = labels.max().map_or(0, |&label| usize::from(label));
    let class_names: Vec<String> = match classes {
        Some(names) => names.iter().map(ToString::to_string).collect(),
        None => (0..=highest).map(|class| class.to_string()).collect(),
    };
    let train = to_split(train, class_names.len())?;
    let test = test.map(|pair| to_split(pair, class_names.len())).transpose()?;
    if let Some(test) = test.as_ref().filter(|test| test.shape() != train.shape()) {
        let problem = format!("its test images are {} but those to train on {}", test.shape(), train.shape());
        return Err(DataError::malformed(folder, problem));
    }
    Ok(Dataset { name, train, test, class_names })
}

/// Whether the folder holds all four files, under any spelling.
pub(crate) fn is_complete(folder: &Path) -> bool {
    SPELLINGS.iter().all(|names| find(folder, *names).is_some())
}

/// Whether the folder holds a file to train on, under any spelling.
pub(super) fn has_training_files(folder: &Path) -> bool {
    SPELLINGS[..2].iter().any(|names| find(folder, *names).is_some())
}

fn find(folder: &Path, names: [&str; 2]) -> Option<PathBuf> {
    let spelt = names.iter().flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))]);
    spelt.into_iter().find(|path| path.is_file())
}

fn require(folder: &Path, found: &Option<PathBuf>, which: usize) -> Result<PathBuf> {
    let [dashed, dotted] = SPELLINGS[which];
    found.clone().ok_or_else(|| DataError::Missing {
        path: folder.join(dashed),
        help: format!("also looked for {dashed}.gz, {dotted} and {dotted}.gz in that folder"),
    })
}

/// Images and labels of one split, counts checked against each other.
fn read_pair(images_path: &Path, labels_path: &Path) -> Result<(Idx, Idx)> {
    let labels = read_idx(labels_path, 1)?;
    let images = read_idx(images_path, 3)?;
    if images.dims[0] != labels.dims[0] {
        return Err(DataError::CountMismatch {
            images: images_path.to_path_buf(),
            labels: labels_path.to_path_buf(),
            image_count: images.dims[0],
            label_count: labels.dims[0],
        });
    }
    Ok((images, labels))
}

fn to_split((images, labels): (Idx, Idx), classes: usize) -> Result<Split> {
    let shape = ImageShape::new(images.dims[1], images.dims[2], 1);
    let labels = labels.values.iter().map(|&label| u32::from(label)).collect();
    Split::new(images.values, labels, shape, classes)
}
