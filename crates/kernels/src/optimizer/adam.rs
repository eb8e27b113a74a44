//! Adam.

use super::CHUNK;
use crate::par::{self, Shared};
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
    let len = parameters.len();
    assert!(gradients.len() == len && mean.len() == len && variance.len() == len, "adam: lengths differ");
    let power = |beta: f64| (1.0 - beta.powf(step as f64)) as f32;
    let alpha = settings.learning_rate * power(settings.beta_2).sqrt() / power(settings.beta_1);
    let (mean, variance) = (Shared::new(mean), Shared::new(variance));
    par::for_each_chunk(parameters, CHUNK, len as u64, |start, w| {
        let g = &gradients[start..start + w.len()];
        // SAFETY: pieces are disjoint, and so are their parts of the slots.
        let (m, v) = unsafe { (mean.part(start, w.len()), variance.part(start, w.len())) };
        adam_piece(settings, alpha, w, g, m, v);
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
