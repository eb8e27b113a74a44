//! Sums and moments, by a tree that is fixed by shape.
//!
//! The rows of a `(rows, columns)` array are cut in at most 16 blocks, each block in short runs; runs are
//! summed, then the runs of a block, then the blocks in order. So the sum has the same bits on any number of threads,
//! and its error grows with the length of a run, not of the whole.

mod axis;
mod blend;
mod extreme;
mod moments;

pub use axis::{Reduction, reduce_axis};
pub use blend::{Taps, blend};
pub use extreme::{Extreme, extreme_place};
pub use moments::{mean_variance, mean_variance_scratch};

use crate::par::{self, Shared};
use crate::simd::vectorized;

/// Row blocks summed in parallel.
pub(crate) const BLOCKS: usize = 16;
/// Columns handled at once, so that the partial sums fit on the stack.
const COLUMNS: usize = 256;
/// Rows of a run.
const RUN: usize = 32;

/// Rows and columns of an array that [`tree`] walks through: `start..end` rows, columns `column..column + width`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub start: usize,
    pub end: usize,
    pub column: usize,
    pub width: usize,
}

/// Sums over rows of `N` quantities per column: `add(block, partial)` adds those of one run of rows to
/// `partial[quantity][column − block.column]`; `finish(column, sums)` receives the whole sums of some columns.
pub(crate) fn tree<const N: usize>(
    rows: usize,
    columns: usize,
    cost: u64,
    add: impl Fn(Block, &mut [[f32; COLUMNS]; N]) + Sync + Send,
    mut finish: impl FnMut(usize, usize, &[[f32; COLUMNS]; N]),
) {
    let runs = rows.div_ceil(RUN);
    let rows_per_block = runs.div_ceil(BLOCKS) * RUN;
    let blocks = if rows == 0 { 0 } else { rows.div_ceil(rows_per_block) };
    let mut column = 0;
    while column < columns {
        let width = COLUMNS.min(columns - column);
        let mut partial = [[[0.0; COLUMNS]; N]; BLOCKS];
        par::for_each_chunk(&mut partial[..blocks], 1, cost, |index, partial| {
            let block_end = ((index + 1) * rows_per_block).min(rows);
            let mut start = index * rows_per_block;
            while start < block_end {
                let end = (start + RUN).min(block_end);
                let mut run = [[0.0; COLUMNS]; N];
                add(Block { start, end, column, width }, &mut run);
                for (total, run) in partial[0].iter_mut().zip(&run) {
                    total[..width].iter_mut().zip(&run[..width]).for_each(|(total, run)| *total += run);
                }
                start = end;
            }
        });
        let mut total = [[0.0; COLUMNS]; N];
        for partial in &partial[..blocks] {
            for (total, partial) in total.iter_mut().zip(partial) {
                total[..width]
                    .iter_mut()
                    .zip(&partial[..width])
                    .for_each(|(total, partial)| *total += partial);
            }
        }
        finish(column, width, &total);
        column += width;
    }
}

/// `out[c] = Σ_r x[r,c]` of `x (rows, columns)`: the gradient of a bias.
///
/// # Panics
/// If the lengths do not fit.
pub fn sum_rows(rows: usize, columns: usize, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), rows * columns, "sum_rows: x is not (rows, columns)");
    assert_eq!(out.len(), columns, "sum_rows: one sum per column");
    tree::<1>(
        rows,
        columns,
        x.len() as u64 / 5,
        |block, partial| add_rows(x, columns, block, &mut partial[0]),
        |column, width, total| out[column..column + width].copy_from_slice(&total[0][..width]),
    );
}

vectorized! {
    fn add_rows(x: &[f32], columns: usize, block: Block, sums: &mut [f32; COLUMNS]) {
        /// Columns whose sums stay in registers.
        const WIDTH: usize = 32;
        let mut column = 0;
        while column + WIDTH <= block.width {
            let mut sum = [0.0; WIDTH];
            for row in block.start..block.end {
                let x = &x[row * columns + block.column + column..][..WIDTH];
                for i in 0..WIDTH {
                    sum[i] += x[i];
                }
            }
            sums[column..column + WIDTH].copy_from_slice(&sum);
            column += WIDTH;
        }
        let sums = &mut sums[column..block.width];
        for row in block.start..block.end {
            let x = &x[row * columns + block.column + column..][..sums.len()];
            sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
        }
    }
}

/// `Σ x`, in pieces of fixed size whose sums are added in double precision.
pub fn sum(x: &[f32]) -> f32 {
    const PIECES: usize = 64;
    const STEP: usize = 1 << 12;
    let length = x.len().div_ceil(PIECES).next_multiple_of(STEP);
    let mut partial = [0.0_f64; PIECES];
    let shared = Shared::new(&mut partial);
    par::for_each(x.len().div_ceil(length.max(1)), x.len() as u64 / 5, |index| {
        let piece = &x[index * length..x.len().min((index + 1) * length)];
        let total: f64 = piece.chunks(STEP).map(|step| f64::from(sum_piece(step))).sum();
        // SAFETY: each piece writes its own element.
        unsafe { shared.part(index, 1) }.fill(total);
    });
    partial.iter().sum::<f64>() as f32
}

vectorized! {
    fn sum_piece(x: &[f32]) -> f32 {
        let mut lanes = [0.0_f32; 32];
        let chunks = x.chunks_exact(32);
        let rest = chunks.remainder();
        for chunk in chunks {
            for i in 0..32 {
                lanes[i] += chunk[i];
            }
        }
        let mut width = 16;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0] + rest.iter().sum::<f32>()
    }
}
