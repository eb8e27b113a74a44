//! Sum of outer products: `C[r, n] (+)= Σ_m X[m, r] · B[m, n]`, where the rows of X are anywhere.
//!
//! With X at the pixel under output pixel m and r along the kernel this is the weight gradient of a convolution.

use super::MAX_ROWS;
use crate::simd::Simd;

/// One call.
pub(crate) struct Tile<'a> {
    /// Where element 0 of the tile's rows lies for offset 0.
    pub x: *const f32,
    /// For each m, elements from `x`.
    pub offsets: &'a [usize],
    /// For each row of the tile, elements from there; those of kernels for rows beside each other are 0, 1, 2, ….
    pub rows: &'a [usize; MAX_ROWS],
    /// Row 0 of B.
    pub b: *const f32,
    /// Elements from one row of B to the next.
    pub b_stride: usize,
    /// The tile of C, its rows `c_stride` apart.
    pub c: *mut f32,
    /// Elements from one row of C to the next.
    pub c_stride: usize,
    /// Whether C is added to; otherwise it is overwritten.
    pub accumulate: bool,
}

/// A compiled kernel.
///
/// # Safety
/// The machine must have the instruction set. For each m, the elements of X must be readable, and the row of B for the
/// kernel's full width; the tile of C must be writable (and readable, to be added to) in full and overlap nothing else.
pub(crate) type Kernel = unsafe fn(&Tile<'_>);

/// The kernel's one text, for `ROWS × VECTORS·LANES`; `BESIDE` tells that the rows lie beside each other.
///
/// # Safety
/// See [`Kernel`].
#[inline(always)]
pub(super) unsafe fn run<S: Simd, const ROWS: usize, const VECTORS: usize, const BESIDE: bool>(
    tile: &Tile<'_>,
) {
    // SAFETY: the contract of `Kernel` covers every access.
    unsafe {
        let mut sums = [[S::splat(0.0); VECTORS]; ROWS];
        let mut rows = [0; ROWS];
        rows.copy_from_slice(&tile.rows[..ROWS]);
        let mut b = tile.b;
        for &offset in tile.offsets {
            let x = tile.x.add(offset);
            let mut columns = [S::splat(0.0); VECTORS];
            for v in 0..VECTORS {
                columns[v] = S::load(b.add(v * S::LANES));
            }
            for row in 0..ROWS {
                let x = S::splat(*x.add(if BESIDE { row } else { rows[row] }));
                for v in 0..VECTORS {
                    sums[row][v] = S::multiply_add(x, columns[v], sums[row][v]);
                }
            }
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
