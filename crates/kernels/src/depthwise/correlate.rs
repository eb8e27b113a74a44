//! The inner loop of the weight gradient: each tap's weight gathers the products of all its pixels.

use crate::simd::Simd;

/// Most lines, and most taps within a line, that are held in registers.
pub(super) const MAX_TAPS: usize = 3;

/// Some output pixels of some lines, for some taps and channels.
pub(super) struct Tile {
    /// For each source line, the source of the first pixel's first tap.
    pub source: [*const f32; MAX_TAPS],
    /// Elements between the sources of neighbouring taps.
    pub tap_step: usize,
    /// Elements between the sources of neighbouring pixels.
    pub source_step: usize,
    /// The output gradient of the first pixel.
    pub gradient: *const f32,
    /// Elements between neighbouring pixels there.
    pub gradient_step: usize,
    /// Pixels of a line.
    pub pixels: usize,
    /// Elements between the sources of neighbouring lines.
    pub source_line_step: usize,
    /// Elements between the output gradients of neighbouring lines.
    pub gradient_line_step: usize,
    /// Lines.
    pub lines: usize,
    /// For each source line, the sum of the first tap.
    pub sums: [*mut f32; MAX_TAPS],
    /// Elements between the sums of neighbouring taps.
    pub sum_step: usize,
    /// Channels.
    pub channels: usize,
}

/// A compiled kernel.
///
/// # Safety
/// The machine must have the instruction set. For each line, tap and pixel, `channels` elements of the source and of the
/// gradient must be readable; those of the sum of each line and tap must be writable and overlap nothing else.
pub(super) type Kernel = unsafe fn(&Tile);

/// The kernel's one text, for `LINES` lines with `TAPS` taps in each.
///
/// # Safety
/// See [`Kernel`].
#[inline(always)]
pub(super) unsafe fn run<S: Simd, const LINES: usize, const TAPS: usize>(tile: &Tile) {
    let mut channel = 0;
    // SAFETY: the contract of `Kernel` covers every access: channels before `channels` only.
    unsafe {
        while channel + S::LANES <= tile.channels {
            vector::<S, LINES, TAPS, true>(tile, channel, S::LANES);
            channel += S::LANES;
        }
        if channel < tile.channels {
            vector::<S, LINES, TAPS, false>(tile, channel, tile.channels - channel);
        }
    }
}

/// Adds `count` channels of all pixels; `FULL` tells that they fill a vector.
#[inline(always)]
unsafe fn vector<S: Simd, const LINES: usize, const TAPS: usize, const FULL: bool>(
    tile: &Tile,
    channel: usize,
    count: usize,
) {
    // SAFETY: passed on from `run`.
    unsafe {
        let load = |pointer: *const f32| {
            if FULL { S::load(pointer) } else { S::load_partial(pointer, count) }
        };
        let mut sums = [[S::splat(0.0); TAPS]; LINES];
        let mut source = [std::ptr::null::<f32>(); LINES];
        for line in 0..LINES {
            source[line] = tile.source[line].add(channel);
            for tap in 0..TAPS {
                sums[line][tap] = load(tile.sums[line].add(tap * tile.sum_step + channel));
            }
        }
        for output_line in 0..tile.lines {
            let mut gradient = tile.gradient.add(output_line * tile.gradient_line_step + channel);
            let mut source = source.map(|source| source.add(output_line * tile.source_line_step));
            for _ in 0..tile.pixels {
                let dy = load(gradient);
                for line in 0..LINES {
                    for tap in 0..TAPS {
                        let x = load(source[line].add(tap * tile.tap_step));
                        sums[line][tap] = S::multiply_add(x, dy, sums[line][tap]);
                    }
                    // Beyond the last pixel this may lie outside, but is not read.
                    source[line] = source[line].wrapping_add(tile.source_step);
                }
                gradient = gradient.wrapping_add(tile.gradient_step);
            }
        }
        for line in 0..LINES {
            for tap in 0..TAPS {
                let target = tile.sums[line].add(tap * tile.sum_step + channel);
                if FULL {
                    S::store(target, sums[line][tap]);
                } else {
                    S::store_partial(target, sums[line][tap], count);
                }
            }
        }
    }
}
