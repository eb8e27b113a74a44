//! A folder of IDX files through the public API: what is found, and what is said when something is not.

use std::fs;
use std::path::PathBuf;

use convnet_data::{DataError, load};

/// A folder of its own for a test, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &[u32], &[u8])]) -> Self {
        let path = std::env::temp_dir().join(format!("convnet-folder-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        for (file, dims, values) in files {
            let mut bytes = vec![0, 0, 8, dims.len() as u8];
            dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
            bytes.extend(*values);
            fs::write(path.join(file), bytes).expect("the temporary folder can be written");
        }
        Folder(path)
    }

    fn load(&self) -> Result<convnet_data::Dataset, DataError> {
        load(self.0.to_str().expect("its name is ASCII"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const IMAGES: (&str, &[u32], &[u8]) = ("train-images-idx3-ubyte", &[2, 2, 3], &[7; 12]);
const LABELS: (&str, &[u32], &[u8]) = ("train-labels-idx1-ubyte", &[2], &[0, 4]);

#[test]
fn a_folder_without_test_files_is_a_data_set_without_test_split() {
    let dataset = Folder::new("train-only", &[IMAGES, LABELS]).load().unwrap();
    assert!(dataset.test.is_none());
    assert_eq!(dataset.class_names, ["0", "1", "2", "3", "4"]);
    assert_eq!(dataset.train.to_pixels().dim(), (2, 2, 3, 1));
}

#[test]
fn the_dotted_spelling_is_found_and_test_labels_count_as_classes() {
    let files = [
        ("train-images.idx3-ubyte", IMAGES.1, IMAGES.2),
        ("train-labels.idx1-ubyte", LABELS.1, LABELS.2),
        ("t10k-images.idx3-ubyte", &[1, 2, 3], &[1; 6]),
        ("t10k-labels.idx1-ubyte", &[1], &[6]),
    ];
    let dataset = Folder::new("dotted", &files).load().unwrap();
    assert_eq!(dataset.class_names.len(), 7);
    assert_eq!(dataset.test.unwrap().labels(), [6]);
}

#[test]
fn errors_say_what_was_looked_for() {
    let said = |name, files: &[_]| Folder::new(name, files).load().unwrap_err().to_string();
    let empty = said("empty", &[]);
    assert!(
        empty.contains("train-images-idx3-ubyte: not found") && empty.contains("train-images.idx3-ubyte.gz")
    );
    let half = said("half", &[IMAGES, LABELS, ("t10k-images-idx3-ubyte", &[1, 2, 3], &[1; 6])]);
    assert!(half.contains("t10k-labels-idx1-ubyte: not found"), "{half}");
    let counts = said("counts", &[IMAGES, (LABELS.0, &[3], &[0, 1, 2])]);
    assert!(counts.contains("holds 2 images but") && counts.contains("holds 3 labels"), "{counts}");
    let swapped = said("swapped", &[(LABELS.0, IMAGES.1, IMAGES.2), (IMAGES.0, LABELS.1, LABELS.2)]);
    assert!(swapped.contains("an IDX file of 3 dimensions where 1 were expected"), "{swapped}");
    let test: [(_, &[u32], &[u8]); 2] =
        [("t10k-images-idx3-ubyte", &[1, 3, 3], &[1; 9]), ("t10k-labels-idx1-ubyte", &[1], &[0])];
    let shapes = said("shapes", &[IMAGES, LABELS, test[0], test[1]]);
    assert!(shapes.contains("test images are (3, 3, 1) but those to train on (2, 3, 1)"), "{shapes}");
    let nowhere = load("./no/such/folder").unwrap_err().to_string();
    assert!(nowhere.starts_with("./no/such/folder: not found"), "{nowhere}");
}
