//! `convnet evaluate`: how good a saved model is.

use std::fmt;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use super::train::accuracy;
use crate::arguments::{PrecisionChoice, Threads};
use crate::format::{count, duration};
use crate::models;
use crate::output::Output;
use crate::samples::{self, Fitted};

/// Tell a model's loss and accuracy on a data set
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The test images are used; a data set without any is evaluated on its training images, which the result says. A model that
was saved without a loss gets the cross-entropy that suits its output.

Example:
  convnet evaluate mnist.keras mnist --json")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// mnist, fashion-mnist, or a folder of IDX files
    dataset: String,
    #[command(flatten)]
    precision: PrecisionChoice,
    #[command(flatten)]
    threads: Threads,
    /// Print an object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    dataset: String,
    /// `test` or `train`.
    part: &'static str,
    images: usize,
    accuracy: Option<f64>,
    loss: f64,
    seconds: f64,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        self.threads.start()?;
        let mut model = models::open(&self.model)?.model;
        self.precision.apply(&mut model);
        if model.compiled().is_none() {
            models::compile_default(&mut model)?;
        }
        let dataset = samples::load(&self.dataset)?;
        let (split, part) = samples::judged(&dataset);
        let fitted = Fitted::new(split, &model, &dataset)?;
        let start = Instant::now();
        let scores = model.evaluate(&fitted)?;
        output.result(&Report {
            model: self.model,
            dataset: dataset.name.clone(),
            part,
            images: split.len(),
            accuracy: accuracy(&scores),
            loss: scores.loss,
            seconds: start.elapsed().as_secs_f64(),
        });
        output.finish()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = if self.part == "test" { "test image" } else { "training image" };
        if let Some(accuracy) = self.accuracy {
            write!(f, "Accuracy {accuracy:.4}, l")?;
        } else {
            write!(f, "L")?;
        }
        write!(f, "oss {:.4}, on {} of {}", self.loss, count(self.images, part), self.dataset)?;
        write!(f, " in {}.", duration(self.seconds))?;
        if self.part == "train" {
            write!(f, "\nThe data set has no test images; on images that it was trained on, a model looks better than it is.")?;
        }
        Ok(())
    }
}
