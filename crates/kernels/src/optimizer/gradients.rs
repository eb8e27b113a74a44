//! What all optimizers have in common: gradients are added up and clipped, weights decay and are averaged.

use std::ops::Range;

use super::{CHUNK, for_each_piece};
use crate::par;
use crate::simd::vectorized;

/// Parts of a sum that are taken in parallel.
const PARTS: usize = 64;

/// The sum of `part` over pieces of `0..len` in a fixed order, so that it is the same on any number of threads.
pub(super) fn partial_squares(len: usize, part: impl Fn(Range<usize>) -> f32 + Sync + Send) -> f64 {
    let chunks = len.div_ceil(CHUNK);
    let each = chunks.div_ceil(PARTS).max(1);
    let mut sums = [0.0; PARTS];
    par::for_each_chunk(&mut sums[..chunks.div_ceil(each)], 1, len as u64 / 4, |index, sum| {
        for chunk in index * each..((index + 1) * each).min(chunks) {
            let start = chunk * CHUNK;
            sum[0] += f64::from(part(start..(start + CHUNK).min(len)));
        }
    });
    sums.iter().sum()
}

/// Σ x².
pub fn squares(values: &[f32]) -> f64 {
    partial_squares(values.len(), |range| squares_piece(&values[range]))
}

/// `x *= factor`.
pub fn scale(values: &mut [f32], factor: f32) {
    let cost = values.len() as u64 / 4;
    par::for_each_chunk(values, CHUNK, cost, |_, x| scale_piece(factor, x));
}

/// x is kept between −limit and limit.
pub fn clip(values: &mut [f32], limit: f32) {
    let cost = values.len() as u64 / 4;
    par::for_each_chunk(values, CHUNK, cost, |_, x| clip_piece(limit, x));
}

/// `w −= w·share`.
pub fn decay(parameters: &mut [f32], share: f32) {
    let cost = parameters.len() as u64 / 4;
    par::for_each_chunk(parameters, CHUNK, cost, |_, w| decay_piece(share, w));
}

/// `sum += g`.
///
/// # Panics
/// If the lengths differ.
pub fn accumulate(sums: &mut [f32], gradients: &[f32]) {
    let cost = sums.len() as u64 / 3;
    for_each_piece(sums, gradients, [], cost, |sum, g, []| accumulate_piece(sum, g));
}

/// `g = (g + sum) / count`, and `sum = 0`.
///
/// # Panics
/// If the lengths differ.
pub fn average(gradients: &mut [f32], sums: &mut [f32], count: f32) {
    assert_eq!(gradients.len(), sums.len(), "gradients and their sums differ in length");
    let cost = gradients.len() as u64 / 2;
    let sums = par::Shared::new(sums);
    par::for_each_chunk(gradients, CHUNK, cost, |start, g| {
        // SAFETY: pieces are disjoint, and so are their parts of the sums.
        average_piece(count, g, unsafe { sums.part(start, g.len()) });
    });
}

/// `average = momentum·average + (1 − momentum)·w`.
///
/// # Panics
/// If the lengths differ.
pub fn mix(averages: &mut [f32], parameters: &[f32], momentum: f32) {
    let cost = averages.len() as u64 / 3;
    for_each_piece(averages, parameters, [], cost, |average, w, []| mix_piece(momentum, average, w));
}

vectorized! {
    fn squares_piece(values: &[f32]) -> f32 {
        let mut sums = [0.0; 16];
        for values in values.chunks(16) {
            sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += x * x);
        }
        sums.iter().sum()
    }
}

vectorized! {
    fn scale_piece(factor: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x *= factor);
    }
}

vectorized! {
    fn clip_piece(limit: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x = x.clamp(-limit, limit));
    }
}

vectorized! {
    fn decay_piece(share: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|x| *x -= *x * share);
    }
}

vectorized! {
    fn accumulate_piece(sums: &mut [f32], gradients: &[f32]) {
        sums.iter_mut().zip(gradients).for_each(|(sum, g)| *sum += g);
    }
}

vectorized! {
    fn average_piece(count: f32, gradients: &mut [f32], sums: &mut [f32]) {
        for (g, sum) in gradients.iter_mut().zip(sums) {
            *g = (*g + *sum) / count;
            *sum = 0.0;
        }
    }
}

vectorized! {
    fn mix_piece(momentum: f32, averages: &mut [f32], parameters: &[f32]) {
        let rest = 1.0 - momentum;
        averages.iter_mut().zip(parameters).for_each(|(average, w)| *average = momentum * *average + rest * w);
    }
}
