//! The kernels of each instruction set.

use super::correlate::{self, MAX_TAPS};
use super::gather::{self, MAX_PIXELS};
use super::walk::Tap;
use crate::cpu::Isa;
use crate::simd::Plain;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};

/// Number of kinds of kernels that gather.
const KINDS: usize = 5;

/// The kind for any taps.
pub(super) const ANY: usize = 0;

/// The kind of kernels for taps of columns whose neighbours have sources `step` apart.
pub(super) fn kind_of(taps: &[Tap], step: usize) -> usize {
    let [first, second, ..] = taps else { return ANY };
    let distance = second.source - first.source;
    let is_even = taps.windows(2).all(|pair| pair[1].source - pair[0].source == distance);
    match (taps.len(), step / distance, is_even && step.is_multiple_of(distance)) {
        (2, 1, true) => 1,
        (3, 1, true) => 2,
        (3, 2, true) => 3,
        (5, 1, true) => 4,
        _ => ANY,
    }
}

/// The micro-kernels of an instruction set.
#[derive(Debug)]
pub(super) struct Kernels {
    /// Elements of a vector.
    pub lanes: usize,
    /// `gather[kind][pixels − 1]`, see [`kind_of`].
    pub gather: [[gather::Kernel; MAX_PIXELS]; KINDS],
    /// `correlate[lines − 1][taps − 1]`.
    pub correlate: [[correlate::Kernel; MAX_TAPS]; MAX_TAPS],
}

impl Kernels {
    /// The kernels of `isa`.
    pub(super) fn of(isa: Isa) -> &'static Self {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &AVX512,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => &NEON,
            Isa::Emulated512 => &EMULATED512,
            _ => &SCALAR,
        }
    }
}

/// Defines the kernels of one instruction set.
macro_rules! kernels {
    ($(#[$attribute:meta])? $name:ident, $simd:ty, $lanes:literal, $gather:ident, $sliding:ident, $correlate:ident) => {
        $(#[$attribute])?
        unsafe fn $gather<const PIXELS: usize>(tile: &gather::Tile<'_>) {
            // SAFETY: the caller keeps the contract of the kernel; the features are enabled here.
            unsafe { gather::run::<$simd, PIXELS>(tile) }
        }

        $(#[$attribute])?
        unsafe fn $sliding<const TAPS: usize, const STRIDE: usize, const PIXELS: usize>(tile: &gather::Tile<'_>) {
            // SAFETY: as above.
            unsafe { gather::run_sliding::<$simd, TAPS, STRIDE, PIXELS>(tile) }
        }

        $(#[$attribute])?
        unsafe fn $correlate<const LINES: usize, const TAPS: usize>(tile: &correlate::Tile) {
            // SAFETY: as above.
            unsafe { correlate::run::<$simd, LINES, TAPS>(tile) }
        }

        static $name: Kernels = Kernels {
            lanes: $lanes,
            gather: [
                [
                    $gather::<1>, $gather::<2>, $gather::<3>, $gather::<4>,
                    $gather::<5>, $gather::<6>, $gather::<7>, $gather::<8>,
                ],
                kernels!(@sliding $gather, $sliding, 2, 1),
                kernels!(@sliding $gather, $sliding, 3, 1),
                kernels!(@sliding $gather, $sliding, 3, 2),
                kernels!(@sliding $gather, $sliding, 5, 1),
            ],
            correlate: [
                [$correlate::<1, 1>, $correlate::<1, 2>, $correlate::<1, 3>],
                [$correlate::<2, 1>, $correlate::<2, 2>, $correlate::<2, 3>],
                [$correlate::<3, 1>, $correlate::<3, 2>, $correlate::<3, 3>],
            ],
        };
    };
    (@sliding $gather:ident, $sliding:ident, $taps:literal, $stride:literal) => {
        [
            $gather::<1>, $gather::<2>, $gather::<3>,
            $sliding::<$taps, $stride, 4>, $sliding::<$taps, $stride, 5>, $sliding::<$taps, $stride, 6>,
            $sliding::<$taps, $stride, 7>, $sliding::<$taps, $stride, 8>,
        ]
    };
}

kernels!(SCALAR, Plain<4>, 4, scalar_gather, scalar_sliding, scalar_correlate);
kernels!(EMULATED512, Plain<16>, 16, emulated512_gather, emulated512_sliding, emulated512_correlate);
#[cfg(target_arch = "aarch64")]
kernels!(NEON, crate::simd::Neon, 8, neon_gather, neon_sliding, neon_correlate);
#[cfg(target_arch = "x86_64")]
kernels!(
    #[target_feature(enable = "avx2,fma")]
    AVX2,
    Avx2,
    8,
    avx2_gather,
    avx2_sliding,
    avx2_correlate
);
#[cfg(target_arch = "x86_64")]
kernels!(
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
    AVX512,
    Avx512,
    16,
    avx512_gather,
    avx512_sliding,
    avx512_correlate
);
