//! Exponential, logarithm, error function and what follows from them, as plain arithmetic that vectorises, with the same
//! bits on every instruction set.

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

/// eʳ − 1 for |r| ≤ ln 2 / 2: the Cephes polynomial.
#[inline(always)]
fn exp_m1_reduced(r: f32) -> f32 {
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    (p * r) * r + r
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
    let y = exp_m1_reduced(r) + 1.0;
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

/// eˣ − 1, exact to about 1e-7 relative near zero too.
///
/// As [`exp`], but eʳ − 1 is what the polynomial gives, so that nothing cancels: eˣ − 1 = 2ⁿ·(eʳ − 1) + (2ⁿ − 1).
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    let clamped = if x > 89.0 { 89.0 } else { x };
    let clamped = if clamped < -20.0 { -20.0 } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let q = exp_m1_reduced(r);
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let n = if x.is_nan() { 0 } else { n };
    let half = n >> 1;
    let (a, b) = (power_of_two(half), power_of_two(n - half));
    (q * a + (a - 1.0 / b)) * b
}

/// The natural logarithm to about 1e-7 relative; −∞ of 0, a NaN of what is negative.
///
/// x = m·2ⁿ with √½ ≤ m < √2; ln m by the Cephes polynomial in m − 1.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // Subnormal numbers have no exponent of their own.
    let tiny = x < f32::MIN_POSITIVE;
    let bits = (if tiny { x * 8_388_608.0 } else { x }).to_bits() as i32;
    // The border between two exponents moved from 1 to √½.
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let n = (shifted >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    let f = f32::from_bits(((shifted & 0x007f_ffff) + 0x3f35_04f3) as u32) - 1.0;
    let z = f * f;
    let mut p = 7.037_684e-2_f32;
    p = p * f - 1.151_461e-1;
    p = p * f + 1.167_699_9e-1;
    p = p * f - 1.242_014_1e-1;
    p = p * f + 1.424_932_3e-1;
    p = p * f - 1.666_805_8e-1;
    p = p * f + 2.000_071_5e-1;
    p = p * f - 2.499_999_4e-1;
    p = p * f + 3.333_333e-1;
    let value = (f + ((f * z) * p + n * LN2_LOW - 0.5 * z)) + n * LN2_HIGH;
    let value = if x > 0.0 { value } else { f32::NAN };
    let value = if x == 0.0 { f32::NEG_INFINITY } else { value };
    if x == f32::INFINITY { x } else { value }
}

/// ln(1 + z) for 0 ≤ z ≤ 1.
#[inline(always)]
fn ln_1p(z: f32) -> f32 {
    let sum = 1.0 + z;
    // What rounding took from z is given back.
    ln(sum) + (z - (sum - 1.0)) / sum
}

/// ln(1 + e⁻ᵃ) for a ≥ 0.
#[inline(always)]
pub(crate) fn log1p_exp_neg(a: f32) -> f32 {
    ln_1p(exp(-a))
}

/// ln(1 + eˣ).
#[inline(always)]
pub(crate) fn softplus(x: f32) -> f32 {
    (if x < 0.0 { 0.0 } else { x }) + log1p_exp_neg(x.abs())
}

/// The share of a normal distribution that lies below x, Φ(x) = erfc(−x / √2) / 2, to about 1e-6 relative.
///
/// With t = 1 / (1 + 0.4·a): erfc(a) = e^(−a²)·t·p(t), p fitted to the smallest largest relative error on 0 ≤ a ≤ 10.
#[inline(always)]
pub(crate) fn normal_share(x: f32) -> f32 {
    let a = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.4 * a);
    let mut p = 4.125_315_7e-2_f32;
    p = p * t - 1.403_198e-1;
    p = p * t + 8.398_843e-2;
    p = p * t + 8.796_307e-2;
    p = p * t + 7.975_735e-2;
    p = p * t + 1.933_928_6e-1;
    p = p * t + 2.018_876_8e-1;
    p = p * t + 2.264_431e-1;
    p = p * t + 2.256_342_3e-1;
    let below = 0.5 * (p * t) * exp(-0.5 * (x * x));
    if x < 0.0 { below } else { 1.0 - below }
}
