//! Where the elements under a window lie: tables over the input, with its padding made real.

use crate::elementwise::{self, Border, Borders};
use crate::gemm::brgemm::Run;
use crate::geometry::{Axis, ConvGeometry};

/// The input as the kernels see it: an image of the padded size, a start for each window, and the taps as distances.
///
/// A padded input is copied into scratch with its zeros, so that one inner loop serves every window; an input without
/// padding is read where it is.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// What is around the input, if it must be copied.
    borders: Option<Borders>,
    /// Elements of an image with its padding.
    pub image_len: usize,
    /// For each output position of an image, its window's first element.
    pub windows: Vec<usize>,
    /// The taps as runs of `run_len` products; taps along the width that touch are one run.
    pub runs: Vec<Run>,
    /// Products of a run.
    pub run_len: usize,
    /// For each row (tap, channel) of the weights, its distance from the window's first element.
    pub rows: Vec<usize>,
}

impl Layout {
    pub(super) fn new(g: &ConvGeometry) -> Self {
        let [d, h, w] = &g.window.axes;
        let padded = g.window.axes.iter().any(Axis::is_padded);
        let border =
            |axis: &Axis| Border { size: axis.input, before: axis.pad_before, after: axis.pad_after };
        let pixel = Border { size: g.in_channels, before: 0, after: 0 };
        let borders = padded.then(|| Borders::new(&[border(d), border(h), border(w), pixel]));
        let [_, height, width] = [d.padded_input(), h.padded_input(), w.padded_input()];
        let place = |d: usize, h: usize, w: usize| ((d * height + h) * width + w) * g.in_channels;
        let mut windows = Vec::with_capacity(g.window.output_positions());
        for od in 0..d.output() {
            for oh in 0..h.output() {
                for ow in 0..w.output() {
                    windows.push(place(od * d.stride, oh * h.stride, ow * w.stride));
                }
            }
        }
        let taps_beside = w.dilation == 1;
        let run_len = if taps_beside { w.kernel * g.in_channels } else { g.in_channels };
        let mut runs: Vec<Run> = Vec::new();
        let mut rows = Vec::with_capacity(g.window.taps() * g.in_channels);
        for kd in 0..d.kernel {
            for kh in 0..h.kernel {
                for kw in 0..w.kernel {
                    let tap = place(kd * d.dilation, kh * h.dilation, kw * w.dilation);
                    if kw == 0 || !taps_beside {
                        runs.push(Run { a: tap as isize, b: rows.len() });
                    }
                    rows.extend(tap..tap + g.in_channels);
                }
            }
        }
        Self { borders, image_len: place(d.padded_input(), 0, 0), windows, runs, run_len, rows }
    }

    /// Elements of the copy of the input, if one is needed.
    pub(super) fn copy_len(&self, g: &ConvGeometry) -> usize {
        if self.borders.is_some() { g.batch * self.image_len } else { 0 }
    }

    /// The input with its padding: itself, or a copy in `copy`.
    pub(super) fn prepare<'a>(&self, g: &ConvGeometry, input: &'a [f32], copy: &'a mut [f32]) -> &'a [f32] {
        match &self.borders {
            None => input,
            Some(borders) => {
                let copy = &mut copy[..self.copy_len(g)];
                elementwise::pad(borders, 0.0, input, copy);
                copy
            }
        }
    }
}
