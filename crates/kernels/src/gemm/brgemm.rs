//! Batch-reduce matrix product: `C[m, n] = Σ_runs Σ_k A[m, run, k] · B[run, k, n]`.
//!
//! Rows of A are anywhere; the runs lie at the same distance from each row's start. With rows at output pixels and runs
//! along the kernel it *is* convolution, without building a matrix of patches.

use super::MAX_ROWS;
use crate::elementwise::Bounds;
use crate::simd::Simd;

/// Part of the inner loop: `length` products at a distance from the start of each row of A and of the panel of B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Elements from the start of a row.
    pub a: isize,
    /// Rows from the start of the panel.
    pub b: usize,
}

/// Memory that is brought into the second-level cache while a tile is computed, a little for every few products: all at
/// once would hold up what the tile itself reads. It may lie anywhere: nothing but time is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// The first element.
    start: *const f32,
    /// Elements for each [`STEP`] products.
    step: usize,
}

/// Products that are computed in one go.
const STEP: usize = 4;

impl Ahead {
    /// Nothing but what is there, at any address.
    pub(crate) const fn none(start: *const f32) -> Self {
        Self { start, step: 0 }
    }

    /// The share of call number `index` of `calls` in a panel `start`, whose rows have `width` elements. Each of the calls has
    /// `products`, one for each row of the panel.
    pub(crate) fn share(
        start: *const f32,
        width: usize,
        products: usize,
        index: usize,
        calls: usize,
    ) -> Self {
        let step = (STEP * width).div_ceil(calls);
        Self { start: start.wrapping_add(index * (products / STEP) * step), step }
    }
}

/// One call.
pub(crate) struct Tile<'a> {
    /// Starts of the rows of A.
    pub a: [*const f32; MAX_ROWS],
    /// Starts of the rows of C.
    pub c: [*mut f32; MAX_ROWS],
    /// Elements from there to the tile's first column.
    pub c_offset: usize,
    /// Parts of the inner loop.
    pub runs: &'a [Run],
    /// Products of each run.
    pub length: usize,
    /// For kernels of short runs, instead of those: for each row of B, elements from the start of a row of A.
    pub offsets: &'a [usize],
    /// The packed panel of B, its rows as wide as a full tile.
    pub b: *const f32,
    /// What calls after this one will read; kernels of short runs have no use for it.
    pub ahead: Ahead,
    /// Columns of C that are stored.
    pub columns: usize,
    /// Added to each row; null for none.
    pub bias: *const f32,
    /// Rows like those of C that are added before the bounds apply; the first is null for none. They may be C itself.
    pub residual: [*const f32; MAX_ROWS],
    /// Between which numbers results are kept.
    pub bounds: Bounds,
}

/// A compiled kernel.
///
/// # Safety
/// The machine must have the instruction set. For each of the kernel's rows, all runs of A must be readable, and
/// `columns` (at most the kernel's) elements of C writable and, if there is one, of the residual readable; rows of C must
/// not overlap each other or the inputs, but for residual rows that are the same rows of C. All runs of B must be readable.
pub(crate) type Kernel = unsafe fn(&Tile<'_>);

/// The kernel's one text, for `ROWS × VECTORS·LANES`; `SHORT` is for runs so short that starting one costs more than an
/// offset for each product.
///
/// # Safety
/// See [`Kernel`].
#[inline(always)]
pub(super) unsafe fn run<S: Simd, const ROWS: usize, const VECTORS: usize, const SHORT: bool>(
    tile: &Tile<'_>,
) {
    // SAFETY: the contract of `Kernel` covers every access: k < length within each run, rows < ROWS, and the partial
    // loads and stores touch only `columns` elements.
    unsafe {
        let mut sums = [[S::splat(0.0); VECTORS]; ROWS];
        if !tile.bias.is_null() {
            for v in 0..VECTORS {
                let wanted = tile.columns.saturating_sub(v * S::LANES).min(S::LANES);
                let bias = S::load_partial(tile.bias.add((v * S::LANES).min(tile.columns)), wanted);
                for row in 0..ROWS {
                    sums[row][v] = bias;
                }
            }
        }
        for row in 0..ROWS {
            S::prefetch(tile.c[row].wrapping_add(tile.c_offset));
        }
        let stride = 2 * S::LANES;
        let mut a = [std::ptr::null(); ROWS];
        if SHORT {
            a.copy_from_slice(&tile.a[..ROWS]);
            let mut b = tile.b;
            for &offset in tile.offsets {
                multiply_add::<S, ROWS, VECTORS>(&mut sums, &a, offset, b);
                b = b.add(stride);
            }
        } else {
            let mut ahead = tile.ahead.start;
            for part in tile.runs {
                for row in 0..ROWS {
                    a[row] = tile.a[row].offset(part.a);
                }
                let mut b = tile.b.add(part.b * stride);
                let mut k = 0;
                while k + STEP <= tile.length {
                    S::prefetch_far(ahead);
                    ahead = ahead.wrapping_add(tile.ahead.step);
                    for step in 0..STEP {
                        multiply_add::<S, ROWS, VECTORS>(&mut sums, &a, k + step, b.add(step * stride));
                    }
                    b = b.add(STEP * stride);
                    k += STEP;
                }
                while k < tile.length {
                    multiply_add::<S, ROWS, VECTORS>(&mut sums, &a, k, b);
                    b = b.add(stride);
                    k += 1;
                }
            }
        }
        if !tile.residual[0].is_null() {
            for row in 0..ROWS {
                for v in 0..VECTORS {
                    let start = v * S::LANES;
                    let wanted = tile.columns.saturating_sub(start).min(S::LANES);
                    let from = tile.residual[row].add(tile.c_offset + start.min(tile.columns));
                    sums[row][v] = S::add(sums[row][v], S::load_partial(from, wanted));
                }
            }
        }
        if tile.bounds.rectified {
            // In this order a NaN stays one.
            let zero = S::splat(0.0);
            for row in 0..ROWS {
                for v in 0..VECTORS {
                    sums[row][v] = S::max(zero, sums[row][v]);
                }
            }
        }
        if tile.bounds.ceiling < f32::INFINITY {
            let ceiling = S::splat(tile.bounds.ceiling);
            for row in 0..ROWS {
                for v in 0..VECTORS {
                    sums[row][v] = S::min(ceiling, sums[row][v]);
                }
            }
        }
        if tile.columns == VECTORS * S::LANES {
            for row in 0..ROWS {
                for v in 0..VECTORS {
                    S::store(tile.c[row].add(tile.c_offset + v * S::LANES), sums[row][v]);
                }
            }
        } else {
            for row in 0..ROWS {
                for v in 0..VECTORS {
                    let start = v * S::LANES;
                    if tile.columns > start {
                        let wanted = (tile.columns - start).min(S::LANES);
                        S::store_partial(tile.c[row].add(tile.c_offset + start), sums[row][v], wanted);
                    }
                }
            }
        }
    }
}

/// `sums[row] += a[row][k] · b[..]`.
#[inline(always)]
unsafe fn multiply_add<S: Simd, const ROWS: usize, const VECTORS: usize>(
    sums: &mut [[S::V; VECTORS]; ROWS],
    a: &[*const f32; ROWS],
    k: usize,
    b: *const f32,
) {
    // SAFETY: passed on from `run`.
    unsafe {
        let mut columns = [S::splat(0.0); VECTORS];
        for v in 0..VECTORS {
            columns[v] = S::load(b.add(v * S::LANES));
        }
        for row in 0..ROWS {
            let x = S::splat(*a[row].add(k));
            for v in 0..VECTORS {
                sums[row][v] = S::multiply_add(x, columns[v], sums[row][v]);
            }
        }
    }
}
