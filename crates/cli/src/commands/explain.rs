//! `convnet explain`: what a network looks at, and what it wants to see.

mod by_class;
mod dataset;
mod layers;
mod made;
mod photo;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use convnet::data::images;
use convnet::prelude::*;
use convnet::vision::explain::{self, Ascent, Pixels};
use convnet::vision::imagenet::Preprocessing;
use ndarray::ArrayView3;

use crate::arguments::{Running, positive};
use crate::models;
use crate::output::note;
use crate::photos::{Classifier, Scaling};
use crate::weights::Weights;
use report::Report;

/// Show what a network looks at, and what it wants to see
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Gradients are of the score of a class before softmax or sigmoid; the model need not be changed for it. A photo is brought to the model as
`convnet predict` does it; a .npy array is fed as it is. Class activation maps are laid over the photo in its own size, where the model
saw it. Several photos or methods make a sheet, with predictions beside the photos.

Examples:
  convnet explain mnist.keras digit.png --method grad-cam --out heat.png
  convnet explain mnist.keras digit.png --method saliency --class 3 --out saliency.png --array saliency.npy
  convnet explain mnist.keras digit.png --method activations --out layers/
  convnet explain mnist.keras *.png --method grad-cam,smoothgrad,occlusion --out sheet.png
  convnet explain mnist.keras --dataset digits/ --method grad-cam --out averages.png
  convnet explain mnist.keras --method filters --layer conv2d_1 --out filters.png
  convnet explain mnist.keras --method maximise --class 3,8:0.5 --out both.png --gif way.gif
  convnet explain efficientnet-lite0 --weights lite0.pth sky.jpg --method dream --layers block4a_project_bn=1 --out dream.png
  convnet explain efficientnet-lite0 --weights lite0.pth house.jpg --method style --paint waves.jpg --out painted.png")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// Pictures, PNG or JPEG, or arrays for the model, .npy; filters and maximise need none
    #[arg(value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// How it is explained; several, with commas between, make a sheet
    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    method: Vec<Method>,
    /// The class: its name, its number, or `top` for the likeliest. For maximise also several, with weights: `tabby,espresso:0.5`
    #[arg(long, value_name = "NAME|INDEX|top", default_value = "top")]
    class: String,
    /// The layer that is looked at [default: the last convolution; of filters the first]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// The picture to write; a folder gets a picture a layer, or one for each photo and method
    #[arg(long, value_name = "FILE.png|FOLDER")]
    out: PathBuf,
    /// Also write the heat map alone, without the photo
    #[arg(long, value_name = "FILE.png")]
    alone: Option<PathBuf>,
    /// Also write the numbers before they were coloured
    #[arg(long, value_name = "FILE.npy")]
    array: Option<PathBuf>,
    /// Average heat maps over the pictures in a folder that has a folder for each class
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["photos", "alone"])]
    dataset: Option<PathBuf>,
    /// Score-cam: look at so many maps only, those that vary most [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    maps: Option<usize>,
    /// Filters: show the kernels themselves
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    making: Making,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    weights: Weights,
    #[command(flatten)]
    running: Running,
}

/// Options of the methods that take many steps, and of those that make pictures.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Steps and made pictures")]
struct Making {
    /// Steps: of integrated-gradients (50), copies of smoothgrad (50), filters (40), maximise (256), dream (20 a size), style (60)
    #[arg(long, value_name = "N", value_parser = positive)]
    steps: Option<usize>,
    /// How far a step goes, light being 0 to 1 [default: filters, maximise 0.02; dream 0.01; style by Adam 0.02]
    #[arg(long, value_name = "RATE", value_parser = crate::arguments::learning_rate)]
    rate: Option<f32>,
    /// Move the picture at random by up to so many pixels in each step [default: maximise, dream 8; else 0]
    #[arg(long, value_name = "PIXELS")]
    jitter: Option<usize>,
    /// Blur in every fourth step, standard deviation in pixels [default: maximise 0.5; else 0]
    #[arg(long, value_name = "PIXELS", value_parser = not_negative)]
    blur: Option<f32>,
    /// Share of its distance from grey that a pixel loses in each step (L2) [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = not_negative)]
    decay: Option<f32>,
    /// Weight of the total variation [default: maximise 0.15, style 0.05; else 0]
    #[arg(long, value_name = "WEIGHT", value_parser = not_negative)]
    total_variation: Option<f32>,
    /// Weight of the Lp norm of the distance from grey [default: maximise 0.5; else 0]
    #[arg(long, value_name = "WEIGHT", value_parser = not_negative)]
    norm: Option<f32>,
    /// The p of that norm [default: 6]
    #[arg(long, value_name = "P", value_parser = not_negative)]
    exponent: Option<f32>,
    /// Seed of noise and jitter
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Maximise, dream, style: an animation of the way
    #[arg(long, value_name = "FILE.gif")]
    gif: Option<PathBuf>,
    /// Maximise: begin with grey instead of noise
    #[arg(long)]
    grey: bool,
    /// Dream, style: the layers, with weights: `conv2d=1,conv2d_1=0.5` [default: dream one half way in; style some of the first half]
    #[arg(long, value_name = "NAME=WEIGHT,…", value_delimiter = ',', value_parser = weighed)]
    layers: Vec<(String, f32)>,
    /// Style: the layers that keep the content [default: one half way in]
    #[arg(long, value_name = "NAME=WEIGHT,…", value_delimiter = ',', value_parser = weighed)]
    content: Vec<(String, f32)>,
    /// Style: the picture whose style is taken
    #[arg(long, value_name = "PHOTO")]
    paint: Option<PathBuf>,
    /// Style: Adam instead of L-BFGS
    #[arg(long)]
    adam: bool,
    /// Dream: sizes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = positive)]
    octaves: usize,
    /// Dream, style: bring the photo to at most so many pixels a side
    #[arg(long, value_name = "PIXELS", default_value_t = 512, value_parser = positive)]
    size: usize,
}

/// What there is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// Gradient of the class score by the input
    Saliency,
    /// Maps of a layer, weighed by what they mean for the class, over the photo
    GradCam,
    /// The same with weights that tell several objects of a class apart
    #[value(name = "grad-cam++")]
    GradCamPlusPlus,
    /// Maps of a layer, weighed by the score of the photo seen through them
    ScoreCam,
    /// The maps of a layer, 16 in a row
    Activations,
    /// What each pixel adds to the score on the way from an input of zeros
    IntegratedGradients,
    /// Gradient, of which rectifiers let only the positive part pass
    GuidedBackprop,
    /// Gradient, averaged over noisy copies
    Smoothgrad,
    /// How much the score falls where a part is covered
    Occlusion,
    /// What the filters of a layer answer to
    Filters,
    /// A picture that excites a class, or several
    Maximise,
    /// A photo in which the network sees more of what it sees
    Dream,
    /// A photo painted as another is
    Style,
}

impl Method {
    /// As it is written on the command line.
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether it explains the score of a class for a photo.
    fn is_by_class(self) -> bool {
        use Method::{Activations, Dream, Filters, Maximise, Style};
        !matches!(self, Activations | Filters | Maximise | Dream | Style)
    }

    /// Whether its map belongs to a layer.
    fn is_map_of_layer(self) -> bool {
        matches!(self, Self::GradCam | Self::GradCamPlusPlus | Self::ScoreCam)
    }
}

/// The model and how pictures come to it.
pub struct Subject {
    model: Model,
    classifier: Classifier,
    preprocessing: Preprocessing,
    pixels: Pixels,
    scaling: Scaling,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = self.running.start()?;
        let (opened, origin) = self.weights.open(&self.model)?;
        let model = opened.model;
        let classifier = Classifier::new(&model)?;
        let shape = models::image_shape(&model)?;
        if !opened.trained {
            note(format!("warning: {} has random weights, so its answers mean nothing; --weights gives it others", self.model));
        }
        let preprocessing = self.scaling.preprocessing(&self.model, &model, &classifier, origin);
        let pixels = Pixels::of(preprocessing, shape.channels);
        let subject = Subject { model, classifier, preprocessing, pixels, scaling: self.scaling };
        if let Some(layer) = &self.layer {
            subject.model.get_layer(layer)?;
        }
        let &[method, ..] = &self.method[..] else { bail!("name a method with --method") };
        let alone = self.method.len() == 1;
        let report = if let Some(folder) = &self.dataset {
            self.average(&subject, folder)?
        } else if self.method.iter().all(|method| method.is_by_class()) {
            self.explain_by_class(&subject)?
        } else if !alone {
            let other = self.method.iter().find(|method| !method.is_by_class()).map_or_else(String::new, |other| other.name());
            bail!("{other} stands alone; a sheet has methods that explain the score of a class for a photo")
        } else {
            match method {
                Method::Activations => self.activations(&subject)?,
                Method::Filters => self.filters(&subject)?,
                Method::Maximise => self.maximise(&subject)?,
                Method::Dream => self.dream(&subject)?,
                _ => self.style(&subject)?,
            }
        };
        output.result(&report);
        output.finish()
    }

    /// Whether `--out` is a folder; if so, it is made.
    fn is_folder(&self) -> Result<bool> {
        let is_folder = self.out.is_dir() || self.out.extension().is_none();
        if is_folder {
            std::fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
        }
        Ok(is_folder)
    }

    /// The only photo.
    fn photo(&self) -> Result<&Path> {
        match &self.photos[..] {
            [photo] => Ok(photo),
            photos => bail!("{} takes one photo, not {}", self.method[0].name(), photos.len()),
        }
    }

    /// The ascent that a method has if nothing is said, with what was said.
    fn ascent(&self, usual: Ascent) -> Ascent {
        let said = &self.making;
        Ascent {
            steps: said.steps.unwrap_or(usual.steps),
            rate: said.rate.unwrap_or(usual.rate),
            jitter: said.jitter.unwrap_or(usual.jitter),
            blur: said.blur.unwrap_or(usual.blur),
            decay: said.decay.unwrap_or(usual.decay),
            total_variation: said.total_variation.unwrap_or(usual.total_variation),
            norm: said.norm.unwrap_or(usual.norm),
            exponent: said.exponent.unwrap_or(usual.exponent),
            seed: said.seed,
        }
    }
}

/// Names of the layers that are convolutions with maps, in the model's order.
fn convolutions(model: &Model) -> Result<Vec<String>> {
    let is_convolution = |name: &String| {
        model.get_layer(name).is_ok_and(|layer| layer.class_name().contains("Conv"))
    };
    Ok(explain::map_layers(model)?.into_iter().filter(is_convolution).collect())
}

/// Writes a picture `(height, width, 3)`, and tells the report.
fn save(path: &Path, picture: ArrayView3<'_, u8>, report: &mut Report) -> Result<()> {
    let (height, width, channels) = picture.dim();
    let bytes: Vec<u8> = picture.iter().copied().collect();
    let png = images::encode_png(&bytes, width, height, channels)?;
    write(path, &png, report)
}

fn write(path: &Path, bytes: &[u8], report: &mut Report) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    report.written.push(path.display().to_string());
    Ok(())
}

fn not_negative(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("must be a number of at least 0".into()),
    }
}

/// `name=weight`, or a name, whose weight is 1.
fn weighed(text: &str) -> Result<(String, f32), String> {
    let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
    match weight.trim().parse::<f32>() {
        Ok(weight) if weight.is_finite() => Ok((name.trim().to_owned(), weight)),
        _ => Err(format!("`{weight}` is not a weight; a layer is written conv2d=0.5")),
    }
}
