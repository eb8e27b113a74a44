//! Heat maps averaged over a folder of pictures, class by class: so a shortcut shows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::vision::draw::{self, Cell, ColourMap, Sheet};
use convnet::vision::explain::{Average, Class, Explainer, pictures};
use ndarray::{Array2, ArrayViewD, Axis, Ix3, concatenate, s};

use super::by_class::{map, tile};
use super::photo::Photo;
use super::report::{ClassAverage, Report, Shares};
use super::{Args, Subject, save};

/// Photos that are explained in one run.
const TOGETHER: usize = 16;

impl Args {
    /// A row a class: the mean photo, the mean heat map over it, the mean heat map alone.
    pub fn average(&self, subject: &Subject, folder: &Path) -> Result<Report> {
        let &[method] = &self.method[..] else { bail!("--dataset takes one method") };
        if !method.is_by_class() {
            bail!("--dataset takes a method that explains the score of a class, not {}", method.name());
        }
        if self.is_folder()? || self.array.is_some() {
            bail!("--dataset makes one picture; name a file with --out, without --array");
        }
        let mut report = Report::default();
        let mut cells = Vec::new();
        let mut explainer = Explainer::new(&subject.model);
        if let Some(layer) = &self.layer {
            explainer = explainer.at_layer(layer)?;
        }
        for (name, files) in classes(folder)? {
            let (average, right) = self.average_of(subject, &mut explainer, &name, &files)?;
            let (photo, mean) = (average.photo(), average.map());
            let over = pictures::overlay(photo.view(), mean.view(), pictures::OVERLAY);
            let alone = ColourMap::Jet.picture(mean.view());
            let words = [name.clone(), format!("{} photos", average.count()), format!("{right} right")];
            cells.push(Cell::words(words));
            cells.push(Cell::picture(tile(draw::picture(photo.view()).view())));
            cells.push(Cell::picture(tile(over.view())));
            cells.push(Cell::picture(tile(alone.view())));
            report.averages.push(ClassAverage {
                class: name,
                method: method.name(),
                images: average.count(),
                silent: average.silent(),
                right,
                shares: shares(&mean),
            });
        }
        let heads = ["class".to_owned(), "mean photo".to_owned(), format!("mean {}", method.name()), "alone".to_owned()];
        save(&self.out, Sheet::new(4).heads(heads).cells(cells).picture().view(), &mut report)?;
        Ok(report)
    }

    /// The average over the photos of a class, and of how many of them the model says it.
    fn average_of(
        &self,
        subject: &Subject,
        explainer: &mut Explainer<'_>,
        name: &str,
        files: &[PathBuf],
    ) -> Result<(Average, usize)> {
        // The folder's class, if the model knows it by that name, unless another was asked for.
        let folder_class = subject.classifier.class(name).ok();
        let class = match (&self.class[..], folder_class) {
            ("top", Some(class)) => Class::Number(class),
            ("top", None) => Class::Top,
            (named, _) => Class::Number(subject.classifier.class(named)?),
        };
        let shape = crate::models::image_shape(&subject.model)?;
        let mut average = Average::new(shape.height, shape.width, shape.channels)?;
        let mut right = 0;
        for files in files.chunks(TOGETHER) {
            let photos = files.iter().map(|path| Photo::open(path, subject)).collect::<Result<Vec<_>>>()?;
            let views: Vec<ArrayViewD<'_, f32>> = photos.iter().map(|photo| photo.input.view()).collect();
            let x = concatenate(Axis(0), &views)?;
            let found = explainer.explain(x.view(), &[class], &self.methods(&photos[0]))?;
            for (index, photo) in photos.iter().enumerate() {
                let values = found.values[0].index_axis(Axis(0), index);
                let map = match map(values.view()) {
                    Some(map) => map,
                    None => pictures::strongest(values.into_dimensionality::<Ix3>()?),
                };
                average.add(photo.seen.view(), map.view())?;
                let output = found.outputs.index_axis(Axis(0), index);
                let probabilities = subject.classifier.probabilities(output.iter().copied());
                let is_highest = |class: usize| probabilities.iter().all(|other| *other <= probabilities[class]);
                right += usize::from(folder_class.is_some_and(is_highest));
            }
        }
        Ok((average, right))
    }
}

/// The folders of a folder and the pictures in each, by name.
fn classes(folder: &Path) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let list = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot open the folder {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg"))
    };
    let mut classes = Vec::new();
    for path in list(folder)?.into_iter().filter(|path| path.is_dir()) {
        let files: Vec<PathBuf> = list(&path)?.into_iter().filter(is_picture).collect();
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if !files.is_empty() {
            classes.push((name, files));
        }
    }
    if classes.is_empty() {
        bail!("{} has no folders with PNG or JPEG files in them, one for each class", folder.display());
    }
    Ok(classes)
}

/// How the mean map is spread over the picture.
fn shares(map: &Array2<f32>) -> Shares {
    let (height, width) = map.dim();
    let total = map.sum().max(f32::MIN_POSITIVE);
    let third = |size: usize| (size / 3, size - size / 3);
    let ((top, bottom), (left, right)) = (third(height), third(width));
    let share = |part: ndarray::ArrayView2<'_, f32>| part.sum() / total;
    Shares {
        top: share(map.slice(s![..top, ..])),
        bottom: share(map.slice(s![bottom.., ..])),
        left: share(map.slice(s![.., ..left])),
        right: share(map.slice(s![.., right..])),
        middle: share(map.slice(s![top..bottom, left..right])),
    }
}
