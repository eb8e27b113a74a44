//! Functions of one number that are no activations: rounding, trigonometry, the error function.

use super::CHUNK;
use super::math::normal_share;
use crate::par;

/// A function of one number, which need not be fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryFunction {
    /// The largest whole number not above x.
    Floor,
    /// The smallest whole number not below x.
    Ceil,
    /// The nearest whole number, of two the even one.
    Round,
    /// x without what follows the point.
    Truncate,
    /// 1, −1, or 0 as x is positive, negative, or zero.
    Sign,
    /// sin x.
    Sin,
    /// cos x.
    Cos,
    /// tan x.
    Tan,
    /// The angle whose sine is x.
    Asin,
    /// The angle whose cosine is x.
    Acos,
    /// The angle whose tangent is x.
    Atan,
    /// (eˣ − e⁻ˣ) / 2.
    Sinh,
    /// (eˣ + e⁻ˣ) / 2.
    Cosh,
    /// The inverse of sinh.
    Asinh,
    /// The inverse of cosh.
    Acosh,
    /// The inverse of tanh.
    Atanh,
    /// 2/√π ∫₀ˣ e^(−t²) dt.
    Erf,
    /// 1 where x is not a number, else 0.
    IsNan,
    /// 1 where x is +∞, else 0.
    IsPositiveInfinity,
}

impl UnaryFunction {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Floor,
        Self::Ceil,
        Self::Round,
        Self::Truncate,
        Self::Sign,
        Self::Sin,
        Self::Cos,
        Self::Tan,
        Self::Asin,
        Self::Acos,
        Self::Atan,
        Self::Sinh,
        Self::Cosh,
        Self::Asinh,
        Self::Acosh,
        Self::Atanh,
        Self::Erf,
        Self::IsNan,
        Self::IsPositiveInfinity,
    ];

    /// Name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Ceil => "ceil",
            Self::Round => "round",
            Self::Truncate => "truncate",
            Self::Sign => "sign",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tan => "tan",
            Self::Asin => "asin",
            Self::Acos => "acos",
            Self::Atan => "atan",
            Self::Sinh => "sinh",
            Self::Cosh => "cosh",
            Self::Asinh => "asinh",
            Self::Acosh => "acosh",
            Self::Atanh => "atanh",
            Self::Erf => "erf",
            Self::IsNan => "is_nan",
            Self::IsPositiveInfinity => "is_positive_infinity",
        }
    }

    /// The function on one number.
    fn scalar(self) -> fn(f32) -> f32 {
        match self {
            Self::Floor => f32::floor,
            Self::Ceil => f32::ceil,
            Self::Round => f32::round_ties_even,
            Self::Truncate => f32::trunc,
            Self::Sign => |x| {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            },
            Self::Sin => f32::sin,
            Self::Cos => f32::cos,
            Self::Tan => f32::tan,
            Self::Asin => f32::asin,
            Self::Acos => f32::acos,
            Self::Atan => f32::atan,
            Self::Sinh => f32::sinh,
            Self::Cosh => f32::cosh,
            Self::Asinh => f32::asinh,
            Self::Acosh => f32::acosh,
            Self::Atanh => f32::atanh,
            Self::Erf => erf,
            Self::IsNan => |x| f32::from(u8::from(x.is_nan())),
            Self::IsPositiveInfinity => |x| f32::from(u8::from(x == f32::INFINITY)),
        }
    }
}

/// The error function. Near 0, where 2 Φ(√2 x) − 1 would lose digits, by its power series.
fn erf(x: f32) -> f32 {
    if x.abs() > 0.5 {
        let above = 2.0 * normal_share(-x.abs() * std::f32::consts::SQRT_2);
        return (1.0 - above).copysign(x);
    }
    let z = x * x;
    let mut p = 1.128_379_2 / 1320.0;
    p = p * -z + 1.128_379_2 / 216.0;
    p = p * -z + 1.128_379_2 / 42.0;
    p = p * -z + 1.128_379_2 / 10.0;
    p = p * -z + 1.128_379_2 / 3.0;
    p = p * -z + 1.128_379_2;
    // A NaN comes here too, and stays one.
    x * p
}

/// `y = f(x)`.
///
/// # Panics
/// If the lengths differ.
pub fn unary(function: UnaryFunction, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "unary: lengths differ");
    let f = function.scalar();
    par::for_each_chunk(y, CHUNK, x.len() as u64 * 8, |start, y| {
        y.iter_mut().zip(&x[start..]).for_each(|(y, &x)| *y = f(x));
    });
}

/// `out = yes` where `condition` is not 0, else `no`.
///
/// # Panics
/// If the lengths differ.
pub fn select(condition: &[f32], yes: &[f32], no: &[f32], out: &mut [f32]) {
    let lens = [condition.len(), yes.len(), no.len()];
    assert_eq!(lens, [out.len(); 3], "select: lengths differ");
    par::for_each_chunk(out, CHUNK, lens[0] as u64, |start, out| {
        for (i, out) in out.iter_mut().enumerate() {
            let at = start + i;
            *out = if condition[at] == 0.0 { no[at] } else { yes[at] };
        }
    });
}
