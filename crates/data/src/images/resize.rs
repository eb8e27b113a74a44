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
    /// A cubic filter (a = −1/2) over the sixteen nearest pixels: `tf.image.resize(method="bicubic")`.
    TfBicubic,
    /// A sinc filter over the 36 nearest pixels: `tf.image.resize(method="lanczos3")`.
    TfLanczos3,
    /// The mean of what lies under the new pixel, parts of old pixels counted as parts: `tf.image.resize(method="area")`.
    TfArea,
}

/// Names of [`Resampling`], as they are parsed.
const NAMES: [(&str, Resampling); 9] = [
    ("nearest", Resampling::Nearest),
    ("bilinear", Resampling::Bilinear),
    ("bicubic", Resampling::Bicubic),
    ("lanczos", Resampling::Lanczos),
    ("area", Resampling::Area),
    ("tf-bilinear", Resampling::TfBilinear),
    ("tf-bicubic", Resampling::TfBicubic),
    ("tf-lanczos3", Resampling::TfLanczos3),
    ("tf-area", Resampling::TfArea),
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
    /// Whether this is one of TensorFlow's, which neither are widened when shrinking nor give whole bytes.
    pub(super) fn is_tensorflow(self) -> bool {
        matches!(self, Self::TfBilinear | Self::TfBicubic | Self::TfLanczos3 | Self::TfArea)
    }

    /// Half the width of the filter, in pixels of the finer grid.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Area | Self::TfArea => 0.5,
            Self::Bilinear | Self::TfBilinear => 1.0,
            Self::Bicubic | Self::TfBicubic => 2.0,
            Self::Lanczos | Self::TfLanczos3 => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let away = x.abs();
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        match self {
            // A pixel on the border belongs to one side only.
            Self::Nearest | Self::Area | Self::TfArea => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear | Self::TfBilinear => (1.0 - away).max(0.0),
            Self::Bicubic | Self::TfBicubic if away < 1.0 => (1.5 * away - 2.5) * away * away + 1.0,
            Self::Bicubic | Self::TfBicubic if away < 2.0 => ((-0.5 * away + 2.5) * away - 4.0) * away + 2.0,
            Self::Lanczos | Self::TfLanczos3 if away < 3.0 => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

/// The numbers of a part of a picture (its rows and columns: first, how many) brought to the height and width of `to`, channels staying as they
/// are; whole ones of 0 … 255 but for TensorFlow's filters, which may also reach beyond that. As with Pillow's `box`, filters see what is
/// around the part.
pub(super) fn resize_part(
    picture: &Picture,
    [rows, columns]: [(usize, usize); 2],
    to: ImageShape,
    resampling: Resampling,
) -> Vec<f32> {
    let ImageShape { height, width, channels } = picture.shape;
    let rows = Taps::new(height, rows, to.height, resampling);
    let columns = Taps::new(width, columns, to.width, resampling);
    // The order that has the smaller intermediate result, which also bounds it for pictures of extreme proportions.
    let mut values = if to.height.saturating_mul(width) <= height.saturating_mul(to.width) {
        let squeezed = rows.apply(&picture.values, 1, width * channels);
        columns.apply(&squeezed, to.height, channels)
    } else {
        let squeezed = columns.apply(&picture.values, height, channels);
        rows.apply(&squeezed, 1, to.width * channels)
    };
    if !resampling.is_tensorflow() {
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
    fn new(
        old_length: usize,
        (start, length): (usize, usize),
        new_length: usize,
        resampling: Resampling,
    ) -> Self {
        let scale = length as f64 / new_length as f64;
        let widened = if resampling.is_tensorflow() { 1.0 } else { scale.max(1.0) };
        let reach = widened * resampling.support();
        // Pillow adds up the steps from one nearest pixel to the next, rounding errors too.
        let mut nearest = start as f64 + 0.5 * scale;
        let window = |place: usize| {
            let mut centre = start as f64 + (place as f64 + 0.5) * scale;
            match resampling {
                Resampling::Nearest => {
                    let found = (nearest as usize).min(old_length - 1);
                    nearest += scale;
                    return (found, vec![1.0]);
                }
                Resampling::TfArea => return covered(place as f64 * scale, scale, old_length),
                // TensorFlow reads its weights from a table with 1024 steps from pixel to pixel.
                Resampling::TfBicubic => centre = ((centre - 0.5) * 1024.0).round() / 1024.0 + 0.5,
                _ => {}
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
            match inner {
                1 => self.filter_pixels::<T, 1>(row, new_row),
                3 => self.filter_pixels::<T, 3>(row, new_row),
                4 => self.filter_pixels::<T, 4>(row, new_row),
                _ => self.filter_runs(row, new_row, inner),
            }
        }
        filtered
    }

    /// Along columns: sums of a pixel stay in registers, which a loop over so few channels would not let them.
    fn filter_pixels<T: Copy + Into<f32>, const N: usize>(&self, row: &[T], new_row: &mut [f32]) {
        let (olds, news) = (row.as_chunks::<N>().0, new_row.as_chunks_mut::<N>().0);
        for ((first, weights), new) in self.windows.iter().zip(news) {
            let mut sum = [0.0; N];
            for (weight, old) in weights.iter().zip(&olds[*first..]) {
                (0..N).for_each(|channel| sum[channel] += weight * old[channel].into());
            }
            *new = sum;
        }
    }

    /// Along rows: whole rows are added up.
    fn filter_runs<T: Copy + Into<f32>>(&self, row: &[T], new_row: &mut [f32], inner: usize) {
        for ((first, weights), new) in self.windows.iter().zip(new_row.chunks_exact_mut(inner)) {
            let olds = row.chunks_exact(inner).skip(*first);
            for (weight, old) in weights.iter().zip(olds) {
                new.iter_mut().zip(old).for_each(|(new, &old)| *new += weight * old.into());
            }
        }
    }
}

/// The old places from `start` on for `length`, weighed by how much of each that covers.
fn covered(start: f64, length: f64, old_length: usize) -> (usize, Vec<f32>) {
    let first = (start as usize).min(old_length - 1);
    let last = ((start + length).ceil() as usize).clamp(first + 1, old_length);
    let share = |old: usize| ((old + 1) as f64).min(start + length) - (old as f64).max(start);
    let weights: Vec<f64> = (first..last).map(|old| share(old).max(0.0)).collect();
    let sum: f64 = weights.iter().sum();
    (first, weights.iter().map(|weight| (weight / sum) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole picture, brought to a size.
    fn resize(picture: &Picture, to: ImageShape, resampling: Resampling) -> Vec<f32> {
        let whole = [(0, picture.shape.height), (0, picture.shape.width)];
        resize_part(picture, whole, to, resampling)
    }

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
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/keras.json")).unwrap();
        for case in golden["resized"].as_array().unwrap() {
            let method = case["method"].as_str().unwrap();
            let name = if method == "nearest" { method.to_owned() } else { format!("tf-{method}") };
            let sides = |key: &str| [0, 1].map(|axis| case[key][axis].as_u64().unwrap() as usize);
            let ([height, width], [new_height, new_width]) = (sides("from"), sides("to"));
            let values = (0..width * height * 2).map(|at| (at * at * 37 % 251) as u8).collect();
            let picture = Picture { shape: ImageShape::new(height, width, 2), values };
            let ours = resize(&picture, ImageShape::new(new_height, new_width, 2), name.parse().unwrap());
            let theirs = case["values"].as_array().unwrap();
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!(
                    (f64::from(*ours) - theirs.as_f64().unwrap()).abs() < 2e-3,
                    "{name}: {ours} {theirs}"
                );
            }
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
