//! Heat maps, averaged over many pictures: where a network looks again and again, a shortcut shows.

use convnet_nn::{Error, Result};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3};

use crate::draw::{resized, resized_map};

/// The mean of photos and of their heat maps.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    photo: Array3<f32>,
    map: Array2<f32>,
    count: usize,
    /// Photos whose map was zero everywhere.
    silent: usize,
}

impl Average {
    /// Of photos of so many channels, brought to one height and width.
    ///
    /// # Errors
    /// If one of them is 0.
    pub fn new(height: usize, width: usize, channels: usize) -> Result<Self> {
        if height * width * channels == 0 {
            return Err(Error::argument("average", "height, width and channels must be at least 1"));
        }
        let (photo, map) = (Array3::zeros((height, width, channels)), Array2::zeros((height, width)));
        Ok(Self { photo, map, count: 0, silent: 0 })
    }

    /// Adds a photo `(height, width, channels)` of 0 … 1 and its map `(rows, columns)`, which is brought to shares of its largest number first, so that
    /// each photo counts the same.
    ///
    /// # Errors
    /// If the photo has another number of channels.
    pub fn add(&mut self, photo: ArrayView3<'_, f32>, map: ArrayView2<'_, f32>) -> Result<()> {
        let (height, width, channels) = self.photo.dim();
        if photo.dim().2 != channels || map.is_empty() || photo.is_empty() {
            let (expected, received) = (format!("{channels} channels"), format!("{:?}", photo.shape()));
            return Err(Error::Data { what: "photo", expected, received });
        }
        let most = map.iter().copied().fold(0.0_f32, f32::max);
        self.count += 1;
        self.photo += &resized(photo, height, width);
        if most > 0.0 && most.is_finite() {
            self.map.scaled_add(most.recip(), &resized_map(map, height, width));
        } else {
            self.silent += 1;
        }
        Ok(())
    }

    /// Photos that were added.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Those of them whose map was zero everywhere.
    pub fn silent(&self) -> usize {
        self.silent
    }

    /// The mean photo.
    pub fn photo(&self) -> Array3<f32> {
        &self.photo / self.count.max(1) as f32
    }

    /// The mean map.
    pub fn map(&self) -> Array2<f32> {
        &self.map / self.count.max(1) as f32
    }
}
