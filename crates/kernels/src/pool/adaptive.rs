//! Pools whose output has a given size: windows of unequal sizes that cover the input.
//!
//! Along each axis window o covers the elements `floor(o · input / output) .. ceil((o + 1) · input / output)`; neighbours may overlap.

use super::BLOCK;
use crate::par::{self, Shared};
use crate::simd::vectorized;
use std::ops::Range;

/// A pool from `input` to `output` positions (depth, height, width; unused leading axes have one element), of
/// `(batch, depth, height, width, channels)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveGeometry {
    /// Images in the batch.
    pub batch: usize,
    /// Channels, kept.
    pub channels: usize,
    /// Sizes before.
    pub input: [usize; 3],
    /// Sizes after.
    pub output: [usize; 3],
}

impl AdaptiveGeometry {
    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.input.iter().product::<usize>() * self.channels
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.output.iter().product::<usize>() * self.channels
    }

    /// The elements along an axis that window `index` covers.
    fn covered(&self, axis: usize, index: usize) -> Range<usize> {
        let (input, output) = (self.input[axis], self.output[axis]);
        index * input / output..((index + 1) * input).div_ceil(output)
    }

    /// The windows along an axis that cover element `index`.
    fn covering(&self, axis: usize, index: usize) -> Range<usize> {
        let (input, output) = (self.input[axis], self.output[axis]);
        index * output / input..((index + 1) * output).div_ceil(input)
    }

    fn check(&self, input: usize, output: usize, what: &str) {
        assert!(self.output_len() > 0 && self.input_len() > 0, "{what}: a size is zero");
        assert_eq!(input, self.input_len(), "{what}: the input side does not have the length of its shape");
        assert_eq!(
            output,
            self.output_len(),
            "{what}: the output side does not have the length of its shape"
        );
    }

    /// What a run costs that touches each element under each window.
    fn cost(&self) -> u64 {
        let under = |axis: usize| self.input[axis].div_ceil(self.output[axis]) + 1;
        (self.output_len() * under(0) * under(1) * under(2)) as u64 / 5
    }
}

/// Offsets of the pixels in a box, in order, as in [`super::taps::Taps::iter`] an iterator.
struct Pixels {
    sizes: [usize; 3],
    channels: usize,
    ranges: [Range<usize>; 3],
    at: [usize; 3],
}

impl Pixels {
    #[inline(always)]
    fn new(sizes: [usize; 3], channels: usize, ranges: [Range<usize>; 3]) -> Self {
        let at = [ranges[0].start, ranges[1].start, ranges[2].start];
        Self { sizes, channels, ranges, at }
    }
}

impl Iterator for Pixels {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let [d, h, w] = self.at;
        if d >= self.ranges[0].end {
            return None;
        }
        self.at[2] += 1;
        if self.at[2] == self.ranges[2].end {
            self.at[2] = self.ranges[2].start;
            self.at[1] += 1;
            if self.at[1] == self.ranges[1].end {
                self.at[1] = self.ranges[1].start;
                self.at[0] += 1;
            }
        }
        Some(((d * self.sizes[1] + h) * self.sizes[2] + w) * self.channels)
    }
}

/// The place of pixel `index` of a volume, counted over the batch: image, depth, height, width.
fn place([d, h, w]: [usize; 3], index: usize) -> (usize, [usize; 3]) {
    (index / (d * h * w), [index / (h * w) % d, index / w % h, index % w])
}

/// `output[n,o,c]` = mean of `input[n,i,c]` over the elements i that window o covers.
///
/// # Panics
/// If the lengths do not fit.
pub fn adaptive_average_forward(g: &AdaptiveGeometry, input: &[f32], output: &mut [f32]) {
    g.check(input.len(), output.len(), "adaptive_average_forward");
    let image = g.input.iter().product::<usize>() * g.channels;
    par::for_each_chunk(output, (4096 / g.channels).max(1) * g.channels, g.cost(), |start, output| {
        for (index, output) in output.chunks_exact_mut(g.channels).enumerate() {
            let (n, at) = place(g.output, start / g.channels + index);
            let covered = [0, 1, 2].map(|axis| g.covered(axis, at[axis]));
            mean(Pixels::new(g.input, g.channels, covered), &input[n * image..][..image], output);
        }
    });
}

vectorized! {
    fn mean(pixels: Pixels, image: &[f32], output: &mut [f32]) {
        let count: usize = pixels.ranges.iter().map(Range::len).product();
        output.fill(0.0);
        for offset in pixels {
            output.iter_mut().zip(&image[offset..]).for_each(|(y, x)| *y += x);
        }
        let scale = 1.0 / count as f32;
        output.iter_mut().for_each(|y| *y *= scale);
    }
}

/// The gradient of [`adaptive_average_forward`] by its input.
///
/// # Panics
/// If the lengths do not fit.
pub fn adaptive_average_backward(g: &AdaptiveGeometry, output_gradient: &[f32], input_gradient: &mut [f32]) {
    g.check(input_gradient.len(), output_gradient.len(), "adaptive_average_backward");
    let image = g.output.iter().product::<usize>() * g.channels;
    par::for_each_chunk(input_gradient, (4096 / g.channels).max(1) * g.channels, g.cost(), |start, dx| {
        for (index, dx) in dx.chunks_exact_mut(g.channels).enumerate() {
            let (n, at) = place(g.input, start / g.channels + index);
            gather(g, at, &output_gradient[n * image..][..image], dx);
        }
    });
}

vectorized! {
    /// What the windows that cover a pixel hand back to it.
    fn gather(g: &AdaptiveGeometry, at: [usize; 3], dy: &[f32], dx: &mut [f32]) {
        let [depth, height, width] = [0, 1, 2].map(|axis| g.covering(axis, at[axis]));
        dx.fill(0.0);
        for d in depth {
            for h in height.clone() {
                for w in width.clone() {
                    let count = g.covered(0, d).len() * g.covered(1, h).len() * g.covered(2, w).len();
                    let share = 1.0 / count as f32;
                    let offset = ((d * g.output[1] + h) * g.output[2] + w) * g.channels;
                    dx.iter_mut().zip(&dy[offset..]).for_each(|(dx, dy)| *dx += dy * share);
                }
            }
        }
    }
}

/// `output[n,o,c]` = largest `input[n,i,c]` of the elements i that window o covers.
///
/// # Panics
/// If the lengths do not fit.
pub fn adaptive_max_forward(g: &AdaptiveGeometry, input: &[f32], output: &mut [f32]) {
    g.check(input.len(), output.len(), "adaptive_max_forward");
    let image = g.input.iter().product::<usize>() * g.channels;
    par::for_each_chunk(output, (4096 / g.channels).max(1) * g.channels, g.cost(), |start, output| {
        for (index, output) in output.chunks_exact_mut(g.channels).enumerate() {
            let (n, at) = place(g.output, start / g.channels + index);
            let covered = [0, 1, 2].map(|axis| g.covered(axis, at[axis]));
            largest(Pixels::new(g.input, g.channels, covered), &input[n * image..][..image], output);
        }
    });
}

vectorized! {
    fn largest(pixels: Pixels, image: &[f32], output: &mut [f32]) {
        output.fill(f32::NEG_INFINITY);
        for offset in pixels {
            output.iter_mut().zip(&image[offset..]).for_each(|(y, &x)| *y = if x > *y || x.is_nan() { x } else { *y });
        }
    }
}

/// The gradient of [`adaptive_max_forward`] by its input: each dy goes to the first element of its window that has the maximum.
///
/// # Panics
/// If the lengths do not fit.
pub fn adaptive_max_backward(
    g: &AdaptiveGeometry,
    input: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    g.check(input_gradient.len(), output_gradient.len(), "adaptive_max_backward");
    assert_eq!(input.len(), input_gradient.len(), "adaptive_max_backward: one gradient for each input");
    // Windows overlap, channels do not: a piece is some channels of an image.
    let blocks = g.channels.div_ceil(BLOCK);
    let image = g.input.iter().product::<usize>() * g.channels;
    let dx = Shared::new(input_gradient);
    par::for_each(g.batch * blocks, 2 * g.cost(), |piece| {
        let (n, start) = (piece / blocks, piece % blocks * BLOCK);
        let width = BLOCK.min(g.channels - start);
        for pixel in (n * image..(n + 1) * image).step_by(g.channels) {
            // SAFETY: each piece has its own channels of its own image.
            unsafe { dx.part(pixel + start, width) }.fill(0.0);
        }
        for o in 0..g.output.iter().product() {
            let (_, at) = place(g.output, o);
            let covered = [0, 1, 2].map(|axis| g.covered(axis, at[axis]));
            let winners = winners(
                Pixels::new(g.input, g.channels, covered),
                &input[n * image..][..image],
                start,
                width,
            );
            let dy = &output_gradient[(n * g.output.iter().product::<usize>() + o) * g.channels + start..]
                [..width];
            for (c, dy) in dy.iter().enumerate() {
                // SAFETY: as above.
                let dx = unsafe { dx.part(n * image + winners[c] + start + c, 1) };
                dx[0] += dy;
            }
        }
    });
}

/// Offset of the pixel with the largest element, for `width` channels from `start` on.
fn winners(pixels: Pixels, image: &[f32], start: usize, width: usize) -> [usize; BLOCK] {
    let mut best = [f32::NEG_INFINITY; BLOCK];
    let mut winners = [usize::MAX; BLOCK];
    for offset in pixels {
        for c in 0..width {
            let x = image[offset + start + c];
            if winners[c] == usize::MAX || x > best[c] {
                (best[c], winners[c]) = (x, offset);
            }
        }
    }
    winners
}
