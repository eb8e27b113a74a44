//! What speaks for a class in photos: one picture, a sheet, or a folder of them.

use anyhow::{Context, Result, bail};
use convnet::interop::npy;
use convnet::vision::draw::{self, Cell, Sheet};
use convnet::vision::explain::{self, Class, Explained, Explainer, pictures};
use ndarray::{Array2, Array3, ArrayD, ArrayView3, ArrayViewD, Axis, Ix2, Ix3, concatenate};

use super::photo::Photo;
use super::report::{Explanation, Prediction, Report};
use super::{Args, Method, Subject, save};
use crate::photos::Classifier;

/// Pixels of the longer side of a sheet's tiles.
const TILE: usize = 192;

impl Args {
    /// Explains all photos by all methods, in one run of the plans.
    pub fn explain_by_class(&self, subject: &Subject) -> Result<Report> {
        if self.photos.is_empty() {
            bail!("name a photo, or a folder of them with --dataset");
        }
        let photos = self.photos.iter().map(|path| Photo::open(path, subject)).collect::<Result<Vec<_>>>()?;
        let is_folder = self.is_folder()?;
        let one = photos.len() == 1 && self.method.len() == 1;
        if (self.alone.is_some() || self.array.is_some()) && !one {
            bail!("--alone and --array hold what one method finds in one photo");
        }
        let mut report = Report::default();
        if is_folder && one && self.layer.is_none() && self.method[0].is_map_of_layer() {
            self.layer_by_layer(subject, &photos[0], &mut report)?;
            return Ok(report);
        }
        let mut explainer = self.explainer(subject)?;
        let (found, layer) = self.found(subject, &mut explainer, &photos)?;
        for (index, photo) in photos.iter().enumerate() {
            for (method, values) in self.method.iter().zip(&found.values) {
                let layer = layer.clone().filter(|_| method.is_map_of_layer());
                let shape = shape_of_one(values, *method);
                report.explained.push(explanation(photo, *method, &found, index, &subject.classifier, layer, shape));
            }
        }
        if one {
            self.write_one(&photos[0], &found.values[0], is_folder, &mut report)?;
        } else if is_folder {
            for (index, photo) in photos.iter().enumerate() {
                for (method, values) in self.method.iter().zip(&found.values) {
                    let file = format!("{index:03}-{}-{}.png", stem(photo), method.name());
                    let picture = picture(photo, *method, values.index_axis(Axis(0), index))?;
                    save(&self.out.join(file), picture.view(), &mut report)?;
                }
            }
        } else {
            let sheet = self.sheet(&photos, &found, &report)?;
            save(&self.out, sheet.view(), &mut report)?;
        }
        Ok(report)
    }

    fn explainer<'m>(&self, subject: &'m Subject) -> Result<Explainer<'m>> {
        let explainer = Explainer::new(&subject.model);
        Ok(match &self.layer {
            Some(layer) => explainer.at_layer(layer)?,
            None => explainer,
        })
    }

    /// What all methods find in all photos, and the layer that was looked at.
    pub fn found(&self, subject: &Subject, explainer: &mut Explainer<'_>, photos: &[Photo]) -> Result<(Explained, Option<String>)> {
        let views: Vec<ArrayViewD<'_, f32>> = photos.iter().map(|photo| photo.input.view()).collect();
        let x = concatenate(Axis(0), &views)?;
        let methods = self.methods(&photos[0]);
        let found = explainer.explain(x.view(), &[self.chosen(&subject.classifier)?], &methods)?;
        let looks_at_layer = self.method.iter().any(|method| method.is_map_of_layer());
        Ok((found, if looks_at_layer { Some(explainer.layer()?) } else { None }))
    }

    /// The class that was asked for.
    fn chosen(&self, classifier: &Classifier) -> Result<Class> {
        Ok(match &self.class[..] {
            "top" => Class::Top,
            name => Class::Number(classifier.class(name)?),
        })
    }

    /// The methods with their numbers.
    pub fn methods(&self, photo: &Photo) -> Vec<explain::Method> {
        let steps = self.making.steps.unwrap_or(50);
        let (height, width, _) = photo.seen.dim();
        let size = (height.min(width) / 8).max(1);
        let method = |method: &Method| match method {
            Method::GradCam => explain::Method::GradCam,
            Method::GradCamPlusPlus => explain::Method::GradCamPlusPlus,
            Method::ScoreCam => explain::Method::ScoreCam { most_maps: self.maps },
            Method::IntegratedGradients => explain::Method::IntegratedGradients { steps, baseline: 0.0 },
            Method::GuidedBackprop => explain::Method::GuidedBackprop,
            Method::Smoothgrad => explain::Method::Smoothgrad { copies: steps, noise: 0.15, seed: self.making.seed },
            Method::Occlusion => explain::Method::Occlusion { size, stride: size.div_ceil(2), cover: 0.0 },
            _ => explain::Method::Saliency,
        };
        self.method.iter().map(method).collect()
    }

    /// The picture of one method for one photo, what belongs to it, and its numbers.
    fn write_one(&self, photo: &Photo, values: &ArrayD<f32>, is_folder: bool, report: &mut Report) -> Result<()> {
        let method = self.method[0];
        let first = values.index_axis(Axis(0), 0);
        let out = match is_folder {
            true => self.out.join(format!("{}-{}.png", stem(photo), method.name())),
            false => self.out.clone(),
        };
        save(&out, picture(photo, method, first.view())?.view(), report)?;
        if let Some(path) = &self.alone {
            let picture = match map(first.view()) {
                Some(map) => photo.alone(map.view()),
                None => picture(photo, method, first.view())?,
            };
            save(path, picture.view(), report)?;
        }
        if let Some(path) = &self.array {
            let values = if map(first.view()).is_some() { first } else { values.view() };
            npy::write_file(path, values)?;
            report.written.push(path.display().to_string());
        }
        Ok(())
    }

    /// A class activation map for each layer that has maps.
    fn layer_by_layer(&self, subject: &Subject, photo: &Photo, report: &mut Report) -> Result<()> {
        if self.alone.is_some() || self.array.is_some() {
            bail!("--alone and --array hold one layer; name it with --layer");
        }
        let layers = explain::map_layers(&subject.model)?;
        if layers.is_empty() {
            bail!("no layer of the model gives maps; saliency needs none");
        }
        let names: Vec<&str> = layers.iter().map(String::as_str).collect();
        let (method, class) = (self.methods(photo)[0], self.chosen(&subject.classifier)?);
        let found = Explainer::new(&subject.model).explain_layers(photo.input.view(), &[class], &names, method)?;
        for (index, (layer, values)) in layers.iter().zip(&found.values).enumerate() {
            let path = self.out.join(format!("{index:03}-{}.png", layer.replace('/', "-")));
            save(&path, picture(photo, self.method[0], values.index_axis(Axis(0), 0))?.view(), report)?;
            let shape = shape_of_one(values, self.method[0]);
            report.explained.push(explanation(photo, self.method[0], &found, 0, &subject.classifier, Some(layer.clone()), shape));
        }
        Ok(())
    }

    /// A row a photo: what the model says, the part of the photo that it sees, what each method finds there.
    fn sheet(&self, photos: &[Photo], found: &Explained, report: &Report) -> Result<Array3<u8>> {
        let mut cells = Vec::new();
        for (index, photo) in photos.iter().enumerate() {
            let explained = &report.explained[index * self.method.len()];
            let mut words = vec![photo.short_name(), String::new()];
            words.extend(explained.predictions.iter().map(|found| format!("{} {:.1} %", found.label, 100.0 * found.probability)));
            let is_likeliest = explained.predictions.first().is_some_and(|first| first.label == explained.label);
            if !is_likeliest {
                words.push(format!("shown: {} {:.1} %", explained.label, 100.0 * explained.probability));
            }
            cells.push(Cell::words(words));
            cells.push(Cell::picture(tile(draw::picture(photo.seen.view()).view())));
            for values in &found.values {
                let values = values.index_axis(Axis(0), index);
                let picture = match map(values.view()) {
                    Some(map) => pictures::overlay(photo.seen.view(), map.view(), pictures::OVERLAY),
                    None => pictures::heat(pictures::strongest(values.into_dimensionality::<Ix3>()?).view()),
                };
                cells.push(Cell::picture(tile(picture.view())));
            }
        }
        let heads = ["prediction".to_owned(), "photo".to_owned()].into_iter().chain(self.method.iter().map(|method| method.name()));
        Ok(Sheet::new(2 + self.method.len()).heads(heads).cells(cells).picture())
    }
}

/// The numbers of a method as a map over the photo, unless they are numbers of pixels.
pub fn map(values: ArrayViewD<'_, f32>) -> Option<Array2<f32>> {
    values.into_dimensionality::<Ix2>().ok().map(|map| map.to_owned())
}

/// The picture of what a method found in a photo.
fn picture(photo: &Photo, method: Method, values: ArrayViewD<'_, f32>) -> Result<Array3<u8>> {
    if let Some(map) = map(values.view()) {
        return Ok(photo.under(map.view()));
    }
    let values = values.into_dimensionality::<Ix3>().with_context(|| format!("{} gives no picture", method.name()))?;
    Ok(pictures::heat(pictures::strongest(values).view()))
}

/// A picture brought to a tile's size, small ones by whole multiples.
pub fn tile(picture: ArrayView3<'_, u8>) -> Array3<u8> {
    let (height, width, _) = picture.dim();
    let longer = height.max(width).max(1);
    if longer * 2 <= TILE {
        return draw::enlarged(picture, TILE / longer);
    }
    let side = |size: usize| (size * TILE / longer).max(1);
    draw::picture(draw::resized(picture.mapv(|value| f32::from(value) / 255.0).view(), side(height), side(width)).view())
}

/// Sizes of the array that `--array` would hold.
fn shape_of_one(values: &ArrayD<f32>, method: Method) -> Vec<usize> {
    let one = &values.shape()[1..];
    if method.is_map_of_layer() || method == Method::Occlusion { one.to_vec() } else { [&[1], one].concat() }
}

fn stem(photo: &Photo) -> String {
    let name = photo.short_name();
    name.rsplit_once('.').map_or(name.clone(), |(stem, _)| stem.to_owned())
}

fn explanation(
    photo: &Photo,
    method: Method,
    found: &Explained,
    index: usize,
    classifier: &Classifier,
    layer: Option<String>,
    shape: Vec<usize>,
) -> Explanation {
    let class = found.classes[index];
    let scores: Vec<f32> = found.scores.index_axis(Axis(0), index).iter().copied().collect();
    let score = match scores[..] {
        [score] => if class == 1 { score } else { -score },
        _ => scores[class],
    };
    let probabilities = classifier.probabilities(found.outputs.index_axis(Axis(0), index).iter().copied());
    Explanation {
        image: photo.name.clone(),
        method: method.name(),
        class,
        label: classifier.labels[class].clone(),
        score,
        probability: probabilities[class],
        layer,
        shape,
        predictions: likeliest(&probabilities, classifier, 3),
    }
}

/// The likeliest classes, the likeliest first.
pub fn likeliest(probabilities: &[f32], classifier: &Classifier, count: usize) -> Vec<Prediction> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let prediction = |class: usize| Prediction { label: classifier.labels[class].clone(), probability: probabilities[class] };
    order.into_iter().take(count).map(prediction).collect()
}
