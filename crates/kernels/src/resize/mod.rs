//! Images of another height and width, by nearest neighbours or bilinear interpolation.
//!
//! Pixels have their centres at halves, as in TensorFlow's `tf.image.resize`: output pixel o lies at
//! `(o + ½) · input / output − ½` of the input. There is no smoothing where the image becomes smaller.

use crate::par;
use crate::simd::vectorized;

/// How values between pixels are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// Between the four nearest, in proportion to the distance.
    Bilinear,
}

/// Where an output pixel lies along an axis: between `low` and `high`, which has this share.
#[derive(Clone, Copy, Debug)]
struct Place {
    low: usize,
    high: usize,
    share: f32,
}

/// One axis: the place of each output pixel.
fn places(input: usize, output: usize, interpolation: Interpolation) -> Vec<Place> {
    let scale = input as f32 / output as f32;
    let place = |index: usize| {
        let middle = (index as f32 + 0.5) * scale;
        match interpolation {
            Interpolation::Nearest => {
                let low = (middle.floor() as usize).min(input - 1);
                Place { low, high: low, share: 0.0 }
            }
            Interpolation::Bilinear => {
                let at = middle - 0.5;
                let low = at.floor();
                let high = (at.ceil().max(0.0) as usize).min(input - 1);
                Place { low: low.max(0.0) as usize, high, share: at - low }
            }
        }
    };
    (0..output).map(place).collect()
}

/// A change of size, with its tables prepared: make one per planned node.
///
/// Input `(batch, height, width, channels)`, output the same with other sizes.
#[derive(Clone, Debug)]
pub struct Resize {
    input: [usize; 2],
    channels: usize,
    rows: Vec<Place>,
    columns: Vec<Place>,
}

impl Resize {
    /// From `input` to `output` pixels, height and width.
    ///
    /// # Panics
    /// If a size is zero.
    pub fn new(input: [usize; 2], output: [usize; 2], channels: usize, interpolation: Interpolation) -> Self {
        let sizes = input.into_iter().chain(output).chain([channels]);
        assert!(sizes.into_iter().all(|size| size > 0), "Resize: a size is zero");
        let rows = places(input[0], output[0], interpolation);
        let columns = places(input[1], output[1], interpolation);
        Self { input, channels, rows, columns }
    }

    /// Elements of a row of the input and of the output.
    fn row_lens(&self) -> [usize; 2] {
        [self.input[1] * self.channels, self.columns.len() * self.channels]
    }

    /// Elements of an image before and after, and the check that both sides hold as many images.
    fn check(&self, input: usize, output: usize, what: &str) -> [usize; 2] {
        let [before, after] = self.row_lens();
        let [image, result] = [before * self.input[0], after * self.rows.len()];
        assert!(input.is_multiple_of(image), "{what}: no whole number of images");
        assert_eq!(input / image * result, output, "{what}: the sides differ in their number of images");
        [image, result]
    }

    /// `output` is `input` in its new size.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn forward(&self, input: &[f32], output: &mut [f32]) {
        let [image, _] = self.check(input.len(), output.len(), "Resize::forward");
        let [before, after] = self.row_lens();
        let cost = output.len() as u64;
        par::for_each_chunk(output, (8192 / after).max(1) * after, cost, |start, output| {
            for (index, output) in output.chunks_exact_mut(after).enumerate() {
                let line = start / after + index;
                let place = self.rows[line % self.rows.len()];
                let image = &input[line / self.rows.len() * image..][..image];
                let [low, high] = [place.low, place.high].map(|row| &image[row * before..][..before]);
                forward_row(self, [low, high], place.share, output);
            }
        });
    }

    /// The gradient of [`Resize::forward`] by its input.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn backward(&self, output_gradient: &[f32], input_gradient: &mut [f32]) {
        let [_, result] = self.check(input_gradient.len(), output_gradient.len(), "Resize::backward");
        let [before, after] = self.row_lens();
        let cost = output_gradient.len() as u64 * 2 + input_gradient.len() as u64 / 4;
        // Rows of the input gather what comes from the output, so that each has one owner.
        par::for_each_chunk(input_gradient, (8192 / before).max(1) * before, cost, |start, dx| {
            for (index, dx) in dx.chunks_exact_mut(before).enumerate() {
                let (n, row) =
                    ((start / before + index) / self.input[0], (start / before + index) % self.input[0]);
                let dy = &output_gradient[n * result..][..result];
                dx.fill(0.0);
                // Places rise, so the output rows that touch this one are neighbours.
                let first = self.rows.partition_point(|place| place.high < row);
                for (place, dy) in self.rows[first..].iter().zip(dy[first * after..].chunks_exact(after)) {
                    if place.low > row {
                        break;
                    }
                    let low = if place.low == row { 1.0 - place.share } else { 0.0 };
                    let high = if place.high == row { place.share } else { 0.0 };
                    backward_row(self, low + high, dy, dx);
                }
            }
        });
    }
}

vectorized! {
    fn forward_row(resize: &Resize, around: [&[f32]; 2], share: f32, output: &mut [f32]) {
        let [top, bottom] = around;
        let channels = resize.channels;
        for (place, output) in resize.columns.iter().zip(output.chunks_exact_mut(channels)) {
            let [low, high] = [place.low * channels, place.high * channels];
            if place.share == 0.0 && share == 0.0 {
                output.copy_from_slice(&top[low..][..channels]);
                continue;
            }
            let (a, b) = (&top[low..][..channels], &top[high..][..channels]);
            let (c, d) = (&bottom[low..][..channels], &bottom[high..][..channels]);
            for i in 0..channels {
                let above = a[i] + (b[i] - a[i]) * place.share;
                let below = c[i] + (d[i] - c[i]) * place.share;
                output[i] = above + (below - above) * share;
            }
        }
    }
}

vectorized! {
    fn backward_row(resize: &Resize, share: f32, dy: &[f32], dx: &mut [f32]) {
        let channels = resize.channels;
        for (place, dy) in resize.columns.iter().zip(dy.chunks_exact(channels)) {
            let (low, high) = (share * (1.0 - place.share), share * place.share);
            let to = &mut dx[place.low * channels..][..channels];
            to.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * low);
            if place.share != 0.0 {
                let to = &mut dx[place.high * channels..][..channels];
                to.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * high);
            }
        }
    }
}
