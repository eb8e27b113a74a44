//! Adagrad.

use super::for_each_piece;
use crate::simd::vectorized;

/// The settings of [`adagrad`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// Step size.
    pub learning_rate: f32,
    /// Added under the root.
    pub epsilon: f32,
}

/// `s += g²`, `w −= lr·g / √(s + ε)`.
///
/// # Panics
/// If the lengths differ.
pub fn adagrad(settings: Adagrad, parameters: &mut [f32], gradients: &[f32], squares: &mut [f32]) {
    let cost = parameters.len() as u64;
    for_each_piece(parameters, gradients, [squares], cost, |w, g, [s]| adagrad_piece(settings, w, g, s));
}

vectorized! {
    fn adagrad_piece(settings: Adagrad, w: &mut [f32], g: &[f32], s: &mut [f32]) {
        let Adagrad { learning_rate, epsilon } = settings;
        for ((w, g), s) in w.iter_mut().zip(g).zip(s) {
            *s += g * g;
            *w -= learning_rate * g / (*s + epsilon).sqrt();
        }
    }
}
