//! Exponential, sigmoid and hyperbolic tangent as plain arithmetic that vectorises, with the same bits on every
//! instruction set.

/// 1.5·2²³: adding it to a small number rounds that number to an integer, which then stands in the low bits.
const ROUNDER: f32 = 12_582_912.0;
/// The high bits of ln 2: products with integers below 2¹¹ are exact.
const LN2_HIGH: f32 = 0.693_359_4;
/// ln 2 − `LN2_HIGH`.
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Below this, eˣ is less than the smallest normal number and is taken as zero.
const SMALLEST: f32 = -87.336_54;

/// 2ⁿ of an integer −126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23) as u32)
}

/// eˣ to about 1e-7 relative; +∞ above 88.72, 0 below −87.33 (no subnormal results).
///
/// With n = round(x / ln 2) and r = x − n·ln 2: eˣ = 2ⁿ·eʳ, eʳ by the Cephes polynomial on |r| ≤ ln 2 / 2.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let clamped = if x > 89.0 { 89.0 } else { x };
    let clamped = if clamped < SMALLEST { SMALLEST } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let y = (p * r) * r + r + 1.0;
    // Two factors, because 2¹²⁸ has no representation although eˣ just below the largest number needs n = 128.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let n = if x.is_nan() { 0 } else { n };
    let half = n >> 1;
    let value = y * power_of_two(half) * power_of_two(n - half);
    if x < SMALLEST { 0.0 } else { value }
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent: the Cephes polynomial near zero, `1 − 2 / (e²ˣ + 1)` elsewhere.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let z = x * x;
    let mut p = -5.704_988_7e-3_f32;
    p = p * z + 2.063_909e-2;
    p = p * z - 5.373_971_6e-2;
    p = p * z + 1.333_144_2e-1;
    p = p * z - 3.333_328e-1;
    let near = (p * z) * x + x;
    let far = (1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0)).copysign(x);
    if magnitude < 0.625 { near } else { far }
}

/// ln(1 + e⁻ᵃ) for a ≥ 0.
#[inline]
pub(crate) fn log1p_exp_neg(a: f32) -> f32 {
    exp(-a).ln_1p()
}
