//! Mean and variance of columns, reading memory once.
//!
//! Within a run of a few rows, deviations are taken from its first row. That loses no digits to speak of: of n numbers
//! none is farther from their mean than √(n − 1) standard deviations, so Σ d² is at most n times the variance. Runs are
//! joined by the formula of Chan, Golub and LeVeque (1979), which adds only what is positive. So nothing cancels however
//! far the values lie from zero: unlike Σ x² − (Σ x)², and unlike one shift for a whole column, which helps only if
//! its beginning is typical. Runs, blocks of runs and the order of joining are fixed by shape.

use super::{BLOCKS, COLUMNS};
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// Rows of a run of so many columns: long enough that joining is cheap, short enough that digits are kept.
fn run_len(width: usize) -> usize {
    (4096 / width).clamp(16, 64)
}

/// Mean and sum of squared deviations of some columns over so many rows.
struct Moments {
    count: f32,
    mean: [f32; COLUMNS],
    squares: [f32; COLUMNS],
}

impl Moments {
    const NONE: Self = Self { count: 0.0, mean: [0.0; COLUMNS], squares: [0.0; COLUMNS] };

    /// Joins those of other rows.
    #[inline(always)]
    fn join(&mut self, other: &Self, width: usize) {
        let count = self.count + other.count;
        let share = other.count / count;
        let weight = self.count * share;
        let (mean, squares) = (&mut self.mean[..width], &mut self.squares[..width]);
        let (other_mean, other_squares) = (&other.mean[..width], &other.squares[..width]);
        for c in 0..width {
            let distance = other_mean[c] - mean[c];
            mean[c] += distance * share;
            squares[c] += other_squares[c] + distance * distance * weight;
        }
        self.count = count;
    }
}

/// Mean and biased variance of every column of `x (rows, columns)`:
/// `mean = Σ x / rows`, `variance = Σ (x − mean)² / rows`.
///
/// # Panics
/// If the lengths do not fit or there is no row.
pub fn mean_variance(rows: usize, columns: usize, x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    assert!(rows > 0, "mean_variance: no rows");
    assert_eq!(x.len(), rows * columns, "mean_variance: x is not (rows, columns)");
    assert!(
        mean.len() == columns && variance.len() == columns,
        "mean_variance: one mean and variance per column"
    );
    for start in (0..columns).step_by(COLUMNS) {
        let width = COLUMNS.min(columns - start);
        let run = run_len(width);
        let rows_per_block = rows.div_ceil(run).div_ceil(BLOCKS) * run;
        let blocks = rows.div_ceil(rows_per_block);
        let mut parts = [Moments::NONE; BLOCKS];
        let shared = Shared::new(&mut parts);
        par::for_each(blocks, (rows * width) as u64 / 4, |block| {
            // SAFETY: each block has its own part.
            let part = unsafe { shared.part(block, 1) };
            let end = ((block + 1) * rows_per_block).min(rows);
            for first in (block * rows_per_block..end).step_by(run) {
                let last = (first + run).min(end);
                add_run(&x[first * columns..last * columns], columns, start, width, &mut part[0]);
            }
        });
        let [total, parts @ ..] = &mut parts;
        for part in &parts[..blocks - 1] {
            total.join(part, width);
        }
        mean[start..start + width].copy_from_slice(&total.mean[..width]);
        let variance = &mut variance[start..start + width];
        variance
            .iter_mut()
            .zip(&total.squares)
            .for_each(|(variance, squares)| *variance = squares / rows as f32);
    }
}

vectorized! {
    /// Joins a run of rows, `width` columns from `start` on.
    fn add_run(x: &[f32], columns: usize, start: usize, width: usize, total: &mut Moments) {
        let rows = x.len() / columns;
        let mut run = Moments { count: rows as f32, ..Moments::NONE };
        let (sums, squares) = (&mut run.mean[..width], &mut run.squares[..width]);
        let (first, others) = x.split_at(columns);
        let first = &first[start..][..width];
        for row in others.chunks_exact(columns) {
            let row = &row[start..][..width];
            for c in 0..width {
                let distance = row[c] - first[c];
                sums[c] += distance;
                squares[c] += distance * distance;
            }
        }
        let share = 1.0 / rows as f32;
        for c in 0..width {
            let mean = sums[c] * share;
            let rest = squares[c] - sums[c] * mean;
            squares[c] = if rest < 0.0 { 0.0 } else { rest };
            sums[c] = first[c] + mean;
        }
        total.join(&run, width);
    }
}
