//! The taps of a window that read real input.

use crate::geometry::{Axis, PoolGeometry};
use std::ops::Range;

/// The taps of window `output` along one axis whose element lies in `bounds`.
#[inline]
fn inside(axis: &Axis, output: usize, bounds: &Range<usize>) -> Range<usize> {
    if !axis.is_padded() && *bounds == (0..axis.input) {
        return 0..axis.kernel;
    }
    let first = output * axis.stride;
    let start = (bounds.start + axis.pad_before).saturating_sub(first).div_ceil(axis.dilation);
    let end = (bounds.end + axis.pad_before).saturating_sub(first).div_ceil(axis.dilation).min(axis.kernel);
    start.min(end)..end
}

/// One window of an image.
#[derive(Clone)]
pub(super) struct Taps<'a> {
    g: &'a PoolGeometry,
    depth: Range<usize>,
    height: Range<usize>,
    width: Range<usize>,
    /// The elements along the width that count.
    columns: Range<usize>,
    origin: [usize; 3],
}

impl<'a> Taps<'a> {
    /// The windows of line `(od, oh)`, at first that at `ow = 0`.
    #[inline]
    pub(super) fn of_line(g: &'a PoolGeometry, od: usize, oh: usize) -> Self {
        Self::within(g, od, oh, &g.window.axes.map(|axis| 0..axis.input))
    }

    /// As [`Taps::of_line`], but only those taps whose element lies in `bounds`.
    #[inline]
    pub(super) fn within(g: &'a PoolGeometry, od: usize, oh: usize, bounds: &[Range<usize>; 3]) -> Self {
        let [d, h, w] = &g.window.axes;
        let origin = [od * d.stride, oh * h.stride, 0];
        let [depth, height, width] =
            [inside(d, od, &bounds[0]), inside(h, oh, &bounds[1]), inside(w, 0, &bounds[2])];
        Self { g, depth, height, width, columns: bounds[2].clone(), origin }
    }

    /// Goes to another window of the line; says whether it has other taps than the one before.
    #[inline]
    pub(super) fn go_to(&mut self, ow: usize) -> bool {
        let w = &self.g.window.axes[2];
        self.origin[2] = ow * w.stride;
        let width = inside(w, ow, &self.columns);
        let is_other = width != self.width;
        self.width = width;
        is_other
    }

    /// How many taps there are.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.depth.len() * self.height.len() * self.width.len()
    }

    /// Each tap's index and the offset of its pixel in the image, in order.
    ///
    /// An iterator rather than a function that takes a closure: a loop's body is compiled with the instruction set of
    /// the function around it, a closure of some size on its own.
    #[inline(always)]
    pub(super) fn iter(&self) -> Iter<'_> {
        let is_empty = self.height.is_empty() || self.width.is_empty();
        let depth = if is_empty { self.depth.end } else { self.depth.start };
        Iter { taps: self, depth, height: self.height.start, width: self.width.start }
    }

    /// Elements from one window of the line to the next, if all of them have the same taps.
    #[inline]
    pub(super) fn step(&self) -> Option<usize> {
        let w = &self.g.window.axes[2];
        (!w.is_padded()).then_some(w.stride * self.g.channels)
    }

    /// The taps and offsets if there are exactly four.
    #[inline(always)]
    pub(super) fn four(&self) -> Option<[(usize, usize); 4]> {
        if self.count() != 4 {
            return None;
        }
        let mut four = [(0, 0); 4];
        four.iter_mut().zip(self.iter()).for_each(|(four, tap)| *four = tap);
        Some(four)
    }
}

/// The taps of a window, listed once for all windows of a line that have the same.
pub(super) struct TapList {
    taps: [(u32, usize); TapList::MOST],
    count: usize,
    /// The window that they were listed for.
    window: usize,
    /// Elements from one window to the next.
    step: usize,
}

impl TapList {
    /// Windows of more taps are not listed.
    pub(super) const MOST: usize = 16;

    /// The taps of the window that `taps` is at, number `window` of its line.
    #[inline(always)]
    pub(super) fn new(taps: &Taps<'_>, window: usize) -> Self {
        let step = taps.g.window.axes[2].stride * taps.g.channels;
        let mut list = Self { taps: [(0, 0); Self::MOST], count: 0, window, step };
        for (place, (tap, offset)) in list.taps.iter_mut().zip(taps.iter()) {
            *place = (tap as u32, offset);
            list.count += 1;
        }
        list
    }

    /// Each tap's index and the offset of its pixel, for window `window`.
    #[inline(always)]
    pub(super) fn at(&self, window: usize) -> impl Iterator<Item = (u32, usize)> + Clone {
        let moved = (window - self.window) * self.step;
        self.taps[..self.count].iter().map(move |&(tap, offset)| (tap, offset + moved))
    }
}

/// See [`Taps::iter`].
#[derive(Clone)]
pub(super) struct Iter<'a> {
    taps: &'a Taps<'a>,
    depth: usize,
    height: usize,
    width: usize,
}

impl Iterator for Iter<'_> {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let taps = self.taps;
        if self.depth == taps.depth.end {
            return None;
        }
        let [d, h, w] = &taps.g.window.axes;
        let depth = taps.origin[0] + self.depth * d.dilation - d.pad_before;
        let height = taps.origin[1] + self.height * h.dilation - h.pad_before;
        let width = taps.origin[2] + self.width * w.dilation - w.pad_before;
        let tap = (self.depth * h.kernel + self.height) * w.kernel + self.width;
        self.width += 1;
        if self.width == taps.width.end {
            self.width = taps.width.start;
            self.height += 1;
            if self.height == taps.height.end {
                self.height = taps.height.start;
                self.depth += 1;
            }
        }
        Some((tap, ((depth * h.input + height) * w.input + width) * taps.g.channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Padding;

    #[test]
    fn the_taps_inside_are_those_with_a_source() {
        for (input, kernel, stride, dilation) in
            [(5, 3, 1, 1), (7, 2, 2, 1), (4, 3, 2, 2), (3, 5, 1, 1), (1, 4, 3, 2)]
        {
            for padding in [Padding::Valid, Padding::Same, Padding::Explicit { before: 4, after: 5 }] {
                let Ok(axis) = Axis::new(input, kernel, stride, dilation, padding) else { continue };
                for output in 0..axis.output() {
                    let range = inside(&axis, output, &(0..input));
                    for tap in 0..kernel {
                        assert_eq!(
                            range.contains(&tap),
                            axis.source(output, tap).is_some(),
                            "{axis:?} {output} {tap}"
                        );
                    }
                }
            }
        }
    }
}
