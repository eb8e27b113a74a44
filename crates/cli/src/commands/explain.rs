//! `convnet explain`: what a network looks at.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use convnet::data::images;
use convnet::interop::npy;
use convnet::nn::names;
use convnet::prelude::*;
use convnet::vision::explain::{self, sheet};
use ndarray::{Array2, Array3, ArrayD, Axis, Ix3, Ix4};
use serde::Serialize;

use crate::arguments::{Threads, positive};
use crate::models;
use crate::output::{Output, note};
use crate::photos::{Classifier, Scaling, stack};
use crate::weights::Weights;

/// Show what a network looks at
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Gradients are of the score of a class before softmax or sigmoid; the model need not be changed for it. A photo is brought to the model as
`convnet predict` does it; a .npy array is fed as it is.

Examples:
  convnet explain mnist.keras digit.png --method grad-cam --out heat.png
  convnet explain mnist.keras digit.png --method saliency --class 3 --out saliency.png --array saliency.npy
  convnet explain mnist.keras digit.png --method activations --out layers/")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// A picture, PNG or JPEG, or an array for the model, .npy
    photo: PathBuf,
    /// How it is explained
    #[arg(long, value_enum)]
    method: Method,
    /// The class: its name, its number, or `top` for the likeliest
    #[arg(long, value_name = "NAME|INDEX|top", default_value = "top")]
    class: String,
    /// The layer that is looked at [default: the last convolution]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// The picture to write; for activations also a folder, which gets a picture a layer
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    /// Also write the numbers before they were coloured
    #[arg(long, value_name = "FILE.npy")]
    array: Option<PathBuf>,
    /// Steps of integrated-gradients, noisy copies of smoothgrad
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = positive)]
    steps: usize,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    weights: Weights,
    #[command(flatten)]
    threads: Threads,
    /// Print an object
    #[arg(long)]
    json: bool,
}

/// What there is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Gradient of the class score by the input
    Saliency,
    /// Maps of a layer, weighed by what they mean for the class, over the photo
    GradCam,
    /// The same with weights that tell several objects of a class apart
    #[value(name = "grad-cam++")]
    GradCamPlusPlus,
    /// The maps of a layer, 16 in a row
    Activations,
    /// What each pixel adds to the score on the way from black
    IntegratedGradients,
    /// Gradient, of which rectifiers let only the positive part pass
    GuidedBackprop,
    /// Gradient, averaged over noisy copies
    Smoothgrad,
    /// How much the score falls where a part is covered
    Occlusion,
}

/// What was shown.
#[derive(Serialize)]
struct Report {
    image: String,
    method: String,
    class: usize,
    label: String,
    /// Before softmax or sigmoid.
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    /// Sizes of the numbers.
    shape: Vec<usize>,
    written: Vec<String>,
}

/// The model's input `(1, height, width, channels)`, and what to draw over, of 0 … 1.
struct Photo {
    input: ArrayD<f32>,
    shown: Array3<f32>,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        self.threads.start()?;
        let (opened, origin) = self.weights.open(&self.model)?;
        let model = opened.model;
        let classifier = Classifier::new(&model)?;
        if !opened.trained {
            note(format!("warning: {} has random weights, so its answers mean nothing; --weights gives it others", self.model));
        }
        let preprocessing = self.scaling.preprocessing(&self.model, &model, &classifier, origin);
        let photo = if self.photo.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy")) {
            array(&self.photo, &model)?
        } else {
            let shape = models::image_shape(&model)?;
            let picture = images::load_with(&self.photo, shape, self.scaling.options(shape, &classifier))?;
            let input = stack(&[&picture.pixels], shape, preprocessing)?.into_dyn();
            let sizes = (shape.height, shape.width, shape.channels);
            Photo { input, shown: Array3::from_shape_vec(sizes, picture.pixels)? }
        };
        let class = self.class(&model, &classifier, &photo)?;
        let scores = explain::scores(&model, photo.input.view())?;
        let score = match scores.as_slice().unwrap_or_default() {
            &[only] => if class == 1 { only } else { -only },
            scores => *scores.get(class).context("the model gives fewer scores than it has classes")?,
        };
        let mut report = Report {
            image: self.photo.display().to_string(),
            method: self.method.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
            class,
            label: classifier.labels[class].clone(),
            score,
            layer: None,
            shape: Vec::new(),
            written: Vec::new(),
        };
        let values = if self.method == Method::Activations {
            self.activations(&model, &photo, &mut report)?
        } else {
            self.by_class(&model, &photo, class, &mut report)?
        };
        report.shape = values.as_ref().map_or_else(Vec::new, |values| values.shape().to_vec());
        if let Some(path) = &self.array {
            let values = values.context("--array holds one layer; name it with --layer")?;
            npy::write_file(path, values.view())?;
            report.written.push(path.display().to_string());
        }
        output.result(&report);
        output.finish()
    }

    /// The number of the class that was asked for.
    fn class(&self, model: &Model, classifier: &Classifier, photo: &Photo) -> Result<usize> {
        if self.class == "top" {
            return Ok(explain::top_class(model, photo.input.view())?);
        }
        let labels = &classifier.labels;
        if let Some(named) = labels.iter().position(|label| *label == self.class) {
            return Ok(named);
        }
        match self.class.parse::<usize>() {
            Ok(number) if number < labels.len() => Ok(number),
            Ok(number) => bail!("there is no class {number}; the model tells {} apart, 0 to {}", labels.len(), labels.len() - 1),
            Err(_) => {
                let nearest = names::nearest(&self.class, labels.iter().map(String::as_str));
                let hint = nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"));
                bail!("no class is called `{}`{hint}; classes are also numbers, 0 to {}", self.class, labels.len() - 1)
            }
        }
    }

    /// Sheets of one layer, or of all in a folder; the numbers, if it is one layer.
    fn activations(&self, model: &Model, photo: &Photo, report: &mut Report) -> Result<Option<ArrayD<f32>>> {
        let is_folder = self.out.is_dir() || self.out.extension().is_none();
        let layers: Vec<String> = match &self.layer {
            Some(layer) => vec![layer.clone()],
            None if is_folder => model.layers().iter().map(|layer| layer.name().to_owned()).collect(),
            None => vec![model.last_convolution().context("the model has no convolution; name a layer with --layer")?],
        };
        let known: Vec<&str> = layers.iter().map(String::as_str).collect();
        let mut outputs = explain::activations(model, photo.input.view(), &known)?;
        if is_folder {
            fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
        }
        for (index, (layer, values)) in layers.iter().zip(&outputs).enumerate() {
            let sample = values.index_axis(Axis(0), 0);
            let maps = match sample.ndim() {
                3 => sample.into_dimensionality::<Ix3>()?.to_owned(),
                1 => Array3::from_shape_vec((1, sample.len(), 1), sample.iter().copied().collect())?,
                _ => continue,
            };
            let path = match is_folder {
                true => self.out.join(format!("{index:03}-{}.png", layer.replace('/', "-"))),
                false => self.out.clone(),
            };
            save(&path, &sheet::maps(maps.view()), report)?;
        }
        if report.written.is_empty() {
            bail!("the layer gives neither maps nor a row of numbers, so there is no picture of it");
        }
        report.layer = self.layer.clone().or_else(|| (layers.len() == 1).then(|| layers[0].clone()));
        Ok((outputs.len() == 1).then(|| outputs.remove(0)))
    }

    /// A picture of what speaks for a class, and its numbers.
    fn by_class(&self, model: &Model, photo: &Photo, class: usize, report: &mut Report) -> Result<Option<ArrayD<f32>>> {
        let (x, layer) = (photo.input.view(), self.layer.as_deref());
        let map: Array2<f32> = match self.method {
            Method::GradCam => explain::grad_cam(model, x, class, layer)?,
            Method::GradCamPlusPlus => explain::grad_cam_plus_plus(model, x, class, layer)?,
            Method::Occlusion => {
                let size = (photo.shown.dim().0.min(photo.shown.dim().1) / 8).max(1);
                explain::occlusion(model, x, class, size, size.div_ceil(2), 0.0)?
            }
            method => {
                let values = match method {
                    Method::IntegratedGradients => {
                        let black = ArrayD::zeros(photo.input.raw_dim());
                        explain::integrated_gradients(model, x, black.view(), class, self.steps)?
                    }
                    Method::GuidedBackprop => explain::guided_backprop(model, x, class)?,
                    Method::Smoothgrad => explain::smoothgrad(model, x, class, self.steps, 0.15, 0)?,
                    _ => explain::saliency(model, x, class)?,
                };
                let picture = values.index_axis(Axis(0), 0).into_dimensionality::<Ix3>()?.to_owned();
                save(&self.out, &sheet::heat(sheet::strongest(picture.view()).view()), report)?;
                return Ok(Some(values));
            }
        };
        if self.method != Method::Occlusion {
            report.layer = self.layer.clone().or_else(|| model.last_convolution());
        }
        save(&self.out, &sheet::overlay(photo.shown.view(), map.view(), 0.4), report)?;
        Ok(Some(map.into_dyn()))
    }
}

/// An array as the model takes it, with or without the axis of samples.
fn array(path: &Path, model: &Model) -> Result<Photo> {
    let shape = models::image_shape(model)?;
    let mut input = npy::read_file(path)?;
    if input.ndim() == 3 {
        input = input.insert_axis(Axis(0));
    }
    let wanted = [1, shape.height, shape.width, shape.channels];
    if input.shape() != wanted {
        bail!("{} has sizes {:?}, the model takes {wanted:?}", path.display(), input.shape());
    }
    let pixels = input.view().into_dimensionality::<Ix4>()?.index_axis_move(Axis(0), 0).to_owned();
    let low = pixels.iter().copied().fold(f32::INFINITY, f32::min);
    let high = pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = if high > low { high - low } else { 1.0 };
    Ok(Photo { input, shown: pixels.mapv(|value| (value - low) / range) })
}

fn save(path: &Path, picture: &Array3<u8>, report: &mut Report) -> Result<()> {
    let (height, width, channels) = picture.dim();
    let bytes: Vec<u8> = picture.iter().copied().collect();
    let png = images::encode_png(&bytes, width, height, channels)?;
    fs::write(path, png).with_context(|| format!("cannot write {}", path.display()))?;
    report.written.push(path.display().to_string());
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} for {} (score {:.4})", self.image, self.method, self.label, self.score)?;
        if let Some(layer) = &self.layer {
            write!(f, ", layer {layer}")?;
        }
        self.written.iter().try_for_each(|path| write!(f, "\n  {path}"))
    }
}
