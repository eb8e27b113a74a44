//! Sum of outer products: `C[r, n] (+)= Σ_m X[m, r] · B[m, n]`.
//!
//! With X at the window under output pixel m and r along the kernel this is the weight gradient of a convolution.

use crate::simd::Simd;

/// One call.
pub(crate) struct Tile {
    /// Row 0 of X: the rows of the kernel beside each other.
    pub x: *const f32,
    /// Elements from one row of X to the next.
    pub x_stride: usize,
    /// Row 0 of B.
    pub b: *const f32,
    /// Elements from one row of B to the next.
    pub b_stride: usize,
    /// Outer products to add up.
    pub count: usize,
    /// The tile of C, its rows `c_stride` apart.
    pub c: *mut f32,
    /// Elements from one row of C to the next.
    pub c_stride: usize,
    /// Whether C is added to; otherwise it is overwritten.
    pub accumulate: bool,
    /// What calls after this one will read.
    pub ahead: [Ahead; 2],
}

/// Outer products that are added in one go.
pub(crate) const STEP: usize = 2;

/// Memory that is brought into the second-level cache while a tile is computed, a little for each [`STEP`] outer products: all at once
/// would hold up what the tile itself reads. It may lie anywhere: nothing but time is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// The first element.
    pub start: *const f32,
    /// Elements for each [`STEP`].
    pub step: usize,
}

impl Ahead {
    /// Nothing but what is there, at any address.
    pub(crate) const fn none(start: *const f32) -> Self {
        Self { start, step: 0 }
    }
}

/// A compiled kernel.
///
/// # Safety
/// The machine must have the instruction set. X and B must be readable as their shapes say; the tile of C must be
/// writable (and readable, to be added to) in full and overlap nothing else.
pub(crate) type Kernel = unsafe fn(&Tile);

/// The kernel's one text, for `ROWS × VECTORS·LANES`.
///
/// # Safety
/// See [`Kernel`].
#[inline(always)]
pub(super) unsafe fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(tile: &Tile) {
    // SAFETY: the contract of `Kernel` covers every access.
    unsafe {
        let mut sums = [[S::splat(0.0); VECTORS]; ROWS];
        for row in 0..ROWS {
            for v in 0..VECTORS {
                S::prefetch(tile.c.wrapping_add(row * tile.c_stride + v * S::LANES));
            }
        }
        let (mut x, mut b) = (tile.x, tile.b);
        let [mut first, mut second] = tile.ahead.map(|ahead| ahead.start);
        let [first_step, second_step] = tile.ahead.map(|ahead| ahead.step);
        for _ in 0..tile.count / STEP {
            S::prefetch_far(first);
            S::prefetch_far(second);
            first = first.wrapping_add(first_step);
            second = second.wrapping_add(second_step);
            for _ in 0..STEP {
                multiply_add::<S, ROWS, VECTORS>(&mut sums, x, b);
                x = x.add(tile.x_stride);
                b = b.add(tile.b_stride);
            }
        }
        for _ in 0..tile.count % STEP {
            multiply_add::<S, ROWS, VECTORS>(&mut sums, x, b);
            x = x.add(tile.x_stride);
            b = b.add(tile.b_stride);
        }
        for row in 0..ROWS {
            for v in 0..VECTORS {
                let c = tile.c.add(row * tile.c_stride + v * S::LANES);
                let sum = if tile.accumulate { S::add(S::load(c), sums[row][v]) } else { sums[row][v] };
                S::store(c, sum);
            }
        }
    }
}

/// `sums[row] += x[row] · b[..]`.
#[inline(always)]
unsafe fn multiply_add<S: Simd, const ROWS: usize, const VECTORS: usize>(
    sums: &mut [[S::V; VECTORS]; ROWS],
    x: *const f32,
    b: *const f32,
) {
    // SAFETY: passed on from `run`.
    unsafe {
        let mut columns = [S::splat(0.0); VECTORS];
        for v in 0..VECTORS {
            columns[v] = S::load(b.add(v * S::LANES));
        }
        for row in 0..ROWS {
            let x = S::splat(*x.add(row));
            for v in 0..VECTORS {
                sums[row][v] = S::multiply_add(x, columns[v], sums[row][v]);
            }
        }
    }
}

/// Rows of a tile of X where they are before they are packed.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Stretches of rows that lie beside each other: where the first one is, seen from an offset, and which it is.
    pub stretches: Vec<(usize, usize)>,
    /// Number of rows.
    pub height: usize,
}

/// A compiled packing of several tiles, `distance` apart: `x[tile][m, row] = input[offsets[m] + place of the row]`, in
/// copies of whole vectors, with a vector for each m: stores that straddle cache lines would cost more than the margin.
///
/// # Safety
/// The machine must have the instruction set. A vector must be readable from each offset and stretch on; each tile must
/// have at most as many rows as a vector has elements, and a vector for each offset and another one in X.
pub(crate) type Pack =
    unsafe fn(input: *const f32, tiles: &[Rows], offsets: &[usize], x: *mut f32, distance: usize);

/// A compiled packing of B: panels of two vectors of columns, `distance` apart, `b[panel][m, column] = rows[m, column]`,
/// the last one filled up with zeros, and, unless the sums are null, `sums[column] = Σ_m rows[m, column]`.
///
/// # Safety
/// The machine must have the instruction set. `count` rows of `columns` elements, `stride` apart, must be readable, and
/// each panel's `count` rows and, of the sums, whole panels writable.
pub(crate) type PackColumns = unsafe fn(
    rows: *const f32,
    stride: usize,
    count: usize,
    columns: usize,
    b: *mut f32,
    distance: usize,
    sums: *mut f32,
);

/// Offsets whose rows are packed for all tiles before the next are: their lines stay in the cache even where a power of
/// two lies between them.
const TOGETHER: usize = 8;

/// The packing's one text. What a copy writes beyond its stretch, the next copy overwrites.
///
/// # Safety
/// See [`Pack`].
#[inline(always)]
pub(super) unsafe fn pack<S: Simd>(
    input: *const f32,
    tiles: &[Rows],
    offsets: &[usize],
    x: *mut f32,
    distance: usize,
) {
    for (group, offsets) in offsets.chunks(TOGETHER).enumerate() {
        for (index, tile) in tiles.iter().enumerate() {
            let x = x.wrapping_add(index * distance + group * TOGETHER * S::LANES);
            // SAFETY: the contract of `Pack` covers every access.
            unsafe {
                if let &[(place, _)] = &tile.stretches[..] {
                    for (m, &offset) in offsets.iter().enumerate() {
                        S::store(x.add(m * S::LANES), S::load(input.add(offset + place)));
                    }
                } else {
                    for (m, &offset) in offsets.iter().enumerate() {
                        for &(place, row) in &tile.stretches {
                            S::store(x.add(m * S::LANES + row), S::load(input.add(offset + place)));
                        }
                    }
                }
            }
        }
    }
}

/// The packing of B in one text.
///
/// # Safety
/// See [`PackColumns`].
#[inline(always)]
pub(super) unsafe fn pack_columns<S: Simd>(
    rows: *const f32,
    stride: usize,
    count: usize,
    columns: usize,
    b: *mut f32,
    distance: usize,
    sums: *mut f32,
) {
    for first in (0..count).step_by(TOGETHER) {
        let together = TOGETHER.min(count - first);
        for (index, column) in (0..columns.next_multiple_of(2 * S::LANES)).step_by(S::LANES).enumerate() {
            let rows = rows.wrapping_add(first * stride + column);
            let b = b.wrapping_add(index / 2 * distance + (2 * first + index % 2) * S::LANES);
            let have = columns.saturating_sub(column);
            // SAFETY: the contract of `PackColumns` covers every access.
            unsafe {
                if have >= S::LANES && sums.is_null() {
                    for m in 0..together {
                        S::store(b.add(2 * m * S::LANES), S::load(rows.add(m * stride)));
                    }
                    continue;
                }
                let mut sum = S::splat(0.0);
                for m in 0..together {
                    let row = rows.wrapping_add(m * stride);
                    let value = match have {
                        0 => S::splat(0.0),
                        _ if have < S::LANES => S::load_partial(row, have),
                        _ => S::load(row),
                    };
                    S::store(b.add(2 * m * S::LANES), value);
                    sum = S::add(sum, value);
                }
                if sums.is_null() {
                    continue;
                }
                let to = sums.add(column);
                S::store(to, if first == 0 { sum } else { S::add(S::load(to), sum) });
            }
        }
    }
}
