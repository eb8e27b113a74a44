//! Pixels to numbers.

use crate::par;
use crate::simd::vectorized;

/// Elements of a piece of a loop.
const CHUNK: usize = 1 << 14;

/// `dst[i] = src[i] · scale`.
///
/// # Panics
/// If the lengths differ.
pub fn u8_to_f32(src: &[u8], scale: f32, dst: &mut [f32]) {
    assert_eq!(src.len(), dst.len(), "u8_to_f32: lengths differ");
    par::for_each_chunk(dst, CHUNK, src.len() as u64 / 5, |start, dst| {
        convert(&src[start..start + dst.len()], scale, dst);
    });
}

vectorized! {
    fn convert(src: &[u8], scale: f32, dst: &mut [f32]) {
        dst.iter_mut().zip(src).for_each(|(dst, src)| *dst = f32::from(*src) * scale);
    }
}
