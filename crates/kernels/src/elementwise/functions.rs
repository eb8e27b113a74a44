//! Values of activations and derivatives that need the input, one element at a time.
//!
//! All of it is branch-free arithmetic, so that loops over it vectorise, and a NaN stays one.

use super::math::{exp, normal_share, sigmoid, softplus, tanh};

/// √(2/π).
const ROOT: f32 = 0.797_884_6;
/// The cubic term of the approximate gelu.
const CUBIC: f32 = 0.044_715;

/// x cut to low … high.
#[inline(always)]
pub(super) fn clip(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

#[inline(always)]
pub(super) fn rectifier(x: f32, slope: f32, max: f32, threshold: f32) -> f32 {
    // Keras cuts at zero only where it cuts at all, which matters for a negative threshold.
    let low = if max < f32::INFINITY { 0.0 } else { f32::NEG_INFINITY };
    if x <= threshold { slope * (x - threshold) + 0.0 } else { clip(x, low, max) }
}

#[inline(always)]
pub(super) fn rectifier_slope(x: f32, slope: f32, max: f32, threshold: f32) -> f32 {
    let low = if max < f32::INFINITY { 0.0 } else { f32::NEG_INFINITY };
    let above = if x > low && x < max { 1.0 } else { 0.0 };
    if x < threshold {
        slope
    } else if x > threshold {
        above
    } else {
        0.0
    }
}

#[inline(always)]
pub(super) fn squareplus(x: f32, b: f32) -> f32 {
    let a = x.abs();
    let root = (x * x + b).sqrt();
    // Of a negative x the difference √(x² + b) − |x|, without cancellation.
    let difference = b / (root + a + f32::MIN_POSITIVE);
    0.5 * if x < 0.0 { difference } else { a + root }
}

#[inline(always)]
pub(super) fn sparse_plus(x: f32) -> f32 {
    let root = 0.5 * (clip(x, -1.0, 1.0) + 1.0);
    if x > 1.0 { x } else { root * root }
}

#[inline(always)]
pub(super) fn soft_shrink(x: f32, threshold: f32) -> f32 {
    if x > threshold {
        x - threshold
    } else if x < -threshold {
        x + threshold
    } else {
        x * 0.0
    }
}

#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    x * normal_share(x)
}

#[inline(always)]
pub(super) fn gelu_slope(x: f32) -> f32 {
    // φ(x) = e^(−x²/2) / √(2π).
    normal_share(x) + x * (0.5 * ROOT) * exp(-0.5 * (x * x))
}

#[inline(always)]
pub(super) fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(ROOT * (x + CUBIC * (x * x * x))))
}

#[inline(always)]
pub(super) fn gelu_tanh_slope(x: f32) -> f32 {
    // Far out the slope is 0 or 1, and the square of x must not overflow before.
    let near = clip(x, -50.0, 50.0);
    let t = tanh(ROOT * (near + CUBIC * (near * near * near)));
    0.5 * (1.0 + t) + 0.5 * near * (1.0 - t * t) * ROOT * (1.0 + 3.0 * CUBIC * (near * near))
}

#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

#[inline(always)]
pub(super) fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

#[inline(always)]
pub(super) fn hard_silu(x: f32) -> f32 {
    x * (clip(x + 3.0, 0.0, 6.0) * (1.0 / 6.0))
}

#[inline(always)]
pub(super) fn hard_silu_slope(x: f32) -> f32 {
    let between = (2.0 * x + 3.0) * (1.0 / 6.0);
    let low = if x > -3.0 { between } else { x * 0.0 };
    if x < 3.0 { low } else { 1.0 + x * 0.0 }
}

/// eˣ (eˣ + 2), of which tanh(ln(1 + eˣ)) is n / (n + 2).
#[inline(always)]
fn mish_ratio(x: f32) -> f32 {
    // From 20 on the ratio is 1 to the last bit.
    let e = exp(if x > 20.0 { 20.0 } else { x });
    e * (e + 2.0)
}

#[inline(always)]
pub(super) fn mish(x: f32) -> f32 {
    let n = mish_ratio(x);
    x * (n / (n + 2.0))
}

#[inline(always)]
pub(super) fn mish_slope(x: f32) -> f32 {
    let n = mish_ratio(x);
    let (t, rest) = (n / (n + 2.0), 2.0 / (n + 2.0));
    // 1 − t² = (1 − t)(1 + t), and 1 − t = 2 / (n + 2).
    t + x * (rest * (1.0 + t)) * sigmoid(x)
}

#[inline(always)]
pub(super) fn log_sigmoid(x: f32) -> f32 {
    -softplus(-x)
}

#[inline(always)]
pub(super) fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}
