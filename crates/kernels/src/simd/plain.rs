//! Vectors as plain arrays, for any machine: right everywhere, and the oracle of the others.

use super::Simd;

/// `N` elements, added and multiplied one by one. With `PAIRS` the factors are pairs of 16-bit numbers, see [`super::vector`].
#[derive(Clone, Copy)]
pub(crate) struct Plain<const N: usize, const PAIRS: bool = false>;

/// The two numbers of 16 bits in the lower and the upper half.
#[inline(always)]
fn pair(x: f32) -> (f32, f32) {
    (f32::from_bits(x.to_bits() << 16), f32::from_bits(x.to_bits() & 0xFFFF_0000))
}

impl<const N: usize, const PAIRS: bool> Simd for Plain<N, PAIRS> {
    type V = [f32; N];
    const LANES: usize = N;

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; N] {
        [value; N]
    }

    #[inline(always)]
    unsafe fn load(pointer: *const f32) -> [f32; N] {
        // SAFETY: N elements are there by the trait's contract.
        unsafe { pointer.cast::<[f32; N]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(pointer: *mut f32, value: [f32; N]) {
        // SAFETY: as `load`.
        unsafe { pointer.cast::<[f32; N]>().write_unaligned(value) }
    }

    #[inline(always)]
    unsafe fn load_partial(pointer: *const f32, count: usize) -> [f32; N] {
        let mut value = [0.0; N];
        for (lane, value) in value.iter_mut().enumerate().take(count) {
            // SAFETY: `count` elements are there by the trait's contract.
            *value = unsafe { *pointer.add(lane) };
        }
        value
    }

    #[inline(always)]
    unsafe fn store_partial(pointer: *mut f32, value: [f32; N], count: usize) {
        for (lane, value) in value.iter().enumerate().take(count) {
            // SAFETY: as `load_partial`.
            unsafe { *pointer.add(lane) = *value };
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: [f32; N], b: [f32; N], mut c: [f32; N]) -> [f32; N] {
        for lane in 0..N {
            if PAIRS {
                let [(a_low, a_high), (b_low, b_high)] = [pair(a[lane]), pair(b[lane])];
                // The order of the processors' instruction. Products of 8 significant bits are exact, so that it does not matter
                // whether they are rounded before they are added.
                c[lane] += a_high * b_high;
                c[lane] += a_low * b_low;
            } else {
                c[lane] += a[lane] * b[lane];
            }
        }
        c
    }

    #[inline(always)]
    unsafe fn add(mut a: [f32; N], b: [f32; N]) -> [f32; N] {
        for lane in 0..N {
            a[lane] += b[lane];
        }
        a
    }

    #[inline(always)]
    unsafe fn subtract(mut a: [f32; N], b: [f32; N]) -> [f32; N] {
        for lane in 0..N {
            a[lane] -= b[lane];
        }
        a
    }

    #[inline(always)]
    unsafe fn multiply(mut a: [f32; N], b: [f32; N]) -> [f32; N] {
        for lane in 0..N {
            a[lane] *= b[lane];
        }
        a
    }

    #[inline(always)]
    unsafe fn max(mut a: [f32; N], b: [f32; N]) -> [f32; N] {
        for lane in 0..N {
            a[lane] = if a[lane] > b[lane] { a[lane] } else { b[lane] };
        }
        a
    }

    #[inline(always)]
    unsafe fn min(mut a: [f32; N], b: [f32; N]) -> [f32; N] {
        for lane in 0..N {
            a[lane] = if a[lane] < b[lane] { a[lane] } else { b[lane] };
        }
        a
    }
}
