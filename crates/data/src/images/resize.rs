//! Resizing by separable filters over pixel centres: Pillow's, which are widened by the scale when shrinking, and TensorFlow's
//! bilinear one, which is not.
//!
//! Our own because it is one loop: the crate that would do it adds megabytes of code for pixel types that never occur
//! here, and longer to build than all the rest of this one.

use std::f64::consts::PI;
use std::str::FromStr;

use super::Picture;
use crate::{DataError, ImageShape};

/// How new pixels are made of old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling {
    /// The old pixel under the centre of the new one.
    Nearest,
    /// A triangle filter, widened by the scale when shrinking. Pillow's and [`load`](super::load)'s default.
    Bilinear,
    /// A cubic filter (a = −1/2), widened by the scale when shrinking. Pillow's `BICUBIC`.
    Bicubic,
    /// A sinc filter of three lobes, widened by the scale when shrinking. Pillow's `LANCZOS`.
    Lanczos,
    /// The mean of the old pixels under the new one. Pillow's `BOX`.
    Area,
    /// Between the four nearest pixels, however much the picture shrinks, and not rounded to whole bytes: `tf.image.resize`, and what Keras does in
    /// [image_dataset_from_directory](https://keras.io/api/data_loading/image/).
    TfBilinear,
}

/// Names of [`Resampling`], as they are parsed.
const NAMES: [(&str, Resampling); 6] = [
    ("nearest", Resampling::Nearest),
    ("bilinear", Resampling::Bilinear),
    ("bicubic", Resampling::Bicubic),
    ("lanczos", Resampling::Lanczos),
    ("area", Resampling::Area),
    ("tf-bilinear", Resampling::TfBilinear),
];

impl FromStr for Resampling {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        let found = NAMES.iter().find(|known| known.0 == name);
        found.map(|known| known.1).ok_or_else(|| DataError::Shape {
            what: "resampling",
            expected: NAMES.map(|known| known.0).join(", "),
            received: name.to_owned(),
        })
    }
}

impl Resampling {
    /// Half the width of the filter, in pixels of the finer grid.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Area => 0.5,
            Self::Bilinear | Self::TfBilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let away = x.abs();
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        match self {
            // A pixel on the border belongs to one side only.
            Self::Nearest | Self::Area => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear | Self::TfBilinear => (1.0 - away).max(0.0),
            Self::Bicubic if away < 1.0 => (1.5 * away - 2.5) * away * away + 1.0,
            Self::Bicubic if away < 2.0 => ((-0.5 * away + 2.5) * away - 4.0) * away + 2.0,
            Self::Lanczos if away < 3.0 => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

/// The numbers of a picture brought to the height and width of `to`, channels staying as they are; whole ones of 0 … 255 but for
/// TensorFlow's filter.
pub(super) fn resize(picture: &Picture, to: ImageShape, resampling: Resampling) -> Vec<f32> {
    let ImageShape { height, width, channels } = picture.shape;
    let (rows, columns) = (Taps::new(height, to.height, resampling), Taps::new(width, to.width, resampling));
    // The order that has the smaller intermediate result, which also bounds it for pictures of extreme proportions.
    let mut values = if to.height.saturating_mul(width) <= height.saturating_mul(to.width) {
        let squeezed = rows.apply(&picture.values, 1, width * channels);
        columns.apply(&squeezed, to.height, channels)
    } else {
        let squeezed = columns.apply(&picture.values, height, channels);
        rows.apply(&squeezed, 1, to.width * channels)
    };
    if resampling != Resampling::TfBilinear {
        values.iter_mut().for_each(|value| *value = (*value + 0.5).floor().clamp(0.0, 255.0));
    }
    values
}

/// Which old places along one axis make each new place, with their weights.
struct Taps {
    old_length: usize,
    /// For each new place: the first old place and the weights from there on, which sum to 1.
    windows: Vec<(usize, Vec<f32>)>,
}

impl Taps {
    fn new(old_length: usize, new_length: usize, resampling: Resampling) -> Self {
        let scale = old_length as f64 / new_length as f64;
        let widened = match resampling {
            Resampling::TfBilinear => 1.0,
            _ => scale.max(1.0),
        };
        let reach = widened * resampling.support();
        let window = |place: usize| {
            let centre = (place as f64 + 0.5) * scale;
            if resampling == Resampling::Nearest {
                return ((centre as usize).min(old_length - 1), vec![1.0]);
            }
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let last = ((centre + reach + 0.5) as usize).min(old_length).max(first + 1);
            let weight = |old: usize| resampling.weight((old as f64 + 0.5 - centre) / widened);
            let sum: f64 = (first..last).map(weight).sum();
            (first, (first..last).map(|old| (weight(old) / sum) as f32).collect())
        };
        Self { old_length, windows: (0..new_length).map(window).collect() }
    }

    /// Filters the middle axis of `values`, `(outer, old_length, inner)`.
    fn apply<T: Copy + Into<f32>>(&self, values: &[T], outer: usize, inner: usize) -> Vec<f32> {
        let row_length = self.windows.len() * inner;
        let mut filtered = vec![0.0; outer * row_length];
        let rows = values.chunks_exact(self.old_length * inner).zip(filtered.chunks_exact_mut(row_length));
        for (row, new_row) in rows {
            for ((first, weights), new) in self.windows.iter().zip(new_row.chunks_exact_mut(inner)) {
                let olds = row.chunks_exact(inner).skip(*first);
                for (weight, old) in weights.iter().zip(olds) {
                    for (new, &old) in new.iter_mut().zip(old) {
                        *new += weight * old.into();
                    }
                }
            }
        }
        filtered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(width: usize, height: usize, to: (usize, usize), resampling: Resampling) -> Vec<u8> {
        let values = (0..width * height).map(|at| (at * at * 37 % 251) as u8).collect();
        let picture = Picture { shape: ImageShape::new(height, width, 1), values };
        let values = resize(&picture, ImageShape::new(to.1, to.0, 1), resampling);
        values.iter().map(|&value| value as u8).collect()
    }

    #[test]
    fn pillow_gives_the_same() {
        // Pillow 13.0.0: Image.frombytes("L", size, values).resize(to, Image.Resampling.BILINEAR)
        for (from, to, expected) in [
            ((9, 7), (4, 3), &[136, 120, 154, 116, 151, 154, 171, 116, 174, 174, 139, 114][..]),
            (
                (3, 2),
                (5, 4),
                &[0, 15, 37, 104, 148, 21, 33, 50, 113, 154, 62, 68, 77, 130, 166, 82, 85, 90, 139, 172],
            ),
            ((16, 3), (3, 5), &[87, 130, 165, 109, 135, 165, 142, 143, 164, 138, 141, 149, 135, 140, 139]),
        ] {
            let ours = resized(from.0, from.1, to, Resampling::Bilinear);
            // Pillow rounds to bytes between its two passes as well.
            let near = ours.iter().zip(expected).all(|(ours, theirs)| ours.abs_diff(*theirs) <= 1);
            assert!(near && ours.len() == expected.len(), "{ours:?} {expected:?}");
        }
    }

    #[test]
    fn pillows_other_filters_too() {
        // As above, with Image.Resampling.BICUBIC, LANCZOS, BOX, NEAREST.
        let cases: [(Resampling, &[u8], &[u8]); 4] = [
            (
                Resampling::Bicubic,
                &[135, 121, 153, 115, 149, 156, 174, 114, 173, 180, 138, 110],
                &[0, 2, 32, 108, 154, 17, 23, 48, 118, 161, 64, 66, 79, 137, 173, 88, 87, 95, 147, 180],
            ),
            (
                Resampling::Lanczos,
                &[135, 121, 151, 116, 153, 161, 172, 113, 167, 186, 138, 105],
                &[0, 0, 28, 110, 155, 20, 18, 49, 122, 164, 64, 59, 78, 139, 176, 99, 89, 99, 151, 185],
            ),
            (
                Resampling::Area,
                &[115, 136, 129, 126, 120, 155, 176, 114, 201, 180, 110, 116],
                &[0, 0, 37, 148, 148, 0, 0, 37, 148, 148, 82, 82, 90, 172, 172, 82, 82, 90, 172, 172],
            ),
            (
                Resampling::Nearest,
                &[186, 57, 224, 185, 143, 168, 238, 102, 231, 159, 132, 150],
                &[0, 0, 37, 148, 148, 0, 0, 37, 148, 148, 82, 82, 90, 172, 172, 82, 82, 90, 172, 172],
            ),
        ];
        for (resampling, smaller, larger) in cases {
            for (ours, theirs) in
                [(resized(9, 7, (4, 3), resampling), smaller), (resized(3, 2, (5, 4), resampling), larger)]
            {
                let near = ours.iter().zip(theirs).all(|(ours, theirs)| ours.abs_diff(*theirs) <= 2);
                assert!(near && ours.len() == theirs.len(), "{resampling:?}: {ours:?} {theirs:?}");
            }
        }
    }

    #[test]
    fn tensorflow_gives_the_same() {
        // TensorFlow 2.21: tf.image.resize(values, to)
        let picture = |width: usize, height: usize| {
            let values = (0..width * height).map(|at| (at * at * 37 % 251) as u8).collect();
            Picture { shape: ImageShape::new(height, width, 1), values }
        };
        let smaller = [
            144.208, 80.833, 187.542, 140.125, 132.875, 177.5, 224.875, 118.125, 202.542, 177.375, 102.667,
            114.375,
        ];
        let larger = [
            0.0, 14.8, 37.0, 103.6, 148.0, 20.5, 32.4, 50.25, 112.5, 154.0, 61.5, 67.6, 76.75, 130.3, 166.0,
            82.0, 85.2, 90.0, 139.2, 172.0,
        ];
        for (picture, to, theirs) in [
            (picture(9, 7), ImageShape::new(3, 4, 1), &smaller[..]),
            (picture(3, 2), ImageShape::new(4, 5, 1), &larger[..]),
        ] {
            let ours = resize(&picture, to, Resampling::TfBilinear);
            let near = ours.iter().zip(theirs).all(|(ours, theirs)| (ours - theirs).abs() < 1e-3);
            assert!(near && ours.len() == theirs.len(), "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn an_even_picture_stays_even_at_any_size() {
        for (width, height) in [(1, 1), (2, 301), (640, 7)] {
            let picture =
                Picture { shape: ImageShape::new(height, width, 3), values: vec![255; width * height * 3] };
            for (_, resampling) in NAMES {
                let values = resize(&picture, ImageShape::new(28, 33, 3), resampling);
                assert!(values.iter().all(|&value| (value - 255.0).abs() < 1e-3), "{resampling:?}");
            }
        }
    }
}
