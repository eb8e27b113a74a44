//! `convnet predict`: what is on pictures, or what texts are.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use convnet::data::text::TextVectorization;
use convnet::data::{images, sources};
use convnet::prelude::*;
use convnet::vision::imagenet;
use ndarray::{Array2, ArrayViewD, Axis};
use serde::Serialize;

use crate::arguments::{PrecisionChoice, Threads, positive};
use crate::models;
use crate::failure;
use crate::format::count;
use crate::output::{Output, note};
use crate::photos::{Classifier, Scaling, stack};
use crate::remembered;
use crate::weights::{Origin, Weights};

/// Tell what is on pictures, or what texts are
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Pictures are PNG or JPEG, of any size, in grey or colour: they are brought to what the model takes. A model of grey images is taken
to know bright things on a dark ground, as in MNIST, unless it learnt from a folder of pictures: a dark drawing on bright paper is inverted for it. What was done to a
picture is told with its result. A picture that cannot be read does not hinder the others, but the exit code is then 1.

A model that learnt from texts takes .txt files, or texts on the command line; the words that it knows were saved with it. Others count as unknown,
and how many do is told.

A network of the zoo takes its weights from --weights. One of 1000 classes is taken to know ImageNet's: pixels are scaled as its weights
want it, the middle of the picture is taken as in its tests, and classes have ImageNet's names.

Examples:
  convnet predict mnist.keras digit.png
  convnet predict mnist.keras *.png --top 1 --json
  convnet predict reviews.keras --text \"A delight from beginning to end.\" review.txt
  convnet predict efficientnet-lite0 --weights efficientnet-lite0.pth photo.jpg --top 5")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// Pictures or .txt files, or folders of them
    #[arg(required_unless_present = "text", value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
    /// A text itself, for a model that learnt from texts; may be given often
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    text: Vec<String>,
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
    /// Print an object a picture or text
    #[arg(long)]
    json: bool,
}

/// What one picture or text is.
#[derive(Serialize)]
struct Report {
    /// The file of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The file of a text, or the text itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The likeliest first.
    predictions: Vec<Prediction>,
    /// What had to be done to it.
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

/// Pictures or texts that go through the model together: enough to use it well, few enough to show results early.
const TOGETHER: usize = 32;

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        self.threads.start()?;
        let (opened, origin) = self.weights.open(&self.model)?;
        let mut model = opened.model;
        self.precision.apply(&mut model);
        let classifier = Classifier::new(&model)?;
        let words = remembered::words(&model)?;
        if words.is_none() && (!self.text.is_empty() || models::text_sizes(&model).is_some()) {
            bail!("{} does not say which words its numbers stand for; `convnet train` keeps them with models for texts", self.model);
        }
        if !opened.trained {
            note(format!("warning: {} has random weights, so its answers mean nothing; --weights gives it others", self.model));
        }
        let noun = if words.is_some() { "text" } else { "picture" };
        let (unreadable, all) = match words {
            Some(words) => self.texts(&model, &words, &classifier, &mut output)?,
            None => self.pictures(&model, origin, &classifier, &mut output)?,
        };
        output.finish()?;
        match unreadable {
            0 => Ok(()),
            _ => bail!("{unreadable} of {} could not be read", count(all, noun)),
        }
    }

    /// Tells what is on the pictures; how many could not be read, of how many.
    fn pictures(&self, model: &Model, origin: Origin, classifier: &Classifier, output: &mut Output) -> Result<(usize, usize)> {
        let shape = models::image_shape(model)?;
        let preprocessing = self.scaling.preprocessing(&self.model, model, classifier, origin);
        let options = self.scaling.options(model, shape, classifier);
        let mut unreadable = 0;
        let files = files(&self.files, images::ENDINGS, "pictures")?;
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
                        let image = Some(path.display().to_string());
                        let predictions = classifier.predictions(scores, self.top);
                        output.result(&Report { image, text: None, predictions, notes });
                    }
                    Err(problem) => {
                        unreadable += 1;
                        note(failure::describe(&problem.into()));
                    }
                }
            }
        }
        Ok((unreadable, files.len()))
    }

    /// Tells what the texts are; how many could not be read, of how many.
    fn texts(&self, model: &Model, words: &TextVectorization, classifier: &Classifier, output: &mut Output) -> Result<(usize, usize)> {
        let (_, length) = models::text_sizes(model).context("the model takes no texts")?;
        let words = words.clone().output_sequence_length(length);
        let mut unreadable = 0;
        let given = self.text.iter().map(|text| (shortened(text), Ok(text.clone())));
        let files = files(&self.files, &["txt"], "texts")?;
        let read = files.iter().map(|path| (path.display().to_string(), sources::read_text_file(path)));
        let mut left = given.chain(read).peekable();
        while left.peek().is_some() {
            let texts: Vec<_> = left.by_ref().take(TOGETHER).collect();
            let readable = texts.iter().filter_map(|(_, text)| text.as_ref().ok());
            let rows: Vec<f32> = readable.flat_map(|text| words.vectorize(text)).map(|number| number as f32).collect();
            let rows = Array2::from_shape_vec((rows.len() / length, length), rows)?;
            let scores = model.predict(rows.view())?;
            let mut scores = scores.axis_iter(Axis(0));
            for (name, text) in texts {
                match text {
                    Ok(text) => {
                        let scores = scores.next().context("a text without a prediction")?;
                        let (predictions, notes) = (classifier.predictions(scores, self.top), notes(&words, &text, length));
                        output.result(&Report { image: None, text: Some(name), predictions, notes });
                    }
                    Err(problem) => {
                        unreadable += 1;
                        note(failure::describe(&problem.into()));
                    }
                }
            }
        }
        Ok((unreadable, self.text.len() + files.len()))
    }
}

/// What was done to a text before the model saw it.
fn notes(words: &TextVectorization, text: &str, length: usize) -> Vec<String> {
    let tokens = words.tokens(text);
    let unknown = tokens.iter().take(length).filter(|token| !words.knows(token)).count();
    let mut notes = Vec::new();
    if tokens.len() > length {
        notes.push(format!("cut to the first {length} of its {} words", tokens.len()));
    }
    if unknown > 0 {
        notes.push(format!("{} of {} unknown", unknown, count(tokens.len().min(length), "word")));
    }
    notes
}

/// The beginning of a text, as its name.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Letters of a text that stand for it.
const MAX_NAME: usize = 60;

/// The files that were named, and those with one of these endings in folders that were, in the order of their names.
fn files(named: &[PathBuf], endings: &[&str], things: &str) -> Result<Vec<PathBuf>> {
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
                } else if endings.contains(&&*ending) {
                    found.push(path);
                }
            }
        }
        found[before..].sort();
        if found.len() == before {
            bail!("{}: there are no {things} in this folder", path.display());
        }
    }
    Ok(found)
}

impl Classifier {
    /// The likeliest classes.
    fn predictions(&self, scores: ArrayViewD<'_, f32>, top: usize) -> Vec<Prediction> {
        let probabilities = self.probabilities(scores.iter().copied());
        let synset = |class: usize| self.imagenet.then(|| imagenet::CLASSES[class].synset);
        let mut predictions: Vec<Prediction> = (self.labels.iter().zip(probabilities).enumerate())
            .map(|(class, (label, probability))| Prediction { synset: synset(class), label: label.clone(), probability })
            .collect();
        predictions.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        predictions.truncate(top);
        predictions
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.image.iter().chain(&self.text).map(String::as_str).collect::<String>())?;
        let width = self.predictions.iter().map(|prediction| prediction.label.chars().count()).max().unwrap_or(0);
        // Scores before a softmax, as networks of PyTorch give them, are no shares.
        let are_shares = self.predictions.iter().all(|prediction| (0.0..=1.0001).contains(&prediction.probability));
        for Prediction { synset, label, probability } in &self.predictions {
            let synset = synset.map_or_else(String::new, |synset| format!("{synset} "));
            write!(f, "\n  {synset}{label:<width$}  ")?;
            if are_shares {
                write!(f, "{:>6.2} %", 100.0 * probability)?;
            } else {
                write!(f, "score {probability:.4}")?;
            }
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}
