//! Weighted sums along an axis, products of matrices, places of extremes, and functions of one number.

use convnet_kernels::elementwise::UnaryFunction;

/// `y[o,p,i] = Σ weight · x[o,index,i]` of `x (outer, size, inner)`.
pub fn blend(taps: &[Vec<(usize, f32)>], [outer, size, inner]: [usize; 3], x: &[f64]) -> Vec<f64> {
    let mut y = Vec::new();
    for o in 0..outer {
        for taps in taps {
            for i in 0..inner {
                let term =
                    |&(index, weight): &(usize, f32)| f64::from(weight) * x[(o * size + index) * inner + i];
                y.push(taps.iter().map(term).sum());
            }
        }
    }
    y
}

/// Products of `count` matrices `(rows, inner)` and `(inner, columns)`.
pub fn mat_mul([count, rows, inner, columns]: [usize; 4], a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut y = Vec::new();
    for m in 0..count {
        for r in 0..rows {
            for c in 0..columns {
                let term = |k: usize| a[(m * rows + r) * inner + k] * b[(m * inner + k) * columns + c];
                y.push((0..inner).map(term).sum());
            }
        }
    }
    y
}

/// The place along the axis of the largest (or smallest) element, of equals the first.
pub fn extreme_place(smallest: bool, [outer, size, inner]: [usize; 3], x: &[f64]) -> Vec<f64> {
    let mut y = Vec::new();
    for o in 0..outer {
        for i in 0..inner {
            let at = |place: usize| x[(o * size + place) * inner + i] * if smallest { -1.0 } else { 1.0 };
            let best = (1..size).fold(0, |best, place| if at(place) > at(best) { place } else { best });
            y.push(best as f64);
        }
    }
    y
}

/// The function in `f64`.
pub fn unary(function: UnaryFunction, x: f64) -> f64 {
    match function {
        UnaryFunction::Floor => x.floor(),
        UnaryFunction::Ceil => x.ceil(),
        UnaryFunction::Round => x.round_ties_even(),
        UnaryFunction::Truncate => x.trunc(),
        UnaryFunction::Sign if x == 0.0 => 0.0,
        UnaryFunction::Sign => x.signum(),
        UnaryFunction::Sin => x.sin(),
        UnaryFunction::Cos => x.cos(),
        UnaryFunction::Tan => x.tan(),
        UnaryFunction::Asin => x.asin(),
        UnaryFunction::Acos => x.acos(),
        UnaryFunction::Atan => x.atan(),
        UnaryFunction::Sinh => x.sinh(),
        UnaryFunction::Cosh => x.cosh(),
        UnaryFunction::Asinh => x.asinh(),
        UnaryFunction::Acosh => x.acosh(),
        UnaryFunction::Atanh => x.atanh(),
        UnaryFunction::Erf => erf(x),
        UnaryFunction::IsNan => f64::from(x.is_nan()),
        UnaryFunction::IsPositiveInfinity => f64::from(x == f64::INFINITY),
    }
}

/// 2/√π ∫₀ˣ e^(−t²) dt by Simpson's rule.
fn erf(x: f64) -> f64 {
    const STEPS: usize = 400;
    let h = x / STEPS as f64;
    let weight = |i: usize| if i == 0 || i == STEPS { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
    let sum: f64 = (0..=STEPS).map(|i| weight(i) * (-(h * i as f64).powi(2)).exp()).sum();
    std::f64::consts::FRAC_2_SQRT_PI * sum * h / 3.0
}
