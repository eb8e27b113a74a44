//! Local response normalisation (Krizhevsky, Sutskever, Hinton, 2012), with TensorFlow's arguments.

use crate::elementwise::math;
use crate::par::{self, Shared};
use crate::simd::vectorized;

/// `y_c = x_c / (bias + alpha · Σ_j x_j²)^beta`, where j runs over the channels `c − depth_radius ..= c + depth_radius`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Response {
    /// Channels on each side whose response counts.
    pub depth_radius: usize,
    /// What is added, so that the divisor is not zero.
    pub bias: f32,
    /// Factor of the sum of squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
}

/// Rows of `channels`, each normalised by itself.
///
/// # Panics
/// If the lengths do not fit.
pub fn response_norm_forward(response: Response, channels: usize, x: &[f32], y: &mut [f32]) {
    assert!(
        channels > 0 && x.len().is_multiple_of(channels),
        "response_norm_forward: no whole number of rows"
    );
    assert_eq!(x.len(), y.len(), "response_norm_forward: lengths differ");
    par::for_each_chunk(y, (8192 / channels).max(1) * channels, x.len() as u64 * 4, |start, y| {
        for (y, x) in y.chunks_exact_mut(channels).zip(x[start..].chunks_exact(channels)) {
            divisors(response, x, y);
            divide(response.beta, x, y);
        }
    });
}

/// dx of [`response_norm_forward`]; `scratch` has the length of x.
///
/// # Panics
/// If the lengths do not fit.
pub fn response_norm_backward(
    response: Response,
    channels: usize,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    assert!(
        channels > 0 && x.len().is_multiple_of(channels),
        "response_norm_backward: no whole number of rows"
    );
    let lengths = [dy.len(), dx.len(), scratch.len()];
    assert!(lengths.iter().all(|&len| len == x.len()), "response_norm_backward: lengths differ");
    let scratch = Shared::new(scratch);
    par::for_each_chunk(dx, (8192 / channels).max(1) * channels, x.len() as u64 * 6, |start, dx| {
        for (index, dx) in dx.chunks_exact_mut(channels).enumerate() {
            let at = start + index * channels;
            let (x, dy) = (&x[at..][..channels], &dy[at..][..channels]);
            // SAFETY: each row has its own part.
            let terms = unsafe { scratch.part(at, channels) };
            divisors(response, x, dx);
            own_terms(response.beta, x, dy, dx, terms);
            subtract_neighbours(response, x, terms, dx);
        }
    });
}

vectorized! {
    /// `out[c] = bias + alpha · Σ_j x[j]²` over the neighbours j of c.
    fn divisors(response: Response, x: &[f32], out: &mut [f32]) {
        let channels = out.len();
        out.fill(0.0);
        for offset in 0..=response.depth_radius.min(channels - 1) {
            let length = channels - offset;
            out[..length].iter_mut().zip(&x[offset..]).for_each(|(out, x)| *out += x * x);
            if offset > 0 {
                out[offset..].iter_mut().zip(&x[..length]).for_each(|(out, x)| *out += x * x);
            }
        }
        out.iter_mut().for_each(|out| *out = response.bias + response.alpha * *out);
    }
}

/// dᵖ of a positive number.
#[inline(always)]
fn power(d: f32, exponent: f32) -> f32 {
    math::exp(exponent * math::ln(d))
}

vectorized! {
    /// `y = x · y^(−beta)`.
    fn divide(beta: f32, x: &[f32], y: &mut [f32]) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x * power(*y, -beta));
    }
}

vectorized! {
    /// With the divisor D in `dx`: `terms = dy·x·D^(−beta−1)`, `dx = dy·D^(−beta)`.
    fn own_terms(beta: f32, x: &[f32], dy: &[f32], dx: &mut [f32], terms: &mut [f32]) {
        let channels = dx.len();
        let (x, dy, terms) = (&x[..channels], &dy[..channels], &mut terms[..channels]);
        for c in 0..channels {
            let own = dy[c] * power(dx[c], -beta);
            terms[c] = own * x[c] / dx[c];
            dx[c] = own;
        }
    }
}

vectorized! {
    /// `dx −= 2·alpha·beta·x·Σ terms`.
    fn subtract_neighbours(response: Response, x: &[f32], terms: &[f32], dx: &mut [f32]) {
        const WIDTH: usize = 64;
        let factor = 2.0 * response.alpha * response.beta;
        let radius = response.depth_radius;
        let channels = dx.len();
        for start in (0..channels).step_by(WIDTH) {
            let width = WIDTH.min(channels - start);
            let mut sums = [0.0; WIDTH];
            let first = start.saturating_sub(radius);
            let last = (start + width + radius).min(channels);
            for (j, term) in (first..last).zip(&terms[first..last]) {
                // The channels of this block that have j as a neighbour.
                let low = j.saturating_sub(radius).max(start) - start;
                let high = (j + radius + 1).min(start + width) - start;
                sums[low..high].iter_mut().for_each(|sum| *sum += term);
            }
            for c in 0..width {
                dx[start + c] -= factor * x[start + c] * sums[c];
            }
        }
    }
}
