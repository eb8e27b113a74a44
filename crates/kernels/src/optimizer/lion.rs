//! Lion.

use super::for_each_piece;
use crate::simd::vectorized;

/// The settings of [`lion`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// Step size: every weight moves by it.
    pub learning_rate: f32,
    /// Weight of the moving mean in the direction.
    pub beta_1: f64,
    /// How much of the moving mean is kept.
    pub beta_2: f64,
}

/// `w −= lr·sign(beta_1·m + (1 − beta_1)·g)`, then `m = beta_2·m + (1 − beta_2)·g`.
///
/// # Panics
/// If the lengths differ.
pub fn lion(settings: Lion, parameters: &mut [f32], gradients: &[f32], mean: &mut [f32]) {
    let cost = parameters.len() as u64;
    for_each_piece(parameters, gradients, [mean], cost, |w, g, [m]| lion_piece(settings, w, g, m));
}

vectorized! {
    fn lion_piece(settings: Lion, w: &mut [f32], g: &[f32], m: &mut [f32]) {
        let Lion { learning_rate, beta_1, beta_2 } = settings;
        let [(beta_1, rest_1), (beta_2, rest_2)] =
            [beta_1, beta_2].map(|beta| (beta as f32, 1.0 - beta as f32));
        for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
            let direction = *m * beta_1 + g * rest_1;
            let sign = f32::from(u8::from(direction > 0.0)) - f32::from(u8::from(direction < 0.0));
            *w -= learning_rate * sign;
            *m = *m * beta_2 + g * rest_2;
        }
    }
}
