//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).

use crate::par;
use crate::simd::vectorized;

const ROUNDS: usize = 10;
const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Elements of a piece of a loop; a multiple of 4, the size of a block.
const CHUNK: usize = 1 << 12;

/// A stream of random numbers that can be read at any place.
///
/// ```
/// use convnet_kernels::random::Philox;
/// assert_eq!(Philox::new(0, 0).block(0), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
    stream: [u32; 2],
}

impl Philox {
    /// The numbers of `seed` (the key) and `stream` (the high half of the counter).
    pub const fn new(seed: u64, stream: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], stream: [stream as u32, (stream >> 32) as u32] }
    }

    /// Four words at `counter`.
    #[inline(always)]
    pub fn block(&self, counter: u64) -> [u32; 4] {
        let mut c = [counter as u32, (counter >> 32) as u32, self.stream[0], self.stream[1]];
        let mut key = self.key;
        for _ in 0..ROUNDS {
            let low = u64::from(MULTIPLIER[0]) * u64::from(c[0]);
            let high = u64::from(MULTIPLIER[1]) * u64::from(c[2]);
            c = [
                (high >> 32) as u32 ^ c[1] ^ key[0],
                high as u32,
                (low >> 32) as u32 ^ c[3] ^ key[1],
                low as u32,
            ];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        c
    }

    /// `N` blocks from `counter` on, side by side: word w of block `counter + b` is the low half of `[w][b]`.
    ///
    /// Words are kept in 64 bits and only their low halves are used, because then a multiplication of two words is one
    /// operation of a vector and nothing needs to be moved between lanes.
    #[inline(always)]
    pub(super) fn blocks<const N: usize>(&self, counter: u64) -> [[u64; N]; 4] {
        const LOW: u64 = 0xffff_ffff;
        let mut c = [[0; N], [0; N], [u64::from(self.stream[0]); N], [u64::from(self.stream[1]); N]];
        for lane in 0..N {
            let counter = counter + lane as u64;
            (c[0][lane], c[1][lane]) = (counter, counter >> 32);
        }
        let mut key = self.key;
        for _ in 0..ROUNDS {
            for lane in 0..N {
                let low = u64::from(MULTIPLIER[0]) * (c[0][lane] & LOW);
                let high = u64::from(MULTIPLIER[1]) * (c[2][lane] & LOW);
                c[0][lane] = (high >> 32) ^ c[1][lane] ^ u64::from(key[0]);
                c[1][lane] = high;
                c[2][lane] = (low >> 32) ^ c[3][lane] ^ u64::from(key[1]);
                c[3][lane] = low;
            }
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        c
    }

    /// Element `index` of the stream of words: four to a block.
    #[inline]
    pub fn word(&self, index: u64) -> u32 {
        self.block(index / 4)[(index % 4) as usize]
    }

    /// Element `index` of the stream as a number in [0, 1).
    #[inline]
    pub fn uniform(&self, index: u64) -> f32 {
        to_unit(self.word(index))
    }

    /// Element `index` of the stream as a normal number, by Box and Muller: a pair of words makes a pair of numbers.
    #[inline]
    pub fn normal(&self, index: u64) -> f32 {
        let block = self.block(index / 4);
        let pair = (index % 4 / 2 * 2) as usize;
        let (cosine, sine) = box_muller(block[pair], block[pair + 1]);
        if index.is_multiple_of(2) { cosine } else { sine }
    }

    /// `out[i] = low + (high − low) · uniform(i)`.
    pub fn fill_uniform(&self, low: f32, high: f32, out: &mut [f32]) {
        let philox = *self;
        par::for_each_chunk(out, CHUNK, out.len() as u64, |start, out| {
            fill_uniform_piece(philox, start as u64 / 4, low, high - low, out);
        });
    }

    /// `out[i] = mean + deviation · normal(i)`.
    pub fn fill_normal(&self, mean: f32, deviation: f32, out: &mut [f32]) {
        par::for_each_chunk(out, CHUNK, out.len() as u64 * 10, |start, out| {
            for (block, out) in out.chunks_mut(4).enumerate() {
                let words = self.block((start / 4 + block) as u64);
                let (first, second) = box_muller(words[0], words[1]);
                let (third, fourth) = box_muller(words[2], words[3]);
                for (out, value) in out.iter_mut().zip([first, second, third, fourth]) {
                    *out = mean + deviation * value;
                }
            }
        });
    }
}

/// The high 24 bits as a number in [0, 1).
#[inline(always)]
fn to_unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Two independent normal numbers from two words.
#[inline]
fn box_muller(a: u32, b: u32) -> (f32, f32) {
    // In (0, 1], so that the logarithm is finite; in double precision, so that the tail is not cut short.
    let radius = (-2.0 * ((f64::from(a) + 1.0) / 4_294_967_296.0).ln()).sqrt();
    let angle = std::f64::consts::TAU * (f64::from(b) / 4_294_967_296.0);
    ((radius * angle.cos()) as f32, (radius * angle.sin()) as f32)
}

vectorized! {
    fn fill_uniform_piece(philox: Philox, first_block: u64, low: f32, range: f32, out: &mut [f32]) {
        for (block, out) in out.chunks_mut(4).enumerate() {
            let words = philox.block(first_block + block as u64);
            for (out, word) in out.iter_mut().zip(words) {
                *out = low + range * to_unit(word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_side_by_side_are_those_one_by_one() {
        let philox = Philox::new(0x1234_5678_9abc_def0, 77);
        let counter = (1 << 32) - 3;
        let blocks = philox.blocks::<8>(counter);
        for lane in 0..8 {
            assert_eq!(philox.block(counter + lane as u64), blocks.map(|words| words[lane] as u32));
        }
    }
}
