//! Sheets of layers: what they make of a photo, what their filters answer to, their kernels.

use anyhow::{Context, Result, bail};
use convnet::interop::npy;
use convnet::vision::explain::{self, Ascent, pictures};
use ndarray::{Array3, Array4, Axis};

use super::photo::Photo;
use super::report::{Made, Report};
use super::{Args, Subject, convolutions, save};

/// Filters on a sheet.
const FILTERS: usize = 64;

impl Args {
    /// A sheet of one layer's maps, or a folder of those of all layers.
    pub fn activations(&self, subject: &Subject) -> Result<Report> {
        let photo = Photo::open(self.photo()?, subject)?;
        let (model, is_folder) = (&subject.model, self.is_folder()?);
        let layers: Vec<String> = match &self.layer {
            Some(layer) => vec![layer.clone()],
            None if is_folder => {
                let layers = model.layers().iter().filter(|layer| layer.layer().is_some());
                layers.map(|layer| layer.name().to_owned()).collect()
            }
            None => vec![model.last_convolution().context("the model has no convolution; name a layer with --layer")?],
        };
        if self.array.is_some() && layers.len() != 1 {
            bail!("--array holds one layer; name it with --layer");
        }
        let names: Vec<&str> = layers.iter().map(String::as_str).collect();
        let outputs = explain::activations(model, photo.input.view(), &names)?;
        let mut report = Report::default();
        for (index, (layer, values)) in layers.iter().zip(&outputs).enumerate() {
            let sample = values.index_axis(Axis(0), 0);
            if is_folder && !matches!(sample.ndim(), 1 | 3) {
                continue;
            }
            let path = match is_folder {
                true => self.out.join(format!("{index:03}-{}.png", layer.replace('/', "-"))),
                false => self.out.clone(),
            };
            save(&path, pictures::layer(layer, sample)?.view(), &mut report)?;
        }
        if let (Some(path), [values]) = (&self.array, &outputs[..]) {
            npy::write_file(path, values.view())?;
            report.written.push(path.display().to_string());
        }
        let shape = if let [values] = &outputs[..] { values.shape().to_vec() } else { Vec::new() };
        let (method, image) = (self.method[0].name(), Some(photo.name));
        report.made = Some(Made { method, image, layers, shape, ..Made::default() });
        Ok(report)
    }

    /// A sheet of what the filters of one layer answer to, or of its kernels, or a folder of those of all convolutions.
    pub fn filters(&self, subject: &Subject) -> Result<Report> {
        if !self.photos.is_empty() {
            bail!("filters need no photo");
        }
        let (is_folder, known) = (self.is_folder()?, convolutions(&subject.model)?);
        let layers: Vec<String> = match (&self.layer, is_folder, known.first()) {
            (Some(layer), ..) => vec![layer.clone()],
            (None, true, Some(_)) if !self.raw => known,
            (None, _, Some(first)) => vec![first.clone()],
            _ => bail!("the model has no convolution; name a layer with --layer"),
        };
        let mut report = Report::default();
        let mut shape = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let (title, shown) = if self.raw { self.kernels(subject, layer)? } else { self.answers(subject, layer)? };
            if let Some(first) = shown.first() {
                shape = vec![shown.len(), first.dim().0, first.dim().1, first.dim().2];
            }
            let path = match is_folder {
                true => self.out.join(format!("{index:03}-{}.png", layer.replace('/', "-"))),
                false => self.out.clone(),
            };
            save(&path, pictures::tiles(&title, shown.iter().cloned()).view(), &mut report)?;
            if let Some(path) = &self.array {
                if layers.len() != 1 || shown.is_empty() {
                    bail!("--array holds one layer; name it with --layer");
                }
                let views: Vec<_> = shown.iter().map(|picture| picture.view()).collect();
                let all: Array4<f32> = ndarray::stack(Axis(0), &views)?;
                npy::write_file(path, all.view().into_dyn())?;
                report.written.push(path.display().to_string());
            }
        }
        report.made = Some(Made { method: self.method[0].name(), layers, shape, ..Made::default() });
        Ok(report)
    }

    /// Title and pictures of what the first filters of a layer answer to.
    fn answers(&self, subject: &Subject, layer: &str) -> Result<(String, Vec<Array3<f32>>)> {
        let shapes = explain::layer_shape(&subject.model, layer)?;
        let known = shapes.last().copied().unwrap_or(0);
        let chosen: Vec<usize> = (0..known.min(FILTERS)).collect();
        let ascent = self.ascent(Ascent::default());
        let found = explain::filters(&subject.model, layer, &chosen, (64, 64), &subject.pixels, &ascent)?;
        let silent = found.iter().filter(|picture| picture.is_none()).count();
        let sizes = found.iter().flatten().next().map_or((64, 64, 3), Array3::dim);
        // A filter that nothing excites is shown black.
        let shown = found.into_iter().map(|picture| picture.unwrap_or_else(|| Array3::zeros(sizes))).collect();
        let of = if known > FILTERS { format!("first {FILTERS} of {known}") } else { known.to_string() };
        let silent = if silent > 0 { format!(", {silent} silent (black)") } else { String::new() };
        Ok((format!("{layer}: {of} filters after {} steps{silent}", ascent.steps), shown))
    }

    /// Title and pictures of the kernels of a layer.
    fn kernels(&self, subject: &Subject, layer: &str) -> Result<(String, Vec<Array3<f32>>)> {
        let shown = explain::kernels(&subject.model, layer)?;
        let (height, width, _) = shown.first().map_or((0, 0, 0), Array3::dim);
        let of = if shown.len() > FILTERS { format!("first {FILTERS} of {}", shown.len()) } else { shown.len().to_string() };
        Ok((format!("{layer}: {of} kernels of {height} × {width}, grey is 0"), shown.into_iter().take(FILTERS).collect()))
    }
}
