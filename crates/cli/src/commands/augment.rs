//! `convnet augment`: what augmentation makes of a photo, on a sheet.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::data::augment::{Annotated, BoxF, KINDS, Mix, PRESETS, Pipeline, apply};
use convnet::data::images;
use convnet::interop::atomic;
use convnet::vision::draw::{Canvas, Cell, Sheet};
use serde::Serialize;

use crate::arguments::{AsObject, positive};
use crate::output::Output;

/// What boxes are drawn in.
const FRAME: [u8; 3] = [255, 220, 0];

/// Show what augmentation makes of a photo
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help())]
pub struct Args {
    /// A picture, PNG or JPEG
    photo: PathBuf,
    /// The picture to write
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    /// A preset, changes such as `flip,rotate=15,zoom=0.2`, or a TOML file that has them under `augment`
    #[arg(long, value_name = "TEXT|FILE.toml", default_value = "standard")]
    augment: String,
    /// A row for each kind of change by itself, behind its name, instead of a pipeline
    #[arg(long, conflicts_with = "augment")]
    each: bool,
    /// Variants, with --each of every kind [default: 11, with --each 4]
    #[arg(long, value_name = "N", value_parser = positive)]
    count: Option<usize>,
    /// Variants in a row [default: 4, with --each all of a kind]
    #[arg(long, value_name = "N", value_parser = positive)]
    columns: Option<usize>,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Longer side of a variant in pixels; the photo is brought to it first
    #[arg(long, value_name = "PIXELS", default_value_t = 160, value_parser = positive)]
    size: usize,
    /// Boxes to move along and draw: a JSON list of [left, top, right, bottom] in pixels of the photo
    #[arg(long, value_name = "FILE.json")]
    boxes: Option<PathBuf>,
    /// Another photo, for mixup and cutmix; with --each they have rows only then
    #[arg(long, value_name = "PHOTO")]
    with: Option<PathBuf>,
    #[command(flatten)]
    object: AsObject,
}

fn long_help() -> String {
    let mut text = String::from("Presets:\n");
    for preset in PRESETS {
        text += &format!("  {:<14} {}\n", preset.name, preset.about);
    }
    text += "\nKinds of change (`name=VALUE` sets what stands in brackets, `:argument=VALUE` others, `:p=0.5` how often it happens):\n";
    for kind in KINDS {
        let main = kind.main.map_or_else(String::new, |main| format!(" [{main}]"));
        text += &format!("  {:<14} {}{main}\n", kind.name, kind.about);
    }
    text += "  mixup          mixes two pictures in random proportion [alpha]
  cutmix         takes a rectangle from another picture [alpha]

Examples:
  convnet augment photo.jpg --out sheet.png
  convnet augment photo.jpg --out sheet.png --augment strong --count 24 --columns 6
  convnet augment photo.jpg --out sheet.png --augment 'flip,rotate=30:fill=constant,blur=2:p=0.3'
  convnet augment photo.jpg --out kinds.png --each --boxes boxes.json";
    text
}

/// What was drawn.
#[derive(Serialize)]
struct Report {
    photo: String,
    out: String,
    seed: u64,
    /// One for a pipeline, with --each one for each kind, as they stand on the sheet.
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    /// The kind of change; empty for a row of a pipeline.
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'static str,
    /// The changes as text, every argument said.
    augment: String,
    /// For each variant its boxes: left, top, right, bottom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    boxes: Vec<Vec<[f32; 4]>>,
}

/// The photos at the size of a variant.
struct Photos {
    first: Annotated,
    other: Annotated,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.object.json);
        let photos = self.photos()?;
        let (sheet, rows) = if self.each { self.each(&photos)? } else { self.variants(&photos)? };
        let picture = sheet.picture();
        let (height, width, channels) = picture.dim();
        let bytes: Vec<u8> = picture.iter().copied().collect();
        let png = images::encode_png(&bytes, width, height, channels)?;
        atomic::write(&self.out, &png)?;
        let report = Report {
            photo: self.photo.display().to_string(),
            out: self.out.display().to_string(),
            seed: self.seed,
            rows,
        };
        output.result(&report);
        output.finish()
    }

    fn photos(&self) -> Result<Photos> {
        let mut first = read(&self.photo)?;
        if let Some(path) = &self.boxes {
            first.boxes = boxes(path, first.size())?;
        }
        let [height, width] = first.size();
        let scale = self.size as f64 / height.max(width) as f64;
        let size = [height, width].map(|side| ((side as f64 * scale).round() as usize).max(1));
        apply::resize(&mut first, size);
        let other = match &self.with {
            None => first.clone(),
            Some(path) => {
                let mut other = read(path)?;
                if other.image.dim().2 != first.image.dim().2 {
                    bail!(
                        "{} and {} must both be in colour or both grey",
                        self.photo.display(),
                        path.display()
                    );
                }
                apply::middle(&mut other, size);
                other
            }
        };
        Ok(Photos { first, other })
    }

    /// Variants of a pipeline, the photo itself first.
    fn variants(&self, photos: &Photos) -> Result<(Sheet, Vec<Row>)> {
        let pipeline = pipeline(&self.augment)?;
        let count = self.count.unwrap_or(11) as u64;
        let made: Vec<Annotated> = (0..count).map(|index| self.variant(&pipeline, photos, index)).collect();
        let columns = self.columns.unwrap_or(4).min(made.len() + 1);
        let sheet = Sheet::new(columns).title(&self.augment).cells([tile(&photos.first).line("the photo")]);
        let boxes = made.iter().map(corners).filter(|all| !all.is_empty()).collect();
        let row = Row { kind: "", augment: pipeline.to_string(), boxes };
        Ok((sheet.cells(made.iter().map(tile)), vec![row]))
    }

    /// Variants of each kind behind its name, a kind a row.
    fn each(&self, photos: &Photos) -> Result<(Sheet, Vec<Row>)> {
        let count = self.count.unwrap_or(4);
        let columns = self.columns.unwrap_or(count).min(count);
        let mut sheet = Sheet::new(columns + 1);
        let mut rows = Vec::new();
        let mixes: &[&'static str] = if self.with.is_some() { &Mix::NAMES } else { &[] };
        let kinds = KINDS.iter().map(|kind| (kind.name, kind.example.to_owned()));
        for (name, example) in kinds.chain(mixes.iter().map(|&name| (name, format!("{name}=2")))) {
            let pipeline: Pipeline = example.parse()?;
            let made: Vec<Annotated> =
                (0..count).map(|index| self.variant(&pipeline, photos, index as u64)).collect();
            for (number, part) in made.chunks(columns).enumerate() {
                let words = Cell::words(if number == 0 {
                    vec![name.to_owned(), example.clone()]
                } else {
                    Vec::new()
                });
                let blank = (part.len()..columns).map(|_| Cell::words([""; 0]));
                sheet = sheet.cells([words]).cells(part.iter().map(tile)).cells(blank);
            }
            let boxes = made.iter().map(corners).filter(|all| !all.is_empty()).collect();
            rows.push(Row { kind: name, augment: pipeline.to_string(), boxes });
        }
        Ok((sheet, rows))
    }

    /// One variant: what a pipeline makes of the photo, and for mixtures of the other one too.
    fn variant(&self, pipeline: &Pipeline, photos: &Photos, index: u64) -> Annotated {
        let make = |photo: &Annotated, index: u64| {
            let mut sample = photo.clone();
            pipeline.apply(self.seed, 1, index, &mut sample);
            sample
        };
        let mut sample = make(&photos.first, 2 * index);
        let numbers = [2 * index as usize, 2 * index as usize + 1];
        if let Some(mix) = Mix::draw(pipeline.mixes(), (self.seed, 1), numbers[0]) {
            let mut other = make(&photos.other, 2 * index + 1);
            let (height, width, channels) = sample.image.dim();
            let mut pair = [&*sample.pixels(), &*other.pixels()].concat();
            mix.apply(
                (self.seed, 1),
                &numbers,
                &mut pair,
                [height, width, channels],
                &mut [1.0, 0.0, 0.0, 1.0],
            );
            let pixels = sample.pixels();
            let len = pixels.len();
            pixels.copy_from_slice(&pair[..len]);
        }
        sample
    }
}

/// A pipeline by its text or from a file.
fn pipeline(text: &str) -> Result<Pipeline> {
    if text.ends_with(".toml") {
        let read = fs::read_to_string(text).with_context(|| format!("cannot read {text}"))?;
        return Pipeline::from_toml(&read).with_context(|| format!("in {text}"));
    }
    Ok(text.parse()?)
}

fn read(path: &Path) -> Result<Annotated> {
    Ok(Annotated::new(images::read(path)?.mapv(|value| value * 255.0)))
}

/// The boxes of a file, which must lie within the photo.
fn boxes(path: &Path, [height, width]: [usize; 2]) -> Result<Vec<BoxF>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let expected = || format!("{}: expected a list of [left, top, right, bottom] in pixels", path.display());
    let corners: Vec<[f32; 4]> = serde_json::from_str(&text).with_context(expected)?;
    let boxes: Vec<BoxF> = corners.iter().map(|&[x0, y0, x1, y1]| BoxF::new(x0, y0, x1, y1)).collect();
    if let Some(wrong) = boxes.iter().find(|mark| mark.is_empty() || mark.clipped(height, width) != **mark) {
        bail!(
            "{}: the box [{}, {}, {}, {}] is empty or not within the photo, which is {width} × {height}",
            path.display(),
            wrong.x0,
            wrong.y0,
            wrong.x1,
            wrong.y1
        );
    }
    Ok(boxes)
}

fn corners(sample: &Annotated) -> Vec<[f32; 4]> {
    sample.boxes.iter().map(|mark| [mark.x0, mark.y0, mark.x1, mark.y1]).collect()
}

/// A picture with its boxes drawn on it.
fn tile(sample: &Annotated) -> Cell {
    let mut canvas = Canvas::of_photo(sample.image.mapv(|value| value / 255.0).view());
    for mark in sample.boxes.iter().filter(|mark| !mark.is_empty()) {
        let [x0, y0, x1, y1] =
            [mark.x0, mark.y0, mark.x1, mark.y1].map(|edge| edge.round().max(0.0) as usize);
        canvas.frame(x0 as isize, y0 as isize, (x1 - x0).max(1), (y1 - y0).max(1), 1, FRAME);
    }
    Cell::picture(canvas.into_pixels())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, row) in self.rows.iter().enumerate() {
            match row.kind {
                "" => writeln!(f, "augment: {}", row.augment)?,
                kind => writeln!(f, "row {}: {kind} ({})", number + 1, row.augment)?,
            }
        }
        write!(f, "wrote {}", self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_kind_and_preset() {
        let text = long_help();
        let names = KINDS.iter().map(|kind| kind.name).chain(PRESETS.iter().map(|preset| preset.name));
        for name in names.chain(Mix::NAMES) {
            assert!(text.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}
