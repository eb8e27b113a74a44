//! Activations by Keras's names, and their gradients from the output.

use super::{CHUNK, math};
use crate::par;
use crate::simd::vectorized;
use std::fmt;
use std::str::FromStr;

/// A function applied to every element, whose gradient can be told from its output alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// y = x.
    #[default]
    Linear,
    /// y = max(x, 0).
    Relu,
    /// y = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// y = tanh x.
    Tanh,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Linear, Self::Relu, Self::Sigmoid, Self::Tanh];

    /// Keras's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
        }
    }

    /// Nanoseconds for so many elements on one thread, roughly.
    const fn cost(self, elements: usize) -> u64 {
        match self {
            Self::Linear | Self::Relu => elements as u64 / 4,
            Self::Sigmoid | Self::Tanh => elements as u64,
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No activation has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseActivationError(String);

impl fmt::Display for ParseActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Activation::ALL.map(Activation::name).join(", ");
        write!(f, "unknown activation `{}`; known are {names}", self.0)
    }
}

impl std::error::Error for ParseActivationError {}

impl FromStr for Activation {
    type Err = ParseActivationError;

    fn from_str(name: &str) -> Result<Self, ParseActivationError> {
        Self::ALL
            .into_iter()
            .find(|known| known.name() == name)
            .ok_or_else(|| ParseActivationError(name.to_owned()))
    }
}

/// `y = f(x)`.
///
/// # Panics
/// If the lengths differ.
pub fn activate(activation: Activation, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "activate: input and output differ in length");
    par::for_each_chunk(y, CHUNK, activation.cost(x.len()), |start, y| {
        activate_piece(activation, &x[start..start + y.len()], y);
    });
}

/// `y = f(y)`.
pub fn activate_in_place(activation: Activation, y: &mut [f32]) {
    if activation == Activation::Linear {
        return;
    }
    par::for_each_chunk(y, CHUNK, activation.cost(y.len()), |_, y| activate_piece_in_place(activation, y));
}

vectorized! {
    fn activate_piece(activation: Activation, x: &[f32], y: &mut [f32]) {
        match activation {
            Activation::Linear => y.copy_from_slice(x),
            Activation::Relu => y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x < 0.0 { 0.0 } else { x }),
            Activation::Sigmoid => y.iter_mut().zip(x).for_each(|(y, &x)| *y = math::sigmoid(x)),
            Activation::Tanh => y.iter_mut().zip(x).for_each(|(y, &x)| *y = math::tanh(x)),
        }
    }
}

vectorized! {
    /// One piece, on the calling thread.
    pub(crate) fn activate_piece_in_place(activation: Activation, y: &mut [f32]) {
        match activation {
            Activation::Linear => {}
            Activation::Relu => {
                let (blocks, rest) = y.as_chunks_mut::<BLOCK>();
                for y in blocks {
                    // See `in_place`.
                    let old = std::hint::black_box(*y);
                    for i in 0..BLOCK {
                        y[i] = if old[i] < 0.0 { 0.0 } else { old[i] };
                    }
                }
                rest.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
            }
            Activation::Sigmoid => y.iter_mut().for_each(|y| *y = math::sigmoid(*y)),
            Activation::Tanh => y.iter_mut().for_each(|y| *y = math::tanh(*y)),
        }
    }
}

/// Elements that a loop in place loads, changes and stores at once.
const BLOCK: usize = 32;

/// `a = f(a, b)`.
#[inline(always)]
fn in_place(a: &mut [f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
    let (a_blocks, a_rest) = a.as_chunks_mut::<BLOCK>();
    let (b_blocks, b_rest) = b.as_chunks::<BLOCK>();
    for (a, b) in a_blocks.iter_mut().zip(b_blocks) {
        // Where the compiler sees that what is loaded and what is stored is one place, `a = if … { a } else { 0 }`
        // becomes a masked store, which some machines run very slowly.
        let old = std::hint::black_box(*a);
        for i in 0..BLOCK {
            a[i] = f(old[i], b[i]);
        }
    }
    a_rest.iter_mut().zip(b_rest).for_each(|(a, b)| *a = f(*a, *b));
}

/// `dx = dy · f′`, where f′ is told from the output: relu `y > 0`, sigmoid `y(1 − y)`, tanh `1 − y²`.
///
/// # Panics
/// If the lengths differ.
pub fn activation_gradient(activation: Activation, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert!(y.len() == dx.len() && dy.len() == dx.len(), "activation_gradient: lengths differ");
    par::for_each_chunk(dx, CHUNK, dx.len() as u64 / 3, |start, dx| {
        let range = start..start + dx.len();
        gradient_piece(activation, &y[range.clone()], &dy[range], dx);
    });
}

/// As [`activation_gradient`], on the gradient in place: `dy = dy · f′`.
///
/// # Panics
/// If the lengths differ.
pub fn activation_gradient_in_place(activation: Activation, y: &[f32], dy: &mut [f32]) {
    assert_eq!(y.len(), dy.len(), "activation_gradient_in_place: lengths differ");
    if activation == Activation::Linear {
        return;
    }
    par::for_each_chunk(dy, CHUNK, y.len() as u64 / 3, |start, dy| {
        gradient_piece_in_place(activation, &y[start..start + dy.len()], dy);
    });
}

vectorized! {
    fn gradient_piece(activation: Activation, y: &[f32], dy: &[f32], dx: &mut [f32]) {
        let all = dx.iter_mut().zip(y.iter().zip(dy));
        match activation {
            Activation::Linear => dx.copy_from_slice(dy),
            Activation::Relu => all.for_each(|(dx, (&y, &dy))| *dx = if y > 0.0 { dy } else { 0.0 }),
            Activation::Sigmoid => all.for_each(|(dx, (&y, &dy))| *dx = dy * (y * (1.0 - y))),
            Activation::Tanh => all.for_each(|(dx, (&y, &dy))| *dx = dy * (1.0 - y * y)),
        }
    }
}

vectorized! {
    fn gradient_piece_in_place(activation: Activation, y: &[f32], dy: &mut [f32]) {
        match activation {
            Activation::Linear => {}
            Activation::Relu => in_place(dy, y, |dy, y| if y > 0.0 { dy } else { 0.0 }),
            Activation::Sigmoid => in_place(dy, y, |dy, y| dy * (y * (1.0 - y))),
            Activation::Tanh => in_place(dy, y, |dy, y| dy * (1.0 - y * y)),
        }
    }
}
