//! Elements added around an array, and taken off again.

use super::CHUNK;
use crate::par;

/// One axis, and what lies around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Border {
    /// Elements inside.
    pub size: usize,
    /// Elements before them.
    pub before: usize,
    /// Elements after them.
    pub after: usize,
}

impl Border {
    fn padded(&self) -> usize {
        self.before + self.size + self.after
    }
}

/// The borders of an array, outermost axis first. Whatever lies outside of these axes (the batch) is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borders {
    /// All axes but the last.
    outer: Vec<Border>,
    /// Rows: what is copied in one go.
    row: Border,
}

impl Borders {
    /// The borders of all axes of an array. Inner axes that have none become part of the rows.
    pub fn new(axes: &[Border]) -> Self {
        let mut row = Border { size: 1, before: 0, after: 0 };
        let mut outer = axes.to_vec();
        while let Some(axis) = outer.pop() {
            let length = row.size;
            row =
                Border { size: axis.size * length, before: axis.before * length, after: axis.after * length };
            if row.before + row.after > 0 {
                break;
            }
        }
        Self { outer, row }
    }

    /// Elements inside.
    pub fn inner_len(&self) -> usize {
        self.outer.iter().map(|axis| axis.size).product::<usize>() * self.row.size
    }

    /// Elements with the border.
    pub fn padded_len(&self) -> usize {
        self.outer.iter().map(Border::padded).product::<usize>() * self.row.padded()
    }

    /// The inner row that padded row `row` holds, if it holds one.
    fn inner_row(&self, mut row: usize) -> Option<usize> {
        let (mut inner, mut stride) = (0, 1);
        for axis in self.outer.iter().rev() {
            let place = (row % axis.padded()).checked_sub(axis.before).filter(|&place| place < axis.size)?;
            inner += place * stride;
            stride *= axis.size;
            row /= axis.padded();
        }
        Some(inner + row * stride)
    }

    /// The padded row that holds inner row `row`.
    fn padded_row(&self, mut row: usize) -> usize {
        let (mut padded, mut stride) = (0, 1);
        for axis in self.outer.iter().rev() {
            padded += (row % axis.size + axis.before) * stride;
            stride *= axis.padded();
            row /= axis.size;
        }
        padded + row * stride
    }

    /// Checks that both sides hold as many arrays.
    fn check(&self, inner: usize, padded: usize, what: &str) {
        let (inner_len, padded_len) = (self.inner_len(), self.padded_len());
        assert!(inner_len > 0 && inner.is_multiple_of(inner_len), "{what}: no whole number of arrays inside");
        assert_eq!(
            inner / inner_len * padded_len,
            padded,
            "{what}: the sides differ by more than the border"
        );
    }
}

/// `y` is `x` with `value` in its border.
///
/// # Panics
/// If the lengths do not fit, or an axis is empty.
pub fn pad(borders: &Borders, value: f32, x: &[f32], y: &mut [f32]) {
    borders.check(x.len(), y.len(), "pad");
    let Border { size, before, .. } = borders.row;
    let width = borders.row.padded();
    par::for_each_chunk(y, (CHUNK / width).max(1) * width, y.len() as u64 / 4, |start, y| {
        for (index, y) in y.chunks_exact_mut(width).enumerate() {
            match borders.inner_row(start / width + index) {
                Some(row) => {
                    y[..before].fill(value);
                    y[before..before + size].copy_from_slice(&x[row * size..][..size]);
                    y[before + size..].fill(value);
                }
                None => y.fill(value),
            }
        }
    });
}

/// `y` is `x` without its border.
///
/// # Panics
/// If the lengths do not fit, or an axis is empty.
pub fn crop(borders: &Borders, x: &[f32], y: &mut [f32]) {
    borders.check(y.len(), x.len(), "crop");
    let Border { size, before, .. } = borders.row;
    let width = borders.row.padded();
    par::for_each_chunk(y, (CHUNK / size).max(1) * size, y.len() as u64 / 4, |start, y| {
        for (index, y) in y.chunks_exact_mut(size).enumerate() {
            let row = borders.padded_row(start / size + index);
            y.copy_from_slice(&x[row * width + before..][..size]);
        }
    });
}
