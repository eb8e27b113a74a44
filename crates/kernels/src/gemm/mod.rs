//! Register-tiled micro-kernels: the inner loops of convolutions and dense layers.
//!
//! Two kernels, written once over [`Simd`](crate::simd::Simd) and compiled for each instruction set and tile size:
//! [`brgemm`] (batch-reduce matrix product: forward and data gradient) and [`outer`] (sum of outer products: weight
//! gradient). A tile is `rows × 2·lanes` of the result, held in registers over the whole inner loop.

pub(crate) mod brgemm;
pub(crate) mod outer;
pub(crate) mod pack;

mod emulated512;
mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use crate::cpu::Isa;

/// Most rows that a tile of any instruction set has.
pub(crate) const MAX_ROWS: usize = 14;

/// The micro-kernels of an instruction set.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// Rows of a full tile.
    pub rows: usize,
    /// Rows of a full tile of the kernels of short runs. They address each row on its own, and with too many of them
    /// sums are pushed out of their registers.
    pub scattered_rows: usize,
    /// Elements of a vector.
    pub lanes: usize,
    /// `brgemm[vectors − 1][rows − 1]`: tiles of one or two vectors of columns.
    pub brgemm: [&'static [brgemm::Kernel]; 2],
    /// As `brgemm`, for short runs.
    pub brgemm_short: [&'static [brgemm::Kernel]; 2],
    /// `outer[vectors − 1][rows − 1]`.
    pub outer: [&'static [outer::Kernel]; 2],
    /// Packs the rows of `outer`.
    pub pack_rows: outer::Pack,
    /// Packs the columns of `outer`.
    pub pack_columns: outer::PackColumns,
}

impl Kernels {
    /// The kernels of `isa`.
    pub(crate) fn of(isa: Isa) -> &'static Self {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &avx2::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &avx512::KERNELS,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => &neon::KERNELS,
            Isa::Emulated512 => &emulated512::KERNELS,
            _ => &scalar::KERNELS,
        }
    }

    /// The kernels of `isa` on pairs of 16-bit numbers, if it and this machine have an instruction for them: `brgemm` is theirs, with two
    /// products for each element of A and B.
    pub(crate) fn of_pairs(isa: Isa) -> Option<&'static Self> {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => isa.has_pairs().then_some(&avx512::PAIR_KERNELS),
            Isa::Emulated512 => Some(&emulated512::PAIR_KERNELS),
            _ => None,
        }
    }

    /// Columns of a full tile, which is also the width of a packed panel.
    pub(crate) const fn columns(&self) -> usize {
        2 * self.lanes
    }

    /// Index into the tables for a tile of which `columns` are wanted.
    pub(crate) const fn width_index(&self, columns: usize) -> usize {
        (columns > self.lanes) as usize
    }
}

/// Defines the kernels of one instruction set.
macro_rules! kernels {
    ($(#[$feature:meta])? $simd:ty, $lanes:literal, $full:literal, $scattered:literal, $brgemm:ident, $outer:ident, $rows:tt, $few_rows:tt) => {
        $(#[$feature])?
        unsafe fn $brgemm<const ROWS: usize, const VECTORS: usize, const SHORT: bool>(
            tile: &$crate::gemm::brgemm::Tile,
        ) {
            // SAFETY: the caller keeps the contract of the kernel; the features are enabled here.
            unsafe { $crate::gemm::brgemm::run::<$simd, ROWS, VECTORS, SHORT>(tile) }
        }

        $(#[$feature])?
        unsafe fn $outer<const ROWS: usize, const VECTORS: usize>(tile: &$crate::gemm::outer::Tile) {
            // SAFETY: as above.
            unsafe { $crate::gemm::outer::run::<$simd, ROWS, VECTORS>(tile) }
        }

        $(#[$feature])?
        unsafe fn pack_rows(
            input: *const f32,
            tiles: &[$crate::gemm::outer::Rows],
            offsets: &[usize],
            x: *mut f32,
            distance: usize,
        ) {
            // SAFETY: as above.
            unsafe { $crate::gemm::outer::pack::<$simd>(input, tiles, offsets, x, distance) }
        }

        $(#[$feature])?
        unsafe fn pack_columns(
            rows: *const f32,
            stride: usize,
            count: usize,
            columns: usize,
            b: *mut f32,
            distance: usize,
            sums: *mut f32,
        ) {
            // SAFETY: as above.
            unsafe { $crate::gemm::outer::pack_columns::<$simd>(rows, stride, count, columns, b, distance, sums) }
        }

        pub(super) static KERNELS: $crate::gemm::Kernels = $crate::gemm::Kernels {
            rows: $full,
            scattered_rows: $scattered,
            lanes: $lanes,
            brgemm: [
                $crate::gemm::kernels!(@table $brgemm, 1, false; $rows),
                $crate::gemm::kernels!(@table $brgemm, 2, false; $rows),
            ],
            brgemm_short: [
                $crate::gemm::kernels!(@table $brgemm, 1, true; $few_rows),
                $crate::gemm::kernels!(@table $brgemm, 2, true; $few_rows),
            ],
            outer: [
                $crate::gemm::kernels!(@table $outer, 1; $rows),
                $crate::gemm::kernels!(@table $outer, 2; $rows),
            ],
            pack_rows,
            pack_columns,
        };
    };
    (@pairs $(#[$feature:meta])? $simd:ty, $brgemm:ident, $rows:tt, $few_rows:tt) => {
        $(#[$feature])?
        unsafe fn $brgemm<const ROWS: usize, const VECTORS: usize, const SHORT: bool>(
            tile: &$crate::gemm::brgemm::Tile,
        ) {
            // SAFETY: the caller keeps the contract of the kernel; the features are enabled here.
            unsafe { $crate::gemm::brgemm::run::<$simd, ROWS, VECTORS, SHORT>(tile) }
        }

        pub(super) static PAIR_KERNELS: $crate::gemm::Kernels = $crate::gemm::Kernels {
            brgemm: [
                $crate::gemm::kernels!(@table $brgemm, 1, false; $rows),
                $crate::gemm::kernels!(@table $brgemm, 2, false; $rows),
            ],
            brgemm_short: [
                $crate::gemm::kernels!(@table $brgemm, 1, true; $few_rows),
                $crate::gemm::kernels!(@table $brgemm, 2, true; $few_rows),
            ],
            ..KERNELS
        };
    };
    (@table $kernel:ident, $vectors:literal, $variant:literal; [$($rows:literal)*]) => {
        &[$($kernel::<$rows, $vectors, $variant>),*]
    };
    (@table $kernel:ident, $vectors:literal; [$($rows:literal)*]) => {
        &[$($kernel::<$rows, $vectors>),*]
    };
}
pub(crate) use kernels;
