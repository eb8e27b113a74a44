//! Batch normalisation over `(rows, channels)`, rows being all positions of all images, with what follows it in a network: the
//! sum with another branch, and a rectifier.
//!
//! All this is bound by memory: each pass reads whole rows in order, and what belongs together is one pass.

use super::piece;
use crate::conv::Residual;
use crate::elementwise::Activation;
use crate::par;
use crate::reduce::{self, mean_variance_scratch};
use crate::simd::vectorized;

/// The activations that normalisation takes in: `y = min(max(z, low), high)`, the gradient passing where z lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Clip {
    /// y = z.
    pub const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };

    /// The linear activation, relu, and relu with a largest value.
    pub fn of(activation: Activation) -> Option<Self> {
        match activation {
            Activation::Linear => Some(Self::NONE),
            Activation::Relu => Some(Self { low: 0.0, high: f32::INFINITY }),
            Activation::Rectifier { negative_slope: 0.0, max_value, threshold: 0.0 } if max_value > 0.0 => {
                Some(Self { low: 0.0, high: max_value })
            }
            _ => None,
        }
    }

    #[inline(always)]
    pub(super) fn apply(self, z: f32) -> f32 {
        let z = if z < self.low { self.low } else { z };
        if z > self.high { self.high } else { z }
    }

    /// The gradient by z; y tells as much as z.
    #[inline(always)]
    pub(super) fn gradient(self, z: f32, dy: f32) -> f32 {
        if z > self.low && z < self.high { dy } else { 0.0 }
    }
}

/// What the forward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormForward<'a> {
    /// `(rows, channels)`.
    pub x: &'a [f32],
    /// Scale, or 1 where absent.
    pub gamma: Option<&'a [f32]>,
    /// Shift, or 0 where absent.
    pub beta: Option<&'a [f32]>,
    /// Added to what is normalised, scaled and shifted.
    pub residual: Residual<'a>,
    /// Applied last.
    pub clip: Clip,
}

/// What [`batch_norm_forward`] hands back besides y: one value per channel in each.
#[derive(Debug)]
pub struct Statistics<'a> {
    /// Mean of the batch.
    pub mean: &'a mut [f32],
    /// Biased variance of the batch, for the moving average.
    pub variance: &'a mut [f32],
    /// `1 / √(variance + ε)`, for the gradient.
    pub inv_std: &'a mut [f32],
}

/// Floats of working memory of all functions of batch normalisation.
pub fn batch_norm_scratch(channels: usize) -> usize {
    COEFFICIENTS * channels + mean_variance_scratch(channels)
}

/// Numbers for each channel that are worked out once for a call.
pub(super) const COEFFICIENTS: usize = 5;

/// `y = clip(gamma · (x − mean) · inv_std + beta + residual)` with the statistics of this batch.
///
/// # Panics
/// If the lengths do not fit `(rows, statistics.mean.len())`.
pub fn batch_norm_forward(
    from: BatchNormForward<'_>,
    epsilon: f32,
    y: &mut [f32],
    statistics: Statistics<'_>,
    scratch: &mut [f32],
) {
    let Statistics { mean, variance, inv_std } = statistics;
    let (x, channels) = (from.x, mean.len());
    assert!(channels > 0 && x.len().is_multiple_of(channels), "batch_norm_forward: no whole number of rows");
    assert!(
        variance.len() == channels && inv_std.len() == channels,
        "batch_norm_forward: one value per channel"
    );
    reduce::mean_variance(x.len() / channels, channels, x, mean, variance, scratch);
    inv_std
        .iter_mut()
        .zip(&*variance)
        .for_each(|(inv_std, variance)| *inv_std = 1.0 / (variance + epsilon).sqrt());
    batch_norm_apply(from, mean, inv_std, y, scratch);
}

/// The same y, to the bit, with statistics that [`batch_norm_forward`] left.
///
/// # Panics
/// If the lengths do not fit `(rows, mean.len())`.
pub fn batch_norm_apply(
    from: BatchNormForward<'_>,
    mean: &[f32],
    inv_std: &[f32],
    y: &mut [f32],
    scratch: &mut [f32],
) {
    let BatchNormForward { x, gamma, beta, residual, clip } = from;
    let channels = mean.len();
    let lengths = [inv_std.len(), gamma.map_or(channels, <[f32]>::len), beta.map_or(channels, <[f32]>::len)];
    assert!(lengths.iter().all(|&len| len == channels), "batch_norm: one value per channel");
    assert!(
        x.len() == y.len() && channels > 0 && x.len().is_multiple_of(channels),
        "batch_norm: lengths do not fit"
    );
    if let Residual::Slice(values) = residual {
        assert_eq!(values.len(), y.len(), "batch_norm: the residual has another length");
    }
    let (scale, shift) = scratch[..2 * channels].split_at_mut(channels);
    scale_and_shift([gamma, beta], inv_std, scale, shift);
    let (scale, shift) = (&*scale, &*shift);
    par::for_each_chunk(y, piece(channels), x.len() as u64 / 3, |start, y| {
        let range = start..start + y.len();
        let residual = match residual {
            Residual::Slice(values) => Residual::Slice(&values[range.clone()]),
            other => other,
        };
        normalize(&x[range], [mean, scale, shift], residual, clip, y);
    });
}

/// What normalisation comes down to: z = (x − mean) · scale + shift.
pub(super) fn scale_and_shift(
    [gamma, beta]: [Option<&[f32]>; 2],
    inv_std: &[f32],
    scale: &mut [f32],
    shift: &mut [f32],
) {
    for c in 0..inv_std.len() {
        scale[c] = inv_std[c] * gamma.map_or(1.0, |gamma| gamma[c]);
        shift[c] = beta.map_or(0.0, |beta| beta[c]);
    }
}

vectorized! {
    fn normalize(x: &[f32], of_channels: [&[f32]; 3], residual: Residual<'_>, clip: Clip, y: &mut [f32]) {
        let channels = of_channels[0].len();
        let [mean, scale, shift] = of_channels.map(|values| &values[..channels]);
        // No closures: they would be compiled without the instruction set of the function around them.
        for (row, y) in y.chunks_exact_mut(channels).enumerate() {
            let x = &x[row * channels..][..channels];
            match residual {
                Residual::None => {
                    for c in 0..channels {
                        y[c] = clip.apply((x[c] - mean[c]) * scale[c] + shift[c]);
                    }
                }
                Residual::Slice(values) => {
                    let other = &values[row * channels..][..channels];
                    for c in 0..channels {
                        y[c] = clip.apply((x[c] - mean[c]) * scale[c] + shift[c] + other[c]);
                    }
                }
                Residual::Output => {
                    for c in 0..channels {
                        y[c] = clip.apply((x[c] - mean[c]) * scale[c] + shift[c] + y[c]);
                    }
                }
            }
        }
    }
}

/// `moving = moving·momentum + batch·(1 − momentum)`.
///
/// # Panics
/// If the lengths differ.
pub fn moving_average(moving: &mut [f32], batch: &[f32], momentum: f32) {
    assert_eq!(moving.len(), batch.len(), "moving_average: lengths differ");
    let rest = 1.0 - momentum;
    moving.iter_mut().zip(batch).for_each(|(moving, batch)| *moving = *moving * momentum + batch * rest);
}

/// The affine map of batch normalisation with moving statistics: `scale = gamma / √(variance + ε)`,
/// `shift = beta − mean·scale`; apply it with [`crate::elementwise::affine_channels`].
///
/// # Panics
/// If the lengths differ.
pub fn frozen_affine(
    gamma: Option<&[f32]>,
    beta: Option<&[f32]>,
    mean: &[f32],
    variance: &[f32],
    epsilon: f32,
    scale: &mut [f32],
    shift: &mut [f32],
) {
    let channels = mean.len();
    let lengths = [
        variance.len(),
        scale.len(),
        shift.len(),
        gamma.map_or(channels, <[f32]>::len),
        beta.map_or(channels, <[f32]>::len),
    ];
    assert!(lengths.iter().all(|&len| len == channels), "frozen_affine: one value per channel");
    for c in 0..channels {
        scale[c] = gamma.map_or(1.0, |gamma| gamma[c]) / (variance[c] + epsilon).sqrt();
        shift[c] = beta.map_or(0.0, |beta| beta[c]) - mean[c] * scale[c];
    }
}
