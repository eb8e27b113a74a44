//! Numbers of 16 bits: the upper half of an `f32`, which has its range and 8 of its 24 bits of precision.
//!
//! Rounding goes to the nearest such number, of two equally near to the even one, so its relative error is at most 2⁻⁸ = 0.4 %. Beyond
//! the largest it gives infinity; numbers too small to be normal are rounded like all others, not to zero (unlike the
//! processors' own instructions). (Kalamkar et al., "A study of bfloat16 for deep learning training", 2019.)

use super::CHUNK;
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// The bits that are kept, in the lower half.
#[inline(always)]
fn rounded(bits: u32) -> u32 {
    // Half a unit of what is kept, a little less where that is even; a carry moves on into the exponent.
    let nearest = bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) >> 16;
    // What tells a NaN from infinity may lie in the lower half alone.
    let quiet = (bits >> 16) | 0x40;
    if (bits & 0x7FFF_FFFF) as i32 > 0x7F80_0000 { quiet } else { nearest }
}

/// The number of 16 bits that is nearest to `x`.
#[inline(always)]
pub fn to_bf16(x: f32) -> u16 {
    rounded(x.to_bits()) as u16
}

/// What a number of 16 bits is, exactly.
#[inline(always)]
pub fn from_bf16(x: u16) -> f32 {
    f32::from_bits(u32::from(x) << 16)
}

/// `y = x` in 16 bits.
///
/// # Panics
/// If the lengths differ.
pub fn narrow(x: &[f32], y: &mut [u16]) {
    assert_eq!(x.len(), y.len(), "narrow: lengths differ");
    par::for_each_chunk(y, CHUNK, x.len() as u64 / 5, |start, y| {
        narrow_piece(&x[start..start + y.len()], y);
    });
}

/// `y = x` for `x` in 16 bits.
///
/// # Panics
/// If the lengths differ.
pub fn widen(x: &[u16], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "widen: lengths differ");
    par::for_each_chunk(y, CHUNK, x.len() as u64 / 5, |start, y| {
        widen_piece(&x[start..start + y.len()], y);
    });
}

/// Rounds each element to what 16 bits can hold.
pub fn round_in_place(y: &mut [f32]) {
    par::for_each_chunk(y, CHUNK, y.len() as u64 / 5, |_, y| round_piece(y));
}

/// Rounds each element of `y` to what 16 bits can hold, and writes it to `stored` too.
///
/// # Panics
/// If the lengths differ.
pub fn narrow_in_place(y: &mut [f32], stored: &mut [u16]) {
    assert_eq!(y.len(), stored.len(), "narrow_in_place: lengths differ");
    let stored = Shared::new(stored);
    par::for_each_chunk(y, CHUNK, y.len() as u64 / 4, |start, y| {
        // SAFETY: pieces of `y` do not overlap, and this is the same range.
        narrow_piece_in_place(y, unsafe { stored.part(start, y.len()) });
    });
}

vectorized! {
    fn narrow_piece(x: &[f32], y: &mut [u16]) {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = to_bf16(x));
    }
}

vectorized! {
    fn widen_piece(x: &[u16], y: &mut [f32]) {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = from_bf16(x));
    }
}

vectorized! {
    fn round_piece(y: &mut [f32]) {
        y.iter_mut().for_each(|y| *y = f32::from_bits(rounded(y.to_bits()) << 16));
    }
}

vectorized! {
    fn narrow_piece_in_place(y: &mut [f32], stored: &mut [u16]) {
        y.iter_mut().zip(stored).for_each(|(y, stored)| {
            let bits = rounded(y.to_bits());
            *y = f32::from_bits(bits << 16);
            *stored = bits as u16;
        });
    }
}
