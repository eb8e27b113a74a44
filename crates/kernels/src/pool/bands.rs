//! Images cut into bands, so that a backward pass shares the work inside an image too.

use super::taps::Taps;
use crate::geometry::PoolGeometry;
use crate::par::{self, Shared};
use std::ops::Range;

/// Elements of a band, if its rows are not too few.
const LEN: usize = 1 << 15;

/// A part of an image, along the outermost axis that has several elements. Windows that reach over its border belong
/// to both neighbours, each of which takes the taps that lie in it.
pub(super) struct Band {
    /// The image in the batch.
    pub image: usize,
    /// The elements along each axis.
    input: [Range<usize>; 3],
    /// The windows along each axis that touch them.
    pub output: [Range<usize>; 3],
    /// Offset of the band in its image.
    pub offset: usize,
}

impl Band {
    /// The taps of a line of windows that lie in the band.
    pub(super) fn taps<'g>(&self, g: &'g PoolGeometry, od: usize, oh: usize) -> Taps<'g> {
        Taps::within(g, od, oh, &self.input)
    }
}

/// Calls `work(band, its part of the input gradient)` for all bands of a batch.
pub(super) fn for_each(
    g: &PoolGeometry,
    cost: u64,
    input_gradient: &mut [f32],
    work: impl Fn(&Band, &mut [f32]) + Sync + Send,
) {
    let axes = &g.window.axes;
    let cut = axes.iter().position(|axis| axis.input > 1).unwrap_or(2);
    let row = axes[cut + 1..].iter().map(|axis| axis.input).product::<usize>() * g.channels;
    let axis = &axes[cut];
    // Few windows are met twice if a band is longer than what two windows share.
    let rows = (LEN / row).max(4 * axis.extent().max(axis.stride)).min(axis.input);
    let bands = axis.input.div_ceil(rows);
    let gradient = Shared::new(input_gradient);
    par::for_each(g.batch * bands, cost, |piece| {
        let (image, start) = (piece / bands, piece % bands * rows);
        let end = (start + rows).min(axis.input);
        let mut band = Band {
            image,
            input: axes.map(|axis| 0..axis.input),
            output: axes.map(|axis| 0..axis.output()),
            offset: start * row,
        };
        band.input[cut] = start..end;
        let first = (start + axis.pad_before).saturating_sub(axis.extent() - 1).div_ceil(axis.stride);
        let last = ((end - 1 + axis.pad_before) / axis.stride + 1).min(axis.output());
        band.output[cut] = first.min(last)..last;
        // SAFETY: bands are disjoint.
        let part = unsafe { gradient.part(image * axis.input * row + start * row, (end - start) * row) };
        work(&band, part);
    });
}
