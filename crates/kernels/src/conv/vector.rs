//! The forward pass of a few output pixels: a matrix times a few vectors, bound by reading the weights once.
//!
//! The weights are read as they lie, some rows at a time, so that memory delivers long stretches. In 16 bits they are half
//! the bytes, and become floats on the way to the sums.

use super::layout::Layout;
use super::{Epilogue, Residual};
use crate::elementwise::{activate_piece_in_place, from_bf16};
use crate::geometry::ConvGeometry;
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// Most output pixels that are computed this way.
pub(super) const MAX_ROWS: usize = 3;

/// Columns of a piece: sums of all its rows stay in the first-level cache.
const COLUMNS: usize = 512;

/// Rows of the weights that are read together.
const STEP: usize = 8;

/// How weights lie in memory.
pub(super) trait Weight: Copy + Sync {
    /// `sums[c] += Σ_k x[k] · weights[k·stride + c]`.
    fn add_products(x: &[f32], weights: &[Self], stride: usize, sums: &mut [f32]);
}

impl Weight for f32 {
    fn add_products(x: &[f32], weights: &[f32], stride: usize, sums: &mut [f32]) {
        add_products(x, weights, stride, sums);
    }
}

/// The upper halves of floats.
impl Weight for u16 {
    fn add_products(x: &[f32], weights: &[u16], stride: usize, sums: &mut [f32]) {
        add_products_bf16(x, weights, stride, sums);
    }
}

/// `output = activation(input · weights + bias)` for at most [`MAX_ROWS`] output pixels.
pub(super) fn forward<W: Weight>(
    g: &ConvGeometry,
    layout: &Layout,
    input: &[f32],
    weights: &[W],
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    let columns = g.out_channels;
    let rows = output.len() / columns;
    let output = Shared::new(output);
    par::for_each(columns.div_ceil(COLUMNS), weights.len() as u64 / 3, |piece| {
        let start = piece * COLUMNS;
        let width = COLUMNS.min(columns - start);
        let mut x = [0.0; MAX_ROWS * STEP];
        for row in 0..rows {
            // SAFETY: these rows and columns are this piece's own.
            let sums = unsafe { output.part(row * columns + start, width) };
            match epilogue.residual {
                Residual::None => sums.fill(0.0),
                Residual::Slice(values) => sums.copy_from_slice(&values[row * columns + start..][..width]),
                Residual::Output => {}
            }
            if let Some(bias) = epilogue.bias {
                sums.iter_mut().zip(&bias[start..]).for_each(|(sum, bias)| *sum += bias);
            }
        }
        for (step, places) in layout.rows.chunks(STEP).enumerate() {
            for row in 0..rows {
                let window = row / layout.windows.len() * layout.image_len
                    + layout.windows[row % layout.windows.len()];
                for (x, place) in x[row * STEP..].iter_mut().zip(places) {
                    *x = input[window + place];
                }
                // SAFETY: as above.
                let sums = unsafe { output.part(row * columns + start, width) };
                let weights = &weights[step * STEP * columns + start..];
                W::add_products(&x[row * STEP..][..places.len()], weights, columns, sums);
            }
        }
        for row in 0..rows {
            // SAFETY: as above.
            activate_piece_in_place(epilogue.activation, unsafe {
                output.part(row * columns + start, width)
            });
        }
    });
}

vectorized! {
    fn add_products(x: &[f32], weights: &[f32], stride: usize, sums: &mut [f32]) {
        let width = sums.len();
        if let &[x0, x1, x2, x3, x4, x5, x6, x7] = x {
            let row = |k: usize| &weights[k * stride..][..width];
            let (w0, w1, w2, w3) = (row(0), row(1), row(2), row(3));
            let (w4, w5, w6, w7) = (row(4), row(5), row(6), row(7));
            for c in 0..width {
                let low = (x0 * w0[c] + x1 * w1[c]) + (x2 * w2[c] + x3 * w3[c]);
                let high = (x4 * w4[c] + x5 * w5[c]) + (x6 * w6[c] + x7 * w7[c]);
                sums[c] += low + high;
            }
        } else {
            for (k, x) in x.iter().enumerate() {
                sums.iter_mut().zip(&weights[k * stride..]).for_each(|(sum, w)| *sum += x * w);
            }
        }
    }
}

vectorized! {
    fn add_products_bf16(x: &[f32], weights: &[u16], stride: usize, sums: &mut [f32]) {
        let width = sums.len();
        if let &[x0, x1, x2, x3, x4, x5, x6, x7] = x {
            let row = |k: usize| &weights[k * stride..][..width];
            let (w0, w1, w2, w3) = (row(0), row(1), row(2), row(3));
            let (w4, w5, w6, w7) = (row(4), row(5), row(6), row(7));
            for c in 0..width {
                let w = |row: &[u16]| from_bf16(row[c]);
                let low = (x0 * w(w0) + x1 * w(w1)) + (x2 * w(w2) + x3 * w(w3));
                let high = (x4 * w(w4) + x5 * w(w5)) + (x6 * w(w6) + x7 * w(w7));
                sums[c] += low + high;
            }
        } else {
            for (k, x) in x.iter().enumerate() {
                sums.iter_mut().zip(&weights[k * stride..]).for_each(|(sum, &w)| *sum += x * from_bf16(w));
            }
        }
    }
}
