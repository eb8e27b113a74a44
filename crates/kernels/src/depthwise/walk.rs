//! Which source elements reach a target element: tables of lines and of runs of columns, with padding left out.
//!
//! The forward pass walks over the output and reads the input; the data gradient walks over the input and reads the
//! output's gradient. Both are the same walk with other tables, so that one kernel serves them.

use crate::geometry::{Axis, ConvGeometry};
use std::ops::Range;

/// A source and the weight that it is multiplied by, as distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    /// Elements from the start of the image, or of the line.
    pub source: usize,
    /// Elements from the start of the weights, or of those of the line.
    pub weight: usize,
}

/// Targets at equal distances that have the same taps: columns of a line, or lines.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The first one.
    pub start: usize,
    /// How many there are.
    pub count: usize,
    /// The taps of the first one, sources in ascending order.
    pub taps: Vec<Tap>,
}

/// The distances within the runs of an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// From one target to the next.
    pub target: usize,
    /// Elements from the sources of one to those of the next.
    pub source: usize,
}

/// The walk over the target of one pass.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// For each target line (depth, height), its source lines.
    pub lines: Vec<Vec<Tap>>,
    /// All lines of an image.
    pub line_runs: Vec<Run>,
    pub line_steps: Steps,
    /// All columns of a line.
    pub column_runs: Vec<Run>,
    pub column_steps: Steps,
    /// Columns of a line.
    pub columns: usize,
}

/// What a pass walks over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The output, from the input.
    Output,
    /// The input, from the output's gradient.
    Input,
}

impl Target {
    /// Sizes of target and source along an axis.
    fn sizes(self, axis: &Axis) -> (usize, usize) {
        match self {
            Self::Output => (axis.output(), axis.input),
            Self::Input => (axis.input, axis.output()),
        }
    }

    /// The taps that reach `target` along an axis, each with its source.
    fn taps(self, axis: &Axis, target: usize) -> impl Iterator<Item = (usize, usize)> {
        let axis = *axis;
        (0..axis.kernel).filter_map(move |tap| {
            let source = match self {
                Self::Output => axis.source(target, tap),
                Self::Input => {
                    let from_first = (target + axis.pad_before).checked_sub(tap * axis.dilation);
                    from_first
                        .filter(|distance| distance.is_multiple_of(axis.stride))
                        .map(|distance| distance / axis.stride)
                        .filter(|&output| output < axis.output())
                }
            };
            source.map(|source| (tap, source))
        })
    }
}

impl Walk {
    /// The walk of a pass over a source that has `planes` planes of `width` channels at each position.
    pub(super) fn new(g: &ConvGeometry, target: Target, planes: usize, width: usize) -> Self {
        let [d, h, w] = &g.window.axes;
        let pixel = planes * width;
        let [(depths, _), (heights, source_height), (columns, source_width)] =
            [d, h, w].map(|axis| target.sizes(axis));
        let source_line = source_width * pixel;
        let line_taps = |line: usize| -> Vec<Tap> {
            let taps = target.taps(d, line / heights).flat_map(|(kd, depth)| {
                target.taps(h, line % heights).map(move |(kh, height)| Tap {
                    source: (depth * source_height + height) * source_line,
                    weight: (kd * h.kernel + kh) * w.kernel * pixel,
                })
            });
            taps.collect()
        };
        let column_taps = |column: usize| -> Vec<Tap> {
            let taps = target.taps(w, column).flat_map(|(kw, column)| {
                (0..planes).map(move |plane| Tap {
                    source: column * pixel + plane * width,
                    weight: kw * pixel + plane * width,
                })
            });
            let mut taps: Vec<Tap> = taps.collect();
            taps.sort_by_key(|tap| tap.source);
            taps
        };
        let steps = |axis: &Axis, distance: usize| match target {
            Target::Output => Steps { target: 1, source: axis.stride * distance },
            Target::Input => Steps { target: axis.stride, source: distance },
        };
        let (line_steps, column_steps) = (steps(h, source_line), steps(w, pixel));
        let lines: Vec<Vec<Tap>> = (0..depths * heights).map(line_taps).collect();
        let line_runs = (0..depths)
            .flat_map(|depth| {
                runs(depth * heights..(depth + 1) * heights, line_steps, |line| lines[line].clone())
            })
            .collect();
        let column_runs = runs(0..columns, column_steps, column_taps);
        Self { lines, line_runs, line_steps, column_runs, column_steps, columns }
    }

    /// Multiply-adds of an image, as vectors of all channels of the target.
    pub(super) fn products(&self) -> usize {
        let lines: usize = self.lines.iter().map(Vec::len).sum();
        let columns: usize = self.column_runs.iter().map(|run| run.count * run.taps.len()).sum();
        lines * columns
    }
}

/// Joins targets to runs.
pub(super) fn runs(targets: Range<usize>, steps: Steps, taps_of: impl Fn(usize) -> Vec<Tap>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for first in targets.clone().take(steps.target) {
        let before = runs.len();
        for target in (first..targets.end).step_by(steps.target) {
            let taps = taps_of(target);
            match runs[before..].last_mut().filter(|run| run.goes_on(&taps, steps.source)) {
                Some(run) => run.count += 1,
                None => runs.push(Run { start: target, count: 1, taps }),
            }
        }
    }
    runs
}

impl Run {
    /// Whether a target with these taps is the next one of the run.
    fn goes_on(&self, taps: &[Tap], step: usize) -> bool {
        let distance = self.count * step;
        taps.len() == self.taps.len()
            && self
                .taps
                .iter()
                .zip(taps)
                .all(|(first, next)| first.source + distance == next.source && first.weight == next.weight)
    }

    /// The part of the run, whose targets are `step` apart, that lies in a range of targets: the first of them, counted
    /// within the run, and their number.
    pub(super) fn within(&self, range: &Range<usize>, step: usize) -> (usize, usize) {
        let first = range.start.saturating_sub(self.start).div_ceil(step);
        let end = range.end.saturating_sub(self.start).div_ceil(step).min(self.count);
        (first, end.saturating_sub(first))
    }
}
