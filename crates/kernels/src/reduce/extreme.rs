//! Where the largest or smallest element along an axis stands.

use crate::par;

/// Which of the elements along an axis is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extreme {
    /// The smallest one instead of the largest.
    pub smallest: bool,
    /// Of equals the last one instead of the first.
    pub last: bool,
}

/// `y[o,i]` is the place along the axis of the extreme element of `x[o,·,i]`, of `x (outer, length, inner)`.
///
/// # Panics
/// If the lengths do not fit.
pub fn extreme_place(extreme: Extreme, [outer, length, inner]: [usize; 3], x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), outer * length * inner, "extreme_place: the input does not have its shape's length");
    assert_eq!(y.len(), outer * inner, "extreme_place: the output does not have its shape's length");
    let wins = |x: f32, best: f32| {
        let clear = if extreme.smallest { x < best } else { x > best };
        clear || extreme.last && x == best
    };
    par::for_each_chunk(y, inner.max(1), x.len() as u64, |start, y| {
        let x = &x[start * length..];
        for (i, y) in y.iter_mut().enumerate() {
            let mut best = 0;
            for place in 1..length {
                if wins(x[place * inner + i], x[best * inner + i]) {
                    best = place;
                }
            }
            *y = best as f32;
        }
    });
}
