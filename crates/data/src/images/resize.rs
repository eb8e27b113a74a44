//! Bilinear resizing with antialias, by Pillow's rule: a triangle filter over pixel centres, widened by the scale when
//! shrinking.
//!
//! Our own because it is one loop: the crate that would do it adds megabytes of code for pixel types that never occur
//! here, and longer to build than all the rest of this one.

use super::Picture;
use crate::ImageShape;

/// Brings a picture to the height and width of `to`, channels staying as they are.
pub(super) fn resize(picture: Picture, to: ImageShape) -> Picture {
    let ImageShape { height, width, channels } = picture.shape;
    let (rows, columns) = (Taps::new(height, to.height), Taps::new(width, to.width));
    // The order that has the smaller intermediate result, which also bounds it for pictures of extreme proportions.
    let values = if to.height.saturating_mul(width) <= height.saturating_mul(to.width) {
        let squeezed = rows.apply(&picture.values, 1, width * channels);
        columns.apply(&squeezed, to.height, channels)
    } else {
        let squeezed = columns.apply(&picture.values, height, channels);
        rows.apply(&squeezed, 1, to.width * channels)
    };
    let shape = ImageShape { channels, ..to };
    // The cast saturates, and the weights of a pixel sum to 1.
    Picture { shape, values: values.iter().map(|&value| (value + 0.5) as u8).collect() }
}

/// Which old places along one axis make each new place, with their weights.
struct Taps {
    old_length: usize,
    /// For each new place: the first old place and the weights from there on, which sum to 1.
    windows: Vec<(usize, Vec<f32>)>,
}

impl Taps {
    fn new(old_length: usize, new_length: usize) -> Self {
        let scale = old_length as f64 / new_length as f64;
        let reach = scale.max(1.0);
        let window = |place: usize| {
            let centre = (place as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let last = ((centre + reach + 0.5) as usize).min(old_length);
            let weight = |old: usize| (1.0 - ((old as f64 + 0.5 - centre) / reach).abs()).max(0.0);
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

    fn resized(width: usize, height: usize, to: (usize, usize)) -> Vec<u8> {
        let values = (0..width * height).map(|at| (at * at * 37 % 251) as u8).collect();
        let picture = Picture { shape: ImageShape::new(height, width, 1), values };
        resize(picture, ImageShape::new(to.1, to.0, 1)).values
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
            let ours = resized(from.0, from.1, to);
            // Pillow rounds to bytes between its two passes as well.
            let near = ours.iter().zip(expected).all(|(ours, theirs)| ours.abs_diff(*theirs) <= 1);
            assert!(near && ours.len() == expected.len(), "{ours:?} {expected:?}");
        }
    }

    #[test]
    fn an_even_picture_stays_even_at_any_size() {
        for (width, height) in [(1, 1), (2, 301), (640, 7)] {
            let picture =
                Picture { shape: ImageShape::new(height, width, 3), values: vec![255; width * height * 3] };
            assert!(resize(picture, ImageShape::new(28, 33, 3)).values.iter().all(|&value| value == 255));
        }
    }
}
