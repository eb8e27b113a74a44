//! The one-dimensional transforms, for any number of pairs of points.
//!
//! An m-point piece of a correlation with three taps is a product of polynomials, known from its values at m + 2 points
//! (Toom and Cook; Winograd, *Arithmetic Complexity of Computations*, 1980; Lavin and Gray, arXiv:1509.09308). With the
//! points 0, ±a₁, …, ±a_Q and ∞, where m = 2Q, both values of a pair come from one even and one odd part, so every
//! transform below is a short chain of multiply-adds, whatever the points are.
//!
//! For data d (m + 2 values), taps g (3) and results y (m): `y = Aᵀ[(G·g) ⊙ (Bᵀ·d)]`. Its adjoints give the gradient of
//! the taps, `Gᵀ[(A·e) ⊙ (Bᵀ·d)]` for a gradient e of y.

use crate::simd::Simd;

/// Most points of a transform.
pub(super) const MAX: usize = 8;
/// Most pairs of points.
const MAX_PAIRS: usize = 3;

/// The points of a transform.
pub(super) trait Points {
    /// Their pairs, Q: results m = 2Q, points 2Q + 2.
    const PAIRS: usize;
    /// The positive one of each pair; those after the first [`Points::PAIRS`] are not used.
    const PLACES: [f64; MAX_PAIRS];

    /// Number of results.
    const OUTPUTS: usize = 2 * Self::PAIRS;
    /// Number of points.
    const POINTS: usize = 2 * Self::PAIRS + 2;
    /// What the transforms multiply by.
    const TABLE: Table = Table::new(Self::PAIRS, Self::PLACES);
}

/// F(2, 3): points 0, ±1, ∞. All transforms but that of the taps only add.
pub(super) struct Two;

impl Points for Two {
    const PAIRS: usize = 1;
    const PLACES: [f64; MAX_PAIRS] = [1.0, 0.0, 0.0];
}

/// F(4, 3): points 0, ±5/8, ±3/2, ∞. Their errors are less than half of those of the usual 0, ±1, ±2, ∞, and all
/// constants but those of the taps are exact.
pub(super) struct Four;

impl Points for Four {
    const PAIRS: usize = 2;
    const PLACES: [f64; MAX_PAIRS] = [0.625, 1.5, 0.0];
}

/// F(6, 3): points 0, ±1/2, ±1, ±2, ∞; of those with exact constants none has smaller errors.
pub(super) struct Six;

impl Points for Six {
    const PAIRS: usize = 3;
    const PLACES: [f64; MAX_PAIRS] = [0.5, 1.0, 2.0];
}

/// Constants of a transform.
pub(super) struct Table {
    /// The points a of each pair.
    place: [f32; MAX_PAIRS],
    /// Powers a^r.
    power: [[f32; 2 * MAX_PAIRS]; MAX_PAIRS],
    /// Coefficients of Π (x − a²).
    all: [f32; MAX_PAIRS + 1],
    /// For each pair, coefficients of the product over the others.
    others: [[f32; MAX_PAIRS + 1]; MAX_PAIRS],
    /// What the tap at point 0 is divided by, inverted.
    zero_scale: f32,
    /// For each pair, 1, a, a² over the product of its distances from the other points.
    scale: [[f32; 3]; MAX_PAIRS],
}

impl Table {
    const fn new(pairs: usize, places: [f64; MAX_PAIRS]) -> Self {
        let mut table = Self {
            place: [0.0; MAX_PAIRS],
            power: [[0.0; 2 * MAX_PAIRS]; MAX_PAIRS],
            all: product_without(pairs, places, MAX_PAIRS),
            others: [[0.0; MAX_PAIRS + 1]; MAX_PAIRS],
            zero_scale: 0.0,
            scale: [[0.0; 3]; MAX_PAIRS],
        };
        let mut zero = 1.0;
        let mut pair = 0;
        while pair < pairs {
            let a = places[pair];
            let square = a * a;
            zero *= -square;
            table.place[pair] = a as f32;
            table.others[pair] = product_without(pairs, places, pair);
            let (mut power, mut r) = (1.0, 0);
            while r < 2 * MAX_PAIRS {
                table.power[pair][r] = power as f32;
                power *= a;
                r += 1;
            }
            let (mut distances, mut other) = (2.0 * square, 0);
            while other < pairs {
                if other != pair {
                    distances *= square - places[other] * places[other];
                }
                other += 1;
            }
            table.scale[pair] =
                [(1.0 / distances) as f32, (a / distances) as f32, (square / distances) as f32];
            pair += 1;
        }
        table.zero_scale = (1.0 / zero) as f32;
        table
    }
}

/// Coefficients of `Π (x − places²)` over all pairs but one, that of x⁰ first.
const fn product_without(pairs: usize, places: [f64; MAX_PAIRS], without: usize) -> [f32; MAX_PAIRS + 1] {
    let mut product = [0.0; MAX_PAIRS + 1];
    product[0] = 1.0;
    let mut pair = 0;
    while pair < pairs {
        if pair != without {
            let square = places[pair] * places[pair];
            let mut i = MAX_PAIRS;
            while i > 0 {
                product[i] = product[i - 1] - square * product[i];
                i -= 1;
            }
            product[0] *= -square;
        }
        pair += 1;
    }
    let mut rounded = [0.0; MAX_PAIRS + 1];
    let mut i = 0;
    while i <= MAX_PAIRS {
        rounded[i] = product[i] as f32;
        i += 1;
    }
    rounded
}

/// `Bᵀ·d`: data to points.
///
/// # Safety
/// As [`Simd`], here and below.
#[inline(always)]
pub(super) unsafe fn data<S: Simd, P: Points>(d: &[S::V; MAX]) -> [S::V; MAX] {
    let (q, table) = (P::PAIRS, const { &P::TABLE });
    // SAFETY: the caller's machine has the instruction set, here and below.
    unsafe {
        let mut out = [S::splat(0.0); MAX];
        let (mut zero, mut infinity) = (d[2 * q], d[2 * q + 1]);
        for i in 0..q {
            zero = S::multiply_add(S::splat(table.all[i]), d[2 * i], zero);
            infinity = S::multiply_add(S::splat(table.all[i]), d[2 * i + 1], infinity);
        }
        (out[0], out[2 * q + 1]) = (zero, infinity);
        for pair in 0..q {
            let (mut even, mut odd) = (d[2 * q], d[2 * q - 1]);
            for i in 0..q - 1 {
                let factor = S::splat(table.others[pair][i]);
                even = S::multiply_add(factor, d[2 * i + 2], even);
                odd = S::multiply_add(factor, d[2 * i + 1], odd);
            }
            (out[2 * pair + 1], out[2 * pair + 2]) = both::<S>(even, odd, table.place[pair]);
        }
        out
    }
}

/// `even ± place·odd`.
#[inline(always)]
unsafe fn both<S: Simd>(even: S::V, odd: S::V, place: f32) -> (S::V, S::V) {
    // SAFETY: as above.
    unsafe { (S::multiply_add(S::splat(place), odd, even), S::multiply_add(S::splat(-place), odd, even)) }
}

/// `G·g`: taps to points.
#[inline(always)]
pub(super) unsafe fn taps<S: Simd, P: Points>(g: &[S::V; 3]) -> [S::V; MAX] {
    let (q, table) = (P::PAIRS, const { &P::TABLE });
    // SAFETY: as above.
    unsafe {
        let mut out = [S::splat(0.0); MAX];
        out[0] = S::multiply(S::splat(table.zero_scale), g[0]);
        for pair in 0..q {
            let scale = table.scale[pair];
            let even = S::multiply_add(S::splat(scale[2]), g[2], S::multiply(S::splat(scale[0]), g[0]));
            (out[2 * pair + 1], out[2 * pair + 2]) = both::<S>(even, g[1], scale[1]);
        }
        out[2 * q + 1] = g[2];
        out
    }
}

/// `Gᵀ·s`: points to the gradient of the taps.
#[inline(always)]
pub(super) unsafe fn taps_gradient<S: Simd, P: Points>(s: &[S::V; MAX]) -> [S::V; 3] {
    let (q, table) = (P::PAIRS, const { &P::TABLE });
    // SAFETY: as above.
    unsafe {
        let mut out = [S::multiply(S::splat(table.zero_scale), s[0]), S::splat(0.0), s[2 * q + 1]];
        for pair in 0..q {
            let scale = table.scale[pair];
            let (plus, minus) = (s[2 * pair + 1], s[2 * pair + 2]);
            let (sum, difference) = (S::add(plus, minus), S::subtract(plus, minus));
            out[0] = S::multiply_add(S::splat(scale[0]), sum, out[0]);
            out[1] = S::multiply_add(S::splat(scale[1]), difference, out[1]);
            out[2] = S::multiply_add(S::splat(scale[2]), sum, out[2]);
        }
        out
    }
}

/// `Aᵀ·p`: products at the points to results.
#[inline(always)]
pub(super) unsafe fn results<S: Simd, P: Points>(p: &[S::V; MAX]) -> [S::V; MAX] {
    let (q, table) = (P::PAIRS, const { &P::TABLE });
    // SAFETY: as above.
    unsafe {
        let mut out = [S::splat(0.0); MAX];
        for pair in 0..q {
            let (plus, minus) = (p[2 * pair + 1], p[2 * pair + 2]);
            let parts = [S::add(plus, minus), S::subtract(plus, minus)];
            for r in 0..2 * q {
                let (part, power) = (parts[r % 2], S::splat(table.power[pair][r]));
                out[r] = match (pair, r) {
                    (0, 0) => S::add(p[0], part),
                    (0, _) if r == 2 * q - 1 => S::multiply_add(power, part, p[2 * q + 1]),
                    (0, _) => S::multiply(power, part),
                    (_, 0) => S::add(out[r], part),
                    _ => S::multiply_add(power, part, out[r]),
                };
            }
        }
        out
    }
}

/// `A·e`: a gradient of the results to points.
#[inline(always)]
pub(super) unsafe fn results_gradient<S: Simd, P: Points>(e: &[S::V; MAX]) -> [S::V; MAX] {
    let (q, table) = (P::PAIRS, const { &P::TABLE });
    // SAFETY: as above.
    unsafe {
        let mut out = [S::splat(0.0); MAX];
        (out[0], out[2 * q + 1]) = (e[0], e[2 * q - 1]);
        for pair in 0..q {
            // The odd part without its factor a.
            let (mut even, mut odd) = (e[0], e[1]);
            for r in 1..q {
                let power = S::splat(table.power[pair][2 * r]);
                even = S::multiply_add(power, e[2 * r], even);
                odd = S::multiply_add(power, e[2 * r + 1], odd);
            }
            (out[2 * pair + 1], out[2 * pair + 2]) = both::<S>(even, odd, table.place[pair]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Plain;

    fn check<P: Points>() {
        let lane = |x: f32| [x; 4];
        let d: [f32; MAX] = [0.3, -1.2, 0.7, 2.1, -0.4, 1.5, -0.9, 0.6];
        let g = [0.8_f32, -0.5, 1.3];
        // SAFETY: plain arrays need no instruction set.
        unsafe {
            let (data, taps) = (data::<Plain<4>, P>(&d.map(lane)), taps::<Plain<4>, P>(&g.map(lane)));
            let mut products = [[0.0; 4]; MAX];
            for (product, (data, taps)) in products.iter_mut().zip(data.iter().zip(&taps)) {
                *product = <Plain<4>>::multiply(*data, *taps);
            }
            let y = results::<Plain<4>, P>(&products);
            for r in 0..P::OUTPUTS {
                let expected: f32 = (0..3).map(|k| d[r + k] * g[k]).sum();
                assert!((y[r][0] - expected).abs() < 1e-5, "{r}: {} {expected}", y[r][0]);
            }
            let e = [0.4_f32, 1.1, -0.6, 0.2, -1.7, 0.9, 0.0, 0.0];
            let points = results_gradient::<Plain<4>, P>(&e.map(lane));
            for (product, (data, points)) in products.iter_mut().zip(data.iter().zip(&points)) {
                *product = <Plain<4>>::multiply(*data, *points);
            }
            let taps = taps_gradient::<Plain<4>, P>(&products);
            for k in 0..3 {
                let expected: f32 = (0..P::OUTPUTS).map(|r| d[r + k] * e[r]).sum();
                assert!((taps[k][0] - expected).abs() < 2e-5, "{k}: {} {expected}", taps[k][0]);
            }
        }
    }

    #[test]
    fn the_transforms_give_correlations_and_their_gradients() {
        check::<Two>();
        check::<Four>();
        check::<Six>();
    }
}
