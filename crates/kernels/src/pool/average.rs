//! Mean over windows.

use super::bands::{self, Band};
use super::taps::Taps;
use super::{BLOCK, check, line_len, line_place};
use crate::geometry::{Axis, PoolGeometry};
use crate::par;
use crate::simd::vectorized;

/// `output[n,o,c]` = mean of the real input elements under window o; padding is not counted (a window wholly in padding
/// gives 0).
///
/// # Panics
/// If the lengths do not fit.
pub fn average_forward(g: &PoolGeometry, input: &[f32], output: &mut [f32]) {
    check(g, input.len(), output.len(), "average_forward");
    let line = line_len(g);
    let cost = (output.len() * g.window.taps()) as u64 / 5;
    let lines = (8192 / (line * g.window.taps())).max(1);
    par::for_each_chunk(output, lines * line, cost, |start, output| {
        for (index, output) in output.chunks_exact_mut(line).enumerate() {
            forward_line(g, input, start / line + index, output);
        }
    });
}

/// 1 / count, or 0 of none.
#[inline]
fn inverse(count: usize) -> f32 {
    if count == 0 { 0.0 } else { 1.0 / count as f32 }
}

vectorized! {
    fn forward_line(g: &PoolGeometry, input: &[f32], line: usize, output: &mut [f32]) {
        let (n, od, oh) = line_place(g, line);
        let image_len = g.window.input_positions() * g.channels;
        let image = &input[n * image_len..][..image_len];
        let mut taps = Taps::of_line(g, od, oh);
        for (ow, output) in output.chunks_exact_mut(g.channels).enumerate() {
            taps.go_to(ow);
            let scale = inverse(taps.count());
            if let Some(four) = taps.four() {
                let [a, b, c, d] = four.map(|(_, offset)| &image[offset..][..g.channels]);
                for i in 0..output.len() {
                    output[i] = ((a[i] + b[i]) + (c[i] + d[i])) * scale;
                }
                continue;
            }
            let mut start = 0;
            while start + BLOCK <= g.channels {
                let mut sum = [0.0_f32; BLOCK];
                for (_, offset) in taps.iter() {
                    let x = &image[offset + start..][..BLOCK];
                    for c in 0..BLOCK {
                        sum[c] += x[c];
                    }
                }
                output[start..start + BLOCK].iter_mut().zip(sum).for_each(|(y, sum)| *y = sum * scale);
                start += BLOCK;
            }
            for c in start..g.channels {
                let mut sum = 0.0;
                for (_, offset) in taps.iter() {
                    sum += image[offset + c];
                }
                output[c] = sum * scale;
            }
        }
    }
}

/// Each real element under window o receives `output_gradient[n,o,c] / count(o)`; what was in `input_gradient` is
/// overwritten.
///
/// # Panics
/// If the lengths do not fit.
pub fn average_backward(g: &PoolGeometry, output_gradient: &[f32], input_gradient: &mut [f32]) {
    check(g, input_gradient.len(), output_gradient.len(), "average_backward");
    let output_len = g.window.output_positions() * g.channels;
    let cost = (output_gradient.len() * g.window.taps()) as u64 / 4 + input_gradient.len() as u64 / 8;
    bands::for_each(g, cost, input_gradient, |band, dx| {
        backward_band(g, band, &output_gradient[band.image * output_len..][..output_len], dx);
    });
}

vectorized! {
    fn backward_band(g: &PoolGeometry, band: &Band, dy: &[f32], dx: &mut [f32]) {
        let [_, h, w] = g.window.output();
        let channels = g.channels;
        let [depth, height, width] = &band.output;
        if g.window.output_positions() == 1 && !g.window.axes.iter().any(Axis::is_padded) && g.window.kernel() == g.window.input() {
            // Every element has the same share: nothing is to be added up.
            let scale = inverse(g.window.taps());
            for dx in dx.chunks_exact_mut(channels) {
                dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * scale);
            }
            return;
        }
        dx.fill(0.0);
        for od in depth.clone() {
            for oh in height.clone() {
                let mut all = Taps::of_line(g, od, oh);
                let mut taps = band.taps(g, od, oh);
                for ow in width.clone() {
                    let at = ((od * h + oh) * w + ow) * channels;
                    let dy = &dy[at..][..channels];
                    all.go_to(ow);
                    taps.go_to(ow);
                    let scale = inverse(all.count());
                    for (_, offset) in taps.iter() {
                        let dx = &mut dx[offset - band.offset..][..channels];
                        dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * scale);
                    }
                }
            }
        }
    }
}
