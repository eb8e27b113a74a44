//! 512-bit vectors.

use super::Simd;
use std::arch::x86_64::*;
use std::mem::transmute;

/// AVX-512 (F, VL, BW, DQ). With `PAIRS`, which needs BF16 too, see [`super::vector`], the factors are pairs of 16-bit numbers.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const PAIRS: bool = false>;

/// The mask of the first `count` lanes.
#[inline(always)]
fn mask(count: usize) -> __mmask16 {
    debug_assert!(count <= 16);
    ((1_u32 << count) - 1) as __mmask16
}

impl<const PAIRS: bool> Simd for Avx512<PAIRS> {
    type V = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        // SAFETY: the machine has AVX-512 by the trait's contract, here and below.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(pointer: *const f32) -> __m512 {
        // SAFETY: sixteen elements are there by the trait's contract.
        unsafe { _mm512_loadu_ps(pointer) }
    }

    #[inline(always)]
    unsafe fn store(pointer: *mut f32, value: __m512) {
        // SAFETY: as `load`.
        unsafe { _mm512_storeu_ps(pointer, value) }
    }

    #[inline(always)]
    unsafe fn load_partial(pointer: *const f32, count: usize) -> __m512 {
        // SAFETY: masked lanes are not touched.
        unsafe { _mm512_maskz_loadu_ps(mask(count), pointer) }
    }

    #[inline(always)]
    unsafe fn store_partial(pointer: *mut f32, value: __m512, count: usize) {
        // SAFETY: masked lanes are not touched.
        unsafe { _mm512_mask_storeu_ps(pointer, mask(count), value) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        if PAIRS {
            // SAFETY: the machine has BF16 by this type's contract. Both types have 512 bits of any kind.
            unsafe { _mm512_dpbf16_ps(c, transmute::<__m512, __m512bh>(a), transmute::<__m512, __m512bh>(b)) }
        } else {
            // SAFETY: as `splat`.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as `splat`.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn subtract(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as `splat`.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as `splat`.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as `splat`.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        // SAFETY: as `splat`.
        unsafe { _mm512_min_ps(a, b) }
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
