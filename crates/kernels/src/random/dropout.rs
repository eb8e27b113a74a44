//! Dropout, whose mask is made anew in the backward pass instead of being kept.

use super::philox::Philox;
use crate::par;
use crate::simd::vectorized;

/// Blocks of random words made side by side.
const LANES: usize = 16;
/// Elements that these make: word w of block b is for element `w·LANES + b` of the group.
const GROUP: usize = 4 * LANES;
/// Elements of a piece of a loop; whole groups.
const CHUNK: usize = 64 * GROUP;

/// `out[i] = x[i] / (1 − rate)` with probability 1 − rate, else 0. Which elements are kept depends on `seed`, `stream`,
/// `step` and i only, so the same call on the gradient is its own backward pass.
///
/// # Panics
/// If the lengths differ or `rate` is not in [0, 1].
pub fn dropout(x: &[f32], rate: f32, seed: u64, stream: u64, step: u64, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "dropout: lengths differ");
    let mask = Mask::new(rate, seed, stream, step);
    par::for_each_chunk(out, CHUNK, x.len() as u64, |start, out| {
        out.copy_from_slice(&x[start..start + out.len()]);
        mask_piece(mask, (start / 4) as u64, out);
    });
}

/// As [`dropout`], in place.
///
/// # Panics
/// If `rate` is not in [0, 1].
pub fn dropout_in_place(x: &mut [f32], rate: f32, seed: u64, stream: u64, step: u64) {
    let mask = Mask::new(rate, seed, stream, step);
    par::for_each_chunk(x, CHUNK, x.len() as u64, |start, x| mask_piece(mask, (start / 4) as u64, x));
}

#[derive(Clone, Copy)]
struct Mask {
    philox: Philox,
    /// Words whose high 24 bits are below this drop their element.
    threshold: u32,
    scale: f32,
}

impl Mask {
    fn new(rate: f32, seed: u64, stream: u64, step: u64) -> Self {
        assert!((0.0..=1.0).contains(&rate), "dropout: rate {rate} is not between 0 and 1");
        // The step goes into the key, so that the whole counter is left for the elements. Multiplying by an odd number
        // keeps different steps of one seed apart.
        let key = seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let scale = if rate < 1.0 { 1.0 / (1.0 - rate) } else { 0.0 };
        let threshold = (f64::from(rate) * f64::from(1 << 24)).ceil() as u32;
        Self { philox: Philox::new(key, stream), threshold, scale }
    }

    /// Zero or the scale for the elements of the group whose first block is `block`.
    #[inline(always)]
    fn factors(&self, block: u64) -> [[f32; LANES]; 4] {
        self.philox.blocks::<LANES>(block).map(|words| {
            let mut factors = [0.0; LANES];
            for lane in 0..LANES {
                factors[lane] = if words[lane] as u32 >> 8 >= self.threshold { self.scale } else { 0.0 };
            }
            factors
        })
    }
}

vectorized! {
    fn mask_piece(mask: Mask, first_block: u64, x: &mut [f32]) {
        for (group, x) in x.chunks_mut(GROUP).enumerate() {
            let factors = mask.factors(first_block + (group * LANES) as u64);
            for (x, factors) in x.chunks_mut(LANES).zip(&factors) {
                // A comparison instead of the product alone, so that what is dropped is zero even if it was infinite.
                x.iter_mut().zip(factors).for_each(|(x, factor)| *x = if *factor > 0.0 { *x * factor } else { 0.0 });
            }
        }
    }
}
