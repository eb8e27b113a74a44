//! The two-dimensional transforms of a tile, vectorised over channels and compiled for each instruction set.

use super::TileSize;
use super::points::{self, Four, MAX, Points, Six, Two};
use crate::cpu::Isa;
use crate::elementwise::Bounds;
use crate::simd::{Plain, Simd};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Pixels to points: `Bᵀ·d·B` of a tile of the input, or `A·e·Aᵀ` of a tile of the output's gradient.
pub(super) struct Scatter {
    /// The tile's first pixel. It and others may lie outside the picture, where there is no memory.
    pub source: *const f32,
    /// Elements from a row of the picture to the next.
    pub row_stride: usize,
    /// Rows of the tile inside the picture.
    pub rows: Range<usize>,
    /// Columns of the tile inside the picture.
    pub columns: Range<usize>,
    /// Channels, which is also the distance of neighbouring pixels.
    pub channels: usize,
    /// Where the first channel at the first point goes, with space for channels up to a whole vector.
    pub target: *mut f32,
    /// Elements from a point to the next.
    pub point_stride: usize,
}

/// Points to pixels: `Aᵀ·p·A` of a tile of products, and what is done to the sums.
pub(super) struct Gather {
    /// The first product of the first point.
    pub source: *const f32,
    /// Elements from a point to the next.
    pub point_stride: usize,
    /// Where the tile's first pixel goes.
    pub target: *mut f32,
    /// Elements from a row of the picture to the next.
    pub row_stride: usize,
    /// Elements from a pixel to the next.
    pub pixel_stride: usize,
    /// Rows of the tile inside the picture.
    pub rows: usize,
    /// Columns of the tile inside the picture.
    pub columns: usize,
    /// Channels that are wanted.
    pub channels: usize,
    /// Added to each pixel; null for none.
    pub bias: *const f32,
    /// Pixels like those of the target that are added before; null for none. They may be the target itself.
    pub residual: *const f32,
    /// Between which numbers results are kept.
    pub bounds: Bounds,
}

/// Nine taps for many rows of a panel: to points (`G·g·Gᵀ`), or back as a gradient (`Gᵀ·s·G`).
pub(super) struct Taps {
    /// The first tap of the first row.
    pub taps: *mut f32,
    /// Elements from there to each tap.
    pub places: [isize; 9],
    /// Elements from a row to the next.
    pub row_stride: usize,
    /// Rows.
    pub rows: usize,
    /// Channels that are wanted.
    pub channels: usize,
    /// The first row of the panel at the first point.
    pub points: *mut f32,
    /// Elements from a point to the next.
    pub point_stride: usize,
    /// Elements of a row of the panel: two vectors.
    pub width: usize,
}

/// The transforms of a tile size and an instruction set.
///
/// # Safety
/// The machine must have the instruction set, and memory must be as the arguments say.
#[derive(Debug)]
pub(super) struct Transforms {
    /// Tiles of the input; the second one for tiles with pixels outside.
    pub data: [unsafe fn(&Scatter); 2],
    /// As `data`, for tiles of the output's gradient.
    pub results_gradient: [unsafe fn(&Scatter); 2],
    /// Tiles of products.
    pub results: unsafe fn(&Gather),
    /// Taps to points.
    pub taps: unsafe fn(&Taps),
    /// Points to the gradient of the taps.
    pub taps_gradient: unsafe fn(&Taps),
}

impl Transforms {
    pub(super) fn of(isa: Isa, size: TileSize) -> &'static Self {
        let all = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &avx2::TRANSFORMS,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &avx512::TRANSFORMS,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => &neon::TRANSFORMS,
            Isa::Emulated512 => &emulated512::TRANSFORMS,
            _ => &scalar::TRANSFORMS,
        };
        match size {
            TileSize::Two => &all[0],
            TileSize::Four => &all[1],
            TileSize::Six => &all[2],
        }
    }
}

/// Defines the transforms of one instruction set.
macro_rules! transforms {
    ($name:ident, $simd:ty, $(#[$feature:meta])?) => {
        mod $name {
            use super::*;

            $(#[$feature])?
            unsafe fn data<P: Points, const BORDER: bool>(call: &Scatter) {
                // SAFETY: the caller keeps the contract; the features are enabled here, and below.
                unsafe { scatter::<$simd, P, BORDER, false>(call) }
            }

            $(#[$feature])?
            unsafe fn results_gradient<P: Points, const BORDER: bool>(call: &Scatter) {
                // SAFETY: as above.
                unsafe { scatter::<$simd, P, BORDER, true>(call) }
            }

            $(#[$feature])?
            unsafe fn results<P: Points>(call: &Gather) {
                // SAFETY: as above.
                unsafe { gather::<$simd, P>(call) }
            }

            $(#[$feature])?
            unsafe fn taps<P: Points>(call: &Taps) {
                // SAFETY: as above.
                unsafe { taps_to_points::<$simd, P>(call) }
            }

            $(#[$feature])?
            unsafe fn taps_gradient<P: Points>(call: &Taps) {
                // SAFETY: as above.
                unsafe { points_to_taps::<$simd, P>(call) }
            }

            const fn of<P: Points>() -> Transforms {
                Transforms {
                    data: [data::<P, false>, data::<P, true>],
                    results_gradient: [results_gradient::<P, false>, results_gradient::<P, true>],
                    results: results::<P>,
                    taps: taps::<P>,
                    taps_gradient: taps_gradient::<P>,
                }
            }

            pub(super) static TRANSFORMS: [Transforms; 3] = [of::<Two>(), of::<Four>(), of::<Six>()];
        }
    };
}

transforms!(scalar, Plain<4>,);
transforms!(emulated512, Plain<16>,);
#[cfg(target_arch = "aarch64")]
transforms!(neon, crate::simd::Neon,);
#[cfg(target_arch = "x86_64")]
transforms!(avx2, crate::simd::Avx2, #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "x86_64")]
transforms!(avx512, crate::simd::Avx512, #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]);

/// A square of vectors between the two halves of a transform.
type Square<V> = [[MaybeUninit<V>; MAX]; MAX];

/// Row or column of a square.
#[inline(always)]
unsafe fn line<S: Simd>(count: usize, mut at: impl FnMut(usize) -> S::V) -> [S::V; MAX] {
    // SAFETY: the caller's machine has the instruction set.
    let mut line = [unsafe { S::splat(0.0) }; MAX];
    for i in 0..count {
        line[i] = at(i);
    }
    line
}

/// Calls `f(first lane, lanes wanted)` for each vector of `channels`.
#[inline(always)]
fn for_each_vector<S: Simd>(channels: usize, mut f: impl FnMut(usize, usize)) {
    let mut start = 0;
    while start < channels {
        f(start, S::LANES.min(channels - start));
        start += S::LANES;
    }
}

#[inline(always)]
unsafe fn load<S: Simd>(pointer: *const f32, wanted: usize) -> S::V {
    // SAFETY: `wanted` elements are there by the caller's contract.
    unsafe { if wanted == S::LANES { S::load(pointer) } else { S::load_partial(pointer, wanted) } }
}

#[inline(always)]
unsafe fn store<S: Simd>(pointer: *mut f32, value: S::V, wanted: usize) {
    // SAFETY: `wanted` elements are there by the caller's contract.
    unsafe {
        if wanted == S::LANES { S::store(pointer, value) } else { S::store_partial(pointer, value, wanted) }
    }
}

#[inline(always)]
unsafe fn scatter<S: Simd, P: Points, const BORDER: bool, const GRADIENT: bool>(call: &Scatter) {
    let (pixels, n) = (if GRADIENT { P::OUTPUTS } else { P::POINTS }, P::POINTS);
    for_each_vector::<S>(call.channels, |channel, wanted| {
        let mut square: Square<S::V> = [[MaybeUninit::uninit(); MAX]; MAX];
        // SAFETY: pixels outside are not read; those inside have `channels` elements, and each point has space for
        // whole vectors. All elements of the square that are read were written before.
        unsafe {
            let transform = |line: &[S::V; MAX]| {
                if GRADIENT { points::results_gradient::<S, P>(line) } else { points::data::<S, P>(line) }
            };
            for column in 0..pixels {
                let source = call.source.wrapping_add(column * call.channels + channel);
                let points = transform(&line::<S>(pixels, |row| {
                    if !BORDER || (call.rows.contains(&row) && call.columns.contains(&column)) {
                        load::<S>(source.wrapping_add(row * call.row_stride), wanted)
                    } else {
                        S::splat(0.0)
                    }
                }));
                for row in 0..n {
                    square[row][column].write(points[row]);
                }
            }
            let mut target = call.target.add(channel);
            for row in 0..n {
                let points = transform(&line::<S>(pixels, |column| square[row][column].assume_init()));
                for column in 0..n {
                    S::store(target, points[column]);
                    target = target.wrapping_add(call.point_stride);
                }
            }
        }
    });
}

#[inline(always)]
unsafe fn gather<S: Simd, P: Points>(call: &Gather) {
    let (m, n) = (P::OUTPUTS, P::POINTS);
    for_each_vector::<S>(call.channels, |channel, wanted| {
        let mut square: Square<S::V> = [[MaybeUninit::uninit(); MAX]; MAX];
        // SAFETY: the products are there in whole vectors, and `channels` elements of each pixel inside, of the target and
        // of the residual, and of the bias. All elements of the square that are read were written before.
        unsafe {
            let bias =
                if call.bias.is_null() { S::splat(0.0) } else { load::<S>(call.bias.add(channel), wanted) };
            for column in 0..n {
                let source = call.source.add(column * call.point_stride + channel);
                let results = points::results::<S, P>(&line::<S>(n, |row| {
                    S::load(source.add(row * n * call.point_stride))
                }));
                for row in 0..m {
                    square[row][column].write(results[row]);
                }
            }
            for row in 0..call.rows.min(m) {
                let mut results =
                    points::results::<S, P>(&line::<S>(n, |column| square[row][column].assume_init()));
                let residual = call.residual.wrapping_add(row * call.row_stride + channel);
                for (column, result) in results[..m].iter_mut().enumerate() {
                    *result = S::add(*result, bias);
                    if !call.residual.is_null() && column < call.columns {
                        let pixel = residual.wrapping_add(column * call.pixel_stride);
                        *result = S::add(*result, load::<S>(pixel, wanted));
                    }
                    // In this order a NaN stays one.
                    if call.bounds.rectified {
                        *result = S::max(S::splat(0.0), *result);
                    }
                    if call.bounds.ceiling < f32::INFINITY {
                        *result = S::min(S::splat(call.bounds.ceiling), *result);
                    }
                }
                let target = call.target.wrapping_add(row * call.row_stride + channel);
                for column in 0..m {
                    if column < call.columns {
                        store::<S>(target.wrapping_add(column * call.pixel_stride), results[column], wanted);
                    }
                }
            }
        }
    });
}

#[inline(always)]
unsafe fn taps_to_points<S: Simd, P: Points>(call: &Taps) {
    let n = P::POINTS;
    for row in 0..call.rows {
        for_each_vector::<S>(call.width, |channel, _| {
            let wanted = S::LANES.min(call.channels.saturating_sub(channel));
            let mut square: Square<S::V> = [[MaybeUninit::uninit(); MAX]; MAX];
            // SAFETY: each tap of each row has `channels` elements, and each point a row of whole vectors. All elements
            // of the square that are read were written before.
            unsafe {
                let source = call.taps.wrapping_add(row * call.row_stride + channel);
                for column in 0..3 {
                    let mut taps = [S::splat(0.0); 3];
                    if wanted > 0 {
                        for (k, tap) in taps.iter_mut().enumerate() {
                            *tap = load::<S>(source.wrapping_offset(call.places[3 * k + column]), wanted);
                        }
                    }
                    let points = points::taps::<S, P>(&taps);
                    for k in 0..n {
                        square[k][column].write(points[k]);
                    }
                }
                let mut target = call.points.wrapping_add(row * call.width + channel);
                for k in 0..n {
                    let taps = [0, 1, 2].map(|column| square[k][column].assume_init());
                    let points = points::taps::<S, P>(&taps);
                    for column in 0..n {
                        S::store(target, points[column]);
                        target = target.wrapping_add(call.point_stride);
                    }
                }
            }
        });
    }
}

#[inline(always)]
unsafe fn points_to_taps<S: Simd, P: Points>(call: &Taps) {
    let n = P::POINTS;
    for row in 0..call.rows {
        for_each_vector::<S>(call.channels, |channel, wanted| {
            let mut square: Square<S::V> = [[MaybeUninit::uninit(); MAX]; MAX];
            // SAFETY: as in `taps_to_points`, with the points read and the taps written.
            unsafe {
                let source = call.points.wrapping_add(row * call.width + channel);
                for column in 0..n {
                    let taps = points::taps_gradient::<S, P>(&line::<S>(n, |k| {
                        S::load(source.add((k * n + column) * call.point_stride))
                    }));
                    for k in 0..3 {
                        square[k][column].write(taps[k]);
                    }
                }
                let target = call.taps.wrapping_add(row * call.row_stride + channel);
                for k in 0..3 {
                    let points = line::<S>(n, |column| square[k][column].assume_init());
                    let taps = points::taps_gradient::<S, P>(&points);
                    for column in 0..3 {
                        let place = call.places[3 * k + column];
                        store::<S>(target.wrapping_offset(place), taps[column], wanted);
                    }
                }
            }
        });
    }
}
