//! Normalisation of groups of channels, image by image.

use super::piece;
use crate::par;
use crate::reduce::{mean_variance, mean_variance_scratch, tree};
use crate::simd::vectorized;

/// Floats of working memory of [`group_norm_forward`] and [`group_norm_backward`].
pub fn group_norm_scratch(channels: usize) -> usize {
    PARTS * channels + mean_variance_scratch(channels)
}

/// Numbers for each channel that are worked out for an image.
const PARTS: usize = 7;

/// Sizes of a group normalisation of `(batch, positions, channels)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// Images in the batch.
    pub batch: usize,
    /// Channels, a multiple of the groups.
    pub channels: usize,
    /// Groups of neighbouring channels.
    pub groups: usize,
    /// ε, which keeps the division finite.
    pub epsilon: f32,
}

impl GroupNorm {
    /// Elements of an image.
    fn image(&self, len: usize, what: &str) -> usize {
        let Self { batch, channels, groups, .. } = *self;
        assert!(groups > 0 && channels > 0 && channels.is_multiple_of(groups), "{what}: no whole groups");
        assert!(batch > 0 && len.is_multiple_of(batch * channels), "{what}: no whole number of positions");
        len / batch
    }
}

/// With the mean and biased variance over all positions of an image and the channels of a group:
/// `y = gamma · (x − mean) / √(variance + ε) + beta`. The statistics, mean and `inv_std = 1 / √(variance + ε)`, both `(batch, groups)`, are kept
/// for the gradient.
///
/// # Panics
/// If the lengths do not fit.
pub fn group_norm_forward(
    norm: GroupNorm,
    x: &[f32],
    [gamma, beta]: [Option<&[f32]>; 2],
    y: &mut [f32],
    [mean, inv_std]: [&mut [f32]; 2],
    scratch: &mut [f32],
) {
    let GroupNorm { batch, channels, groups, epsilon } = norm;
    let image = norm.image(x.len(), "group_norm_forward");
    assert_eq!(x.len(), y.len(), "group_norm_forward: lengths differ");
    assert!(
        mean.len() == batch * groups && inv_std.len() == batch * groups,
        "group_norm_forward: statistics"
    );
    let weights = [gamma, beta].map(|weight| weight.map_or(channels, <[f32]>::len));
    assert_eq!(weights, [channels; 2], "group_norm_forward: one gamma and beta per channel");
    let per_group = channels / groups;
    let (channel_mean, rest) = scratch[..group_norm_scratch(channels)].split_at_mut(channels);
    let (channel_variance, rest) = rest.split_at_mut(channels);
    let (factor, rest) = rest.split_at_mut(channels);
    for n in 0..batch {
        let x = &x[n * image..][..image];
        mean_variance(image / channels, channels, x, channel_mean, channel_variance, rest);
        for g in 0..groups {
            let of_group = g * per_group..(g + 1) * per_group;
            let (m, variance) = pool(&channel_mean[of_group.clone()], &channel_variance[of_group.clone()]);
            let inv = 1.0 / (variance + epsilon).sqrt();
            (mean[n * groups + g], inv_std[n * groups + g]) = (m, inv);
            channel_mean[of_group.clone()].fill(m);
            factor[of_group].fill(inv);
        }
        let (mean, factor) = (&*channel_mean, &*factor);
        par::for_each_chunk(&mut y[n * image..][..image], piece(channels), image as u64 / 3, |start, y| {
            normalize(&x[start..start + y.len()], gamma, beta, mean, factor, y);
        });
    }
}

/// Mean and variance of a whole from those of parts of equal size.
fn pool(means: &[f32], variances: &[f32]) -> (f32, f32) {
    let count = means.len() as f32;
    let mean = means.iter().sum::<f32>() / count;
    let between = means.iter().map(|m| (m - mean) * (m - mean)).sum::<f32>();
    (mean, (variances.iter().sum::<f32>() + between) / count)
}

/// What the gradient of group normalisation reads.
#[derive(Clone, Copy, Debug)]
pub struct GroupNormBackward<'a> {
    /// `(batch, positions, channels)`.
    pub x: &'a [f32],
    /// As x.
    pub dy: &'a [f32],
    /// Scale, or 1 where absent.
    pub gamma: Option<&'a [f32]>,
    /// `(batch, groups)`.
    pub mean: &'a [f32],
    /// `(batch, groups)`.
    pub inv_std: &'a [f32],
}

/// Gradients of [`group_norm_forward`]. With x̂ = (x − mean)·inv_std: `dgamma = Σ dy·x̂`, `dbeta = Σ dy`,
/// `dx = inv_std·(g − mean of g − x̂·mean of g·x̂)`, where g = gamma·dy and the means are over positions and the group.
///
/// # Panics
/// If the lengths do not fit.
pub fn group_norm_backward(
    norm: GroupNorm,
    from: GroupNormBackward<'_>,
    dx: &mut [f32],
    [dgamma, dbeta]: [&mut [f32]; 2],
    scratch: &mut [f32],
) {
    let GroupNormBackward { x, dy, gamma, mean, inv_std } = from;
    let GroupNorm { batch, channels, groups, .. } = norm;
    let image = norm.image(x.len(), "group_norm_backward");
    assert!(mean.len() == batch * groups && dgamma.len() == channels, "group_norm_backward: lengths differ");
    assert!(x.len() == dy.len() && x.len() == dx.len(), "group_norm_backward: lengths differ");
    assert!(dbeta.len() == channels && inv_std.len() == mean.len(), "group_norm_backward: lengths differ");
    assert!(gamma.is_none_or(|gamma| gamma.len() == channels), "group_norm_backward: one gamma per channel");
    let per_group = channels / groups;
    let count = (image / channels * per_group) as f32;
    dgamma.fill(0.0);
    dbeta.fill(0.0);
    let mut parts = scratch[..PARTS * channels].chunks_exact_mut(channels);
    let [shift, inv, products, sums, a, b, c] = std::array::from_fn(|_| parts.next().expect("seven parts"));
    for n in 0..batch {
        let (x, dy) = (&x[n * image..][..image], &dy[n * image..][..image]);
        for g in 0..groups {
            shift[g * per_group..][..per_group].fill(mean[n * groups + g]);
            inv[g * per_group..][..per_group].fill(inv_std[n * groups + g]);
        }
        sum_products(x, dy, shift, inv, products, sums);
        for g in 0..groups {
            let of_group = g * per_group..(g + 1) * per_group;
            let (mut sum, mut product) = (0.0, 0.0);
            for i in of_group.clone() {
                let gamma = gamma.map_or(1.0, |gamma| gamma[i]);
                sum += gamma * sums[i];
                product += gamma * products[i];
                dgamma[i] += products[i];
                dbeta[i] += sums[i];
            }
            for i in of_group {
                a[i] = inv[i] * gamma.map_or(1.0, |gamma| gamma[i]);
                b[i] = -inv[i] * inv[i] * (product / count);
                c[i] = -inv[i] * (sum / count);
            }
        }
        let (shift, a, b, c) = (&*shift, &*a, &*b, &*c);
        par::for_each_chunk(&mut dx[n * image..][..image], piece(channels), image as u64 / 2, |start, dx| {
            let range = start..start + dx.len();
            combine_rows(&x[range.clone()], &dy[range], shift, [a, b, c], dx);
        });
    }
}

/// `products = Σ dy·(x − shift)·inv` and `sums = Σ dy` of every channel.
fn sum_products(x: &[f32], dy: &[f32], shift: &[f32], inv: &[f32], products: &mut [f32], sums: &mut [f32]) {
    let channels = shift.len();
    tree::<2>(
        x.len() / channels,
        channels,
        x.len() as u64 / 3,
        |block, partial| {
            let (start, width) = (block.column, block.width);
            for row in block.start..block.end {
                let at = row * channels + start;
                let (shift, inv) = (&shift[start..][..width], &inv[start..][..width]);
                add_products(&x[at..][..width], &dy[at..][..width], shift, inv, partial);
            }
        },
        |column, width, total| {
            products[column..column + width].copy_from_slice(&total[0][..width]);
            sums[column..column + width].copy_from_slice(&total[1][..width]);
        },
    );
}

vectorized! {
    /// `dx = dy·a + (x − shift)·b + c`, each of a, b, c and shift for a channel.
    fn combine_rows(x: &[f32], dy: &[f32], shift: &[f32], factors: [&[f32]; 3], dx: &mut [f32]) {
        let channels = shift.len();
        let [a, b, c] = factors.map(|factor| &factor[..channels]);
        let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
        for (dx, (x, dy)) in dx.chunks_exact_mut(channels).zip(rows) {
            for i in 0..channels {
                dx[i] = dy[i] * a[i] + (x[i] - shift[i]) * b[i] + c[i];
            }
        }
    }
}

vectorized! {
    fn normalize(x: &[f32], gamma: Option<&[f32]>, beta: Option<&[f32]>, mean: &[f32], inv_std: &[f32], y: &mut [f32]) {
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

vectorized! {
    fn add_products(x: &[f32], dy: &[f32], mean: &[f32], inv_std: &[f32], sums: &mut [[f32; 256]; 2]) {
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
