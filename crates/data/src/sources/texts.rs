//! Folders of text files with a sub-folder for each class, as IMDB's reviews come.

use std::path::{Path, PathBuf};

use super::labelled::Labels;
use crate::pictures::{Names, PassedOver, files_below, folders_in, split_folders};
use crate::{DataError, Result};

/// Bytes of a text file: a review has some thousand.
const MAX_FILE: u64 = 1 << 24;
/// IMDB's folder of reviews that nobody judged; not a class.
const UNLABELLED: &str = "unsup";

/// Texts of the splits of a folder.
#[derive(Debug)]
pub struct TextFolder {
    /// To train on.
    pub train: Labels,
    /// To validate on: a sub-folder `val`.
    pub validation: Option<Labels>,
    /// To test with: a sub-folder `test`.
    pub test: Option<Labels>,
    /// What was seen and not taken.
    pub passed_over: PassedOver,
}

/// Reads all `.txt` files of a folder with a sub-folder for each class, or with `train`, `test` and perhaps `val` above those. Keras's
/// [text_dataset_from_directory](https://keras.io/api/data_loading/text/); IMDB's `unsup` is passed over.
///
/// # Errors
/// [`DataError::Missing`] when there is no such folder or no text in it, [`DataError::Io`] and [`DataError::TooLarge`] (16 MiB) of a file.
pub fn read_text_folder(folder: &Path) -> Result<TextFolder> {
    let mut passed_over = PassedOver::default();
    let [train, validation, test] = split_folders(folder)?;
    let main = train.unwrap_or_else(|| folder.to_path_buf());
    let mut class_names = folders_in(&main, &mut passed_over)?;
    class_names.retain(|name| name != UNLABELLED);
    let train = read(&main, &class_names, &mut passed_over)?;
    if train.inputs.is_empty() {
        let help = "no .txt files were found in its sub-folders, of which each should be a class".into();
        return Err(DataError::Missing { path: main, help });
    }
    let mut other = |folder: Option<PathBuf>| {
        let read = folder.map(|folder| read(&folder, &class_names, &mut passed_over)).transpose()?;
        Ok::<_, DataError>(read.filter(|labels| !labels.inputs.is_empty()))
    };
    let (validation, test) = (other(validation)?, other(test)?);
    Ok(TextFolder { train, validation, test, passed_over })
}

/// The text in a file; what is not UTF-8 is taken for Latin-1.
///
/// # Errors
/// [`DataError::Missing`], [`DataError::Io`], or [`DataError::TooLarge`] over 16 MiB.
pub fn read_text_file(path: &Path) -> Result<String> {
    super::read_text(path, MAX_FILE, "expected a text file")
}

/// Whether a folder's classes hold text files.
pub(super) fn recognises(folder: &Path) -> bool {
    let Ok([train, ..]) = split_folders(folder) else { return false };
    let main = train.unwrap_or_else(|| folder.to_path_buf());
    let has_texts = |class: &String| {
        let entries = std::fs::read_dir(main.join(class)).into_iter().flatten().flatten().take(50);
        entries
            .into_iter()
            .any(|entry| Path::new(&entry.file_name()).extension().is_some_and(|ending| ending == "txt"))
    };
    folders_in(&main, &mut PassedOver::default()).is_ok_and(|classes| classes.iter().any(has_texts))
}

fn read(folder: &Path, class_names: &[String], passed: &mut PassedOver) -> Result<Labels> {
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for (label, class) in class_names.iter().enumerate() {
        let inner = folder.join(class);
        if !inner.is_dir() {
            continue;
        }
        let mut names = Names::default();
        files_below(&inner, &["txt"], &mut names, passed)?;
        for file in 0..names.len() {
            inputs.push(read_text_file(&names.path(file))?);
            labels.push(label as u32);
        }
    }
    Ok(Labels { inputs, labels, class_names: class_names.to_vec(), splits: None })
}
