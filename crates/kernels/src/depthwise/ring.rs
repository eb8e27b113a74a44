//! The forward pass over an input of which only some lines are there, line h in place h mod `places` of a ring.

use super::walk::{Run, Tap, runs};
use super::{Depthwise, Pass, Piece, Shared};
use crate::conv::Epilogue;
use std::ops::Range;

/// Some lines of the output and what they read of a ring.
#[derive(Clone, Debug)]
pub(crate) struct RingLines {
    count: usize,
    /// Starts count from the first of the lines.
    runs: Vec<Run>,
}

impl Depthwise {
    /// The lines of an image's input that so many lines of its output read.
    pub(crate) fn sources(&self, lines: &Range<usize>) -> Range<usize> {
        let [_, height, _] = &self.geometry.window.axes;
        let all = || {
            let line = |output| (0..height.kernel).filter_map(move |tap| height.source(output, tap));
            lines.clone().flat_map(line)
        };
        all().min().unwrap_or(0)..all().max().map_or(0, |last| last + 1)
    }

    /// What some lines read of a ring of `places` lines, which must be enough for them. Images have no depth.
    pub(crate) fn ring_lines(&self, lines: &Range<usize>, places: usize) -> RingLines {
        let walk = self.forward_walk();
        let line_len = self.line_len();
        let taps = |line: usize| -> Vec<Tap> {
            let place = |tap: &Tap| Tap { source: tap.source / line_len % places * line_len, ..*tap };
            walk.lines[line].iter().map(place).collect()
        };
        let mut runs = runs(lines.clone(), walk.line_steps, taps);
        runs.iter_mut().for_each(|run| run.start -= lines.start);
        RingLines { count: lines.len(), runs }
    }

    /// Elements of a line of the input.
    pub(crate) fn line_len(&self) -> usize {
        self.geometry.window.axes[2].input * self.geometry.in_channels
    }

    /// Computes lines of the output, to the start of `target`, on the calling thread. For one channel a group.
    pub(crate) fn forward_ring(
        &self,
        lines: &RingLines,
        ring: &[f32],
        weights: &[f32],
        epilogue: Epilogue<'_>,
        target: &mut [f32],
    ) {
        let (walk, width) = (self.forward_walk(), self.geometry.out_channels);
        let pass = Pass { walk, batch: 1, width, source: ring, source_len: ring.len(), weights, epilogue };
        let piece = Piece { lines: 0..lines.count, columns: 0..walk.columns, channels: 0..width };
        let target = Shared::new(&mut target[..lines.count * walk.columns * width]);
        for run in &lines.runs {
            pass.lines(self.kernels, &piece, 0, run, 0..run.count, &target);
        }
    }
}
