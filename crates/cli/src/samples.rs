//! Data sets, brought to what a model takes.

use anyhow::{Context, Result, bail};
use convnet::data::{Dataset, Split};
use convnet::nn::train::{Batch, Visit};
use convnet::prelude::*;

use crate::models;
use crate::output::note;

/// Reads a data set by name or folder, saying so on standard error if it must be fetched.
///
/// # Errors
/// If there is none, or its files are not what they should be.
pub fn load(name: &str) -> Result<Dataset> {
    convnet::data::load_with(name, &mut |text| note(text))
        .with_context(|| format!("cannot load the data set `{name}`"))
}

/// Images and labels in the form that a compiled model wants: pixels of 0 … 1 or 0 … 255, labels as numbers or one-hot.
pub struct Fitted<'s> {
    split: &'s Split,
    targets: Targets<'s>,
    bytes: bool,
}

/// The form of labels.
enum Targets<'s> {
    /// Class numbers.
    Numbers,
    /// Class numbers as a column, for a single output.
    Column,
    /// A row a label.
    OneHot(OneHot<'s>),
}

impl<'s> Fitted<'s> {
    /// Fits the images of a data set to a compiled model.
    ///
    /// # Errors
    /// If the images have another size than the model takes, or there are more classes than outputs.
    pub fn new(split: &'s Split, model: &Model, dataset: &Dataset) -> Result<Self> {
        let targets = Targets::new(split, model, dataset).with_context(|| {
            format!("the model `{}` does not fit the data set `{}`", model.name(), dataset.name)
        })?;
        Ok(Self { split, targets, bytes: models::takes_bytes(model) })
    }
}

impl<'s> Targets<'s> {
    fn new(split: &'s Split, model: &Model, dataset: &Dataset) -> Result<Self> {
        let (wanted, given) = (models::image_shape(model)?, split.shape());
        if wanted != given {
            bail!(
                "the model takes images of {wanted}, the data has {given} (height, width, channels); \
                 a model with input_shape = [{}, {}, {}] would fit",
                given.height,
                given.width,
                given.channels
            );
        }
        let compiled = model.compiled().context("the model has no loss")?;
        let [output] = &model.output_shapes()[..] else { bail!("the model has several outputs") };
        let classes = dataset.class_names.len();
        let enough = |outputs: usize| match outputs {
            1 if classes > 2 => bail!("one output tells 2 classes apart, the data has {classes}"),
            2.. if classes > outputs => {
                bail!("the model tells {outputs} classes apart, the data has {classes}")
            }
            _ => Ok(()),
        };
        match compiled.objectives[0].target_shape(output).dims[..] {
            [] => enough(output.channels()).map(|()| Self::Numbers),
            [1] => enough(1).map(|()| Self::Column),
            [outputs] => {
                enough(outputs)?;
                Ok(Self::OneHot(OneHot::new(split, outputs)?))
            }
            _ => bail!("the model gives {output} for an image, the data has one label"),
        }
    }
}

impl Samples for Fitted<'_> {
    fn len(&self) -> usize {
        self.split.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.split.input_dims()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        match &self.targets {
            Targets::Numbers => vec![Vec::new()],
            Targets::Column => vec![vec![1]],
            Targets::OneHot(rows) => rows.target_dims(),
        }
    }

    fn classes(&self) -> Option<usize> {
        match self.targets {
            Targets::Numbers => self.split.classes(),
            Targets::Column | Targets::OneHot(_) => None,
        }
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet::nn::Result<()> {
        match &self.targets {
            Targets::Numbers | Targets::Column => self.split.fill(visit, indices, batch)?,
            Targets::OneHot(rows) => rows.fill(visit, indices, batch)?,
        }
        if self.bytes {
            for pixel in batch.inputs.iter_mut().flat_map(|slab| slab.iter_mut()) {
                *pixel = (*pixel * 255.0).round();
            }
        }
        Ok(())
    }
}

/// The images to judge a model by: those for tests, or where there are none those for training; and what they are called.
pub fn judged(dataset: &Dataset) -> (&Split, &'static str) {
    match &dataset.test {
        Some(test) => (test, "test"),
        None => (&dataset.train, "train"),
    }
}
