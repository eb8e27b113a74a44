//! Adadelta.

use super::for_each_piece;
use crate::simd::vectorized;

/// The settings of [`adadelta`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adadelta {
    /// Factor of the step.
    pub learning_rate: f32,
    /// How much of the moving mean squares is kept.
    pub rho: f64,
    /// Added under the roots.
    pub epsilon: f32,
}

/// `s = rho·s + (1 − rho)·g²`, `d = √(t + ε) / √(s + ε)·g`, `t = rho·t + (1 − rho)·d²`, `w −= lr·d`.
///
/// # Panics
/// If the lengths differ.
pub fn adadelta(
    settings: Adadelta,
    parameters: &mut [f32],
    gradients: &[f32],
    squares: &mut [f32],
    step_squares: &mut [f32],
) {
    let cost = parameters.len() as u64;
    for_each_piece(parameters, gradients, [squares, step_squares], cost, |w, g, [s, t]| {
        adadelta_piece(settings, w, g, s, t);
    });
}

vectorized! {
    fn adadelta_piece(settings: Adadelta, w: &mut [f32], g: &[f32], s: &mut [f32], t: &mut [f32]) {
        let Adadelta { learning_rate, rho, epsilon } = settings;
        let (rho, rest) = (rho as f32, (1.0 - rho) as f32);
        for (((w, g), s), t) in w.iter_mut().zip(g).zip(s).zip(t) {
            *s = rho * *s + rest * (g * g);
            let step = (*t + epsilon).sqrt() * g / (*s + epsilon).sqrt();
            *t = rho * *t + rest * (step * step);
            *w -= learning_rate * step;
        }
    }
}
