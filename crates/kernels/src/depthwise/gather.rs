//! The inner loop of the forward pass and of the data gradient: each target pixel gathers its sources.

use super::walk::Tap;
use crate::elementwise::Bounds;
use crate::simd::Simd;

/// Most pixels of a tile.
pub(super) const MAX_PIXELS: usize = 8;

/// Neighbouring pixels of a run, for some channels.
pub(super) struct Tile<'a> {
    /// The image's first element of the first channel.
    pub source: *const f32,
    /// Elements between the sources of neighbouring pixels.
    pub source_step: usize,
    /// The weights of the first channel.
    pub weights: *const f32,
    /// Source lines.
    pub lines: &'a [Tap],
    /// Taps of the first pixel within each of them.
    pub taps: &'a [Tap],
    /// Where the first pixel is stored.
    pub target: *mut f32,
    /// Elements between neighbouring pixels there.
    pub target_step: usize,
    /// Channels.
    pub channels: usize,
    /// Added to each pixel; null for none.
    pub bias: *const f32,
    /// Between which numbers results are kept.
    pub bounds: Bounds,
}

/// A compiled kernel.
///
/// # Safety
/// The machine must have the instruction set. For each line, tap and pixel, `channels` elements of source and weights
/// must be readable, and so many of the bias if there is one; those of each pixel of the target must be writable and
/// overlap nothing else.
pub(super) type Kernel = unsafe fn(&Tile<'_>);

/// The kernel's one text, for `PIXELS` pixels.
///
/// # Safety
/// See [`Kernel`].
#[inline(always)]
pub(super) unsafe fn run<S: Simd, const PIXELS: usize>(tile: &Tile<'_>) {
    let mut channel = 0;
    // SAFETY: the contract of `Kernel` covers every access: channels before `channels` only.
    unsafe {
        while channel + S::LANES <= tile.channels {
            vector::<S, PIXELS, true>(tile, channel, S::LANES);
            channel += S::LANES;
        }
        if channel < tile.channels {
            vector::<S, PIXELS, false>(tile, channel, tile.channels - channel);
        }
    }
}

/// As [`run`], for `TAPS` taps at equal distances, `STRIDE` of which make the distance of neighbouring pixels: what
/// several pixels read is loaded once.
///
/// # Safety
/// See [`Kernel`]; the taps must be as told.
#[inline(always)]
pub(super) unsafe fn run_sliding<S: Simd, const TAPS: usize, const STRIDE: usize, const PIXELS: usize>(
    tile: &Tile<'_>,
) {
    let mut channel = 0;
    // SAFETY: the contract of `Kernel` covers every access: channels before `channels` only.
    unsafe {
        while channel + S::LANES <= tile.channels {
            sliding_vector::<S, TAPS, STRIDE, PIXELS>(tile, channel);
            channel += S::LANES;
        }
        if channel < tile.channels {
            vector::<S, PIXELS, false>(tile, channel, tile.channels - channel);
        }
    }
}

/// A vector of channels of all pixels.
#[inline(always)]
unsafe fn sliding_vector<S: Simd, const TAPS: usize, const STRIDE: usize, const PIXELS: usize>(
    tile: &Tile<'_>,
    channel: usize,
) {
    // SAFETY: passed on from `run_sliding`.
    unsafe {
        let start = if tile.bias.is_null() { S::splat(0.0) } else { S::load(tile.bias.add(channel)) };
        let mut sums = [start; PIXELS];
        let (source, weights) = (tile.source.add(channel + tile.taps[0].source), tile.weights.add(channel));
        let step = tile.source_step / STRIDE;
        for line in tile.lines {
            let (mut source, line_weights) = (source.add(line.source), weights.add(line.weight));
            let mut weights = [start; TAPS];
            for tap in 0..TAPS {
                weights[tap] = S::load(line_weights.add(tile.taps.get_unchecked(tap).weight));
            }
            // Two texts of one sum: each is the one that compiles to straight code for its stride.
            if STRIDE == 1 {
                for column in 0..PIXELS + TAPS - 1 {
                    let x = S::load(source);
                    // Beyond the last column this may lie outside, but is not read.
                    source = source.wrapping_add(step);
                    for tap in 0..TAPS {
                        if column >= tap && column - tap < PIXELS {
                            sums[column - tap] = S::multiply_add(x, weights[tap], sums[column - tap]);
                        }
                    }
                }
            } else {
                let mut window = [start; TAPS];
                for tap in STRIDE..TAPS {
                    window[tap] = S::load(source);
                    source = source.add(step);
                }
                for pixel in 0..PIXELS {
                    for tap in STRIDE..TAPS {
                        window[tap - STRIDE] = window[tap];
                    }
                    for tap in TAPS - STRIDE..TAPS {
                        window[tap] = S::load(source);
                        source = source.wrapping_add(step);
                    }
                    for tap in 0..TAPS {
                        sums[pixel] = S::multiply_add(window[tap], weights[tap], sums[pixel]);
                    }
                }
            }
        }
        if tile.bounds.rectified {
            // In this order a NaN stays one.
            let zero = S::splat(0.0);
            sums.iter_mut().for_each(|sum| *sum = S::max(zero, *sum));
        }
        if tile.bounds.ceiling < f32::INFINITY {
            let ceiling = S::splat(tile.bounds.ceiling);
            sums.iter_mut().for_each(|sum| *sum = S::min(ceiling, *sum));
        }
        let mut target = tile.target.add(channel);
        for (pixel, sum) in sums.into_iter().enumerate() {
            if pixel > 0 {
                target = target.add(tile.target_step);
            }
            S::store(target, sum);
        }
    }
}

/// `count` channels of all pixels; `FULL` tells that they fill a vector.
#[inline(always)]
unsafe fn vector<S: Simd, const PIXELS: usize, const FULL: bool>(
    tile: &Tile<'_>,
    channel: usize,
    count: usize,
) {
    // SAFETY: passed on from `run`.
    unsafe {
        let load = |pointer: *const f32| {
            if FULL { S::load(pointer) } else { S::load_partial(pointer, count) }
        };
        let start = if tile.bias.is_null() { S::splat(0.0) } else { load(tile.bias.add(channel)) };
        let mut sums = [start; PIXELS];
        let (source, weights) = (tile.source.add(channel), tile.weights.add(channel));
        let step = tile.source_step;
        for line in tile.lines {
            let (source, weights) = (source.add(line.source), weights.add(line.weight));
            for tap in tile.taps {
                let weight = load(weights.add(tap.weight));
                let source = source.add(tap.source);
                for pixel in 0..PIXELS {
                    sums[pixel] = S::multiply_add(load(source.add(pixel * step)), weight, sums[pixel]);
                }
            }
        }
        if tile.bounds.rectified {
            // In this order a NaN stays one.
            let zero = S::splat(0.0);
            sums.iter_mut().for_each(|sum| *sum = S::max(zero, *sum));
        }
        if tile.bounds.ceiling < f32::INFINITY {
            let ceiling = S::splat(tile.bounds.ceiling);
            sums.iter_mut().for_each(|sum| *sum = S::min(ceiling, *sum));
        }
        let mut target = tile.target.add(channel);
        for (pixel, sum) in sums.into_iter().enumerate() {
            if pixel > 0 {
                target = target.add(tile.target_step);
            }
            if FULL { S::store(target, sum) } else { S::store_partial(target, sum, count) }
        }
    }
}
