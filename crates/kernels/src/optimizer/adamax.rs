//! Adam with the largest gradient in the place of the mean square.

use super::for_each_piece;
use crate::simd::vectorized;

/// The settings of [`adamax`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adamax {
    /// Step size.
    pub learning_rate: f32,
    /// How much of the moving mean is kept.
    pub beta_1: f64,
    /// How much of the largest gradient is kept.
    pub beta_2: f64,
    /// Added to the largest gradient.
    pub epsilon: f32,
}

/// Step `step` (counted from 1): `m += (g − m)(1 − beta_1)`, `u = max(beta_2·u, |g|)`,
/// `w −= lr·m / ((1 − beta_1^step)(u + ε))`.
///
/// # Panics
/// If the lengths differ.
pub fn adamax(
    settings: Adamax,
    step: u64,
    parameters: &mut [f32],
    gradients: &[f32],
    mean: &mut [f32],
    largest: &mut [f32],
) {
    let alpha = settings.learning_rate / (1.0 - settings.beta_1.powf(step as f64)) as f32;
    let cost = parameters.len() as u64;
    for_each_piece(parameters, gradients, [mean, largest], cost, |w, g, [m, u]| {
        adamax_piece(settings, alpha, w, g, m, u);
    });
}

vectorized! {
    fn adamax_piece(settings: Adamax, alpha: f32, w: &mut [f32], g: &[f32], m: &mut [f32], u: &mut [f32]) {
        let Adamax { beta_1, beta_2, epsilon, .. } = settings;
        let (rest, kept) = ((1.0 - beta_1) as f32, beta_2 as f32);
        for (((w, g), m), u) in w.iter_mut().zip(g).zip(m).zip(u) {
            *m += (g - *m) * rest;
            let faded = kept * *u;
            *u = if g.abs() > faded { g.abs() } else { faded };
            *w -= alpha * *m / (*u + epsilon);
        }
    }
}
