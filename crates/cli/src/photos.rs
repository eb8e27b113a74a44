//! Photos, brought to what a classifier takes, and the names of its classes.

use anyhow::{Result, bail};
use convnet::data::ImageShape;
use convnet::data::images::{Fit, Options, Resampling};
use convnet::nn::names;
use convnet::prelude::*;
use convnet::vision::imagenet::{self, Preprocessing};
use ndarray::Array4;

use crate::models;
use crate::remembered;
use crate::weights::Origin;

/// `--preprocess` and `--crop`, for the commands that take photos.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Scaling {
    /// How pixels are scaled: none (0 to 255), unit (0 to 1), tf (-1 to 1), torch, caffe [default: what the weights were trained with]
    #[arg(long, value_name = "MODE")]
    preprocess: Option<Preprocessing>,
    /// Cut this share from the middle instead of stretching a picture [default: 0.875 for networks of ImageNet]
    #[arg(long, value_name = "SHARE", value_parser = crop)]
    crop: Option<f64>,
}

impl Scaling {
    /// How pixels are scaled for a model that was opened by this name.
    pub fn preprocessing(
        &self,
        name: &str,
        model: &Model,
        classifier: &Classifier,
        origin: Origin,
    ) -> Preprocessing {
        self.preprocess.unwrap_or_else(|| Self::usual(name, model, classifier, origin))
    }

    /// How the model's pixels were scaled in training, by what it is called and what it begins with.
    fn usual(name: &str, model: &Model, classifier: &Classifier, origin: Origin) -> Preprocessing {
        if models::takes_bytes(model) {
            return Preprocessing::None;
        }
        match classifier.imagenet {
            true if matches!(origin, Origin::PyTorch(_)) => Preprocessing::of_pytorch(name),
            true => Preprocessing::of_keras(model.name()).unwrap_or(Preprocessing::Unit),
            false => Preprocessing::Unit,
        }
    }

    /// What is done to a picture of another size than the model takes.
    pub fn options(&self, model: &Model, shape: ImageShape, classifier: &Classifier) -> Options {
        let usual = Options { background: remembered::background(model, shape), ..Options::for_shape(shape) };
        match self.crop {
            Some(share) => Options { fit: Fit::CropShare(share), ..usual },
            None if classifier.imagenet => {
                Options { fit: Fit::CropShare(0.875), resampling: Resampling::Bicubic, ..usual }
            }
            None => usual,
        }
    }
}

/// A share above 0 and at most 1.
fn crop(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("must be a number above 0 and at most 1, such as 0.875".into()),
    }
}

/// Pictures of 0 … 1 as a batch `(count, height, width, channels)`.
///
/// # Errors
/// If they have other sizes than `shape`.
pub fn stack(pictures: &[&[f32]], shape: ImageShape, preprocessing: Preprocessing) -> Result<Array4<f32>> {
    let mut pixels = pictures.concat();
    if preprocessing != Preprocessing::Unit {
        pixels.iter_mut().for_each(|value| *value *= 255.0);
        preprocessing.apply(&mut pixels);
    }
    Ok(Array4::from_shape_vec((pictures.len(), shape.height, shape.width, shape.channels), pixels)?)
}

/// Makes probabilities with labels of a model's output.
pub struct Classifier {
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Whether the classes are ImageNet's.
    pub imagenet: bool,
    /// Whether the output is scores, to which softmax or sigmoid is still to be applied.
    pub logits: bool,
}

impl Classifier {
    /// For a model that gives one row of classes.
    ///
    /// # Errors
    /// If it gives something else.
    pub fn new(model: &Model) -> Result<Self> {
        let outputs = match &model.output_shapes()[..] {
            [shape] if shape.dims.len() == 1 && shape.dims[0] > 0 => shape.dims[0],
            shapes => {
                let shapes: Vec<String> = shapes.iter().map(ToString::to_string).collect();
                bail!(
                    "the model gives {}, not one row of classes; `convnet run` takes any model",
                    shapes.join(" and ")
                )
            }
        };
        let loss = model.compiled().and_then(|compiled| compiled.loss()).map(|loss| loss.config());
        let logits = loss.is_some_and(|loss| loss.get("from_logits").is_some_and(|value| value == true));
        // A single output is the probability of the second of two classes.
        let classes = outputs.max(2);
        let names = model.class_names();
        let imagenet = names.is_empty() && classes == imagenet::CLASSES.len();
        let labels = match names.len() {
            _ if imagenet => imagenet::CLASSES.iter().map(|class| class.name.to_owned()).collect(),
            known if known == classes => names.to_vec(),
            _ => (0..classes).map(|i| i.to_string()).collect(),
        };
        Ok(Self { labels, imagenet, logits })
    }

    /// The probabilities of the classes from one row of the model's output.
    pub fn probabilities(&self, output: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let mut probabilities: Vec<f32> = output.into_iter().collect();
        if let [score] = probabilities[..] {
            let probability = if self.logits { 1.0 / (1.0 + (-score).exp()) } else { score };
            probabilities = vec![1.0 - probability, probability];
        } else if self.logits {
            let highest = probabilities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            probabilities.iter_mut().for_each(|score| *score = (*score - highest).exp());
            let sum: f32 = probabilities.iter().sum();
            probabilities.iter_mut().for_each(|score| *score /= sum);
        }
        probabilities
    }

    /// The number of a class by its name or its number.
    ///
    /// # Errors
    /// If there is none; the error has the nearest name.
    pub fn class(&self, name: &str) -> Result<usize> {
        let (labels, last) = (&self.labels, self.labels.len() - 1);
        if let Some(named) = labels.iter().position(|label| label == name) {
            return Ok(named);
        }
        match name.parse::<usize>() {
            Ok(number) if number <= last => Ok(number),
            Ok(number) => {
                bail!("there is no class {number}; the model tells {} apart, 0 to {last}", labels.len())
            }
            Err(_) => {
                let nearest = names::nearest(name, labels.iter().map(String::as_str));
                let hint =
                    nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"));
                bail!("no class is called `{name}`{hint}; classes are also numbers, 0 to {last}")
            }
        }
    }
}
