//! CIFAR-10 and CIFAR-100, the binary versions of Krizhevsky's
//! [32 × 32 colour pictures](https://www.cs.toronto.edu/~kriz/cifar.html).
//!
//! A file is records of a label byte (CIFAR-100: two, the coarse class and the fine one), then 1024 red, 1024 green and 1024 blue bytes.

use std::path::{Path, PathBuf};

use crate::images::read_limited;
use crate::{DataError, Dataset, ImageShape, Result, Split};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
/// Bytes of a file: 50,000 records and a little.
const MAX_FILE: u64 = 1 << 28;

const TEN: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Which of the two a folder holds.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Ten,
    Hundred,
}

/// Whether the folder holds files of either, of the binary version.
pub(super) fn recognises(folder: &Path) -> bool {
    kind(folder).is_some()
}

/// Whether the folder holds the version for Python, which is pickles.
pub(super) fn is_python_version(folder: &Path) -> bool {
    folder.join("data_batch_1").is_file() && folder.join("batches.meta").is_file()
}

fn kind(folder: &Path) -> Option<Kind> {
    let has = |name: &str| folder.join(name).is_file();
    match () {
        () if has("data_batch_1.bin") => Some(Kind::Ten),
        () if has("train.bin") && (has("fine_label_names.txt") || has("test.bin")) => Some(Kind::Hundred),
        () => None,
    }
}

/// Reads the folder of CIFAR-10 (`data_batch_1.bin` … `data_batch_5.bin`, as many as there are, `test_batch.bin`, `batches.meta.txt`) or CIFAR-100
/// (`train.bin`, `test.bin`, `fine_label_names.txt`; the fine classes).
///
/// # Errors
/// [`DataError::Missing`] without files to train on, [`DataError::Malformed`] when a file is not whole records or a label is too large.
pub fn load_cifar(folder: &Path) -> Result<Dataset> {
    let kind = kind(folder).ok_or_else(|| DataError::Missing {
        path: folder.join("data_batch_1.bin"),
        help: "expected CIFAR-10's data_batch_1.bin … data_batch_5.bin or CIFAR-100's train.bin; the version for Python is not read".into(),
    })?;
    let (train, test, names) = match kind {
        Kind::Ten => {
            let batches = (1..=5).map(|number| folder.join(format!("data_batch_{number}.bin")));
            (
                batches.filter(|path| path.is_file()).collect(),
                folder.join("test_batch.bin"),
                "batches.meta.txt",
            )
        }
        Kind::Hundred => (vec![folder.join("train.bin")], folder.join("test.bin"), "fine_label_names.txt"),
    };
    let class_names = class_names(&folder.join(names), kind)?;
    let train = read(&train, kind, class_names.len())?;
    let test = if test.is_file() { Some(read(&[test], kind, class_names.len())?) } else { None };
    let name = if kind == Kind::Ten { "cifar10" } else { "cifar100" };
    Ok(Dataset { name: name.into(), train, test, class_names })
}

fn class_names(path: &Path, kind: Kind) -> Result<Vec<String>> {
    let count = if kind == Kind::Ten { 10 } else { 100 };
    let known = if kind == Kind::Ten {
        TEN.map(str::to_owned).to_vec()
    } else {
        (0..100).map(|n| n.to_string()).collect()
    };
    if !path.is_file() {
        return Ok(known);
    }
    let text = super::read_text(path, 1 << 16, "expected the classes' names, one a line")?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() == count {
        return Ok(names);
    }
    Err(DataError::malformed(path, format!("{} names where {count} classes are expected", names.len())))
}

fn read(paths: &[PathBuf], kind: Kind, classes: usize) -> Result<Split> {
    let labels_each = if kind == Kind::Ten { 1 } else { 2 };
    let record = labels_each + 3 * PLANE;
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for path in paths {
        let bytes = read_limited(path, MAX_FILE, "expected a file of CIFAR's binary version")?;
        if bytes.is_empty() || bytes.len() % record != 0 {
            let problem = format!("{} bytes are not whole records of {record}; fetch it again", bytes.len());
            return Err(DataError::malformed(path, problem));
        }
        images.reserve(bytes.len() / record * 3 * PLANE);
        for (number, record) in bytes.chunks_exact(record).enumerate() {
            let (label, planes) = (record[labels_each - 1], &record[labels_each..]);
            if usize::from(label) >= classes {
                let problem = format!("label {label} of record {number} is not below {classes}");
                return Err(DataError::malformed(path, problem));
            }
            labels.push(u32::from(label));
            images.extend((0..PLANE).flat_map(|at| [planes[at], planes[PLANE + at], planes[2 * PLANE + at]]));
        }
    }
    Split::new(images, labels, ImageShape::new(SIDE, SIDE, 3), classes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("convnet-cifar-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn record(labels: &[u8], red: u8) -> Vec<u8> {
        let planes = [[red; PLANE], [1; PLANE], [2; PLANE]].concat();
        [labels, &planes].concat()
    }

    #[test]
    fn planes_become_pixels() {
        let path = folder("ten");
        fs::write(path.join("data_batch_1.bin"), [record(&[3], 200), record(&[9], 7)].concat()).unwrap();
        fs::write(path.join("data_batch_2.bin"), record(&[0], 5)).unwrap();
        fs::write(path.join("test_batch.bin"), record(&[1], 6)).unwrap();
        let data = load_cifar(&path).unwrap();
        assert_eq!((data.train.labels(), data.class_names[3].as_str()), (&[3, 9, 0][..], "cat"));
        assert_eq!(data.train.image(0).unwrap()[..6], [200, 1, 2, 200, 1, 2]);
        assert_eq!(data.test.unwrap().labels(), [1]);
        fs::write(path.join("test_batch.bin"), record(&[10], 6)).unwrap();
        assert!(load_cifar(&path).unwrap_err().to_string().contains("label 10 of record 0"));
        fs::write(path.join("test_batch.bin"), &record(&[1], 6)[1..]).unwrap();
        assert!(load_cifar(&path).unwrap_err().to_string().contains("not whole records of 3073"));
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn the_fine_class_counts() {
        let path = folder("hundred");
        fs::write(path.join("train.bin"), record(&[3, 77], 200)).unwrap();
        fs::write(path.join("test.bin"), record(&[3, 99], 200)).unwrap();
        let data = load_cifar(&path).unwrap();
        assert_eq!((data.train.labels(), data.class_names.len()), (&[77][..], 100));
        fs::write(path.join("fine_label_names.txt"), "apple\n").unwrap();
        assert!(load_cifar(&path).unwrap_err().to_string().contains("1 names where 100"));
        fs::remove_dir_all(path).unwrap();
    }
}
