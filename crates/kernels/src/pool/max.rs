//! Maximum over windows.

use super::bands::{self, Band};
use super::taps::{TapList, Taps};
use super::{BLOCK, check, is_disjoint, line_len, line_place};
use crate::geometry::{Axis, PoolGeometry};
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// Whether tap indices of this window fit into the bytes of `argmax`: at most 256 taps. For larger windows, pass no
/// argmax to [`max_forward`] and the input to [`max_backward_recompute`].
pub fn argmax_fits(g: &PoolGeometry) -> bool {
    g.window.taps() <= 256
}

/// `output[n,o,c] = max_tap input[n, source(o,tap), c]`, padding never being the maximum (a window wholly in padding
/// gives −∞); `argmax`, of the output's length, receives the index of the first tap that has it.
///
/// # Panics
/// If the lengths do not fit, or `argmax` is asked for and does not fit in bytes.
pub fn max_forward(g: &PoolGeometry, input: &[f32], output: &mut [f32], argmax: Option<&mut [u8]>) {
    forward(g, input, output, argmax, |_, _| ());
}

/// What stands in `argmax` for a window that hands no gradient back.
const NOBODY: u8 = u8::MAX;

/// Whether [`max_forward_rectified`] can be used: tap indices leave a byte's last value free.
pub fn rectified_argmax_fits(g: &PoolGeometry) -> bool {
    g.window.taps() <= usize::from(NOBODY)
}

/// As [`max_forward`], for an input that a rectifier made: where the maximum is not positive, `argmax` names no tap,
/// so that [`max_backward`] gives the gradient of rectifier and pool in one.
///
/// # Panics
/// If the lengths do not fit, or 255 is a tap's index.
pub fn max_forward_rectified(g: &PoolGeometry, input: &[f32], output: &mut [f32], argmax: &mut [u8]) {
    assert!(rectified_argmax_fits(g), "max_forward_rectified: {} taps are too many", g.window.taps());
    forward(g, input, output, Some(argmax), clear_of_nonpositive);
}

/// Where the taps that [`max_forward`] names stand in the input: `places[n,o,c]` counts the elements of one channel of one image, the
/// last axis fastest.
///
/// # Panics
/// If the lengths do not fit.
pub fn winner_places(g: &PoolGeometry, argmax: &[u8], places: &mut [f32]) {
    check(g, g.input_len(), places.len(), "winner_places");
    assert_eq!(argmax.len(), places.len(), "winner_places: one argmax for each place");
    let [d, h, w] = &g.window.axes;
    let line = line_len(g);
    par::for_each_chunk(places, line, places.len() as u64, |start, places| {
        let (_, od, oh) = line_place(g, start / line);
        for (index, (to, &tap)) in places.iter_mut().zip(&argmax[start..]).enumerate() {
            let tap = usize::from(tap);
            // A window wholly in the padding names its first tap, which may lie before the input.
            let at = |axis: &Axis, output: usize, tap: usize| {
                (output * axis.stride + tap * axis.dilation).saturating_sub(axis.pad_before)
            };
            let depth = at(d, od, tap / (h.kernel * w.kernel));
            let height = at(h, oh, tap / w.kernel % h.kernel);
            let width = at(w, index / g.channels, tap % w.kernel);
            *to = ((depth * h.input + height) * w.input + width) as f32;
        }
    });
}

vectorized! {
    fn clear_of_nonpositive(output: &[f32], argmax: &mut [u8]) {
        for (argmax, y) in argmax.iter_mut().zip(output) {
            *argmax |= if *y > 0.0 { 0 } else { NOBODY };
        }
    }
}

/// The forward pass; `finish` gets each line's maxima and winners while they are at hand.
fn forward(
    g: &PoolGeometry,
    input: &[f32],
    output: &mut [f32],
    argmax: Option<&mut [u8]>,
    finish: impl Fn(&[f32], &mut [u8]) + Sync + Send,
) {
    check(g, input.len(), output.len(), "max_forward");
    if let Some(argmax) = &argmax {
        assert_eq!(argmax.len(), output.len(), "max_forward: one argmax for each output");
        assert!(argmax_fits(g), "max_forward: {} taps do not fit in a byte", g.window.taps());
    }
    let argmax = argmax.map(Shared::new);
    let line = line_len(g);
    let cost = (output.len() * g.window.taps()) as u64 / 5;
    let lines = (4096 / line).max(1);
    par::for_each_chunk(output, lines * line, cost, |start, output| {
        for (index, output) in output.chunks_exact_mut(line).enumerate() {
            let at = start + index * line;
            // SAFETY: lines are disjoint, and so are their parts of argmax.
            let mut argmax = argmax.as_ref().map(|argmax| unsafe { argmax.part(at, line) });
            forward_line(g, input, at / line, output, argmax.as_deref_mut());
            if let Some(argmax) = argmax {
                finish(output, argmax);
            }
        }
    });
}

vectorized! {
    fn forward_line(g: &PoolGeometry, input: &[f32], line: usize, output: &mut [f32], argmax: Option<&mut [u8]>) {
        let (n, od, oh) = line_place(g, line);
        let image_len = g.window.input_positions() * g.channels;
        let image = &input[n * image_len..][..image_len];
        let mut argmax = argmax;
        let mut taps = Taps::of_line(g, od, oh);
        let four = taps.four().zip(taps.step());
        let is_listed = g.window.taps() <= TapList::MOST;
        let mut list = TapList::new(&taps, 0);
        for (ow, output) in output.chunks_exact_mut(g.channels).enumerate() {
            let argmax = argmax.as_deref_mut().map(|argmax| &mut argmax[ow * g.channels..][..g.channels]);
            match four {
                Some((four, step)) => {
                    let pixels = four.map(|(tap, offset)| (tap as u32, &image[offset + ow * step..][..g.channels]));
                    best_of_four(pixels, output, argmax);
                }
                None => {
                    let is_other = taps.go_to(ow);
                    if is_listed {
                        if is_other {
                            list = TapList::new(&taps, ow);
                        }
                        best(list.at(ow), image, output, argmax);
                    } else {
                        best(taps.iter().map(|(tap, offset)| (tap as u32, offset)), image, output, argmax);
                    }
                }
            }
        }
    }
}

/// Maxima of all channels of a window with four taps, given as tap index and pixel.
#[inline(always)]
fn best_of_four(pixels: [(u32, &[f32]); 4], output: &mut [f32], argmax: Option<&mut [u8]>) {
    let taps = pixels.map(|(tap, _)| tap);
    let (output, output_rest) = output.as_chunks_mut::<BLOCK>();
    let blocks = pixels.map(|(_, pixel)| pixel.as_chunks::<BLOCK>());
    let [a, b, c, d] = blocks.map(|(blocks, _)| &blocks[..output.len()]);
    let rests = blocks.map(|(_, rest)| &rest[..output_rest.len()]);
    let of_rest = |i: usize| first_largest(rests.map(|rest| rest[i]), taps);
    match argmax {
        None => {
            for (block, output) in output.iter_mut().enumerate() {
                for i in 0..BLOCK {
                    output[i] = first_largest([a[block][i], b[block][i], c[block][i], d[block][i]], taps).0;
                }
            }
            for (i, output) in output_rest.iter_mut().enumerate() {
                *output = of_rest(i).0;
            }
        }
        Some(argmax) => {
            let (argmax, argmax_rest) = argmax.as_chunks_mut::<BLOCK>();
            for (block, (output, argmax)) in output.iter_mut().zip(argmax).enumerate() {
                let mut index = [0_u32; BLOCK];
                for i in 0..BLOCK {
                    (output[i], index[i]) =
                        first_largest([a[block][i], b[block][i], c[block][i], d[block][i]], taps);
                }
                for i in 0..BLOCK {
                    argmax[i] = index[i] as u8;
                }
            }
            for (i, (output, argmax)) in output_rest.iter_mut().zip(argmax_rest).enumerate() {
                let (best, index) = of_rest(i);
                (*output, *argmax) = (best, index as u8);
            }
        }
    }
}

/// The largest of four and its tap, the first one of equals.
#[inline(always)]
fn first_largest([a, b, c, d]: [f32; 4], taps: [u32; 4]) -> (f32, u32) {
    let (top, top_tap) = if b > a { (b, taps[1]) } else { (a, taps[0]) };
    let (bottom, bottom_tap) = if d > c { (d, taps[3]) } else { (c, taps[2]) };
    if bottom > top { (bottom, bottom_tap) } else { (top, top_tap) }
}

/// Maxima of all channels of a window, given as tap index and offset of each pixel.
#[inline(always)]
fn best(
    taps: impl Iterator<Item = (u32, usize)> + Clone,
    image: &[f32],
    output: &mut [f32],
    argmax: Option<&mut [u8]>,
) {
    let mut argmax = argmax;
    let mut start = 0;
    while start + BLOCK <= output.len() {
        let (best, index) = best_block(taps.clone(), &image[start..]);
        output[start..start + BLOCK].copy_from_slice(&best);
        if let Some(argmax) = argmax.as_deref_mut() {
            let argmax = &mut argmax[start..start + BLOCK];
            for i in 0..BLOCK {
                argmax[i] = index[i] as u8;
            }
        }
        start += BLOCK;
    }
    for c in start..output.len() {
        let (mut best, mut winner, mut first) = (f32::NEG_INFINITY, 0, true);
        for (tap, offset) in taps.clone() {
            let x = image[offset + c];
            if first || x > best {
                (best, winner, first) = (x, tap, false);
            }
        }
        output[c] = best;
        if let Some(argmax) = argmax.as_deref_mut() {
            argmax[c] = winner as u8;
        }
    }
}

/// Maxima and winners of a block of channels. The size is fixed, so that winners stay in registers.
#[inline(always)]
fn best_block(mut taps: impl Iterator<Item = (u32, usize)>, image: &[f32]) -> ([f32; BLOCK], [u32; BLOCK]) {
    let block = |offset: usize| -> &[f32; BLOCK] {
        image[offset..].first_chunk().expect("a block ends before its pixel does")
    };
    let Some((tap, offset)) = taps.next() else { return ([f32::NEG_INFINITY; BLOCK], [0; BLOCK]) };
    let (mut best, mut index) = (*block(offset), [tap; BLOCK]);
    for (tap, offset) in taps {
        let x = block(offset);
        // Where the compiler sees that what is kept and what is stored is one place, it stores under a mask, which some
        // machines do very slowly.
        let old = std::hint::black_box(best);
        for c in 0..BLOCK {
            let is_better = x[c] > old[c];
            best[c] = if is_better { x[c] } else { old[c] };
            index[c] = if is_better { tap } else { index[c] };
        }
    }
    (best, index)
}

/// `input_gradient[n, source(o, argmax), c] += output_gradient[n,o,c]`, on zeros: what was there is overwritten.
///
/// # Panics
/// If the lengths do not fit.
pub fn max_backward(g: &PoolGeometry, argmax: &[u8], output_gradient: &[f32], input_gradient: &mut [f32]) {
    check(g, input_gradient.len(), output_gradient.len(), "max_backward");
    assert_eq!(argmax.len(), output_gradient.len(), "max_backward: one argmax for each output");
    let output_len = g.window.output_positions() * g.channels;
    let disjoint = is_disjoint(g);
    let cost = (output_gradient.len() * g.window.taps()) as u64 / 4 + input_gradient.len() as u64 / 8;
    bands::for_each(g, cost, input_gradient, |band, dx| {
        let at = band.image * output_len;
        backward_band(
            g,
            disjoint,
            band,
            &argmax[at..][..output_len],
            &output_gradient[at..][..output_len],
            dx,
        );
    });
}

vectorized! {
    fn backward_band(g: &PoolGeometry, disjoint: bool, band: &Band, argmax: &[u8], dy: &[f32], dx: &mut [f32]) {
        let [_, h, w] = g.window.output();
        let channels = g.channels;
        if !(disjoint && is_covering(g)) {
            dx.fill(0.0);
        }
        let [depth, height, width] = &band.output;
        for od in depth.clone() {
            for oh in height.clone() {
                let mut taps = band.taps(g, od, oh);
                for ow in width.clone() {
                    let at = ((od * h + oh) * w + ow) * channels;
                    let (argmax, dy) = (&argmax[at..][..channels], &dy[at..][..channels]);
                    taps.go_to(ow);
                    for (tap, offset) in taps.iter() {
                        let dx = &mut dx[offset - band.offset..][..channels];
                        if disjoint {
                            give(argmax, dy, tap as u8, dx);
                        } else {
                            add(argmax, dy, tap as u8, dx);
                        }
                    }
                }
            }
        }
    }
}

/// Whether every input element lies under a window.
fn is_covering(g: &PoolGeometry) -> bool {
    g.window.axes.iter().all(|axis| {
        !axis.is_padded() && axis.extent() == axis.kernel && axis.kernel * axis.output() == axis.input
    })
}

/// `dx[c] = dy[c]` where the maximum was at `tap`, else 0.
#[inline(always)]
fn give(argmax: &[u8], dy: &[f32], tap: u8, dx: &mut [f32]) {
    let (dx, dx_rest) = dx.as_chunks_mut::<BLOCK>();
    let (dy, dy_rest) = dy.as_chunks::<BLOCK>();
    let (argmax, argmax_rest) = argmax.as_chunks::<BLOCK>();
    for (dx, (dy, argmax)) in dx.iter_mut().zip(dy.iter().zip(argmax)) {
        for i in 0..BLOCK {
            // All ones where the two are equal, else zero: by arithmetic, because a choice becomes a branch here.
            let mask = (i32::from(argmax[i] ^ tap) - 1) >> 31;
            dx[i] = f32::from_bits(dy[i].to_bits() & mask as u32);
        }
    }
    for (dx, (dy, argmax)) in dx_rest.iter_mut().zip(dy_rest.iter().zip(argmax_rest)) {
        *dx = if *argmax == tap { *dy } else { 0.0 };
    }
}

/// `dx[c] += dy[c]` where the maximum was at `tap`.
#[inline(always)]
fn add(argmax: &[u8], dy: &[f32], tap: u8, dx: &mut [f32]) {
    let (dx, dx_rest) = dx.as_chunks_mut::<BLOCK>();
    let (dy, dy_rest) = dy.as_chunks::<BLOCK>();
    let (argmax, argmax_rest) = argmax.as_chunks::<BLOCK>();
    for (dx, (dy, argmax)) in dx.iter_mut().zip(dy.iter().zip(argmax)) {
        for i in 0..BLOCK {
            // As in `give`.
            let mask = (i32::from(argmax[i] ^ tap) - 1) >> 31;
            dx[i] += f32::from_bits(dy[i].to_bits() & mask as u32);
        }
    }
    for (dx, (dy, argmax)) in dx_rest.iter_mut().zip(dy_rest.iter().zip(argmax_rest)) {
        *dx += if *argmax == tap { *dy } else { 0.0 };
    }
}

/// As [`max_backward`], finding the maxima anew in `input`: for windows of more than 256 taps.
///
/// # Panics
/// If the lengths do not fit.
pub fn max_backward_recompute(
    g: &PoolGeometry,
    input: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    check(g, input_gradient.len(), output_gradient.len(), "max_backward_recompute");
    assert_eq!(
        input.len(),
        input_gradient.len(),
        "max_backward_recompute: input and its gradient differ in length"
    );
    let image_len = g.window.input_positions() * g.channels;
    let output_len = g.window.output_positions() * g.channels;
    let cost = (output_gradient.len() * g.window.taps()) as u64;
    bands::for_each(g, cost, input_gradient, |band, dx| {
        let image = &input[band.image * image_len..][..image_len];
        recompute_band(g, band, image, &output_gradient[band.image * output_len..][..output_len], dx);
    });
}

fn recompute_band(g: &PoolGeometry, band: &Band, image: &[f32], dy: &[f32], dx: &mut [f32]) {
    let [_, h, w] = g.window.output();
    let [depth, height, width] = &band.output;
    dx.fill(0.0);
    for od in depth.clone() {
        for oh in height.clone() {
            // The winner is sought in the whole window, which may reach over the band's border.
            let mut taps = Taps::of_line(g, od, oh);
            for ow in width.clone() {
                taps.go_to(ow);
                let at = ((od * h + oh) * w + ow) * g.channels;
                for (c, dy) in dy[at..][..g.channels].iter().enumerate() {
                    let mut found: Option<(f32, usize)> = None;
                    for (_, offset) in taps.iter() {
                        let x = image[offset + c];
                        if found.is_none_or(|(best, _)| x > best) {
                            found = Some((x, offset + c));
                        }
                    }
                    let place = found.and_then(|(_, place)| place.checked_sub(band.offset));
                    if let Some(dx) = place.and_then(|place| dx.get_mut(place)) {
                        *dx += dy;
                    }
                }
            }
        }
    }
}
