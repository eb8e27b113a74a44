//! One function for whatever a path holds.

use std::path::Path;

use convnet_nn::Samples;

use super::array_files::{self, Keys, read_arrays};
use super::imdb::{self, ImdbRules, read_imdb};
use super::labelled::{Columns, ImageTable, Labels, names_pictures, read_labels};
use super::texts::{self, read_text_folder};
use super::{Notify, SOURCES, cifar, folder, load_cifar, load_folder, unknown};
use crate::images::{self, Background, Fit, Options, Resampling};
use crate::pictures::{PassedOver, Pictures, folders_in, split_folders};
use crate::text::{Side, TextSamples, TextVectorization};
use crate::{
    ColorMode, DataError, Dataset, ImageFolder, ImageShape, Labelled, OnBroken, OnChange, OnReport, Result,
    SampleSet, Shares,
};

/// Sets of samples that belong together, wherever they came from.
#[derive(Clone, Debug)]
pub struct Collection {
    /// What it is called: a name from [`SOURCES`], or the file's or folder's.
    pub name: String,
    /// What it was recognised as: the name of one of [`KINDS`], or `named` for one of [`SOURCES`].
    pub kind: &'static str,
    /// What to train on.
    pub train: SampleSet,
    /// What to validate on, if it comes with that or [`Opening::validation_split`] asks for it.
    pub validation: Option<SampleSet>,
    /// What to test with, if it comes with that.
    pub test: Option<SampleSet>,
    /// The name of each class; labels index into this. Empty where targets are not classes.
    pub class_names: Vec<String>,
    /// For texts: the words and their numbers, to bring other texts to what the model learnt from. IMDB's numbers come without words.
    pub words: Option<TextVectorization>,
    /// What a person should know: files that were passed over, guesses that were made. A line each.
    pub notes: Vec<String>,
}

/// How [`open_with`] reads what it finds.
#[derive(Clone)]
pub struct Opening {
    /// Height and width that picture files are brought to. If not given: theirs, where the first few are alike and small, else 256 × 256.
    pub image_size: Option<(usize, usize)>,
    /// Channels of picture files. If not given: grey where the first few are, else colour.
    pub color_mode: Option<ColorMode>,
    /// How pictures are resized.
    pub interpolation: Resampling,
    /// How the proportions of pictures are brought about.
    pub fit: Fit,
    /// What is to be behind the things on pictures: as it comes, or dark, for which picture files on bright ground are inverted.
    pub background: Background,
    /// Share that is kept for validation, where the data has none of its own.
    pub validation_split: f64,
    /// Whether that share is taken from each class alike. Folders of pictures are otherwise cut as Keras does.
    pub stratified: bool,
    /// Seed of the order in which files lie, and of what is kept back.
    pub seed: u32,
    /// What is done with picture files that cannot be read.
    pub on_broken: OnBroken,
    /// Who hears of each that is skipped.
    pub report: Option<OnReport>,
    /// Who hears of each picture file what was done to it.
    pub changes: Option<OnChange>,
    /// Where the arrays of an HDF5 or `.npz` file lie, if their names do not tell.
    pub keys: Option<Keys>,
    /// Which columns of a table are read, if their names do not tell.
    pub columns: Columns,
    /// Most words of a text's vocabulary.
    pub max_tokens: usize,
    /// Words that texts are cut or filled up to.
    pub sequence_length: usize,
    /// The words of texts and their numbers, if they are known already: those that a model learnt from. They come before the two above.
    pub words: Option<TextVectorization>,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            image_size: None,
            color_mode: None,
            interpolation: Resampling::TfBilinear,
            fit: Fit::Stretch,
            background: Background::Any,
            validation_split: 0.0,
            stratified: false,
            seed: 0,
            on_broken: OnBroken::Fail,
            report: None,
            changes: None,
            keys: None,
            columns: Columns::default(),
            max_tokens: 10_000,
            sequence_length: 500,
            words: None,
        }
    }
}

/// A kind of file or folder that can be opened.
#[derive(Clone, Copy)]
pub struct Kind {
    /// What to call it.
    pub name: &'static str,
    /// What makes a path one.
    pub looks_for: &'static str,
    recognises: fn(&Path) -> bool,
    open: fn(&Path, &Opening) -> Result<Collection>,
}

/// What is looked for at a path, in this order.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "IDX folder",
        looks_for: "a folder with train-images-idx3-ubyte (and labels, t10k-…), plain or .gz",
        recognises: folder::has_training_files,
        open: |path, _| load_folder(path).map(|data| from_dataset(data, "IDX folder")),
    },
    Kind {
        name: "CIFAR folder",
        looks_for: "a folder with CIFAR-10's data_batch_1.bin or CIFAR-100's train.bin",
        recognises: cifar::recognises,
        open: |path, _| load_cifar(path).map(|data| from_dataset(data, "CIFAR folder")),
    },
    Kind {
        name: "text folder",
        looks_for: "a folder with a sub-folder of .txt files for each class, or train/ and test/ above those",
        recognises: texts::recognises,
        open: open_text_folder,
    },
    Kind {
        name: "npy folder",
        looks_for: "a folder with x_train.npy and y_train.npy or the like",
        recognises: array_files::recognises,
        open: open_arrays,
    },
    Kind {
        name: "picture folder",
        looks_for: "a folder with a sub-folder of pictures for each class, or train/, val/ and test/ above those",
        recognises: holds_folders,
        open: open_pictures,
    },
    Kind {
        name: "table",
        looks_for: "a file .csv, .tsv or .txt with a column of picture files or texts and one of labels",
        recognises: |path| ends_in(path, &["csv", "tsv", "txt"]),
        open: open_table,
    },
    Kind {
        name: "IMDB",
        looks_for: "Keras's imdb.npz",
        recognises: |path| ends_in(path, &["npz"]) && imdb::recognises(path),
        open: open_imdb,
    },
    Kind {
        name: "arrays",
        looks_for: "a file .h5, .hdf5 or .npz with arrays x_train and y_train, train_set_x and train_set_y, x and y, images and labels, or the like",
        recognises: |path| ends_in(path, &["h5", "hdf5", "npz"]),
        open: open_arrays,
    },
];

/// Opens a data set by its name in [`SOURCES`], or whatever a path holds: see [`KINDS`].
///
/// Pictures come as values of 0 … 1. A name goes before a file of the same name; write `./mnist` to mean the file.
///
/// ```
/// let digits = convnet_data::open("mnist")?;
/// assert_eq!((digits.kind, digits.class_names.len()), ("named", 10));
/// # Ok::<(), convnet_data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::UnknownDataset`] when there is no such name or path, [`DataError::Malformed`] when the path holds none of the [`KINDS`] (it says what was
/// looked for), else what reading it gives.
pub fn open(name_or_path: &str) -> Result<Collection> {
    open_with(name_or_path, &Opening::default(), &mut |_| {})
}

/// As [`open`], with a choice of how; `notify` hears of downloads.
///
/// # Errors
/// As [`open`].
pub fn open_with(name_or_path: &str, how: &Opening, notify: Notify<'_>) -> Result<Collection> {
    if !(0.0..1.0).contains(&how.validation_split) {
        return Err(DataError::Shape {
            what: "share kept for validation",
            expected: "at least 0 and below 1".into(),
            received: how.validation_split.to_string(),
        });
    }
    let collection = match SOURCES.iter().find(|source| source.name == name_or_path) {
        Some(source) => from_dataset(source.load(notify)?, "named"),
        None => open_path(name_or_path, how)?,
    };
    keep_back(collection, how)
}

fn open_path(name: &str, how: &Opening) -> Result<Collection> {
    let path = Path::new(name);
    if !path.exists() {
        let is_path = name.contains(std::path::is_separator) || path.extension().is_some();
        return Err(if is_path {
            DataError::Missing { path: path.to_path_buf(), help: "expected a file or folder of data".into() }
        } else {
            unknown(name)
        });
    }
    if let Some(kind) = KINDS.iter().find(|kind| (kind.recognises)(path)) {
        let mut collection = (kind.open)(path, how)?;
        if collection.name.is_empty() {
            collection.name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        }
        return Ok(collection);
    }
    // Archives unpack to a folder in a folder.
    if let Some(inner) = only_folder(path)
        && let Some(kind) = KINDS.iter().find(|kind| (kind.recognises)(&inner))
    {
        return (kind.open)(&inner, how);
    }
    if cifar::is_python_version(path) {
        let problem = "CIFAR's version for Python, whose pickles are not read; fetch the binary version";
        return Err(DataError::malformed(path, problem));
    }
    let looked: Vec<String> = KINDS.iter().map(|kind| format!("\n- {}", kind.looks_for)).collect();
    Err(DataError::malformed(
        path,
        format!("holds no data set that is known here. Looked for:{}", looked.concat()),
    ))
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    path.is_file()
        && ending.is_some_and(|ending| endings.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

/// Whether there are folders in a folder, and pictures in one of them or one below.
fn holds_folders(path: &Path) -> bool {
    fn holds_picture(folder: &Path, depth: usize) -> bool {
        let entries = || std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries().any(|entry| crate::pictures::has_ending(&entry.file_name(), images::ENDINGS))
            || depth > 0
                && entries().any(|entry| entry.path().is_dir() && holds_picture(&entry.path(), depth - 1))
    }
    let Ok(splits) = split_folders(path) else { return false };
    let main = splits[0].clone().unwrap_or_else(|| path.to_path_buf());
    let classes = folders_in(&main, &mut PassedOver::default()).unwrap_or_default();
    classes.iter().any(|class| holds_picture(&main.join(class), 2))
}

/// The folder in a folder that holds nothing else.
fn only_folder(path: &Path) -> Option<std::path::PathBuf> {
    let folders = folders_in(path, &mut PassedOver::default()).ok()?;
    match &folders[..] {
        [only] => Some(path.join(only)),
        _ => None,
    }
}

/// A data set in memory as a collection.
fn from_dataset(data: Dataset, kind: &'static str) -> Collection {
    Collection {
        name: data.name,
        kind,
        train: data.train.into(),
        validation: None,
        test: data.test.map(SampleSet::from),
        class_names: data.class_names,
        words: None,
        notes: Vec::new(),
    }
}

impl From<Dataset> for Collection {
    fn from(data: Dataset) -> Self {
        from_dataset(data, "named")
    }
}

/// Takes the share for validation off what there is to train on.
fn keep_back(mut collection: Collection, how: &Opening) -> Result<Collection> {
    if collection.validation.is_some() || how.validation_split == 0.0 {
        return Ok(collection);
    }
    let kept = how.validation_split;
    if how.stratified {
        let parts = collection
            .train
            .split(Shares::new(&[1.0 - kept, kept])?.seed(u64::from(how.seed)).stratified())?;
        (collection.train, collection.validation) = (parts[0].clone(), parts.get(1).cloned());
        return Ok(collection);
    }
    // As Keras: shuffled by the seed (folders of pictures are already), then cut off at the end.
    let shuffled = collection.kind == "picture folder";
    let all = if shuffled { collection.train.clone() } else { collection.train.shuffle(how.seed) };
    let back = (kept * all.len() as f64) as usize;
    if back == 0 || back == all.len() {
        return Err(DataError::Shape {
            what: "share kept for validation",
            expected: format!("one that leaves samples on both sides of {}", all.len()),
            received: kept.to_string(),
        });
    }
    collection.train = all.take(all.len() - back);
    collection.validation = Some(all.skip(all.len() - back));
    Ok(collection)
}

fn passed_over(passed: PassedOver) -> Vec<String> {
    let part = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let parts = [
        part(passed.hidden, "hidden"),
        part(passed.other, "of another kind"),
        part(passed.misplaced, "beside the classes' folders"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { Vec::new() } else { vec![format!("passed over files: {}", parts.join(", "))] }
}

fn open_pictures(path: &Path, how: &Opening) -> Result<Collection> {
    let mut folder = ImageFolder::new(path)
        .interpolation(how.interpolation)
        .fit(how.fit)
        .background(how.background)
        .seed(how.seed)
        .on_broken(how.on_broken);
    if let Some((height, width)) = how.image_size {
        folder = folder.image_size(height, width);
    }
    if let Some(color_mode) = how.color_mode {
        folder = folder.color_mode(color_mode);
    }
    if let Some(report) = &how.report {
        folder = folder.report(report.clone());
    }
    if let Some(changes) = &how.changes {
        folder = folder.changes(changes.clone());
    }
    let Pictures { train, validation, test, class_names, passed_over: passed } = folder.open()?;
    let mut notes = passed_over(passed);
    if how.image_size.is_none() {
        notes.push(format!("pictures are brought to {} (height, width, channels)", train.shape()));
    }
    Ok(Collection {
        name: String::new(),
        kind: "picture folder",
        train: SampleSet::new(train),
        validation: validation.map(SampleSet::new),
        test: test.map(SampleSet::new),
        class_names,
        words: None,
        notes,
    })
}

fn open_arrays(path: &Path, how: &Opening) -> Result<Collection> {
    let sets = read_arrays(path, how.keys.as_ref())?;
    let classes = sets.train.class_count().unwrap_or(0);
    let numbered = || (0..classes).map(|class| class.to_string()).collect();
    let class_names = if sets.class_names.is_empty() { numbered() } else { sets.class_names };
    Ok(Collection {
        name: String::new(),
        kind: if path.is_dir() { "npy folder" } else { "arrays" },
        train: SampleSet::new(sets.train),
        validation: sets.validation.map(SampleSet::new),
        test: sets.test.map(SampleSet::new),
        class_names,
        words: None,
        notes: Vec::new(),
    })
}

fn open_imdb(path: &Path, how: &Opening) -> Result<Collection> {
    let rules = ImdbRules {
        num_words: Some(how.max_tokens as u32),
        maxlen: how.sequence_length,
        ..ImdbRules::default()
    };
    let (train, test) = read_imdb(path, rules)?;
    Ok(Collection {
        name: String::new(),
        kind: "IMDB",
        train: SampleSet::new(train),
        validation: None,
        test: Some(SampleSet::new(test)),
        class_names: ["negative", "positive"].map(str::to_owned).to_vec(),
        words: None,
        notes: Vec::new(),
    })
}

/// Texts to numbers, by the vocabulary of those to train on.
fn vectorize(words: &TextVectorization, texts: &Labels, classes: usize, length: usize) -> Result<SampleSet> {
    // Padding is added batch by batch.
    let numbers = |text: &String| -> Vec<u32> {
        let mut numbers = words.vectorize(text);
        let padding = numbers.iter().rev().take_while(|number| **number == 0).count();
        numbers.truncate(numbers.len() - padding);
        numbers
    };
    let sequences = texts.inputs.iter().map(numbers);
    let samples = TextSamples::new(sequences, texts.labels.clone(), classes, length)?;
    Ok(SampleSet::new(samples.sides(Side::Post, Side::Post)))
}

fn from_texts(
    train: &Labels,
    validation: Option<&Labels>,
    test: Option<&Labels>,
    how: &Opening,
    kind: &'static str,
) -> Result<Collection> {
    let words = match &how.words {
        Some(known) => known.clone(),
        None => TextVectorization::new()
            .max_tokens(how.max_tokens)
            .output_sequence_length(how.sequence_length)
            .adapt(&train.inputs),
    };
    let length = words.sequence_length().unwrap_or(how.sequence_length);
    let classes = train.class_names.len();
    let samples = |texts: &Labels| vectorize(&words, texts, classes, length);
    let (train_set, validation) = (samples(train)?, validation.map(samples).transpose()?);
    let test = test.map(samples).transpose()?;
    Ok(Collection {
        name: String::new(),
        kind,
        train: train_set,
        validation,
        test,
        class_names: train.class_names.clone(),
        words: Some(words),
        notes: Vec::new(),
    })
}

fn open_text_folder(path: &Path, how: &Opening) -> Result<Collection> {
    let texts = read_text_folder(path)?;
    let (validation, test) = (texts.validation.as_ref(), texts.test.as_ref());
    let mut collection = from_texts(&texts.train, validation, test, how, "text folder")?;
    collection.notes = passed_over(texts.passed_over);
    Ok(collection)
}

/// Which lines of a table belong to training, validation and test, by what its column `split` says.
fn rows_of(splits: &Option<Vec<String>>, count: usize) -> [Vec<usize>; 3] {
    let Some(splits) = splits else { return [(0..count).collect(), Vec::new(), Vec::new()] };
    let place = |split: &str| match split {
        "val" | "valid" | "validation" | "dev" => 1,
        "test" | "testing" => 2,
        _ => 0,
    };
    let mut rows = [Vec::new(), Vec::new(), Vec::new()];
    splits.iter().enumerate().for_each(|(row, split)| rows[place(split)].push(row));
    rows
}

fn open_table(path: &Path, how: &Opening) -> Result<Collection> {
    let labels = read_labels(path, &how.columns)?;
    let rows = rows_of(&labels.splits, labels.inputs.len());
    if names_pictures(&labels) {
        return open_image_table(path, &labels, &rows, how);
    }
    let part = |rows: &Vec<usize>| Labels {
        inputs: rows.iter().map(|&row| labels.inputs[row].clone()).collect(),
        labels: rows.iter().map(|&row| labels.labels[row]).collect(),
        class_names: labels.class_names.clone(),
        splits: None,
    };
    let [train, validation, test] = rows.each_ref().map(part);
    let some = |labels| Some(labels).filter(|labels: &Labels| !labels.inputs.is_empty());
    from_texts(&train, some(validation).as_ref(), some(test).as_ref(), how, "table")
}

fn open_image_table(
    path: &Path,
    labels: &Labels,
    rows: &[Vec<usize>; 3],
    how: &Opening,
) -> Result<Collection> {
    let first = path.parent().unwrap_or(Path::new("")).join(&labels.inputs[0]);
    // As the first picture is, if it says something; a broken one is found out when it is read.
    let found = images::shape_of(&first).unwrap_or(ImageShape::new(256, 256, 3));
    let (height, width) = how.image_size.unwrap_or((found.height.min(256), found.width.min(256)));
    let guessed = if found.channels <= 2 { ColorMode::Grayscale } else { ColorMode::Rgb };
    let shape = ImageShape::new(height, width, how.color_mode.unwrap_or(guessed).channels());
    let options = Options { background: how.background, fit: how.fit, resampling: how.interpolation };
    let table = ImageTable::new(path, shape).columns(how.columns.clone()).options(options);
    let (samples, class_names, _) =
        table.on_broken(how.on_broken, how.report.clone()).changes(how.changes.clone()).open()?;
    let all = SampleSet::new(samples);
    let part = |rows: &Vec<usize>| (!rows.is_empty()).then(|| all.subset(rows)).transpose();
    let train = if rows[0].len() == all.len() { all.clone() } else { all.subset(&rows[0])? };
    let notes = vec![format!("pictures are brought to {shape} (height, width, channels)")];
    Ok(Collection {
        name: String::new(),
        kind: "table",
        train,
        validation: part(&rows[1])?,
        test: part(&rows[2])?,
        class_names,
        words: None,
        notes: if how.image_size.is_none() { notes } else { Vec::new() },
    })
}

impl Collection {
    /// Shape of the pictures, `None` if samples are no pictures.
    pub fn image_shape(&self) -> Option<ImageShape> {
        self.train.white()?;
        match self.train.input_dims()[..] {
            [ref dims] if dims.len() == 3 => Some(ImageShape::new(dims[0], dims[1], dims[2])),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.looks_for)
    }
}
