//! Gaussian noise, made anew in the backward pass instead of being kept.

use super::philox::Philox;
use crate::par;

/// Elements of a piece of a loop; whole blocks of four.
const CHUNK: usize = 1 << 12;

/// How noise n, normal with mean 0, acts on x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noise {
    /// x + n.
    Additive,
    /// x · (1 + n).
    Multiplicative,
}

/// `x[i]` becomes `x[i] + n` or `x[i] · (1 + n)`, n normal with mean 0 and the given deviation. n depends on `seed`, `stream`, `step` and i only.
pub fn noise_in_place(noise: Noise, x: &mut [f32], deviation: f32, seed: u64, stream: u64, step: u64) {
    // As for dropout, the step goes into the key.
    let philox = Philox::new(seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15)), stream);
    let cost = x.len() as u64 * 10;
    par::for_each_chunk(x, CHUNK, cost, |start, x| {
        for (i, x) in x.iter_mut().enumerate() {
            let n = deviation * philox.normal((start + i) as u64);
            *x = match noise {
                Noise::Additive => *x + n,
                Noise::Multiplicative => *x * (1.0 + n),
            };
        }
    });
}
