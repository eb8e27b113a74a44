//! `convnet predict`: what is on pictures.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::data::images::{self, Background};
use convnet::data::ImageShape;
use convnet::prelude::*;
use ndarray::{Array4, ArrayViewD, Axis};
use serde::Serialize;

use crate::arguments::{PrecisionChoice, Threads, positive};
use crate::models;
use crate::failure;
use crate::format::count;
use crate::output::{Output, note};

/// Tell what is on pictures
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Pictures are PNG or JPEG, of any size, in grey or colour: they are brought to what the model takes. A model of grey images is taken
to know bright things on a dark ground, as in MNIST; a dark drawing on bright paper is inverted for it. What was done to a
picture is told with its result. A picture that cannot be read does not hinder the others, but the exit code is then 1.

Examples:
  convnet predict mnist.keras digit.png
  convnet predict mnist.keras *.png --top 1 --json")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// Pictures, PNG or JPEG
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// So many of the likeliest classes for each
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = positive)]
    top: usize,
    #[command(flatten)]
    precision: PrecisionChoice,
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
    label: String,
    probability: f32,
}

/// Pictures that go through the model together: enough to use it well, few enough to show results early.
const TOGETHER: usize = 32;

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        self.threads.start()?;
        let mut model = models::open(&self.model)?.model;
        self.precision.apply(&mut model);
        let shape = models::image_shape(&model)?;
        let classifier = Classifier::new(&model)?;
        let mut unreadable = 0;
        for paths in self.images.chunks(TOGETHER) {
            let load = |path: &PathBuf| images::load(path, shape, Background::for_shape(shape));
            let pictures: Vec<_> = paths.iter().map(load).collect();
            let pixels: Vec<&[f32]> = pictures.iter().flatten().map(|picture| &picture.pixels[..]).collect();
            let scores = model.predict(stack(&pixels, shape, models::takes_bytes(&model))?.view())?;
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
            _ => bail!("{unreadable} of {} could not be read", count(self.images.len(), "picture")),
        }
    }
}

/// Pictures as a batch `(count, height, width, channels)`.
fn stack(pictures: &[&[f32]], shape: ImageShape, bytes: bool) -> Result<Array4<f32>> {
    let factor = if bytes { 255.0 } else { 1.0 };
    let pixels = pictures.iter().flat_map(|pixels| pixels.iter().map(|pixel| pixel * factor)).collect();
    Ok(Array4::from_shape_vec((pictures.len(), shape.height, shape.width, shape.channels), pixels)?)
}

/// Makes probabilities with labels of a model's output.
struct Classifier {
    labels: Vec<String>,
    /// Whether the output is scores, to which softmax or sigmoid is still to be applied.
    logits: bool,
}

impl Classifier {
    fn new(model: &Model) -> Result<Self> {
        let outputs = match &model.output_shapes()[..] {
            [shape] if shape.dims.len() == 1 && shape.dims[0] > 0 => shape.dims[0],
            shapes => {
                let shapes: Vec<String> = shapes.iter().map(ToString::to_string).collect();
                bail!("the model gives {}, not one row of classes; `convnet run` takes any model", shapes.join(" and "))
            }
        };
        let loss = model.compiled().map(|compiled| compiled.loss.config());
        let logits = loss.is_some_and(|loss| loss.get("from_logits").is_some_and(|value| value == true));
        // A single output is the probability of the second of two classes.
        let classes = outputs.max(2);
        let names = model.class_names();
        let labels = if names.len() == classes { names.to_vec() } else { (0..classes).map(|i| i.to_string()).collect() };
        Ok(Self { labels, logits })
    }

    fn report(&self, path: &Path, scores: ArrayViewD<'_, f32>, top: usize, notes: Vec<String>) -> Report {
        let mut probabilities: Vec<f32> = scores.iter().copied().collect();
        if let [score] = probabilities[..] {
            let probability = if self.logits { 1.0 / (1.0 + (-score).exp()) } else { score };
            probabilities = vec![1.0 - probability, probability];
        } else if self.logits {
            let highest = probabilities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            probabilities.iter_mut().for_each(|score| *score = (*score - highest).exp());
            let sum: f32 = probabilities.iter().sum();
            probabilities.iter_mut().for_each(|score| *score /= sum);
        }
        let mut predictions: Vec<Prediction> = (self.labels.iter().zip(probabilities))
            .map(|(label, probability)| Prediction { label: label.clone(), probability })
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
        for Prediction { label, probability } in &self.predictions {
            write!(f, "\n  {label:<width$}  {:>6.2} %", 100.0 * probability)?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}
