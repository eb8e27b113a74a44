//! A folder with a sub-folder for each class.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::files::{OnBroken, OnChange, OnReport, PictureFiles, Reading};
use super::names::Names;
use super::order::numpy_shuffle;
use super::walk::{self, PassedOver};
use crate::images::{self, Background, Fit, Options, Resampling};
use crate::{DataError, ImageShape, Result};

/// How many channels pictures are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorMode {
    /// One: grey.
    Grayscale,
    /// Three: red, green, blue, transparency laid over white.
    Rgb,
    /// Four: red, green, blue and how opaque.
    Rgba,
}

impl ColorMode {
    /// Number of channels.
    pub fn channels(self) -> usize {
        match self {
            Self::Grayscale => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

impl FromStr for ColorMode {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "grayscale" | "greyscale" | "grey" | "gray" => Ok(Self::Grayscale),
            "rgb" => Ok(Self::Rgb),
            "rgba" => Ok(Self::Rgba),
            _ => Err(DataError::Shape {
                what: "colour mode",
                expected: "grayscale, rgb or rgba".into(),
                received: name.to_owned(),
            }),
        }
    }
}

/// Names that the folder of a split may have.
const SPLITS: [&[&str]; 3] =
    [&["train", "training"], &["val", "valid", "validation", "dev"], &["test", "testing"]];
/// Keras's default, for pictures of many sizes.
const USUAL_SIZE: (usize, usize) = (256, 256);
/// Files that are looked at when no size is given.
const PROBED: usize = 8;

/// Opens a folder of pictures with a sub-folder for each class: Keras's
/// [image_dataset_from_directory](https://keras.io/api/data_loading/image/), read lazily.
///
/// Classes are the sub-folders' names, sorted; each holds its pictures ([`ENDINGS`](images::ENDINGS)), also in folders of its own. Sub-folders
/// `train`, `val` (or `valid`, `validation`, `dev`) and `test` that hold the classes are recognised. Hidden files, other files, and files beside the
/// classes are passed over, with a count.
///
/// ```no_run
/// use convnet_data::pictures::ImageFolder;
/// let photos = ImageFolder::new("photos").image_size(224, 224).validation_split(0.2).seed(1).open()?;
/// println!("{} to train on, classes {:?}", photos.train.labels().len(), photos.class_names);
/// # Ok::<(), convnet_data::DataError>(())
/// ```
#[derive(Clone)]
pub struct ImageFolder {
    path: PathBuf,
    size: Option<(usize, usize)>,
    color_mode: Option<ColorMode>,
    interpolation: Resampling,
    fit: Fit,
    background: Background,
    white: f32,
    class_names: Option<Vec<String>>,
    shuffle: bool,
    seed: u32,
    validation_split: f64,
    on_broken: OnBroken,
    report: Option<OnReport>,
    changes: Option<OnChange>,
}

/// What [`ImageFolder::open`] found.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// What to train on.
    pub train: PictureFiles,
    /// What to validate on: the folder `val`, or what `validation_split` keeps back.
    pub validation: Option<PictureFiles>,
    /// What to test with: the folder `test`.
    pub test: Option<PictureFiles>,
    /// The name of each class; labels index into this.
    pub class_names: Vec<String>,
    /// What was seen and not taken.
    pub passed_over: PassedOver,
}

impl ImageFolder {
    /// Colour or grey and of one size as the first few pictures are (else 256 × 256 and colour), stretched, bilinear as in TensorFlow, values of 0 … 1,
    /// shuffled by seed 0, nothing kept back, broken files fatal.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            size: None,
            color_mode: None,
            interpolation: Resampling::TfBilinear,
            fit: Fit::Stretch,
            background: Background::Any,
            white: 1.0,
            class_names: None,
            shuffle: true,
            seed: 0,
            validation_split: 0.0,
            on_broken: OnBroken::Fail,
            report: None,
            changes: None,
        }
    }

    /// Height and width that pictures are brought to.
    pub fn image_size(self, height: usize, width: usize) -> Self {
        Self { size: Some((height, width)), ..self }
    }

    /// How many channels.
    pub fn color_mode(self, color_mode: ColorMode) -> Self {
        Self { color_mode: Some(color_mode), ..self }
    }

    /// How new pixels are made of old ones.
    pub fn interpolation(self, interpolation: Resampling) -> Self {
        Self { interpolation, ..self }
    }

    /// How proportions are brought about: Keras's `crop_to_aspect_ratio` is [`Fit::Crop`], its `pad_to_aspect_ratio` [`Fit::Pad`].
    pub fn fit(self, fit: Fit) -> Self {
        Self { fit, ..self }
    }

    /// What is to be behind the things on pictures: as it comes, or dark, for which pictures on bright ground are inverted.
    pub fn background(self, background: Background) -> Self {
        Self { background, ..self }
    }

    /// What stands for white: 1, or 255 as in Keras.
    pub fn white(self, white: f32) -> Self {
        Self { white, ..self }
    }

    /// The classes in this order, and no others.
    pub fn class_names(self, class_names: Vec<String>) -> Self {
        Self { class_names: Some(class_names), ..self }
    }

    /// Whether samples lie in an order of chance (of `seed`, before anything is kept back) rather than by class and name.
    pub fn shuffle(self, shuffle: bool) -> Self {
        Self { shuffle, ..self }
    }

    /// Seed of that order. The same seed keeps back the same files as it does in Keras, if the folder holds only formats that Keras reads.
    pub fn seed(self, seed: u32) -> Self {
        Self { seed, ..self }
    }

    /// Share of the files, cut off at the end, that is kept for validation where the folder has none of its own.
    pub fn validation_split(self, validation_split: f64) -> Self {
        Self { validation_split, ..self }
    }

    /// What is done with files that cannot be read.
    pub fn on_broken(self, on_broken: OnBroken) -> Self {
        Self { on_broken, ..self }
    }

    /// Who hears, once, of each file that is skipped.
    pub fn report(self, report: OnReport) -> Self {
        Self { report: Some(report), ..self }
    }

    /// Who hears of each picture what was done to it.
    pub fn changes(self, changes: OnChange) -> Self {
        Self { changes: Some(changes), ..self }
    }

    /// Lists the files.
    ///
    /// # Errors
    /// [`DataError::Missing`] when there is no such folder or no picture in it, [`DataError::Malformed`] when a class of a split or of
    /// [`class_names`](Self::class_names) is unknown, [`DataError::Shape`] when the size or the share is out of range.
    pub fn open(&self) -> Result<Pictures> {
        if !(0.0..1.0).contains(&self.validation_split) {
            return Err(DataError::Shape {
                what: "share kept for validation",
                expected: "at least 0 and below 1".into(),
                received: self.validation_split.to_string(),
            });
        }
        let mut passed_over = PassedOver::default();
        let splits = split_folders(&self.path)?;
        let train_folder = splits[0].clone().unwrap_or_else(|| self.path.clone());
        let class_names = self.classes(&train_folder, &mut passed_over)?;
        let (names, labels) = list(&train_folder, &class_names, &mut passed_over)?;
        if names.len() == 0 {
            let help = format!(
                "no pictures ({}) were found in its sub-folders, of which each should be a class",
                images::ENDINGS.join(", ")
            );
            return Err(DataError::Missing { path: train_folder, help });
        }
        let reading = self.reading(&names)?;
        let train = self.samples(names, labels, class_names.len(), &reading);
        let mut other = |folder: &Option<PathBuf>| -> Result<Option<PictureFiles>> {
            let Some(folder) = folder else { return Ok(None) };
            check_classes(folder, &class_names)?;
            let (names, labels) = list(folder, &class_names, &mut passed_over)?;
            Ok((names.len() > 0).then(|| self.samples(names, labels, class_names.len(), &reading)))
        };
        let (mut validation, test) = (other(&splits[1])?, other(&splits[2])?);
        let mut train = train;
        // As Keras cuts it.
        let kept_back = (self.validation_split * train.labels().len() as f64) as usize;
        if validation.is_none() && kept_back > 0 {
            let count = train.labels().len();
            validation = Some(train.range(count - kept_back..count));
            train = train.range(0..count - kept_back);
        }
        Ok(Pictures { train, validation, test, class_names, passed_over })
    }

    fn classes(&self, folder: &Path, passed: &mut PassedOver) -> Result<Vec<String>> {
        let found = walk::folders_in(folder, passed)?;
        let Some(wanted) = &self.class_names else { return Ok(found) };
        match wanted.iter().find(|name| !found.contains(name)) {
            None => Ok(wanted.clone()),
            Some(name) => {
                let problem = format!("has no sub-folder for the class `{name}`, only {}", found.join(", "));
                Err(DataError::malformed(folder, problem))
            }
        }
    }

    fn reading(&self, names: &Names) -> Result<Reading> {
        let guess = if self.size.is_some() && self.color_mode.is_some() { None } else { Some(probe(names)) };
        let (size, grey) = guess.flatten().unwrap_or((USUAL_SIZE, false));
        let (height, width) = self.size.unwrap_or(size);
        let usual = if grey { ColorMode::Grayscale } else { ColorMode::Rgb };
        let shape = ImageShape::new(height, width, self.color_mode.unwrap_or(usual).channels());
        let options = Options { background: self.background, fit: self.fit, resampling: self.interpolation };
        images::check_shape(shape)?;
        Ok(Reading {
            shape,
            options,
            white: self.white,
            on_broken: self.on_broken,
            report: self.report.clone(),
            changes: self.changes.clone(),
        })
    }

    fn samples(&self, mut names: Names, labels: Vec<u32>, classes: usize, reading: &Reading) -> PictureFiles {
        names.shrink();
        let count = names.len();
        let files = if self.shuffle { numpy_shuffle(count, self.seed) } else { (0..count as u32).collect() };
        let labels = files.iter().map(|&file| labels[file as usize]).collect();
        PictureFiles::new(Arc::new(names), files, labels, classes, reading.clone())
    }
}

/// The sub-folders for training, validation and test, if there is one for training and none for anything else.
pub(crate) fn split_folders(folder: &Path) -> Result<[Option<PathBuf>; 3]> {
    let found = walk::folders_in(folder, &mut PassedOver::default())?;
    let split = |name: &String| SPLITS.iter().position(|names| names.contains(&name.to_lowercase().as_str()));
    let mut folders = [None, None, None];
    for name in &found {
        match split(name) {
            Some(place) => folders[place] = Some(folder.join(name)),
            None => return Ok([None, None, None]),
        }
    }
    Ok(if folders[0].is_some() { folders } else { [None, None, None] })
}

/// The files of each class and their labels.
fn list(folder: &Path, class_names: &[String], passed: &mut PassedOver) -> Result<(Names, Vec<u32>)> {
    let (mut names, mut labels) = (Names::default(), Vec::new());
    for (label, class) in class_names.iter().enumerate() {
        let inner = folder.join(class);
        if inner.is_dir() {
            walk::files_below(&inner, images::ENDINGS, &mut names, passed)?;
            labels.resize(names.len(), label as u32);
        }
    }
    Ok((names, labels))
}

/// Whether a split has no class that the others lack.
fn check_classes(folder: &Path, class_names: &[String]) -> Result<()> {
    let found = walk::folders_in(folder, &mut PassedOver::default())?;
    match found.iter().find(|name| !class_names.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let problem =
                format!("the class `{name}` is not among those to train on: {}", class_names.join(", "));
            Err(DataError::malformed(folder, problem))
        }
    }
}

/// The size of the pictures, if the few that are looked at have the same and it is not large, and whether they are grey.
fn probe(names: &Names) -> Option<((usize, usize), bool)> {
    let step = names.len().div_ceil(PROBED).max(1);
    let shapes: Vec<ImageShape> =
        (0..names.len()).step_by(step).filter_map(|file| images::shape_of(&names.path(file)).ok()).collect();
    let first = shapes.first()?;
    let grey = shapes.iter().all(|shape| shape.channels <= 2);
    let same = shapes.iter().all(|shape| (shape.height, shape.width) == (first.height, first.width));
    let small = first.height.max(first.width) <= USUAL_SIZE.0;
    Some((if same && small { (first.height, first.width) } else { USUAL_SIZE }, grey))
}
