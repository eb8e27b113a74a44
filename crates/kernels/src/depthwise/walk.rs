//! Which source elements reach a target element: tables of lines and of runs of columns, with padding left out.
//!
//! The forward pass walks over the output and reads the input; the data gradient walks over the input and reads the
//! output's gradient. Both are the same walk with other tables, so that one kernel serves them.

use super::gather::MAX_PIXELS;
use crate::conv::for_each_tile;
use crate::geometry::{Axis, ConvGeometry};

/// A source and the weight that it is multiplied by, as distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    /// Elements from the start of the image, or of the line.
    pub source: usize,
    /// Elements from the start of the weights, or of those of the line.
    pub weight: usize,
}

/// Target columns at equal distances that have the same taps.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The first column.
    pub start: usize,
    /// How many there are.
    pub count: usize,
    /// The taps of the first column; those of the next one lie [`Walk::source_step`] further.
    pub taps: Vec<Tap>,
}

/// Neighbouring columns of a run that are computed together.
#[derive(Clone, Copy, Debug)]
pub(super) struct TileAt {
    /// Index of the run.
    pub run: usize,
    /// The first one, counted within the run.
    pub first: usize,
    /// How many there are.
    pub pixels: usize,
}

/// The walk over the target of one pass.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// For each target line (depth, height), its source lines.
    pub lines: Vec<Vec<Tap>>,
    /// All columns of a line.
    pub runs: Vec<Run>,
    /// The runs in parts of at most [`MAX_PIXELS`] columns.
    pub tiles: Vec<TileAt>,
    /// Columns of a line.
    pub columns: usize,
    /// Columns between neighbours of a run.
    pub target_step: usize,
    /// Source elements between neighbours of a run.
    pub source_step: usize,
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
        let (pixel, tap_len) = (planes * width, planes * width);
        let [(depths, _), (heights, source_height), (columns, source_width)] =
            [d, h, w].map(|axis| target.sizes(axis));
        let mut lines = Vec::with_capacity(depths * heights);
        for depth in 0..depths {
            for height in 0..heights {
                let taps = target.taps(d, depth).flat_map(|(kd, depth)| {
                    target.taps(h, height).map(move |(kh, height)| Tap {
                        source: (depth * source_height + height) * source_width * pixel,
                        weight: (kd * h.kernel + kh) * w.kernel * tap_len,
                    })
                });
                lines.push(taps.collect());
            }
        }
        let (target_step, source_step) = match target {
            Target::Output => (1, w.stride * pixel),
            Target::Input => (w.stride, pixel),
        };
        let taps_of = |column: usize| -> Vec<Tap> {
            let taps = target.taps(w, column).flat_map(|(kw, column)| {
                (0..planes).map(move |plane| Tap {
                    source: column * pixel + plane * width,
                    weight: kw * tap_len + plane * width,
                })
            });
            taps.collect()
        };
        let mut runs: Vec<Run> = Vec::new();
        for first in 0..target_step.min(columns) {
            let before = runs.len();
            for column in (first..columns).step_by(target_step) {
                let taps = taps_of(column);
                match runs[before..].last_mut().filter(|run| run.goes_on(&taps, source_step)) {
                    Some(run) => run.count += 1,
                    None => runs.push(Run { start: column, count: 1, taps }),
                }
            }
        }
        let mut tiles = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            for_each_tile(run.count, MAX_PIXELS, |first, pixels| {
                tiles.push(TileAt { run: index, first, pixels })
            });
        }
        tiles.sort_by_key(|tile| runs[tile.run].start + tile.first * target_step);
        Self { lines, runs, tiles, columns, target_step, source_step }
    }

    /// Multiply-adds of an image are so many vectors of `width` channels.
    pub(super) fn products(&self) -> usize {
        let lines: usize = self.lines.iter().map(Vec::len).sum();
        let columns: usize = self.runs.iter().map(|run| run.count * run.taps.len()).sum();
        lines * columns
    }
}

impl Run {
    /// Whether a column with these taps is the next one of the run.
    fn goes_on(&self, taps: &[Tap], source_step: usize) -> bool {
        let distance = self.count * source_step;
        taps.len() == self.taps.len()
            && self
                .taps
                .iter()
                .zip(taps)
                .all(|(first, next)| first.source + distance == next.source && first.weight == next.weight)
    }
}
