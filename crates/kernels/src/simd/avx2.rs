//! 256-bit vectors with fused multiply-add.

use super::Simd;
use std::arch::x86_64::*;

/// AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// Eight ones before eight zeros: a window into it is the mask of any number of lanes.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The mask of the first `count` lanes.
#[inline(always)]
unsafe fn mask(count: usize) -> __m256i {
    debug_assert!(count <= 8);
    // SAFETY: 8 − count lies in 0..=8, so eight elements follow it.
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - count).cast()) }
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        // SAFETY: the machine has AVX2 by the trait's contract, here and below.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(pointer: *const f32) -> __m256 {
        // SAFETY: eight elements are there by the trait's contract.
        unsafe { _mm256_loadu_ps(pointer) }
    }

    #[inline(always)]
    unsafe fn store(pointer: *mut f32, value: __m256) {
        // SAFETY: as `load`.
        unsafe { _mm256_storeu_ps(pointer, value) }
    }

    #[inline(always)]
    unsafe fn load_partial(pointer: *const f32, count: usize) -> __m256 {
        // SAFETY: masked lanes are not touched.
        unsafe { _mm256_maskload_ps(pointer, mask(count)) }
    }

    #[inline(always)]
    unsafe fn store_partial(pointer: *mut f32, value: __m256, count: usize) {
        // SAFETY: masked lanes are not touched.
        unsafe { _mm256_maskstore_ps(pointer, mask(count), value) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: as `splat`.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as `splat`.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn subtract(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as `splat`.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as `splat`.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as `splat`.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        // SAFETY: as `splat`.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn prefetch(pointer: *const f32) {
        // SAFETY: a hint never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(pointer.cast()) };
    }

    #[inline(always)]
    fn prefetch_far(pointer: *const f32) {
        // SAFETY: a hint never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(pointer.cast()) };
    }
}
