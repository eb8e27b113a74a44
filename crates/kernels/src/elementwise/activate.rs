//! Loops that apply activations and their derivatives.

use super::functions::{self as f, clip};
use super::{Activation, CHUNK, math};
use crate::par;
use crate::simd::vectorized;

/// Elements that a loop in place loads, changes and stores at once.
const BLOCK: usize = 32;

/// `y = f(y)`. A macro, because a closure would be compiled on its own, without the instruction set of the function around it.
macro_rules! map {
    ($y:expr, |$x:ident| $value:expr) => {{
        let (blocks, rest) = $y.as_chunks_mut::<BLOCK>();
        for y in blocks {
            // See `combine`.
            let old = std::hint::black_box(*y);
            for i in 0..BLOCK {
                let $x = old[i];
                y[i] = $value;
            }
        }
        for y in rest {
            let $x = *y;
            *y = $value;
        }
    }};
}

/// `a = f(a, b)`.
macro_rules! combine {
    ($a:expr, $b:expr, |$x:ident, $z:ident| $value:expr) => {{
        let (a_blocks, a_rest) = $a.as_chunks_mut::<BLOCK>();
        let (b_blocks, b_rest) = $b.as_chunks::<BLOCK>();
        for (a, b) in a_blocks.iter_mut().zip(b_blocks) {
            // Where the compiler sees that what is loaded and what is stored is one place, `a = if … { a } else { 0 }`
            // becomes a masked store, which some machines run very slowly.
            let old = std::hint::black_box(*a);
            for i in 0..BLOCK {
                let ($x, $z) = (old[i], b[i]);
                a[i] = $value;
            }
        }
        for (a, &$z) in a_rest.iter_mut().zip(b_rest) {
            let $x = *a;
            *a = $value;
        }
    }};
}

/// `y = f(x)`.
///
/// # Panics
/// If the lengths differ.
pub fn activate(activation: Activation, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "activate: input and output differ in length");
    par::for_each_chunk(y, CHUNK, activation.cost(x.len()), |start, y| {
        let x = &x[start..start + y.len()];
        match activation {
            Activation::Linear => y.copy_from_slice(x),
            Activation::Relu => rectify(x, y),
            _ => {
                for (y, x) in y.chunks_mut(COPIED).zip(x.chunks(COPIED)) {
                    y.copy_from_slice(x);
                    activate_piece_in_place(activation, y);
                }
            }
        }
    });
}

/// `y = f(y)`.
pub fn activate_in_place(activation: Activation, y: &mut [f32]) {
    if activation == Activation::Linear {
        return;
    }
    par::for_each_chunk(y, CHUNK, activation.cost(y.len()), |_, y| activate_piece_in_place(activation, y));
}

/// Elements copied at once by what then works in place, so that they are still in the first-level cache: a loop for
/// each function and place would double the code for nothing.
const COPIED: usize = 2048;

vectorized! {
    fn rectify(x: &[f32], y: &mut [f32]) {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x < 0.0 { 0.0 } else { x });
    }
}

vectorized! {
    /// One piece, on the calling thread.
    pub(crate) fn activate_piece_in_place(activation: Activation, y: &mut [f32]) {
        match activation {
            Activation::Linear => {}
            Activation::Relu => map!(y, |x| if x < 0.0 { 0.0 } else { x }),
            Activation::Rectifier { negative_slope: 0.0, max_value, threshold: 0.0 } => {
                map!(y, |x| clip(x, 0.0, max_value));
            }
            Activation::Rectifier { negative_slope, max_value, threshold } => {
                map!(y, |x| f::rectifier(x, negative_slope, max_value, threshold));
            }
            Activation::Elu { scale, alpha, rate } => map!(y, |x| {
                scale * if x > 0.0 { x } else { alpha * math::exp_m1(x * rate) }
            }),
            Activation::Ramp { slope, offset, low, high } => map!(y, |x| clip(x * slope + offset, low, high)),
            Activation::Sigmoid => map!(y, |x| math::sigmoid(x)),
            Activation::Tanh => map!(y, |x| math::tanh(x)),
            Activation::Exponential => map!(y, |x| math::exp(x)),
            Activation::Softplus => map!(y, |x| math::softplus(x)),
            Activation::LogSigmoid => map!(y, |x| f::log_sigmoid(x)),
            Activation::Softsign => map!(y, |x| x / (1.0 + x.abs())),
            Activation::Squareplus { b } => map!(y, |x| f::squareplus(x, b)),
            Activation::SparsePlus => map!(y, |x| f::sparse_plus(x)),
            Activation::HardShrink { threshold } => map!(y, |x| if x.abs() <= threshold { 0.0 } else { x }),
            Activation::SoftShrink { threshold } => map!(y, |x| f::soft_shrink(x, threshold)),
            Activation::Sqrt => map!(y, |x| x.sqrt()),
            Activation::TanhShrink => map!(y, |x| x - math::tanh(x)),
            Activation::Threshold { threshold, value } => map!(y, |x| if x <= threshold { value } else { x }),
            Activation::Gelu { approximate: false } => map!(y, |x| f::gelu(x)),
            Activation::Gelu { approximate: true } => map!(y, |x| f::gelu_tanh(x)),
            Activation::Silu => map!(y, |x| f::silu(x)),
            Activation::HardSilu => map!(y, |x| f::hard_silu(x)),
            Activation::Mish => map!(y, |x| f::mish(x)),
            Activation::Abs => map!(y, |x| x.abs()),
            Activation::Square => map!(y, |x| x * x),
            Activation::Log => map!(y, |x| math::ln(x)),
            Activation::Power { exponent } => map!(y, |x| x.powf(exponent)),
        }
    }
}

/// `dx = dy · f′`, where f′ is told from `seen`: the output y if [`Activation::gradient_from_output`], else the input x.
///
/// # Panics
/// If the lengths differ.
pub fn activation_gradient(activation: Activation, seen: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert!(seen.len() == dx.len() && dy.len() == dx.len(), "activation_gradient: lengths differ");
    par::for_each_chunk(dx, CHUNK, activation.cost(dx.len()), |start, dx| {
        let range = start..start + dx.len();
        let (seen, dy) = (&seen[range.clone()], &dy[range]);
        match activation {
            Activation::Linear => dx.copy_from_slice(dy),
            Activation::Relu => rectify_gradient(seen, dy, dx),
            _ => {
                let inputs = seen.chunks(COPIED).zip(dy.chunks(COPIED));
                for (dx, (seen, dy)) in dx.chunks_mut(COPIED).zip(inputs) {
                    dx.copy_from_slice(dy);
                    gradient_piece_in_place(activation, seen, dx);
                }
            }
        }
    });
}

/// As [`activation_gradient`], on the gradient in place: `dy = dy · f′`.
///
/// # Panics
/// If the lengths differ.
pub fn activation_gradient_in_place(activation: Activation, seen: &[f32], dy: &mut [f32]) {
    assert_eq!(seen.len(), dy.len(), "activation_gradient_in_place: lengths differ");
    if activation == Activation::Linear {
        return;
    }
    par::for_each_chunk(dy, CHUNK, activation.cost(dy.len()), |start, dy| {
        gradient_piece_in_place(activation, &seen[start..start + dy.len()], dy);
    });
}

vectorized! {
    fn rectify_gradient(y: &[f32], dy: &[f32], dx: &mut [f32]) {
        let all = dx.iter_mut().zip(y.iter().zip(dy));
        all.for_each(|(dx, (&y, &dy))| *dx = if y > 0.0 { dy } else { 0.0 });
    }
}

vectorized! {
    fn gradient_piece_in_place(activation: Activation, seen: &[f32], dy: &mut [f32]) {
        if activation.gradient_from_output() {
            from_output(activation, seen, dy);
        } else {
            from_input(activation, seen, dy);
        }
    }
}

#[inline(always)]
fn from_output(activation: Activation, y: &[f32], dy: &mut [f32]) {
    match activation {
        Activation::Relu => combine!(dy, y, |dy, y| if y > 0.0 { dy } else { 0.0 }),
        Activation::Rectifier { negative_slope: 0.0, max_value, .. } => {
            combine!(dy, y, |dy, y| if y > 0.0 && y < max_value { dy } else { 0.0 });
        }
        Activation::Rectifier { negative_slope, max_value, .. } => combine!(dy, y, |dy, y| {
            dy * if y > 0.0 { if y < max_value { 1.0 } else { 0.0 } } else { negative_slope }
        }),
        Activation::Elu { scale, alpha, rate } => {
            combine!(dy, y, |dy, y| dy * if y > 0.0 { scale } else { rate * (y + scale * alpha) })
        }
        Activation::Ramp { slope, low, high, .. } => {
            combine!(dy, y, |dy, y| if y > low && y < high { dy * slope } else { 0.0 });
        }
        Activation::Sigmoid => combine!(dy, y, |dy, y| dy * (y * (1.0 - y))),
        Activation::Tanh => combine!(dy, y, |dy, y| dy * (1.0 - y * y)),
        Activation::Exponential => combine!(dy, y, |dy, y| dy * y),
        Activation::Softplus => combine!(dy, y, |dy, y| dy * -math::exp_m1(-y)),
        Activation::LogSigmoid => combine!(dy, y, |dy, y| dy * -math::exp_m1(y)),
        Activation::Softsign => combine!(dy, y, |dy, y| dy * ((1.0 - y.abs()) * (1.0 - y.abs()))),
        Activation::Squareplus { b } => {
            // √(x² + b) = y + b / 4y; a subnormal more, lest 0 be divided by 0.
            combine!(dy, y, |dy, y| dy * (y * y) / (y * y + 0.25 * b + f32::MIN_POSITIVE));
        }
        Activation::SparsePlus => combine!(dy, y, |dy, y| dy * if y < 1.0 { y.sqrt() } else { 1.0 }),
        Activation::HardShrink { .. } | Activation::SoftShrink { .. } => {
            combine!(dy, y, |dy, y| if y == 0.0 { 0.0 } else { dy });
        }
        Activation::Sqrt => combine!(dy, y, |dy, y| dy * (0.5 / y)),
        // Linear hands gradients on as they are; the others are told from their input.
        _ => {}
    }
}

#[inline(always)]
fn from_input(activation: Activation, x: &[f32], dy: &mut [f32]) {
    match activation {
        Activation::Rectifier { negative_slope, max_value, threshold } => {
            combine!(dy, x, |dy, x| dy * f::rectifier_slope(x, negative_slope, max_value, threshold));
        }
        Activation::Elu { scale, alpha, rate } => combine!(dy, x, |dy, x| {
            dy * scale * if x > 0.0 { 1.0 } else { alpha * rate * math::exp(x * rate) }
        }),
        Activation::HardShrink { threshold } | Activation::SoftShrink { threshold } => {
            combine!(dy, x, |dy, x| if x.abs() <= threshold { 0.0 } else { dy });
        }
        Activation::TanhShrink => combine!(dy, x, |dy, x| dy * (math::tanh(x) * math::tanh(x))),
        Activation::Threshold { threshold, .. } => {
            combine!(dy, x, |dy, x| if x > threshold { dy } else { 0.0 })
        }
        Activation::Gelu { approximate: false } => combine!(dy, x, |dy, x| dy * f::gelu_slope(x)),
        Activation::Gelu { approximate: true } => combine!(dy, x, |dy, x| dy * f::gelu_tanh_slope(x)),
        Activation::Silu => combine!(dy, x, |dy, x| dy * f::silu_slope(x)),
        Activation::HardSilu => combine!(dy, x, |dy, x| dy * f::hard_silu_slope(x)),
        Activation::Mish => combine!(dy, x, |dy, x| dy * f::mish_slope(x)),
        Activation::Abs => combine!(dy, x, |dy, x| dy * f::sign(x)),
        Activation::Square => combine!(dy, x, |dy, x| dy * (2.0 * x)),
        Activation::Log => combine!(dy, x, |dy, x| dy / x),
        Activation::Power { exponent } => combine!(dy, x, |dy, x| dy * (exponent * x.powf(exponent - 1.0))),
        // The others are told from their output.
        _ => {}
    }
}
