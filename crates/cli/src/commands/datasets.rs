//! `convnet datasets`: what there is to train on.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use convnet::data::{Dataset, SOURCES, Split, images};
use serde::Serialize;

use crate::format::count;
use crate::arguments::AsObject;
use crate::output::{Output, note};

/// List the data sets that are known by name, or write one as pictures
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print an object a data set
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write a data set as PNG files, a folder a class below train and test
    Export(Export),
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  convnet datasets export fashion-mnist clothes/ --per-class 50
  convnet train clothes/ --model net.toml")]
struct Export {
    /// Name of a data set, or a folder of IDX files
    dataset: String,
    /// New folder for the pictures
    folder: PathBuf,
    /// So many of the first images of each class; of those for tests as well [default: all]
    #[arg(long, value_name = "N")]
    per_class: Option<usize>,
    /// So many of each class for tests [default: as --per-class]
    #[arg(long, value_name = "N")]
    test_per_class: Option<usize>,
    #[command(flatten)]
    object: AsObject,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    description: &'static str,
}

#[derive(Serialize)]
struct Exported {
    folder: String,
    classes: usize,
    train: usize,
    test: usize,
}

impl Args {
    pub fn run(self) -> Result<()> {
        if let Some(Action::Export(export)) = self.action {
            return export.run();
        }
        let mut output = Output::new(self.json);
        for source in SOURCES {
            output.result(&Row { name: source.name, description: source.description });
        }
        output.line("Or give a folder of IDX files named as those of MNIST are (train-images-idx3-ubyte, …), plain or gzipped; a folder");
        output.line("with a folder of pictures or texts for each class; a .csv of files and labels; an .npz or .h5 file of arrays.");
        output.finish()
    }
}

impl Export {
    fn run(self) -> Result<()> {
        let mut output = Output::new(self.object.json);
        let dataset = convnet::data::load_with(&self.dataset, &mut |text| note(text))
            .with_context(|| format!("cannot load the data set `{}`", self.dataset))?;
        let most = self.per_class.unwrap_or(usize::MAX);
        let train = write(&dataset, &dataset.train, &self.folder.join("train"), most)?;
        let most = self.test_per_class.unwrap_or(most);
        let test = dataset.test.as_ref().map(|test| write(&dataset, test, &self.folder.join("test"), most)).transpose()?;
        output.result(&Exported {
            folder: self.folder.display().to_string(),
            classes: dataset.class_names.len(),
            train,
            test: test.unwrap_or(0),
        });
        output.finish()
    }
}

/// Writes the first images of each class; tells how many.
fn write(dataset: &Dataset, split: &Split, folder: &Path, most: usize) -> Result<usize> {
    let shape = split.shape();
    let folders: Vec<PathBuf> = dataset.class_names.iter().map(|name| folder.join(file_name(name))).collect();
    for class in &folders {
        std::fs::create_dir_all(class).with_context(|| format!("cannot make the folder {}", class.display()))?;
    }
    let mut written = vec![0; folders.len()];
    for (index, &label) in split.labels().iter().enumerate() {
        let class = label as usize;
        let Some(image) = split.image(index).filter(|_| written[class] < most) else { continue };
        let png = images::encode_png(image, shape.width, shape.height, shape.channels)?;
        let file = folders[class].join(format!("{index:05}.png"));
        std::fs::write(&file, png).with_context(|| format!("cannot write {}", file.display()))?;
        written[class] += 1;
    }
    Ok(written.iter().sum())
}

/// A class's name without what a file system would take for a path.
fn file_name(name: &str) -> String {
    name.replace(['/', '\\', ':'], "-")
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14} {}", self.name, self.description)
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (train, test) = (count(self.train, "picture"), count(self.test, "picture"));
        write!(f, "Wrote {train} to train on and {test} for tests, of {} classes, to {}.", self.classes, self.folder)?;
        write!(f, "\n\nNext:\n  convnet train {} --model NET", self.folder)
    }
}
