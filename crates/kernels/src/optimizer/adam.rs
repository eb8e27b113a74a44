//! Adam, and its form that forgets no large gradient.

use super::for_each_piece;
use crate::simd::vectorized;

/// The settings of [`adam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Step size.
    pub learning_rate: f32,
    /// How much of the moving mean is kept.
    pub beta_1: f64,
    /// How much of the moving mean square is kept.
    pub beta_2: f64,
    /// Added to the root.
    pub epsilon: f32,
}

impl Adam {
    /// The step size that makes up for the means' start at 0.
    fn alpha(&self, step: u64) -> f32 {
        let power = |beta: f64| (1.0 - beta.powf(step as f64)) as f32;
        self.learning_rate * power(self.beta_2).sqrt() / power(self.beta_1)
    }
}

/// Step `step` (counted from 1): `alpha = lr·√(1 − beta_2^step) / (1 − beta_1^step)`, `m += (g − m)(1 − beta_1)`,
/// `v += (g² − v)(1 − beta_2)`, `w −= m·alpha / (√v + ε)`.
///
/// # Panics
/// If the lengths differ.
pub fn adam(
    settings: Adam,
    step: u64,
    parameters: &mut [f32],
    gradients: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
) {
    let (alpha, cost) = (settings.alpha(step), parameters.len() as u64);
    for_each_piece(parameters, gradients, [mean, variance], cost, |w, g, [m, v]| {
        adam_piece(settings, alpha, w, g, m, v);
    });
}

/// As [`adam`], with the largest v so far in the place of v (Reddi, Kale, Kumar, 2018).
///
/// # Panics
/// If the lengths differ.
pub fn amsgrad(
    settings: Adam,
    step: u64,
    parameters: &mut [f32],
    gradients: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
    largest: &mut [f32],
) {
    let (alpha, cost) = (settings.alpha(step), parameters.len() as u64);
    for_each_piece(parameters, gradients, [mean, variance, largest], cost, |w, g, [m, v, largest]| {
        amsgrad_piece(settings, alpha, w, g, m, v, largest);
    });
}

vectorized! {
    fn adam_piece(settings: Adam, alpha: f32, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let Adam { beta_1, beta_2, epsilon, .. } = settings;
        // 1 − 0.999 keeps only five digits in single precision, which Keras does not lose.
        let (rest_1, rest_2) = ((1.0 - beta_1) as f32, (1.0 - beta_2) as f32);
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            *m += (g - *m) * rest_1;
            *v += (g * g - *v) * rest_2;
            *w -= *m * alpha / (v.sqrt() + epsilon);
        }
    }
}

vectorized! {
    fn amsgrad_piece(
        settings: Adam,
        alpha: f32,
        w: &mut [f32],
        g: &[f32],
        m: &mut [f32],
        v: &mut [f32],
        largest: &mut [f32],
    ) {
        let Adam { beta_1, beta_2, epsilon, .. } = settings;
        let (rest_1, rest_2) = ((1.0 - beta_1) as f32, (1.0 - beta_2) as f32);
        for ((((w, g), m), v), largest) in w.iter_mut().zip(g).zip(m).zip(v).zip(largest) {
            *m += (g - *m) * rest_1;
            *v += (g * g - *v) * rest_2;
            *largest = if *v > *largest { *v } else { *largest };
            *w -= *m * alpha / (largest.sqrt() + epsilon);
        }
    }
}
