//! Maximum over neighbouring channels.

use crate::par;
use crate::simd::vectorized;

/// `y[r,o] = max_i x[r, o·window + i]` for i below `window`, of rows of channels that are a multiple of the window.
///
/// # Panics
/// If the lengths do not fit.
pub fn channel_max_forward(window: usize, x: &[f32], y: &mut [f32]) {
    check(window, x.len(), y.len(), "channel_max_forward");
    par::for_each_chunk(y, 4096, x.len() as u64 / 2, |start, y| largest(window, &x[start * window..], y));
}

fn check(window: usize, input: usize, output: usize, what: &str) {
    assert!(window > 0, "{what}: an empty window");
    assert_eq!(input, output * window, "{what}: one output for each window");
}

vectorized! {
    fn largest(window: usize, x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x.chunks_exact(window)) {
            *y = x.iter().fold(x[0], |best, &x| if x > best || x.is_nan() { x } else { best });
        }
    }
}

/// The gradient of [`channel_max_forward`]: each dy goes to the first channel that has the maximum.
///
/// # Panics
/// If the lengths do not fit.
pub fn channel_max_backward(window: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    check(window, x.len(), dy.len(), "channel_max_backward");
    assert_eq!(x.len(), dx.len(), "channel_max_backward: one gradient for each input");
    par::for_each_chunk(dx, (4096 / window).max(1) * window, x.len() as u64, |start, dx| {
        let windows = x[start..].chunks_exact(window).zip(&dy[start / window..]);
        for (dx, (x, dy)) in dx.chunks_exact_mut(window).zip(windows) {
            dx.fill(0.0);
            dx[crate::softmax::arg_max_row(x)] = *dy;
        }
    });
}
