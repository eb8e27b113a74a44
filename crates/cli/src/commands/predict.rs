//! `convnet predict`: what is on pictures.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::data::images;
use convnet::vision::imagenet;
use ndarray::{ArrayViewD, Axis};
use serde::Serialize;

use crate::arguments::{PrecisionChoice, Threads, positive};
use crate::models;
use crate::failure;
use crate::format::count;
use crate::output::{Output, note};
use crate::photos::{Classifier, Scaling, stack};
use crate::weights::Weights;

/// Tell what is on pictures
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Pictures are PNG or JPEG, of any size, in grey or colour: they are brought to what the model takes. A model of grey images is taken
to know bright things on a dark ground, as in MNIST; a dark drawing on bright paper is inverted for it. What was done to a
picture is told with its result. A picture that cannot be read does not hinder the others, but the exit code is then 1.

A network of the zoo takes its weights from --weights. One of 1000 classes is taken to know ImageNet's: pixels are scaled as its weights
want it, the middle of the picture is taken as in its tests, and classes have ImageNet's names.

Examples:
  convnet predict mnist.keras digit.png
  convnet predict mnist.keras *.png --top 1 --json
  convnet predict efficientnet-lite0 --weights efficientnet-lite0.pth photo.jpg --top 5")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// Pictures, or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    images: Vec<PathBuf>,
    /// So many of the likeliest classes for each
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = positive)]
    top: usize,
    #[command(flatten)]
    precision: PrecisionChoice,
    #[command(flatten)]
    weights: Weights,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    threads: Threads,
    /// Print an object a picture
    #[arg(long)]
    json: bool,
}

/// What is on one picture.
#[derive(Serialize)]
struct Report {
    image: String,
    /// The likeliest first.
    predictions: Vec<Prediction>,
    /// What had to be done to the picture.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Prediction {
    /// The class's WordNet id, if it is one of ImageNet's.
    #[serde(skip_serializing_if = "Option::is_none")]
    synset: Option<&'static str>,
    label: String,
    probability: f32,
}

/// Pictures that go through the model together: enough to use it well, few enough to show results early.
const TOGETHER: usize = 32;

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        self.threads.start()?;
        let (opened, origin) = self.weights.open(&self.model)?;
        let mut model = opened.model;
        self.precision.apply(&mut model);
        let shape = models::image_shape(&model)?;
        let classifier = Classifier::new(&model)?;
        if !opened.trained {
            note(format!("warning: {} has random weights, so its answers mean nothing; --weights gives it others", self.model));
        }
        let preprocessing = self.scaling.preprocessing(&self.model, &model, &classifier, origin);
        let options = self.scaling.options(shape, &classifier);
        let mut unreadable = 0;
        let files = files(&self.images)?;
        for paths in files.chunks(TOGETHER) {
            let load = |path: &PathBuf| images::load_with(path, shape, options);
            let pictures: Vec<_> = paths.iter().map(load).collect();
            let pixels: Vec<&[f32]> = pictures.iter().flatten().map(|picture| &picture.pixels[..]).collect();
            let scores = model.predict(stack(&pixels, shape, preprocessing)?.view())?;
            let mut scores = scores.axis_iter(Axis(0));
            for (path, picture) in paths.iter().zip(pictures) {
                match picture {
                    Ok(picture) => {
                        let scores = scores.next().context("a picture without a prediction")?;
                        let notes = picture.changes.iter().map(ToString::to_string).collect();
                        output.result(&classifier.report(path, scores, self.top, notes));
                    }
                    Err(problem) => {
                        unreadable += 1;
                        note(failure::describe(&problem.into()));
                    }
                }
            }
        }
        output.finish()?;
        match unreadable {
            0 => Ok(()),
            _ => bail!("{unreadable} of {} could not be read", count(files.len(), "picture")),
        }
    }
}

/// The pictures that were named, and those in folders that were, in the order of their names.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in named {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
            for entry in entries {
                let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
                let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
                if path.is_dir() {
                    folders.push(path);
                } else if images::ENDINGS.contains(&&*ending) {
                    found.push(path);
                }
            }
        }
        found[before..].sort();
        if found.len() == before {
            bail!("{}: there are no pictures in this folder", path.display());
        }
    }
    Ok(found)
}

impl Classifier {
    fn report(&self, path: &Path, scores: ArrayViewD<'_, f32>, top: usize, notes: Vec<String>) -> Report {
        let probabilities = self.probabilities(scores.iter().copied());
        let synset = |class: usize| self.imagenet.then(|| imagenet::CLASSES[class].synset);
        let mut predictions: Vec<Prediction> = (self.labels.iter().zip(probabilities).enumerate())
            .map(|(class, (label, probability))| Prediction { synset: synset(class), label: label.clone(), probability })
            .collect();
        predictions.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        predictions.truncate(top);
        Report { image: path.display().to_string(), predictions, notes }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.image)?;
        let width = self.predictions.iter().map(|prediction| prediction.label.chars().count()).max().unwrap_or(0);
        for Prediction { synset, label, probability } in &self.predictions {
            let synset = synset.map_or_else(String::new, |synset| format!("{synset} "));
            write!(f, "\n  {synset}{label:<width$}  {:>6.2} %", 100.0 * probability)?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}
