//! Batch normalisation over `(rows, channels)`, rows being all positions of all images.

use super::piece;
use crate::par;
use crate::reduce::{self, tree};
use crate::simd::vectorized;

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

/// `y = gamma · (x − mean) · inv_std + beta` with the statistics of this batch; gamma is 1 and beta 0 where absent.
///
/// # Panics
/// If the lengths do not fit `(rows, statistics.mean.len())`.
pub fn batch_norm_forward(
    x: &[f32],
    gamma: Option<&[f32]>,
    beta: Option<&[f32]>,
    epsilon: f32,
    y: &mut [f32],
    statistics: Statistics<'_>,
) {
    let Statistics { mean, variance, inv_std } = statistics;
    let channels = mean.len();
    assert!(channels > 0 && x.len().is_multiple_of(channels), "batch_norm_forward: no whole number of rows");
    assert_eq!(x.len(), y.len(), "batch_norm_forward: lengths differ");
    assert!(
        variance.len() == channels && inv_std.len() == channels,
        "batch_norm_forward: one value per channel"
    );
    assert!(gamma.is_none_or(|gamma| gamma.len() == channels), "batch_norm_forward: one gamma per channel");
    assert!(beta.is_none_or(|beta| beta.len() == channels), "batch_norm_forward: one beta per channel");
    reduce::mean_variance(x.len() / channels, channels, x, mean, variance);
    inv_std
        .iter_mut()
        .zip(&*variance)
        .for_each(|(inv_std, variance)| *inv_std = 1.0 / (variance + epsilon).sqrt());
    batch_norm_apply(x, gamma, beta, mean, inv_std, y);
}

/// `y = gamma · (x − mean) · inv_std + beta` with statistics that [`batch_norm_forward`] left: the same y, to the bit.
///
/// # Panics
/// If the lengths do not fit `(rows, mean.len())`.
pub fn batch_norm_apply(
    x: &[f32],
    gamma: Option<&[f32]>,
    beta: Option<&[f32]>,
    mean: &[f32],
    inv_std: &[f32],
    y: &mut [f32],
) {
    let channels = mean.len();
    let lengths = [inv_std.len(), gamma.map_or(channels, <[f32]>::len), beta.map_or(channels, <[f32]>::len)];
    assert!(lengths.iter().all(|&len| len == channels), "batch_norm_apply: one value per channel");
    assert!(
        x.len() == y.len() && channels > 0 && x.len().is_multiple_of(channels),
        "batch_norm_apply: lengths do not fit"
    );
    par::for_each_chunk(y, piece(channels), x.len() as u64 / 3, |start, y| {
        normalize(&x[start..start + y.len()], gamma, beta, mean, inv_std, y);
    });
}

vectorized! {
    pub(super) fn normalize(x: &[f32], gamma: Option<&[f32]>, beta: Option<&[f32]>, mean: &[f32], inv_std: &[f32], y: &mut [f32]) {
        const WIDTH: usize = 256;
        let channels = mean.len();
        let mut start = 0;
        while start < channels {
            let width = WIDTH.min(channels - start);
            let (mut scale, mut shift) = ([0.0; WIDTH], [0.0; WIDTH]);
            for i in 0..width {
                scale[i] = inv_std[start + i] * gamma.map_or(1.0, |gamma| gamma[start + i]);
                shift[i] = beta.map_or(0.0, |beta| beta[start + i]);
            }
            let (scale, shift, mean) = (&scale[..width], &shift[..width], &mean[start..][..width]);
            for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                let (y, x) = (&mut y[start..][..width], &x[start..][..width]);
                for i in 0..width {
                    y[i] = (x[i] - mean[i]) * scale[i] + shift[i];
                }
            }
            start += width;
        }
    }
}

/// What the gradient of batch normalisation reads: the input, the gradient of the output, and what the forward pass
/// left per channel.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormBackward<'a> {
    /// `(rows, channels)`.
    pub x: &'a [f32],
    /// `(rows, channels)`.
    pub dy: &'a [f32],
    /// Scale, or 1 where absent.
    pub gamma: Option<&'a [f32]>,
    /// Mean of the batch.
    pub mean: &'a [f32],
    /// `1 / √(variance + ε)` of the batch.
    pub inv_std: &'a [f32],
}

/// With x̂ = (x − mean)·inv_std: `dgamma = Σ dy·x̂`, `dbeta = Σ dy`,
/// `dx = gamma·inv_std·(dy − dbeta/rows − x̂·dgamma/rows)`.
///
/// # Panics
/// If the lengths do not fit.
pub fn batch_norm_backward(
    from: BatchNormBackward<'_>,
    dx: &mut [f32],
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    let BatchNormBackward { x, dy, gamma, mean, inv_std } = from;
    let channels = mean.len();
    assert!(channels > 0 && x.len().is_multiple_of(channels), "batch_norm_backward: no whole number of rows");
    assert!(x.len() == dy.len() && x.len() == dx.len(), "batch_norm_backward: lengths differ");
    let per_channel = [inv_std.len(), dgamma.len(), dbeta.len(), gamma.map_or(channels, <[f32]>::len)];
    assert!(per_channel.iter().all(|&len| len == channels), "batch_norm_backward: one value per channel");
    let rows = x.len() / channels;
    tree::<2>(
        rows,
        channels,
        x.len() as u64 / 3,
        |block, partial| {
            let (start, width) = (block.column, block.width);
            let (mean, inv_std) = (&mean[start..][..width], &inv_std[start..][..width]);
            for row in block.start..block.end {
                let at = row * channels + start;
                add_products(&x[at..][..width], &dy[at..][..width], mean, inv_std, partial);
            }
        },
        |column, width, total| {
            dgamma[column..column + width].copy_from_slice(&total[0][..width]);
            dbeta[column..column + width].copy_from_slice(&total[1][..width]);
        },
    );
    let (dgamma, dbeta) = (&*dgamma, &*dbeta);
    par::for_each_chunk(dx, piece(channels), x.len() as u64 / 2, |start, dx| {
        let range = start..start + dx.len();
        let from = BatchNormBackward { x: &x[range.clone()], dy: &dy[range], gamma, mean, inv_std };
        input_gradient(from, rows as f32, dgamma, dbeta, dx);
    });
}

vectorized! {
    pub(super) fn add_products(x: &[f32], dy: &[f32], mean: &[f32], inv_std: &[f32], sums: &mut [[f32; 256]; 2]) {
        let [dgamma, dbeta] = sums;
        let width = x.len();
        let (dgamma, dbeta) = (&mut dgamma[..width], &mut dbeta[..width]);
        let (dy, mean, inv_std) = (&dy[..width], &mean[..width], &inv_std[..width]);
        for c in 0..width {
            dgamma[c] += dy[c] * ((x[c] - mean[c]) * inv_std[c]);
            dbeta[c] += dy[c];
        }
    }
}

vectorized! {
    fn input_gradient(from: BatchNormBackward<'_>, rows: f32, dgamma: &[f32], dbeta: &[f32], dx: &mut [f32]) {
        const WIDTH: usize = 256;
        let BatchNormBackward { x, dy, gamma, mean, inv_std } = from;
        let channels = mean.len();
        let mut start = 0;
        while start < channels {
            let width = WIDTH.min(channels - start);
            // dx = dy·a + (x − mean)·b + c
            let (mut a, mut b, mut c) = ([0.0; WIDTH], [0.0; WIDTH], [0.0; WIDTH]);
            for i in 0..width {
                let at = start + i;
                a[i] = inv_std[at] * gamma.map_or(1.0, |gamma| gamma[at]);
                b[i] = -a[i] * inv_std[at] * (dgamma[at] / rows);
                c[i] = -a[i] * (dbeta[at] / rows);
            }
            let (a, b, c, mean) = (&a[..width], &b[..width], &c[..width], &mean[start..][..width]);
            let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
            for (dx, (x, dy)) in dx.chunks_exact_mut(channels).zip(rows) {
                let (dx, x, dy) = (&mut dx[start..][..width], &x[start..][..width], &dy[start..][..width]);
                for i in 0..width {
                    dx[i] = dy[i] * a[i] + (x[i] - mean[i]) * b[i] + c[i];
                }
            }
            start += width;
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
