//! Sums and extremes along one axis of `(outer, length, inner)`.

use crate::par::{self, Shared};
use crate::simd::vectorized;

/// What becomes of the elements along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Σ x.
    Sum,
    /// The largest one; −∞ of none.
    Max,
    /// The smallest one; +∞ of none.
    Min,
    /// ∏ x; 1 of none.
    Product,
}

impl Reduction {
    /// What the reduction of nothing gives.
    const fn start(self) -> f32 {
        match self {
            Self::Sum => 0.0,
            Self::Max => f32::NEG_INFINITY,
            Self::Min => f32::INFINITY,
            Self::Product => 1.0,
        }
    }
}

/// Inner elements whose results a piece keeps.
const COLUMNS: usize = 256;
/// Elements that are summed directly; sums of these are added in a second row, so that errors do not grow with the length.
const RUN: usize = 32;

/// `y[o,i]` is the reduction of `x[o,·,i]`, of `x (outer, length, inner)`. A NaN anywhere makes a NaN.
///
/// # Panics
/// If the lengths do not fit.
pub fn reduce_axis(reduction: Reduction, [outer, length, inner]: [usize; 3], x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), outer * length * inner, "reduce_axis: the input does not have its shape's length");
    assert_eq!(y.len(), outer * inner, "reduce_axis: the output does not have its shape's length");
    let cost = x.len() as u64 / 4;
    if reduction == Reduction::Sum && outer == 1 && inner > 1 {
        // Its rows are shared among threads too.
        return super::sum_rows(length, inner, x, y);
    }
    if inner == 1 {
        let lines = (4096 / length.max(1)).max(1);
        return par::for_each_chunk(y, lines, cost, |start, y| {
            for (index, y) in y.iter_mut().enumerate() {
                *y = reduce_line(reduction, &x[(start + index) * length..][..length]);
            }
        });
    }
    let blocks = inner.div_ceil(COLUMNS);
    let y = Shared::new(y);
    par::for_each(outer * blocks, cost, |piece| {
        let (o, start) = (piece / blocks, piece % blocks * COLUMNS);
        let width = COLUMNS.min(inner - start);
        // SAFETY: each piece has its own columns of its own row.
        let y = unsafe { y.part(o * inner + start, width) };
        reduce_columns(reduction, &x[o * length * inner..][..length * inner], inner, start, y);
    });
}

vectorized! {
    fn reduce_line(reduction: Reduction, x: &[f32]) -> f32 {
        const LANES: usize = 32;
        let start = reduction.start();
        let mut totals = [start; LANES];
        for run in x.chunks(LANES * RUN) {
            let mut lanes = [start; LANES];
            let (rows, rest) = run.as_chunks::<LANES>();
            match reduction {
                Reduction::Sum => {
                    for row in rows { for i in 0..LANES { lanes[i] += row[i]; } }
                    for (lane, x) in lanes.iter_mut().zip(rest) { *lane += x; }
                }
                Reduction::Max => {
                    for row in rows { for i in 0..LANES { lanes[i] = larger(row[i], lanes[i]); } }
                    for (lane, &x) in lanes.iter_mut().zip(rest) { *lane = larger(x, *lane); }
                }
                Reduction::Min => {
                    for row in rows { for i in 0..LANES { lanes[i] = -larger(-row[i], -lanes[i]); } }
                    for (lane, &x) in lanes.iter_mut().zip(rest) { *lane = -larger(-x, -*lane); }
                }
                Reduction::Product => {
                    for row in rows { for i in 0..LANES { lanes[i] *= row[i]; } }
                    for (lane, x) in lanes.iter_mut().zip(rest) { *lane *= x; }
                }
            }
            accumulate(reduction, &mut totals, &lanes);
        }
        let mut width = LANES / 2;
        while width > 0 {
            let (low, high) = totals.split_at_mut(width);
            accumulate(reduction, low, &high[..width]);
            width /= 2;
        }
        totals[0]
    }
}

vectorized! {
    fn reduce_columns(reduction: Reduction, x: &[f32], inner: usize, start: usize, y: &mut [f32]) {
        let width = y.len();
        y.fill(reduction.start());
        let mut run = [0.0; COLUMNS];
        for rows in x.chunks(inner * RUN) {
            let run = &mut run[..width];
            run.fill(reduction.start());
            for row in rows.chunks_exact(inner) {
                accumulate(reduction, run, &row[start..][..width]);
            }
            accumulate(reduction, y, run);
        }
    }
}

/// The larger one, or the NaN.
#[inline(always)]
fn larger(x: f32, best: f32) -> f32 {
    if x > best || x.is_nan() { x } else { best }
}

#[inline(always)]
fn accumulate(reduction: Reduction, totals: &mut [f32], x: &[f32]) {
    let x = &x[..totals.len()];
    match reduction {
        Reduction::Sum => {
            for i in 0..totals.len() {
                totals[i] += x[i];
            }
        }
        Reduction::Max => {
            for i in 0..totals.len() {
                totals[i] = larger(x[i], totals[i]);
            }
        }
        Reduction::Min => {
            for i in 0..totals.len() {
                totals[i] = -larger(-x[i], -totals[i]);
            }
        }
        Reduction::Product => {
            for i in 0..totals.len() {
                totals[i] *= x[i];
            }
        }
    }
}
