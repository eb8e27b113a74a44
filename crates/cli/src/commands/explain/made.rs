//! Pictures that are made: of classes, dreams, styles.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use convnet::interop::npy;
use convnet::vision::draw;
use convnet::vision::explain::{self, Ascent, Dream, From, Solver, Style};
use ndarray::{Array3, ArrayView3, Axis};

use super::by_class::likeliest;
use super::photo::open_at_most;
use super::report::{Made, Report};
use super::{Args, Subject, convolutions, save, write};
use crate::photos::stack;

/// Pictures of an animation.
const FRAMES: usize = 48;

impl Args {
    /// A picture that excites the classes.
    pub fn maximise(&self, subject: &Subject) -> Result<Report> {
        if self.photos.len() > 1 {
            bail!("maximise begins with noise or one photo, not {}", self.photos.len());
        }
        if self.class == "top" {
            bail!("name the class with --class, or several: --class cat:1,dog:0.5");
        }
        let classes = self.class.split(',').map(|class| weighed_class(class.trim(), subject)).collect::<Result<Vec<_>>>()?;
        let from = match &self.photos[..] {
            [path] => From::Photo(super::photo::Photo::open(path, subject)?.seen),
            _ if self.making.grey => From::Grey,
            _ => From::Noise,
        };
        let usual = Ascent { steps: 256, jitter: 8, blur: 0.5, total_variation: 0.15, norm: 0.5, ..Ascent::default() };
        let ascent = self.ascent(usual);
        let mut frames = Frames::new(self.making.gif.is_some(), ascent.steps);
        let seen = |_: usize, picture: Array3<f32>| frames.add(picture.view());
        let picture = explain::maximise(&subject.model, &classes, &from, &subject.pixels, &ascent, seen)?;
        let shape = convnet::data::ImageShape::new(picture.dim().0, picture.dim().1, picture.dim().2);
        let light: Vec<f32> = picture.iter().copied().collect();
        let output = subject.model.predict(stack(&[&light], shape, subject.preprocessing)?.view())?;
        let probabilities = subject.classifier.probabilities(output.index_axis(Axis(0), 0).iter().copied());
        let predictions = likeliest(&probabilities, &subject.classifier, 3.max(classes.len()));
        let made = Made { predictions, ..Made::default() };
        self.finish(picture.view(), &frames, made)
    }

    /// A photo in which layers see more.
    pub fn dream(&self, subject: &Subject) -> Result<Report> {
        let channels = subject.model.input_shapes()[0].channels();
        let photo = open_at_most(self.photo()?, self.making.size, channels)?;
        let layers = self.layers_or(&self.making.layers, subject, &[0.5])?;
        let names: Vec<String> = layers.iter().map(|(name, _)| name.clone()).collect();
        let mut dream = Dream::of(layers);
        dream.octaves = self.making.octaves;
        dream.ascent = self.ascent(dream.ascent);
        let mut frames = Frames::new(self.making.gif.is_some(), dream.ascent.steps * dream.octaves);
        let (height, width, _) = photo.dim();
        let seen = |picture: Array3<f32>| frames.add(draw::resized(picture.view(), height, width).view());
        let picture = explain::dream(&subject.model, photo.view(), &subject.pixels, &dream, seen)?;
        self.finish(picture.view(), &frames, Made { layers: names, ..Made::default() })
    }

    /// A photo painted as another.
    pub fn style(&self, subject: &Subject) -> Result<Report> {
        let channels = subject.model.input_shapes()[0].channels();
        let content = open_at_most(self.photo()?, self.making.size, channels)?;
        let paint = self.making.paint.as_ref().context("name the picture whose style is taken with --paint")?;
        let paint = open_at_most(paint, self.making.size, channels)?;
        let layers = self.layers_or(&self.making.layers, subject, &[0.0, 0.1, 0.2, 0.35, 0.5])?;
        let kept = self.layers_or(&self.making.content, subject, &[0.5])?;
        let names = layers.iter().chain(&kept).map(|(name, _)| name.clone()).collect();
        let solver = if self.making.adam { Solver::Adam(self.making.rate.unwrap_or(0.02)) } else { Solver::Lbfgs };
        let steps = self.making.steps.unwrap_or(60);
        let total_variation = self.making.total_variation.unwrap_or(0.05);
        let style = Style { content: kept, style: layers, total_variation, solver, steps };
        let mut frames = Frames::new(self.making.gif.is_some(), steps);
        let mut last = None;
        let seen = |picture: Array3<f32>, loss: f64| {
            last = Some(loss);
            frames.add(picture.view());
        };
        let picture = explain::style(&subject.model, content.view(), paint.view(), &subject.pixels, &style, seen)?;
        self.finish(picture.view(), &frames, Made { layers: names, loss: last, ..Made::default() })
    }

    /// The layers that were named, or convolutions at these places of the way through the model.
    fn layers_or(&self, named: &[(String, f32)], subject: &Subject, places: &[f32]) -> Result<Vec<(String, f32)>> {
        for (name, _) in named {
            subject.model.get_layer(name)?;
        }
        if !named.is_empty() {
            return Ok(named.to_vec());
        }
        let known = convolutions(&subject.model)?;
        let last = known.len().checked_sub(1).context("the model has no convolution; name layers with --layers")?;
        let mut layers: Vec<(String, f32)> = Vec::new();
        for place in places {
            let name = &known[(place * last as f32).round() as usize];
            if layers.iter().all(|(known, _)| known != name) {
                layers.push((name.clone(), 1.0));
            }
        }
        Ok(layers)
    }

    /// Writes the picture, its numbers, and the way to it.
    fn finish(&self, picture: ArrayView3<'_, f32>, frames: &Frames, made: Made) -> Result<Report> {
        if self.is_folder()? {
            bail!("{} makes one picture; name a file with --out, not a folder", self.method[0].name());
        }
        let mut report = Report::default();
        save(&self.out, draw::picture(picture).view(), &mut report)?;
        if let Some(path) = &self.array {
            npy::write_file(path, picture.into_dyn())?;
            report.written.push(path.display().to_string());
        }
        if let Some(path) = &self.making.gif {
            write(path, &draw::gif(&frames.pictures, Duration::from_millis(80))?, &mut report)?;
        }
        let image = self.photos.first().map(|path| path.display().to_string());
        let shape = picture.shape().to_vec();
        report.made = Some(Made { method: self.method[0].name(), image, shape, ..made });
        Ok(report)
    }
}

/// Some of the pictures on the way.
struct Frames {
    pictures: Vec<Array3<u8>>,
    every: usize,
    seen: usize,
}

impl Frames {
    fn new(are_wanted: bool, steps: usize) -> Self {
        let every = if are_wanted { steps.div_ceil(FRAMES) } else { 0 };
        Self { pictures: Vec::new(), every, seen: 0 }
    }

    fn add(&mut self, picture: ArrayView3<'_, f32>) {
        self.seen += 1;
        if self.every > 0 && self.seen.is_multiple_of(self.every) {
            self.pictures.push(draw::picture(picture));
        }
    }
}

/// `name`, `name:weight`, or the same with a number.
fn weighed_class(text: &str, subject: &Subject) -> Result<(usize, f32)> {
    if let Some((name, weight)) = text.rsplit_once(':')
        && let Ok(weight) = weight.trim().parse::<f32>()
    {
        return Ok((subject.classifier.class(name.trim())?, weight));
    }
    Ok((subject.classifier.class(text)?, 1.0))
}
