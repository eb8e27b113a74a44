//! Gradient descent, plain or with momentum.

use super::CHUNK;
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// The settings of [`sgd`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Step size.
    pub learning_rate: f32,
    /// How much of the velocity is kept; used only with a velocity slot.
    pub momentum: f32,
    /// Nesterov's form of momentum.
    pub nesterov: bool,
}

/// Without velocity `w −= lr·g`. With it `v = momentum·v − lr·g`, then `w += v`, or with Nesterov
/// `w += momentum·v − lr·g`.
///
/// # Panics
/// If the lengths differ.
pub fn sgd(settings: Sgd, parameters: &mut [f32], gradients: &[f32], velocity: Option<&mut [f32]>) {
    let len = parameters.len();
    assert_eq!(gradients.len(), len, "sgd: parameters and gradients differ in length");
    assert!(
        velocity.as_ref().is_none_or(|velocity| velocity.len() == len),
        "sgd: velocity differs in length"
    );
    let velocity = velocity.map(Shared::new);
    par::for_each_chunk(parameters, CHUNK, len as u64 / 3, |start, w| {
        let g = &gradients[start..start + w.len()];
        match &velocity {
            None => plain_piece(settings.learning_rate, w, g),
            // SAFETY: pieces are disjoint, and so are their parts of the slot.
            Some(velocity) => momentum_piece(settings, w, g, unsafe { velocity.part(start, w.len()) }),
        }
    });
}

vectorized! {
    fn plain_piece(learning_rate: f32, w: &mut [f32], g: &[f32]) {
        w.iter_mut().zip(g).for_each(|(w, g)| *w -= learning_rate * g);
    }
}

vectorized! {
    fn momentum_piece(settings: Sgd, w: &mut [f32], g: &[f32], v: &mut [f32]) {
        let Sgd { learning_rate, momentum, nesterov } = settings;
        for ((w, g), v) in w.iter_mut().zip(g).zip(v) {
            let step = g * learning_rate;
            *v = *v * momentum - step;
            *w += if nesterov { *v * momentum - step } else { *v };
        }
    }
}
