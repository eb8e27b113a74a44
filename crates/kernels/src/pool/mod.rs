//! Pooling: maximum and average over sliding windows, over windows for an output of given size, and over channels.

mod adaptive;
mod average;
mod bands;
mod channels;
mod max;
mod taps;

pub use adaptive::{
    AdaptiveGeometry, adaptive_average_backward, adaptive_average_forward, adaptive_max_backward,
    adaptive_max_forward,
};
pub use channels::{channel_max_backward, channel_max_forward};

pub use average::{average_backward, average_forward};
pub use max::{
    argmax_fits, max_backward, max_backward_recompute, max_forward, max_forward_rectified,
    rectified_argmax_fits, winner_places,
};

use crate::geometry::PoolGeometry;

/// Channels handled at once.
const BLOCK: usize = 32;

/// Asserts that the slices of a pool have their lengths.
fn check(g: &PoolGeometry, input: usize, output: usize, what: &str) {
    assert_eq!(input, g.input_len(), "{what}: the input side does not have the length of its shape");
    assert_eq!(output, g.output_len(), "{what}: the output side does not have the length of its shape");
    assert!(g.channels > 0, "{what}: no channels");
}

/// Whether no input element lies under two windows.
fn is_disjoint(g: &PoolGeometry) -> bool {
    g.window.axes.iter().all(|axis| axis.stride >= axis.extent() || axis.output() == 1)
}

/// Elements of one row of windows: a piece of the forward loops.
fn line_len(g: &PoolGeometry) -> usize {
    g.window.axes[2].output() * g.channels
}

/// Where line `line` of the output lies: image, output depth, output height.
fn line_place(g: &PoolGeometry, line: usize) -> (usize, usize, usize) {
    let [d, h, _] = g.window.output();
    (line / (d * h), line / h % d, line % h)
}
