//! `convnet evaluate`: how good a saved model is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use anyhow::Result;
use convnet::data::OnChange;
use convnet::data::images::Change;
use convnet::prelude::*;
use serde::Serialize;

use super::train::accuracy;
use crate::arguments::{PrecisionChoice, Running, share};
use crate::format::{count, duration, thousands};
use crate::judge::{ClassRow, Judgement};
use crate::models;
use crate::remembered;
use crate::samples;

/// Tell a model's loss and accuracy on a data set
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The test images are used; a data set without any is evaluated on its training images, which the result says, unless --validation-split and
--seed tell which of them were kept back in training. Pictures are brought to the size that the model takes, and inverted
where `convnet predict` inverts them; how many is told. A model that
was saved without a loss gets the cross-entropy that suits its output.

Examples:
  convnet evaluate mnist.keras mnist --json
  convnet evaluate run1/model.keras photos/ --validation-split 0.2 --report
  convnet evaluate reviews.keras reviews/ --report")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    #[arg(help = samples::HELP)]
    dataset: String,
    /// Evaluate on the share that `convnet train` kept back with this argument and the same seed
    #[arg(long, value_name = "F", default_value_t = 0.0, value_parser = share)]
    validation_split: f64,
    /// Seed that it was drawn with
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Name pictures that cannot be read and go on, with the next of the class in their place
    #[arg(long)]
    skip_broken: bool,
    /// Also tell precision, recall and F1 of each class, and the confusion matrix
    #[arg(long)]
    report: bool,
    #[command(flatten)]
    precision: PrecisionChoice,
    #[command(flatten)]
    running: Running,
}

#[derive(Serialize)]
struct Report {
    model: String,
    dataset: String,
    /// `test`, `validation` or `train`.
    part: &'static str,
    images: usize,
    /// Of them, those that were dark on bright ground and were inverted for a model that knows bright on dark.
    inverted: usize,
    accuracy: Option<f64>,
    loss: f64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<ClassRow>>,
    /// A row a true class, a column a predicted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    confusion: Option<Vec<Vec<u64>>>,
    #[serde(skip)]
    judgement: Option<Judgement>,
    #[serde(skip)]
    noun: &'static str,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = self.running.start()?;
        let mut model = models::open(&self.model)?.model;
        self.precision.apply(&mut model);
        if model.compiled().is_none() {
            models::compile_default(&mut model)?;
        }
        let mut how = samples::opening_for(&model, self.seed)?;
        if self.skip_broken {
            samples::skip_broken(&mut how);
        }
        let inverted = Arc::new(AtomicUsize::new(0));
        if let Ok(shape) = models::image_shape(&model) {
            how.background = remembered::background(&model, shape);
            how.changes = Some(counting_inverted(&inverted));
        }
        let mut collection = samples::open(&self.dataset, &how)?;
        if self.validation_split > 0.0 {
            samples::keep_back(&mut collection, Some(self.validation_split), self.seed)?;
        }
        let (set, part) = samples::judged(&collection);
        let fitted = samples::fit(set, &model, &collection)?;
        let start = Instant::now();
        inverted.store(0, Relaxed);
        let scores = model.evaluate(&fitted)?;
        // Each has been read once.
        let inverted = inverted.load(Relaxed);
        let names = if model.class_names().is_empty() { &collection.class_names[..] } else { model.class_names() };
        let judgement = if self.report { Some(Judgement::of(&model, &fitted, names)?) } else { None };
        output.result(&Report {
            model: self.model,
            dataset: collection.name.clone(),
            part,
            images: fitted.len(),
            inverted,
            accuracy: accuracy(&scores),
            loss: scores.loss,
            seconds: start.elapsed().as_secs_f64(),
            classes: judgement.as_ref().map(Judgement::rows),
            confusion: judgement.as_ref().map(|judgement| judgement.counts.clone()),
            judgement,
            noun: samples::noun(&collection),
        });
        output.finish()
    }
}

/// Counts pictures that are inverted.
fn counting_inverted(inverted: &Arc<AtomicUsize>) -> OnChange {
    let inverted = Arc::clone(inverted);
    Arc::new(move |changes| {
        let is_inverted = changes.iter().any(|change| matches!(change, Change::Inverted { .. }));
        inverted.fetch_add(usize::from(is_inverted), Relaxed);
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            "train" => format!("training {}", self.noun),
            part => format!("{part} {}", self.noun),
        };
        if let Some(accuracy) = self.accuracy {
            write!(f, "Accuracy {accuracy:.4}, l")?;
        } else {
            write!(f, "L")?;
        }
        write!(f, "oss {:.4}, on {} of {}", self.loss, count(self.images, &part), self.dataset)?;
        write!(f, " in {}.", duration(self.seconds))?;
        if self.inverted > 0 {
            let inverted = if self.inverted == self.images { "All were".to_owned() } else { format!("{} of them {}", thousands(self.inverted as u64), if self.inverted == 1 { "was" } else { "were" }) };
            write!(f, "\n{inverted} inverted: dark on a bright ground, and the model knows bright things on a dark one.")?;
        }
        if self.part == "train" {
            write!(f, "\nThe data set has no test {0}s; on {0}s that it was trained on, a model looks better than it is.", self.noun)?;
        }
        if let Some(judgement) = &self.judgement {
            write!(f, "\n\n{judgement}")?;
        }
        Ok(())
    }
}
