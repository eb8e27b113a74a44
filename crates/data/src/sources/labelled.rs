//! Tables with a label a line: of picture files, or of texts.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::table::{Table, same};
use crate::images::{self, Background, Fit, Options, Resampling};
use crate::pictures::{Names, PictureFiles, Reading, has_ending};
use crate::{DataError, ImageShape, OnBroken, OnChange, OnReport, Result};

/// What columns are usually called.
const PATHS: &[&str] =
    &["path", "file", "filename", "file_name", "filepath", "image", "image_path", "img", "photo", "id"];
const LABELS: &[&str] =
    &["label", "class", "category", "target", "sentiment", "class_name", "label_name", "y"];
const TEXTS: &[&str] =
    &["text", "sentence", "review", "comment", "phrase", "content", "message", "snippet", "tweet"];
const SPLITS: &[&str] = &["split", "subset", "set", "partition", "fold"];

/// How a table of labels is read. Columns are given by their name or, from 0, their number; those not given are found by what they are usually called (`path`,
/// `image`, `text`, `review`, `label`, `class`, `split`, …), and in a table without a header the first is the picture's or text's, the second the label.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// What stands between fields; found out if not given.
    pub separator: Option<char>,
    /// The column of files' paths or of texts.
    pub input: Option<String>,
    /// The column of class names or numbers.
    pub label: Option<String>,
    /// Labels are numbers, and those above this are class `1`, others class `0`.
    pub threshold: Option<f64>,
}

/// The lines of a table of labels.
#[derive(Debug)]
pub struct Labels {
    /// A path or text a line.
    pub inputs: Vec<String>,
    /// The class of each.
    pub labels: Vec<u32>,
    /// The classes' names, sorted; numbers as they are, from 0 to the highest.
    pub class_names: Vec<String>,
    /// What the column `split` says of each, if there is one.
    pub splits: Option<Vec<String>>,
}

/// Reads a table of texts or paths with their labels.
///
/// # Errors
/// [`DataError::Missing`] or [`DataError::Io`] when the file cannot be read, [`DataError::Malformed`] when a column cannot be found, a line is too short, a quote is never
/// closed, or a label is not a number where numbers are asked for.
pub fn read_labels(path: &Path, columns: &Columns) -> Result<Labels> {
    let known = |field: &String| [PATHS, LABELS, TEXTS].concat().iter().any(|name| same(field, name));
    // A column that is given by its number says nothing of a header.
    let asked = |field: &String| {
        let names = [&columns.input, &columns.label].into_iter().flatten();
        names.into_iter().any(|name| name.parse::<usize>().is_err() && same(field, name))
    };
    let table =
        Table::read(path, columns.separator, |first| first.iter().any(|field| known(field) || asked(field)))?;
    let find = |asked: &Option<String>, usual: &[&str], place: usize| match asked {
        Some(name) => table.column(path, name),
        None if table.header.is_none() => Ok(place),
        None => table.named(usual).ok_or_else(|| {
            let header = table.header.as_deref().unwrap_or_default().join(", ");
            DataError::malformed(
                path,
                format!("no column is called {}; the table has {header}", usual.join(", ")),
            )
        }),
    };
    // A table of reviews may number them as well.
    let usual: Vec<&str> = TEXTS.iter().chain(PATHS).copied().collect();
    let (input, label) = (find(&columns.input, &usual, 0)?, find(&columns.label, LABELS, 1)?);
    let split = table.named(SPLITS);
    let (mut inputs, mut names, mut splits) = (Vec::new(), Vec::new(), split.map(|_| Vec::new()));
    for row in &table.rows {
        inputs.push(row.field(path, input)?.to_owned());
        let name = row.field(path, label)?.trim();
        names.push(match columns.threshold {
            None => name.to_owned(),
            Some(threshold) => {
                let number: f64 = name.parse().map_err(|_| {
                    DataError::malformed(
                        path,
                        format!("`{name}` in line {} is not a number, as its label should be", row.line),
                    )
                })?;
                u8::from(number > threshold).to_string()
            }
        });
        if let (Some(splits), Some(split)) = (&mut splits, split) {
            splits.push(row.field(path, split)?.trim().to_lowercase());
        }
    }
    let (labels, class_names) = number(&names);
    Ok(Labels { inputs, labels, class_names, splits })
}

/// Class numbers of names. Names that are all small whole numbers stand for themselves; others are sorted.
fn number(names: &[String]) -> (Vec<u32>, Vec<String>) {
    let sorted: BTreeSet<&String> = names.iter().collect();
    let numbers: Option<Vec<u32>> = names.iter().map(|name| name.parse().ok()).collect();
    // Not where gaps would make classes that nobody meant, such as years.
    if let Some(numbers) = numbers.filter(|all| all.iter().all(|&n| n as usize <= sorted.len() + 1)) {
        let classes = numbers.iter().max().map_or(0, |&most| most + 1);
        return (numbers, (0..classes).map(|number| number.to_string()).collect());
    }
    let class_names: Vec<String> = sorted.into_iter().cloned().collect();
    let place = |name| class_names.binary_search(name).unwrap_or_default() as u32;
    (names.iter().map(place).collect(), class_names)
}

/// Whether the inputs of a table look like picture files.
pub(crate) fn names_pictures(labels: &Labels) -> bool {
    let first = labels.inputs.iter().take(20);
    first.clone().count() > 0
        && first.into_iter().all(|input| has_ending(&OsString::from(input), images::ENDINGS))
}

/// Pictures of a table of paths and labels; paths are relative to the table's folder.
#[derive(Clone)]
pub struct ImageTable {
    path: PathBuf,
    root: Option<PathBuf>,
    columns: Columns,
    shape: ImageShape,
    options: Options,
    white: f32,
    on_broken: OnBroken,
    report: Option<OnReport>,
    changes: Option<OnChange>,
}

impl ImageTable {
    /// The pictures that this table names, brought to `shape` (stretched, bilinear as in TensorFlow, values of 0 … 1).
    pub fn new(path: impl Into<PathBuf>, shape: ImageShape) -> Self {
        let options =
            Options { background: Background::Any, fit: Fit::Stretch, resampling: Resampling::TfBilinear };
        Self {
            path: path.into(),
            root: None,
            columns: Columns::default(),
            shape,
            options,
            white: 1.0,
            on_broken: OnBroken::Fail,
            report: None,
            changes: None,
        }
    }

    /// The folder that paths are relative to.
    pub fn root(self, root: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()), ..self }
    }

    /// Which columns are read.
    pub fn columns(self, columns: Columns) -> Self {
        Self { columns, ..self }
    }

    /// How pictures are brought to the shape.
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// What stands for white: 1, or 255.
    pub fn white(self, white: f32) -> Self {
        Self { white, ..self }
    }

    /// What is done with files that cannot be read, and who hears of each that is skipped.
    pub fn on_broken(self, on_broken: OnBroken, report: Option<OnReport>) -> Self {
        Self { on_broken, report, ..self }
    }

    /// Who hears of each picture what was done to it.
    pub fn changes(self, changes: Option<OnChange>) -> Self {
        Self { changes, ..self }
    }

    /// Reads the table; files are opened when batches need them. Also gives the classes' names, and what the column `split` says of each sample.
    ///
    /// # Errors
    /// As [`read_labels`], and [`DataError::Shape`] for a shape that no picture can have.
    pub fn open(&self) -> Result<(PictureFiles, Vec<String>, Option<Vec<String>>)> {
        images::check_shape(self.shape)?;
        let Labels { inputs, labels, class_names, splits } = read_labels(&self.path, &self.columns)?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let mut names = Names::default();
        names.folder(self.root.clone().unwrap_or_else(|| folder.to_path_buf()));
        for input in &inputs {
            if !names.push(input.trim().as_ref()) {
                return Err(DataError::malformed(&self.path, format!("`{input}` is no path on this system")));
            }
        }
        names.shrink();
        let reading = Reading {
            shape: self.shape,
            options: self.options,
            white: self.white,
            on_broken: self.on_broken,
            report: self.report.clone(),
            changes: self.changes.clone(),
        };
        let files = (0..names.len() as u32).collect();
        let samples = PictureFiles::new(Arc::new(names), files, labels, class_names.len(), reading);
        Ok((samples, class_names, splits))
    }
}

impl std::fmt::Debug for ImageTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImageTable({}, {})", self.path.display(), self.shape)
    }
}
