//! LAMB.

use super::for_each_piece;
use super::gradients::partial_squares;
use crate::simd::vectorized;

/// The settings of [`lamb`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lamb {
    /// Step size, as a share of the weight's norm.
    pub learning_rate: f32,
    /// How much of the moving mean is kept.
    pub beta_1: f64,
    /// How much of the moving mean square is kept.
    pub beta_2: f64,
    /// Added to the root.
    pub epsilon: f32,
}

/// Step `step` (counted from 1) on one weight: Adam's step d, `m̂ / (√v̂ + ε)`, with the means
/// corrected for their start, brought to the length of the weight: `w −= lr·‖w‖ / ‖d‖·d` (no factor where a norm is 0).
///
/// # Panics
/// If the lengths differ.
pub fn lamb(
    settings: Lamb,
    step: u64,
    parameters: &mut [f32],
    gradients: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
) {
    let correction = |beta: f64| (1.0 / (1.0 - beta.powf(step as f64))) as f32;
    let corrections = [correction(settings.beta_1), correction(settings.beta_2)];
    let cost = parameters.len() as u64;
    // First the means are moved, and the norms taken; then the weight follows.
    for_each_piece(parameters, gradients, [&mut *mean, &mut *variance], cost, |_, g, [m, v]| {
        mean_piece(settings, g, m, v);
    });
    let (m, v) = (&*mean, &*variance);
    let steps = partial_squares(m.len(), |range| {
        square_piece(settings.epsilon, corrections, &m[range.clone()], &v[range])
    });
    let (weights, steps) = (super::squares(parameters).sqrt(), steps.sqrt());
    let ratio = if weights > 0.0 && steps > 0.0 { (weights / steps) as f32 } else { 1.0 };
    let rate = ratio * settings.learning_rate;
    for_each_piece(parameters, gradients, [mean, variance], cost, |w, _, [m, v]| {
        step_piece(settings.epsilon, corrections, rate, w, m, v);
    });
}

vectorized! {
    fn mean_piece(settings: Lamb, g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let (rest_1, rest_2) = ((1.0 - settings.beta_1) as f32, (1.0 - settings.beta_2) as f32);
        for ((g, m), v) in g.iter().zip(m).zip(v) {
            *m += (g - *m) * rest_1;
            *v += (g * g - *v) * rest_2;
        }
    }
}

#[inline(always)]
fn direction(epsilon: f32, corrections: [f32; 2], m: f32, v: f32) -> f32 {
    m * corrections[0] / ((v * corrections[1]).sqrt() + epsilon)
}

vectorized! {
    fn square_piece(epsilon: f32, corrections: [f32; 2], m: &[f32], v: &[f32]) -> f32 {
        let mut sums = [0.0; 16];
        for (m, v) in m.chunks(16).zip(v.chunks(16)) {
            for ((sum, &m), &v) in sums.iter_mut().zip(m).zip(v) {
                let step = direction(epsilon, corrections, m, v);
                *sum += step * step;
            }
        }
        sums.iter().sum()
    }
}

vectorized! {
    fn step_piece(epsilon: f32, corrections: [f32; 2], rate: f32, w: &mut [f32], m: &[f32], v: &[f32]) {
        for ((w, &m), &v) in w.iter_mut().zip(m).zip(v) {
            *w -= rate * direction(epsilon, corrections, m, v);
        }
    }
}
