//! Labelled images in memory: bytes as they were stored, `f32` as they are handed out.

use std::fmt;
use std::ops::Range;

use ndarray::{Array1, Array4};

use crate::{DataError, Result};

/// Size of one image, channels last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values of a pixel: 1 for grey, 3 for red, green, blue.
    pub channels: usize,
}

impl ImageShape {
    /// The shape `(height, width, channels)`.
    pub const fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// Number of values of one image, or `None` if that does not fit a `usize`.
    pub fn checked_len(self) -> Option<usize> {
        self.height.checked_mul(self.width)?.checked_mul(self.channels)
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}, {})", self.height, self.width, self.channels)
    }
}

/// Images with a label each.
///
/// Images lie one behind the other, shaped `(count, height, width, channels)`, a byte a value. There is at least one
/// image, and every label is below the number of classes given to [`Split::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    images: Vec<u8>,
    labels: Vec<u32>,
    shape: ImageShape,
    image_len: usize,
}

impl Split {
    /// Takes `images` of `(labels.len(), shape.height, shape.width, shape.channels)` bytes.
    ///
    /// # Errors
    /// [`DataError::Shape`] when there are no images, an image has no pixels, or the lengths do not fit each other;
    /// [`DataError::Label`] when a label is not below `classes`.
    pub fn new(images: Vec<u8>, labels: Vec<u32>, shape: ImageShape, classes: usize) -> Result<Self> {
        let image_len = shape.checked_len().unwrap_or(0);
        let expected = labels.len().checked_mul(image_len).filter(|&len| len > 0);
        if expected != Some(images.len()) {
            return Err(DataError::Shape {
                what: "images of a split",
                expected: format!("{} × {shape} values, and at least one", labels.len()),
                received: format!("{} values", images.len()),
            });
        }
        let wrong = labels.iter().enumerate().find(|&(_, &label)| label as usize >= classes);
        if let Some((index, &label)) = wrong {
            return Err(DataError::Label { label, index, classes });
        }
        Ok(Self { images, labels, shape, image_len })
    }

    /// Number of images; never 0.
    #[allow(clippy::len_without_is_empty)] // a split is never empty
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Shape of one image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// All images as stored, `(count, height, width, channels)`, 0 to 255.
    pub fn images(&self) -> &[u8] {
        &self.images
    }

    /// One image as stored, `(height, width, channels)`, or `None` past the end.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        self.images.chunks_exact(self.image_len).nth(index)
    }

    /// The class of each image, from 0.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The images of `range` as a split of their own (a copy).
    ///
    /// # Errors
    /// [`DataError::Shape`] when the range is empty or reaches past the end.
    pub fn slice(&self, range: Range<usize>) -> Result<Self> {
        let labels = self.labels.get(range.clone()).filter(|labels| !labels.is_empty());
        let Some(labels) = labels else {
            return Err(DataError::Shape {
                what: "range of images",
                expected: format!("a part of 0..{} that is not empty", self.len()),
                received: format!("{range:?}"),
            });
        };
        let images = self.images[range.start * self.image_len..range.end * self.image_len].to_vec();
        Ok(Self { images, labels: labels.to_vec(), ..*self })
    }

    /// All images as `(count, height, width, channels)` in `[0, 1]`; four times the memory of [`Split::images`].
    pub fn to_pixels(&self) -> Array4<f32> {
        let ImageShape { height, width, channels } = self.shape;
        let pixels = self.images.iter().map(|&value| scale(value)).collect();
        Array4::from_shape_vec((self.len(), height, width, channels), pixels)
            .expect("Split::new has checked the length")
    }

    /// All labels as `(count)` whole numbers, as sparse categorical losses take them.
    pub fn to_labels(&self) -> Array1<f32> {
        self.labels.iter().map(|&label| label as f32).collect()
    }

    /// Gathers the images at `indices` into `pixels`, `(indices.len(), height, width, channels)` in `[0, 1]`, and
    /// their classes into `labels`, `(indices.len())`. Allocates nothing.
    ///
    /// # Errors
    /// [`DataError::Shape`] when a slot has another length or an index is past the end; the slots may then be partly
    /// written.
    pub fn batch(&self, indices: &[usize], pixels: &mut [f32], labels: &mut [f32]) -> Result<()> {
        let expect = |what, wanted: Option<usize>, got: usize| match wanted {
            Some(wanted) if wanted == got => Ok(()),
            _ => Err(DataError::Shape {
                what,
                expected: format!("{} images of {}", indices.len(), self.shape),
                received: format!("{got} values"),
            }),
        };
        expect("slot for pixels", indices.len().checked_mul(self.image_len), pixels.len())?;
        expect("slot for labels", Some(indices.len()), labels.len())?;
        let slots = pixels.chunks_exact_mut(self.image_len).zip(labels);
        for (&index, (slot, label)) in indices.iter().zip(slots) {
            let class = self.labels.get(index).ok_or_else(|| DataError::Shape {
                what: "index of an image",
                expected: format!("below {}", self.len()),
                received: index.to_string(),
            })?;
            *label = *class as f32;
            let image = &self.images[index * self.image_len..][..self.image_len];
            for (pixel, &value) in slot.iter_mut().zip(image) {
                *pixel = scale(value);
            }
        }
        Ok(())
    }
}

/// Divides, as `x.astype("float32") / 255` does; a product with 1/255 would differ in the last bit.
pub(crate) fn scale(value: u8) -> f32 {
    f32::from(value) / 255.0
}

/// A data set: images to train on, and perhaps images to test with.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What it is called: a name from [`SOURCES`](crate::SOURCES), or the folder it came from.
    pub name: String,
    /// What to train on.
    pub train: Split,
    /// What to test with, if the source has it; of the same image shape as `train`.
    pub test: Option<Split>,
    /// The name of each class; labels index into this.
    pub class_names: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> Split {
        let images = (0..5 * 6).map(|i| i as u8 * 8).collect();
        Split::new(images, vec![0, 1, 2, 1, 0], ImageShape::new(2, 3, 1), 3).unwrap()
    }

    #[test]
    fn batch_gathers_and_scales() {
        let split = split();
        let (mut pixels, mut labels) = (vec![-1.0; 18], vec![-1.0; 3]);
        split.batch(&[4, 0, 4], &mut pixels, &mut labels).unwrap();
        assert_eq!(labels, [0.0, 0.0, 0.0]);
        assert_eq!(pixels[0], 192.0 / 255.0);
        assert_eq!(pixels[6..12], [0.0, 8.0, 16.0, 24.0, 32.0, 40.0].map(|v: f32| v / 255.0));
        assert_eq!(pixels[..6], pixels[12..]);
        let all: Vec<usize> = (0..5).collect();
        let (mut pixels, mut labels) = (vec![0.0; 30], vec![0.0; 5]);
        split.batch(&all, &mut pixels, &mut labels).unwrap();
        assert_eq!(pixels, split.to_pixels().into_raw_vec_and_offset().0);
        assert_eq!(labels, split.to_labels().to_vec());
    }

    #[test]
    fn batch_refuses_wrong_slots_and_indices() {
        let split = split();
        let wrong = |indices: &[usize], pixels: usize, labels: usize| {
            split.batch(indices, &mut vec![0.0; pixels], &mut vec![0.0; labels]).unwrap_err().to_string()
        };
        assert!(wrong(&[0], 7, 1).contains("1 images of (2, 3, 1), received 7 values"));
        assert!(wrong(&[0], 6, 2).starts_with("slot for labels"));
        assert!(wrong(&[5], 6, 1).contains("below 5, received 5"));
    }

    #[test]
    fn split_refuses_what_does_not_fit() {
        let shape = ImageShape::new(2, 2, 1);
        let label = Split::new(vec![0; 8], vec![0, 3], shape, 3).unwrap_err();
        assert!(matches!(label, DataError::Label { label: 3, index: 1, classes: 3 }));
        for (bytes, labels, shape) in [
            (7, 2, shape),
            (0, 0, shape),
            (0, 1, ImageShape::new(0, 2, 1)),
            (4, 1, ImageShape::new(usize::MAX, 2, 1)),
        ] {
            let refused = Split::new(vec![0; bytes], vec![0; labels], shape, 3);
            assert!(matches!(refused, Err(DataError::Shape { .. })));
        }
    }

    #[test]
    fn slice_is_a_split_of_its_own() {
        let part = split().slice(1..3).unwrap();
        assert_eq!((part.len(), part.labels()), (2, &[1, 2][..]));
        assert_eq!(part.image(0), split().image(1));
        assert_eq!(part.image(2), None);
        let (start, end) = (3, 1);
        assert!(
            split().slice(2..2).is_err()
                && split().slice(4..6).is_err()
                && split().slice(start..end).is_err()
        );
    }
}
