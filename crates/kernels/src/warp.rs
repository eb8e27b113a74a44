//! Affine warps of images: each pixel of the result comes from a place of the original that a matrix tells.

use std::ops::Range;

use crate::resize::Interpolation;

/// What is outside of an image, here of pixels a b c d.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outside {
    /// The pixel at the border: a a a | a b c d | d d d.
    Nearest,
    /// A number for every place beyond the middle of the outermost pixels: k k k | a b c d | k k k. SciPy's `constant`.
    Constant(f32),
    /// Pixels of this number, between which and the image's is interpolated. TensorFlow's `constant`.
    Blend(f32),
    /// The image mirrored at its border: c b a | a b c d | d c b.
    Reflect,
    /// The image again, its first pixel laid over its last. SciPy's `wrap`.
    Wrap,
    /// The image again, behind a gap where the outermost pixel is held. TensorFlow's `wrap`.
    Repeat,
}

/// The largest whole number not above x, which must be one that 64 bits hold. The usual function is a call where the instruction set is not known.
#[inline(always)]
fn floor(x: f64) -> f64 {
    let whole = x as i64 as f64;
    if whole > x { whole - 1.0 } else { whole }
}

impl Outside {
    /// The place in an axis of `len` pixels, counted from the middle of the first, whose value is that of place `at`; `None` for that of the number.
    fn place(self, at: f64, len: usize) -> Option<f64> {
        let (last, size) = (len as f64 - 1.0, len as f64);
        if (0.0..=last).contains(&at) {
            return Some(at);
        }
        match self {
            Self::Constant(_) => None,
            Self::Blend(_) => (-1.0..size).contains(&at).then_some(at),
            _ if !at.is_finite() || len <= 1 => Some(0.0),
            Self::Nearest => Some(at.clamp(0.0, last)),
            Self::Reflect => {
                let within = at - 2.0 * size * floor(at / (2.0 * size));
                let mirrored = if within > last { (2.0 * size - within - 1.0).min(within) } else { within };
                Some(mirrored.clamp(0.0, last))
            }
            Self::Wrap if at < 0.0 => Some((at + last * (floor(-at / last) + 1.0)).clamp(0.0, last)),
            Self::Wrap => Some((at - last * floor(at / last)).clamp(0.0, last)),
            Self::Repeat if at < 0.0 => Some((at + size * (floor(-at / last) + 1.0)).clamp(0.0, last)),
            Self::Repeat => Some((at - size * floor(at / last)).clamp(0.0, last)),
        }
    }

    /// The pixel that stands at a whole place, if not the number does.
    fn pixel(self, at: f64, len: usize) -> Option<usize> {
        let last = len as f64 - 1.0;
        match self {
            Self::Blend(_) if !(0.0..=last).contains(&at) => None,
            _ => Some(at.clamp(0.0, last) as usize),
        }
    }

    fn number(self) -> f32 {
        match self {
            Self::Constant(number) | Self::Blend(number) => number,
            _ => 0.0,
        }
    }
}

/// Height and width before and after, and the values of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Height and width of the original.
    pub from: [usize; 2],
    /// Height and width of the result.
    pub to: [usize; 2],
    /// Values of a pixel.
    pub channels: usize,
}

impl Sizes {
    /// For results as large as originals.
    pub fn same(size: [usize; 2], channels: usize) -> Self {
        Self { from: size, to: size, channels }
    }

    fn check(&self, from: usize, to: usize) -> bool {
        assert_eq!(from, self.from[0] * self.from[1] * self.channels, "Warp: length of the original");
        assert_eq!(to, self.to[0] * self.to[1] * self.channels, "Warp: length of the result");
        from > 0 && to > 0
    }
}

/// An affine warp. The value at `[row, column]` of the result is that of the original at `matrix · [row, column, 1]`, counted from the middle of the
/// first pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// Where pixels come from.
    pub matrix: [[f64; 3]; 2],
    /// What is outside.
    pub outside: Outside,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
}

impl Warp {
    /// `y` is the image `x`, warped.
    ///
    /// # Panics
    /// If the lengths do not fit the sizes.
    pub fn forward(&self, x: &[f32], y: &mut [f32], sizes: Sizes) {
        if !sizes.check(x.len(), y.len()) {
            return y.fill(self.outside.number());
        }
        match (self.interpolation, sizes.channels) {
            (Interpolation::Nearest, _) => self.nearest(x, y, sizes, self.outside.number()),
            (Interpolation::Bilinear, 1) => self.bilinear::<1>(x, y, sizes),
            (Interpolation::Bilinear, 3) => self.bilinear::<3>(x, y, sizes),
            (Interpolation::Bilinear, _) => self.bilinear::<0>(x, y, sizes),
        }
    }

    /// The gradient of [`Self::forward`] by `x`.
    ///
    /// # Panics
    /// If the lengths do not fit the sizes.
    pub fn backward(&self, dy: &[f32], dx: &mut [f32], sizes: Sizes) {
        dx.fill(0.0);
        if !sizes.check(dx.len(), dy.len()) {
            return;
        }
        let channels = sizes.channels;
        for (row, dy) in dy.chunks_exact(sizes.to[1] * channels).enumerate() {
            let line = self.line(row);
            for (column, dy) in dy.chunks_exact(channels).enumerate() {
                let corners = self.corners(self.place(line, column), sizes.from);
                for (pixel, weight) in corners.into_iter().flatten() {
                    let Some(pixel) = pixel else { continue };
                    let dx = &mut dx[pixel * channels..][..channels];
                    dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += weight * dy);
                }
            }
        }
    }

    /// Warps values of any kind, each result being that of the nearest pixel, or `number` where what is outside is a number.
    ///
    /// # Panics
    /// If the lengths do not fit the sizes.
    pub fn nearest<T: Copy>(&self, x: &[T], y: &mut [T], sizes: Sizes, number: T) {
        if !sizes.check(x.len(), y.len()) {
            return y.fill(number);
        }
        let channels = sizes.channels;
        for (row, y) in y.chunks_exact_mut(sizes.to[1] * channels).enumerate() {
            let line = self.line(row);
            for (column, y) in y.chunks_exact_mut(channels).enumerate() {
                match self.nearest_pixel(self.place(line, column), sizes.from) {
                    Some(pixel) => y.copy_from_slice(&x[pixel * channels..][..channels]),
                    None => y.fill(number),
                }
            }
        }
    }

    /// The part of [`Self::place`] that all columns of a row have in common.
    fn line(&self, row: usize) -> [f64; 2] {
        self.matrix.map(|m| m[2] + m[0] * row as f64)
    }

    /// Where a column of a row of the result comes from.
    #[inline(always)]
    fn place(&self, line: [f64; 2], column: usize) -> [f64; 2] {
        let column = column as f64;
        [line[0] + self.matrix[0][1] * column, line[1] + self.matrix[1][1] * column]
    }

    fn nearest_pixel(&self, at: [f64; 2], [height, width]: [usize; 2]) -> Option<usize> {
        let (y, x) = (self.outside.place(at[0], height)?, self.outside.place(at[1], width)?);
        let row = self.outside.pixel(floor(y + 0.5), height)?;
        Some(row * width + self.outside.pixel(floor(x + 0.5), width)?)
    }

    /// The pixels around a place and their weights; a pixel of `None` is the number outside. Nothing if all of them are.
    fn corners(&self, at: [f64; 2], [height, width]: [usize; 2]) -> Option<[(Option<usize>, f32); 4]> {
        if self.interpolation == Interpolation::Nearest {
            let pixel = self.nearest_pixel(at, [height, width])?;
            return Some([(Some(pixel), 1.0), (None, 0.0), (None, 0.0), (None, 0.0)]);
        }
        let (y, x) = (self.outside.place(at[0], height)?, self.outside.place(at[1], width)?);
        let (top, left) = (floor(y), floor(x));
        let (down, along) = ((y - top) as f32, (x - left) as f32);
        let pixel = |row: f64, column: f64| {
            let row = self.outside.pixel(row, height)?;
            Some(row * width + self.outside.pixel(column, width)?)
        };
        Some([
            (pixel(top, left), (1.0 - down) * (1.0 - along)),
            (pixel(top, left + 1.0), (1.0 - down) * along),
            (pixel(top + 1.0, left), down * (1.0 - along)),
            (pixel(top + 1.0, left + 1.0), down * along),
        ])
    }

    /// The columns of a row of the result that come from places of 0 ≤ place < `limits`.
    fn inside(&self, line: [f64; 2], limits: [f64; 2], width: usize) -> Range<usize> {
        let (mut first, mut last) = (0.0_f64, width as f64);
        for axis in 0..2 {
            let (start, slope) = (line[axis], self.matrix[axis][1]);
            if slope != 0.0 {
                let ends = [-start / slope, (limits[axis] - start) / slope];
                first = first.max(ends[0].min(ends[1]));
                last = last.min(ends[0].max(ends[1]));
            }
        }
        let within = |column: usize| {
            let at = self.place(line, column);
            (0..2).all(|axis| (0.0..limits[axis]).contains(&at[axis]))
        };
        // Places rise or fall along a row also as they are rounded, so it is enough that both ends are inside.
        let (mut first, mut last) = (first.ceil() as usize, (last.ceil() as usize).min(width));
        while first < last && !within(first) {
            first += 1;
        }
        while first < last && !within(last - 1) {
            last -= 1;
        }
        if first < last { first..last } else { 0..0 }
    }

    /// `C` is the number of channels, or 0 if that is known at run time only.
    fn bilinear<const C: usize>(&self, x: &[f32], y: &mut [f32], sizes: Sizes) {
        let channels = if C == 0 { sizes.channels } else { C };
        let [height, width] = sizes.from;
        let stride = width * channels;
        let limits = [height as f64 - 1.0, width as f64 - 1.0];
        for (row, y) in y.chunks_exact_mut(sizes.to[1] * channels).enumerate() {
            let line = self.line(row);
            let inside = self.inside(line, limits, sizes.to[1]);
            let (left, rest) = y.split_at_mut(inside.start * channels);
            let (middle, right) = rest.split_at_mut(inside.len() * channels);
            for (step, y) in middle.chunks_exact_mut(channels).enumerate() {
                let [at_y, at_x] = self.place(line, inside.start + step);
                // By way of 32 bits, for which the instruction sets have conversions.
                let (top, first) = (at_y as i32 as usize, at_x as i32 as usize);
                let (down, along) = ((at_y - top as f64) as f32, (at_x - first as f64) as f32);
                let upper = &x[top * stride + first * channels..][..2 * channels];
                let lower = &x[(top + 1) * stride + first * channels..][..2 * channels];
                for c in 0..channels {
                    let above = upper[c] + (upper[channels + c] - upper[c]) * along;
                    let below = lower[c] + (lower[channels + c] - lower[c]) * along;
                    y[c] = above + (below - above) * down;
                }
            }
            for (start, y) in [(0, left), (inside.end, right)] {
                for (step, y) in y.chunks_exact_mut(channels).enumerate() {
                    self.beyond::<C>(x, y, self.place(line, start + step), sizes.from);
                }
            }
        }
    }

    /// The value at a place that may be outside.
    #[inline(always)]
    fn beyond<const C: usize>(&self, x: &[f32], y: &mut [f32], at: [f64; 2], [height, width]: [usize; 2]) {
        let number = self.outside.number();
        let channels = if C == 0 { y.len() } else { C };
        if matches!(self.outside, Outside::Blend(_)) {
            let Some(corners) = self.corners(at, [height, width]) else { return y.fill(number) };
            for (c, y) in y.iter_mut().enumerate() {
                let value = |pixel: Option<usize>| pixel.map_or(number, |pixel| x[pixel * channels + c]);
                *y = corners.iter().map(|&(pixel, weight)| weight * value(pixel)).sum();
            }
            return;
        }
        let (Some(at_y), Some(at_x)) = (self.outside.place(at[0], height), self.outside.place(at[1], width))
        else {
            return y.fill(number);
        };
        let (top, left) = (at_y as usize, at_x as usize);
        let (bottom, right) = ((top + 1).min(height - 1), (left + 1).min(width - 1));
        let (down, along) = ((at_y - top as f64) as f32, (at_x - left as f64) as f32);
        let pixel = |row: usize, column: usize| &x[(row * width + column) * channels..][..channels];
        let (upper, lower) =
            ([pixel(top, left), pixel(top, right)], [pixel(bottom, left), pixel(bottom, right)]);
        for c in 0..channels {
            let above = upper[0][c] + (upper[1][c] - upper[0][c]) * along;
            let below = lower[0][c] + (lower[1][c] - lower[0][c]) * along;
            y[c] = above + (below - above) * down;
        }
    }
}
