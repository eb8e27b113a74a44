//! Mean and variance of columns, reading memory once.
//!
//! Within a run of a few rows, deviations are taken from its first row. That loses no digits to speak of: of n numbers
//! none is farther from their mean than √(n − 1) standard deviations, so Σ d² is at most n times the variance. Runs are
//! joined by the formula of Chan, Golub and LeVeque (1979), which adds only what is positive. So nothing cancels however
//! far the values lie from zero: unlike Σ x² − (Σ x)², and unlike one shift for a whole column, which helps only if
//! its beginning is typical. Runs, blocks of runs and the order of joining are fixed by shape.
//!
//! Rows are read whole: a strip of them would be a new stream for the prefetcher at every row.

use super::BLOCKS;
use crate::par;
use crate::simd::vectorized;

/// Rows that are added at once.
const ROWS: usize = 4;

/// Rows of a run of so many columns: long enough that joining is cheap, short enough that digits are kept.
fn run_len(columns: usize) -> usize {
    (4096 / columns).clamp(16, 64)
}

/// Mean and sum of squared deviations of all columns over so many rows.
struct Moments<'a> {
    count: usize,
    mean: &'a mut [f32],
    squares: &'a mut [f32],
}

impl<'a> Moments<'a> {
    /// Those of `count` rows, which lie in `values`: means, then squares.
    fn new(count: usize, values: &'a mut [f32]) -> Self {
        let (mean, squares) = values.split_at_mut(values.len() / 2);
        Self { count, mean, squares }
    }

    /// Joins those of other rows.
    #[inline(always)]
    fn join(&mut self, other: &Moments<'_>) {
        let count = (self.count + other.count) as f32;
        let share = other.count as f32 / count;
        let weight = self.count as f32 * share;
        let columns = self.mean.len();
        let (mean, squares) = (&mut self.mean[..], &mut self.squares[..columns]);
        let (other_mean, other_squares) = (&other.mean[..columns], &other.squares[..columns]);
        for c in 0..columns {
            let distance = other_mean[c] - mean[c];
            mean[c] += distance * share;
            squares[c] += other_squares[c] + distance * distance * weight;
        }
        self.count += other.count;
    }
}

/// Floats of working memory of [`mean_variance`].
pub fn mean_variance_scratch(columns: usize) -> usize {
    4 * BLOCKS * columns
}

/// Mean and biased variance of every column of `x (rows, columns)`:
/// `mean = Σ x / rows`, `variance = Σ (x − mean)² / rows`.
///
/// # Panics
/// If the lengths do not fit or there is no row.
pub fn mean_variance(
    rows: usize,
    columns: usize,
    x: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
    scratch: &mut [f32],
) {
    assert!(rows > 0 && columns > 0, "mean_variance: no rows or columns");
    assert_eq!(x.len(), rows * columns, "mean_variance: x is not (rows, columns)");
    assert!(
        mean.len() == columns && variance.len() == columns,
        "mean_variance: one mean and variance per column"
    );
    let run = run_len(columns);
    let rows_per_block = rows.div_ceil(run).div_ceil(BLOCKS) * run;
    let blocks = rows.div_ceil(rows_per_block);
    // For each block its moments and those of a run.
    let part_len = 4 * columns;
    let parts = &mut scratch[..blocks * part_len];
    par::for_each_chunk(parts, part_len, x.len() as u64 / 4, |start, part| {
        let (total, run_values) = part.split_at_mut(2 * columns);
        total.fill(0.0);
        let mut total = Moments::new(0, total);
        let start = start / part_len * rows_per_block;
        let end = (start + rows_per_block).min(rows);
        for first in (start..end).step_by(run) {
            let last = (first + run).min(end);
            add_run(&x[first * columns..last * columns], run_values, &mut total);
        }
    });
    let (total, others) = parts.split_at_mut(part_len);
    let mut total = Moments::new(rows_per_block.min(rows), &mut total[..2 * columns]);
    for part in others.chunks_exact_mut(part_len) {
        let count = rows_per_block.min(rows - total.count);
        total.join(&Moments::new(count, &mut part[..2 * columns]));
    }
    mean.copy_from_slice(total.mean);
    variance.iter_mut().zip(total.squares).for_each(|(variance, squares)| *variance = *squares / rows as f32);
}

vectorized! {
    /// Joins a run of rows; its own moments go to `values`.
    fn add_run(x: &[f32], values: &mut [f32], total: &mut Moments<'_>) {
        let columns = total.mean.len();
        let rows = x.len() / columns;
        values.fill(0.0);
        let run = Moments::new(rows, values);
        let (sums, squares) = (&mut run.mean[..columns], &mut run.squares[..columns]);
        let (first, others) = x.split_at(columns);
        let several = others.chunks_exact(ROWS * columns);
        for row in several.remainder().chunks_exact(columns) {
            add_rows([row], first, sums, squares);
        }
        for rows in several {
            let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &rows[row * columns..][..columns]);
            add_rows(rows, first, sums, squares);
        }
        let share = 1.0 / rows as f32;
        for c in 0..columns {
            let mean = sums[c] * share;
            let rest = squares[c] - sums[c] * mean;
            squares[c] = if rest < 0.0 { 0.0 } else { rest };
            sums[c] = first[c] + mean;
        }
        total.join(&run);
    }
}

/// Adds the deviations of some rows from the first one, and their squares.
#[inline(always)]
fn add_rows<const N: usize>(rows: [&[f32]; N], first: &[f32], sums: &mut [f32], squares: &mut [f32]) {
    let columns = first.len();
    let rows = rows.map(|row| &row[..columns]);
    let (sums, squares) = (&mut sums[..columns], &mut squares[..columns]);
    for c in 0..columns {
        let (mut sum, mut square) = (sums[c], squares[c]);
        for row in rows {
            let distance = row[c] - first[c];
            sum += distance;
            square += distance * distance;
        }
        (sums[c], squares[c]) = (sum, square);
    }
}
