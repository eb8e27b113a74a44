//! RMSprop, optionally centered and with momentum.

use super::CHUNK;
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// The settings of [`rmsprop`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// Step size.
    pub learning_rate: f32,
    /// How much of the moving mean square is kept.
    pub rho: f64,
    /// How much of the momentum slot is kept; used only with such a slot.
    pub momentum: f32,
    /// Added under the root.
    pub epsilon: f32,
}

/// `s = rho·s + (1 − rho)·g²`; centered also `m = rho·m + (1 − rho)·g` and d = s − m² + ε, else d = s + ε;
/// `step = lr·g / √d`; with a momentum slot `v = momentum·v + step; w −= v`, else `w −= step`.
///
/// # Panics
/// If the lengths differ.
pub fn rmsprop(
    settings: RmsProp,
    parameters: &mut [f32],
    gradients: &[f32],
    mean_square: &mut [f32],
    momentum: Option<&mut [f32]>,
    mean_gradient: Option<&mut [f32]>,
) {
    let len = parameters.len();
    assert!(gradients.len() == len && mean_square.len() == len, "rmsprop: lengths differ");
    assert!(momentum.as_ref().is_none_or(|slot| slot.len() == len), "rmsprop: momentum differs in length");
    assert!(
        mean_gradient.as_ref().is_none_or(|slot| slot.len() == len),
        "rmsprop: mean gradient differs in length"
    );
    let mean_square = Shared::new(mean_square);
    let momentum = momentum.map(Shared::new);
    let mean_gradient = mean_gradient.map(Shared::new);
    par::for_each_chunk(parameters, CHUNK, len as u64, |start, w| {
        let len = w.len();
        let g = &gradients[start..start + len];
        // SAFETY: pieces are disjoint, and so are their parts of the slots.
        let (square, momentum, mean) = unsafe {
            (
                mean_square.part(start, len),
                momentum.as_ref().map(|slot| slot.part(start, len)),
                mean_gradient.as_ref().map(|slot| slot.part(start, len)),
            )
        };
        match (momentum, mean) {
            (None, None) => plain_piece(settings, w, g, square),
            (momentum, mean) => full_piece(settings, w, g, square, momentum, mean),
        }
    });
}

vectorized! {
    fn plain_piece(settings: RmsProp, w: &mut [f32], g: &[f32], square: &mut [f32]) {
        let RmsProp { learning_rate, rho, epsilon, .. } = settings;
        let (rho, rest) = (rho as f32, (1.0 - rho) as f32);
        for ((w, g), s) in w.iter_mut().zip(g).zip(square) {
            *s = rho * *s + rest * (g * g);
            *w -= learning_rate * g / (*s + epsilon).sqrt();
        }
    }
}

vectorized! {
    fn full_piece(
        settings: RmsProp,
        w: &mut [f32],
        g: &[f32],
        square: &mut [f32],
        momentum: Option<&mut [f32]>,
        mean: Option<&mut [f32]>,
    ) {
        let RmsProp { learning_rate, rho, epsilon, .. } = settings;
        let (rho, rest) = (rho as f32, (1.0 - rho) as f32);
        let (mut momentum, mut mean) = (momentum, mean);
        for i in 0..w.len() {
            square[i] = rho * square[i] + rest * (g[i] * g[i]);
            let mut denominator = square[i] + epsilon;
            if let Some(mean) = mean.as_deref_mut() {
                mean[i] = rho * mean[i] + rest * g[i];
                denominator -= mean[i] * mean[i];
            }
            let mut step = learning_rate * g[i] / denominator.sqrt();
            if let Some(momentum) = momentum.as_deref_mut() {
                momentum[i] = settings.momentum * momentum[i] + step;
                step = momentum[i];
            }
            w[i] -= step;
        }
    }
}
