//! Pairs of 128-bit vectors of AArch64, where they belong to the architecture.
//!
//! A pair has as many elements as a vector of AVX2, so tiles and panels are as wide; the registers are twice as many as
//! there, which the pairs use up.

use super::Simd;
use std::arch::aarch64::*;

/// NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// The first `count` (at most 4) elements; the others are zero and not touched.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn load_first(pointer: *const f32, count: usize) -> float32x4_t {
    // SAFETY: NEON belongs to the architecture, here and below; each arm touches `count` elements.
    unsafe {
        let zero = vdupq_n_f32(0.0);
        match count {
            0 => zero,
            1 => vld1q_lane_f32::<0>(pointer, zero),
            2 => vcombine_f32(vld1_f32(pointer), vdup_n_f32(0.0)),
            3 => vld1q_lane_f32::<2>(pointer.add(2), vcombine_f32(vld1_f32(pointer), vdup_n_f32(0.0))),
            _ => vld1q_f32(pointer),
        }
    }
}

/// Stores the first `count` (at most 4) elements. Inlined, it would be so much text that the loop over a tile's sums were
/// not unrolled, and the sums would live in memory instead of registers.
///
/// # Safety
/// They must be writable.
#[inline(never)]
unsafe fn store_first(pointer: *mut f32, value: float32x4_t, count: usize) {
    // SAFETY: each arm touches `count` elements.
    unsafe {
        match count {
            0 => {}
            1 => vst1q_lane_f32::<0>(pointer, value),
            2 => vst1_f32(pointer, vget_low_f32(value)),
            3 => {
                vst1_f32(pointer, vget_low_f32(value));
                vst1q_lane_f32::<2>(pointer.add(2), value);
            }
            _ => vst1q_f32(pointer, value),
        }
    }
}

impl Simd for Neon {
    type V = (float32x4_t, float32x4_t);
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        // SAFETY: NEON belongs to the architecture, here and below.
        let half = unsafe { vdupq_n_f32(value) };
        (half, half)
    }

    #[inline(always)]
    unsafe fn load(pointer: *const f32) -> Self::V {
        // SAFETY: eight elements are there by the trait's contract.
        unsafe { (vld1q_f32(pointer), vld1q_f32(pointer.add(4))) }
    }

    #[inline(always)]
    unsafe fn store(pointer: *mut f32, value: Self::V) {
        // SAFETY: as `load`.
        unsafe {
            vst1q_f32(pointer, value.0);
            vst1q_f32(pointer.add(4), value.1);
        }
    }

    #[inline(always)]
    unsafe fn load_partial(pointer: *const f32, count: usize) -> Self::V {
        debug_assert!(count <= 8);
        let low = count.min(4);
        // SAFETY: `count` elements are there by the trait's contract, `low` of them in the first half.
        unsafe { (load_first(pointer, low), load_first(pointer.add(low), count - low)) }
    }

    #[inline(always)]
    unsafe fn store_partial(pointer: *mut f32, value: Self::V, count: usize) {
        debug_assert!(count <= 8);
        let low = count.min(4);
        // SAFETY: as `load_partial`.
        unsafe {
            store_first(pointer, value.0, low);
            store_first(pointer.add(low), value.1, count - low);
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: as `splat`.
        unsafe { (vfmaq_f32(c.0, a.0, b.0), vfmaq_f32(c.1, a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: as `splat`.
        unsafe { (vaddq_f32(a.0, b.0), vaddq_f32(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: as `splat`. NEON's own maximum would pass on a NaN of `a`, against the trait's contract.
        unsafe { (vbslq_f32(vcgtq_f32(a.0, b.0), a.0, b.0), vbslq_f32(vcgtq_f32(a.1, b.1), a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: as `max`.
        unsafe { (vbslq_f32(vcltq_f32(a.0, b.0), a.0, b.0), vbslq_f32(vcltq_f32(a.1, b.1), a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn subtract(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: as `splat`.
        unsafe { (vsubq_f32(a.0, b.0), vsubq_f32(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn multiply(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: as `splat`.
        unsafe { (vmulq_f32(a.0, b.0), vmulq_f32(a.1, b.1)) }
    }
}
