//! Naive references and the tests that hold every kernel, op and layer to them.
//!
//! A reference computes in `f64` with plain nested loops, written to be seen right rather than to be fast. Gradients
//! are references too, but only where the definition is as plain as the forward one; elsewhere tests differentiate the
//! forward reference numerically with [`numeric_gradient`].

pub mod activation;
pub mod adaptive;
pub mod batch_norm;
pub mod borders;
pub mod broadcast;
pub mod convolution;
pub mod losses;
pub mod norms;
pub mod optimizers;
pub mod picks;
pub mod pooling;
pub mod problem;
pub mod resize;
pub mod updates;
pub mod warp;

/// f32 values as f64.
pub fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Asserts that every element of `actual` lies within `absolute + relative·|expected|` of `expected`.
///
/// # Panics
/// If one does not, telling which.
#[track_caller]
pub fn assert_close(what: &str, actual: &[f32], expected: &[f64], relative: f64, absolute: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths differ");
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let actual = f64::from(actual);
        let close = (actual - expected).abs() <= absolute + relative * expected.abs();
        let same = actual == expected || (actual.is_nan() && expected.is_nan());
        assert!(close || same, "{what}: element {index} is {actual}, expected {expected}");
    }
}

/// The gradient of `f` at `x` by central differences with step `h`: `(f(x + h·e_i) − f(x − h·e_i)) / 2h`.
pub fn numeric_gradient(f: impl Fn(&[f64]) -> f64, x: &[f64], h: f64) -> Vec<f64> {
    let mut place = x.to_vec();
    (0..x.len())
        .map(|i| {
            place[i] = x[i] + h;
            let above = f(&place);
            place[i] = x[i] - h;
            let below = f(&place);
            place[i] = x[i];
            (above - below) / (2.0 * h)
        })
        .collect()
}
