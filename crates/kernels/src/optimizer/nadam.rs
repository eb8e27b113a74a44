//! Adam with Nesterov's momentum.

use super::for_each_piece;
use crate::simd::vectorized;

/// The settings of [`nadam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nadam {
    /// Step size.
    pub learning_rate: f32,
    /// How much of the moving mean is kept in the end.
    pub beta_1: f64,
    /// How much of the moving mean square is kept.
    pub beta_2: f64,
    /// Added to the root.
    pub epsilon: f32,
}

/// The share of the mean that counts at a step: it grows towards `beta_1`.
fn momentum(beta_1: f64, step: u64) -> f64 {
    beta_1 * (1.0 - 0.5 * 0.96_f64.powf(step as f64))
}

/// The product of the momenta of all steps up to `step`, which Keras keeps beside the slots.
pub fn momentum_product(beta_1: f64, step: u64) -> f64 {
    // Beyond these steps, 0.96^step is lost beside 1.
    let varying = step.min(1000);
    let product: f64 = (1..=varying).map(|step| momentum(beta_1, step)).product();
    product * beta_1.powf((step - varying) as f64)
}

/// Step `step` (counted from 1) of Dozat, 2016: `m += (g − m)(1 − beta_1)`, `v += (g² − v)(1 − beta_2)`, with the momenta
/// `u_t = beta_1·(1 − 0.96^t / 2)` and their product U:
/// `m̂ = u_{t+1}·m / (1 − U_{t+1}) + (1 − u_t)·g / (1 − U_t)`, `v̂ = v / (1 − beta_2^t)`, `w −= lr·m̂ / (√v̂ + ε)`.
///
/// # Panics
/// If the lengths differ.
pub fn nadam(
    settings: Nadam,
    step: u64,
    parameters: &mut [f32],
    gradients: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
) {
    let Nadam { learning_rate, beta_1, beta_2, .. } = settings;
    let (now, next) = (momentum(beta_1, step), momentum(beta_1, step + 1));
    let product = momentum_product(beta_1, step);
    let rate = f64::from(learning_rate);
    let by_mean = (rate * next / (1.0 - product * next)) as f32;
    let by_gradient = (rate * (1.0 - now) / (1.0 - product)) as f32;
    let correction = (1.0 / (1.0 - beta_2.powf(step as f64))) as f32;
    let factors = [by_mean, by_gradient, correction];
    let cost = parameters.len() as u64;
    for_each_piece(parameters, gradients, [mean, variance], cost, |w, g, [m, v]| {
        nadam_piece(settings, factors, w, g, m, v);
    });
}

vectorized! {
    fn nadam_piece(settings: Nadam, factors: [f32; 3], w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let Nadam { beta_1, beta_2, epsilon, .. } = settings;
        // Unlike Adam, Keras subtracts in single precision here.
        let (rest_1, rest_2) = (1.0 - beta_1 as f32, 1.0 - beta_2 as f32);
        let [by_mean, by_gradient, correction] = factors;
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            *m += (g - *m) * rest_1;
            *v += (g * g - *v) * rest_2;
            *w -= (by_mean * *m + by_gradient * g) / ((*v * correction).sqrt() + epsilon);
        }
    }
}
