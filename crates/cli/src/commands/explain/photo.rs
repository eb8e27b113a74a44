//! A photo, as the model takes it and as people see it.

use std::path::Path;

use anyhow::{Result, bail};
use convnet::data::images::{self, Change};
use convnet::interop::npy;
use convnet::vision::draw;
use convnet::vision::explain::pictures;
use ndarray::{Array3, ArrayD, ArrayView2, Axis, Ix4, s};

use super::Subject;
use crate::models;
use crate::photos::stack;

/// The model's input, and what to draw over.
pub struct Photo {
    pub name: String,
    /// `(1, height, width, channels)`.
    pub input: ArrayD<f32>,
    /// The photo as it is, `(height, width, channels)` of 0 … 1.
    pub whole: Array3<f32>,
    /// Top, left, height and width of the part that the model sees.
    window: [usize; 4],
    /// That part as it comes to the model, `(height, width, channels)` of 0 … 1.
    pub seen: Array3<f32>,
}

impl Photo {
    /// From a PNG or JPEG file, or an array as the model takes it.
    ///
    /// # Errors
    /// If it cannot be read, is neither, or an array has other sizes.
    pub fn open(path: &Path, subject: &Subject) -> Result<Self> {
        let shape = models::image_shape(&subject.model)?;
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy")) {
            return Self::of_array(path, subject);
        }
        let options = subject.scaling.options(&subject.model, shape, &subject.classifier);
        let prepared = images::load_with(path, shape, options)?;
        let whole = images::read(path)?;
        let (height, width, _) = whole.dim();
        let mut window = [0, 0, height, width];
        for change in &prepared.changes {
            if let Change::Cropped { to, .. } = *change {
                let (to_width, to_height) = (to.0.min(width), to.1.min(height));
                window = [(height - to_height) / 2, (width - to_width) / 2, to_height, to_width];
            }
        }
        let input = stack(&[&prepared.pixels], shape, subject.preprocessing)?.into_dyn();
        let seen = Array3::from_shape_vec((shape.height, shape.width, shape.channels), prepared.pixels)?;
        Ok(Self { name: path.display().to_string(), input, whole, window, seen })
    }

    fn of_array(path: &Path, subject: &Subject) -> Result<Self> {
        let shape = models::image_shape(&subject.model)?;
        let mut input = npy::read_file(path)?;
        let sizes = input.shape().to_vec();
        if input.ndim() == 3 {
            input = input.insert_axis(Axis(0));
        }
        let wanted = [1, shape.height, shape.width, shape.channels];
        if input.shape() != wanted {
            bail!("{} has sizes {sizes:?}, the model takes {wanted:?}", path.display());
        }
        let pixels = input.view().into_dimensionality::<Ix4>()?.index_axis_move(Axis(0), 0).to_owned();
        let low = pixels.iter().copied().fold(f32::INFINITY, f32::min);
        let high = pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let range = if high > low { high - low } else { 1.0 };
        let whole = pixels.mapv(|value| (value - low) / range);
        let window = [0, 0, shape.height, shape.width];
        Ok(Self { name: path.display().to_string(), input, seen: whole.clone(), whole, window })
    }

    /// The file's name without the folders.
    pub fn short_name(&self) -> String {
        Path::new(&self.name).file_name().map_or_else(|| self.name.clone(), |name| name.to_string_lossy().into_owned())
    }

    /// A map over the photo, where the model saw it.
    pub fn under(&self, map: ArrayView2<'_, f32>) -> Array3<u8> {
        let [top, left, height, width] = self.window;
        let part = self.whole.slice(s![top..top + height, left..left + width, ..]);
        let mut picture = draw::picture(self.whole.view());
        picture
            .slice_mut(s![top..top + height, left..left + width, ..])
            .assign(&pictures::overlay(part, map, pictures::OVERLAY));
        picture
    }

    /// A map alone, of the size of the part of the photo that the model saw.
    pub fn alone(&self, map: ArrayView2<'_, f32>) -> Array3<u8> {
        pictures::heat_map(map, self.window[2], self.window[3])
    }
}

/// The photo with its longer side at most so long, and with so many channels.
///
/// # Errors
/// If it cannot be read.
pub fn open_at_most(path: &Path, longest: usize, channels: usize) -> Result<Array3<f32>> {
    let photo = images::read(path)?;
    let (height, width, own) = photo.dim();
    let photo = match (own, channels) {
        (1, 3) => Array3::from_shape_fn((height, width, 3), |(y, x, _)| photo[[y, x, 0]]),
        (3, 1) => photo.map_axis(Axis(2), |pixel| 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]).insert_axis(Axis(2)),
        (own, wanted) if own == wanted => photo,
        _ => bail!("the model takes {channels} channels, and {} has {own}", path.display()),
    };
    let share = (longest as f32 / height.max(width) as f32).min(1.0);
    let side = |size: usize| ((size as f32 * share).round() as usize).max(1);
    Ok(draw::resized(photo.view(), side(height), side(width)))
}
