//! `convnet filter`: a picture through filters made by hand.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use convnet::data::images;
use convnet::interop::{atomic, npy};
use convnet::prelude::*;
use convnet::vision::filter::{self, Named};
use ndarray::{Array4, ArrayD, Axis, concatenate};
use serde::Serialize;

use crate::arguments::{Running, positive};

/// Convolve a picture with filters made by hand
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
`vertical` and `horizontal` are 7x7 kernels with a line of ones. A FILE is a NumPy array (height, width), applied to each
channel, or (height, width, channels, maps); or a text of numbers, a row a line. The picture that is written has the maps side by
side, each from its least value, black, to its largest, white; --array writes the values themselves, (height, width, maps).

Examples:
  convnet filter photo.jpg --kernel vertical --out lines.png
  convnet filter photo.jpg --kernel vertical --kernel horizontal
  convnet filter photo.jpg --kernel sobel.txt --array sobel.npy")]
pub struct Args {
    /// A picture, PNG or JPEG
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// vertical, horizontal, or a file; may be given several times
    #[arg(long, required = true, value_name = "KERNEL")]
    kernel: Vec<String>,
    /// Pixels from one place of the filter to the next
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    stride: usize,
    /// `same`: the map is as large as the picture (by stride 1); `valid`: the filter stays inside
    #[arg(long, value_name = "PADDING", default_value = "same", value_parser = ["same", "valid"])]
    padding: String,
    /// The picture to write [default: the picture's name and the kernel's, in this folder]
    #[arg(long, visible_alias = "output", value_name = "FILE.png")]
    out: Option<PathBuf>,
    /// Also write the values
    #[arg(long, value_name = "FILE.npy")]
    array: Option<PathBuf>,
    #[command(flatten)]
    running: Running,
}

#[derive(Serialize)]
struct Report {
    image: String,
    kernels: Vec<String>,
    /// Height, width and maps.
    shape: Vec<usize>,
    /// Least and largest value of each map.
    ranges: Vec<(f32, f32)>,
    output: String,
    array: Option<String>,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = self.running.start()?;
        let picture = images::read(&self.image)?;
        let channels = picture.shape()[2];
        let padding: Padding = self.padding.parse()?;
        let mut maps = Vec::with_capacity(self.kernel.len());
        for name in &self.kernel {
            let kernel = kernel(name, channels)?;
            let map = filter::filter(picture.view(), kernel.view(), self.stride, padding);
            maps.push(map.with_context(|| format!("cannot filter {} with {name}", self.image.display()))?);
        }
        let views: Vec<_> = maps.iter().map(|map| map.view()).collect();
        let maps = concatenate(Axis(2), &views).context("the kernels make maps of several sizes")?;
        let ranges: Vec<(f32, f32)> = maps.axis_iter(Axis(2)).map(|map| {
            map.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &v| (least.min(v), most.max(v)))
        }).collect();
        let path = self.out.clone().unwrap_or_else(|| self.default_name());
        let (bytes, width) = side_by_side(&maps, &ranges);
        atomic::write(&path, &images::encode_png(&bytes, width, maps.shape()[0], 1)?)?;
        if let Some(array) = &self.array {
            npy::write_file(array, maps.view())?;
        }
        output.result(&Report {
            image: self.image.display().to_string(),
            kernels: self.kernel,
            shape: maps.shape().to_vec(),
            ranges,
            output: path.display().to_string(),
            array: self.array.map(|path| path.display().to_string()),
        });
        output.finish()
    }

    fn default_name(&self) -> PathBuf {
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let kernels: Vec<String> = self.kernel.iter().map(|name| stem(Path::new(name))).collect();
        format!("{}-{}.png", stem(&self.image), kernels.join("-")).into()
    }
}

fn kernel(name: &str, channels: usize) -> Result<Array4<f32>> {
    if let Ok(named) = name.parse::<Named>() {
        return Ok(named.kernel(channels));
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(name.parse::<Named>().expect_err("it is not the name of a kernel").into());
    }
    let array = if path.extension().is_some_and(|extension| extension == "npy") {
        npy::read_file(path)?
    } else {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        rows(&text).with_context(|| format!("{name} is not a kernel"))?
    };
    filter::kernel_of(array, channels).with_context(|| format!("{name} does not fit the picture"))
}

/// Numbers in rows, with spaces or commas between them.
fn rows(text: &str) -> Result<ArrayD<f32>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let row = |line: &str| {
        let numbers = line.split([' ', '\t', ',', ';']).filter(|number| !number.is_empty());
        numbers.map(|number| number.parse::<f32>().with_context(|| format!("`{number}` is not a number"))).collect()
    };
    let rows: Vec<Vec<f32>> = lines.map(row).collect::<Result<_>>()?;
    let width = rows.first().map_or(0, Vec::len);
    anyhow::ensure!(rows.iter().all(|row| row.len() == width), "its rows have not the same length");
    Ok(ArrayD::from_shape_vec(vec![rows.len(), width], rows.concat())?)
}

/// The maps as bytes in one row of pictures, and its width; a white line of a pixel between them.
fn side_by_side(maps: &ArrayD<f32>, ranges: &[(f32, f32)]) -> (Vec<u8>, usize) {
    let (height, width, count) = (maps.shape()[0], maps.shape()[1], ranges.len());
    let whole = count * (width + 1) - 1;
    let mut bytes = vec![255; height * whole];
    for (map, &(least, most)) in ranges.iter().enumerate() {
        let scale = if most > least { 255.0 / (most - least) } else { 0.0 };
        for row in 0..height {
            let place = row * whole + map * (width + 1);
            for (column, byte) in bytes[place..place + width].iter_mut().enumerate() {
                *byte = ((maps[[row, column, map]] - least) * scale + 0.5) as u8;
            }
        }
    }
    (bytes, whole)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [height, width, maps] = self.shape[..] else { return Ok(()) };
        let plural = if maps == 1 { "map" } else { "maps" };
        writeln!(f, "{} with {}: {maps} {plural} of {height}x{width}", self.image, self.kernels.join(" and "))?;
        for (map, (least, most)) in self.ranges.iter().enumerate() {
            writeln!(f, "  map {map}: {least:.4} (black) to {most:.4} (white)")?;
        }
        write!(f, "Saved {}", self.output)?;
        self.array.as_ref().map_or(Ok(()), |array| write!(f, " and {array}"))
    }
}
