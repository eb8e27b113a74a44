//! The gradient of batch normalisation and of what follows it.
//!
//! Where a rectifier follows, what it was given is worked out again from x, so that neither its input nor its output is read; where
//! another branch was added before it, its output tells where the gradient passes.

use super::batch::{COEFFICIENTS, Clip, scale_and_shift};
use super::{batch_norm_scratch, piece};
use crate::par::{self, Shared};
use crate::reduce::BLOCKS;
use crate::simd::vectorized;
use std::ops::Range;

/// Rows of a run, whose sums are taken by themselves.
const RUN: usize = 32;
/// Rows that are added at once.
const ROWS: usize = 4;

/// What the gradient of batch normalisation reads: the input, the gradient of the output, and what the forward pass
/// left per channel.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormBackward<'a> {
    /// `(rows, channels)`.
    pub x: &'a [f32],
    /// `(rows, channels)`; `None` where it lies in the first array that is written, which overwrites it.
    pub dy: Option<&'a [f32]>,
    /// Scale, or 1 where absent.
    pub gamma: Option<&'a [f32]>,
    /// Shift, or 0 where absent.
    pub beta: Option<&'a [f32]>,
    /// Mean of the batch.
    pub mean: &'a [f32],
    /// `1 / √(variance + ε)` of the batch.
    pub inv_std: &'a [f32],
    /// What was applied last.
    pub clip: Clip,
}

impl BatchNormBackward<'_> {
    /// Checks lengths; returns the number of rows and of channels.
    fn check(&self, arrays: &[usize], of_channels: [usize; 2]) -> [usize; 2] {
        let channels = self.mean.len();
        let len = self.x.len();
        assert!(channels > 0 && len.is_multiple_of(channels), "batch_norm_backward: no whole number of rows");
        let arrays = arrays.iter().copied().chain(self.dy.map(<[f32]>::len));
        arrays.for_each(|array| assert_eq!(array, len, "batch_norm_backward: lengths differ"));
        let weights = [self.gamma, self.beta].map(|weight| weight.map_or(channels, <[f32]>::len));
        let mut per_channel = weights.into_iter().chain(of_channels).chain([self.inv_std.len()]);
        assert!(per_channel.all(|len| len == channels), "batch_norm_backward: one value per channel");
        [len / channels, channels]
    }
}

/// With z = γ·x̂ + β, x̂ = (x − mean)·inv_std and dz the gradient by z, which is dy where [`Clip`] lets it pass:
/// `dgamma = Σ dz·x̂`, `dbeta = Σ dz`, `dx = gamma·inv_std·(dz − dbeta/rows − x̂·dgamma/rows)`. Where `y` is given, the forward
/// pass's result is written there once more.
///
/// # Panics
/// If the lengths do not fit.
pub fn batch_norm_backward(
    from: BatchNormBackward<'_>,
    dx: &mut [f32],
    [dgamma, dbeta]: [&mut [f32]; 2],
    y: Option<&mut [f32]>,
    scratch: &mut [f32],
) {
    let BatchNormBackward { x, dy, gamma, beta, mean, inv_std, clip } = from;
    let y_len = y.as_ref().map_or(dx.len(), |y| y.len());
    let [rows, channels] = from.check(&[dx.len(), y_len], [dgamma.len(), dbeta.len()]);
    let (coefficients, parts) = scratch[..batch_norm_scratch(channels)].split_at_mut(COEFFICIENTS * channels);
    let (normal, factors) = coefficients.split_at_mut(2 * channels);
    let (scale, shift) = normal.split_at_mut(channels);
    scale_and_shift([gamma, beta], inv_std, scale, shift);
    let normal = [mean, &*scale, &*shift];
    let is_clipped = clip != Clip::NONE;
    let gradient = dy.unwrap_or(dx);
    sum_blocks(rows, channels, parts, |rows, products, sums| {
        let range = rows.start * channels..rows.end * channels;
        let (x, dy) = (&x[range.clone()], &gradient[range]);
        if is_clipped {
            add_clipped(x, dy, normal, clip, products, sums);
        } else {
            add_products(x, dy, mean, products, sums);
        }
    });
    let factors = finish(&from, rows, parts, [dgamma, dbeta], factors);
    let again = y.map(Shared::new);
    par::for_each_chunk(dx, piece(channels), x.len() as u64 / 2, |start, dx| {
        let range = start..start + dx.len();
        // SAFETY: pieces of the gradient are disjoint, and so are those of y.
        let y = again.as_ref().map(|again| unsafe { again.part(start, dx.len()) });
        input_gradient(&x[range.clone()], dy.map(|dy| &dy[range]), normal, factors, clip, dx, y);
    });
}

/// The same where another branch was added to z before [`Clip`] was applied: `y` is what came out, and `dz`, the gradient by
/// the sum, is that of the other branch too. [`BatchNormBackward::dy`] may lie in `dz`.
///
/// # Panics
/// If the lengths do not fit.
pub fn batch_norm_residual_backward(
    from: BatchNormBackward<'_>,
    y: &[f32],
    [dz, dx]: [&mut [f32]; 2],
    [dgamma, dbeta]: [&mut [f32]; 2],
    scratch: &mut [f32],
) {
    let BatchNormBackward { x, dy, mean, clip, .. } = from;
    let [rows, channels] = from.check(&[y.len(), dz.len(), dx.len()], [dgamma.len(), dbeta.len()]);
    let (coefficients, parts) = scratch[..batch_norm_scratch(channels)].split_at_mut(COEFFICIENTS * channels);
    let shared = Shared::new(dz);
    sum_blocks(rows, channels, parts, |rows, products, sums| {
        let range = rows.start * channels..rows.end * channels;
        // SAFETY: each run of rows is handled once, and runs are disjoint.
        let dz = unsafe { shared.part(range.start, range.len()) };
        let (x, y, dy) = (&x[range.clone()], &y[range.clone()], dy.map(|dy| &dy[range]));
        add_by_output(x, y, dy, mean, clip, [products, sums], dz);
    });
    let factors = finish(&from, rows, parts, [dgamma, dbeta], &mut coefficients[..3 * channels]);
    let dz = &*dz;
    par::for_each_chunk(dx, piece(channels), x.len() as u64 / 2, |start, dx| {
        let range = start..start + dx.len();
        let normal = [mean; 3];
        input_gradient(&x[range.clone()], Some(&dz[range]), normal, factors, Clip::NONE, dx, None);
    });
}

/// Lets `add` add the products and sums of each run of rows; leaves those of each block, products first, at the start of its part of
/// `parts`, which is four numbers a channel.
fn sum_blocks(
    rows: usize,
    channels: usize,
    parts: &mut [f32],
    add: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync + Send,
) {
    let rows_per_block = rows_of_block(rows);
    let blocks = rows.div_ceil(rows_per_block);
    let part_len = 4 * channels;
    par::for_each_chunk(
        &mut parts[..blocks * part_len],
        part_len,
        (rows * channels) as u64 / 3,
        |start, part| {
            let (total, run) = part.split_at_mut(2 * channels);
            total.fill(0.0);
            let block = start / part_len;
            let end = rows.min((block + 1) * rows_per_block);
            for start in (block * rows_per_block..end).step_by(RUN) {
                run.fill(0.0);
                let (products, sums) = run.split_at_mut(channels);
                add(start..end.min(start + RUN), products, sums);
                total.iter_mut().zip(&*run).for_each(|(total, run)| *total += run);
            }
        },
    );
}

fn rows_of_block(rows: usize) -> usize {
    (rows.div_ceil(RUN).div_ceil(BLOCKS) * RUN).max(RUN)
}

/// Adds up the blocks to dgamma and dbeta, and works out a, b and c of `dx = dz·a + (x − mean)·b + c`.
fn finish<'f>(
    from: &BatchNormBackward<'_>,
    rows: usize,
    parts: &[f32],
    [dgamma, dbeta]: [&mut [f32]; 2],
    factors: &'f mut [f32],
) -> [&'f [f32]; 3] {
    let channels = dgamma.len();
    let blocks = rows.div_ceil(rows_of_block(rows));
    dgamma.fill(0.0);
    dbeta.fill(0.0);
    for part in parts.chunks_exact(4 * channels).take(blocks) {
        for c in 0..channels {
            dgamma[c] += part[c];
            dbeta[c] += part[channels + c];
        }
    }
    let (a, rest) = factors.split_at_mut(channels);
    let (b, c) = rest.split_at_mut(channels);
    let rows = rows as f32;
    for i in 0..channels {
        let inv_std = from.inv_std[i];
        dgamma[i] *= inv_std;
        a[i] = inv_std * from.gamma.map_or(1.0, |gamma| gamma[i]);
        b[i] = -a[i] * inv_std * (dgamma[i] / rows);
        c[i] = -a[i] * (dbeta[i] / rows);
    }
    [a, b, c]
}

/// Adds dz·(x − mean) and dz of some rows.
#[inline(always)]
fn add_rows<const N: usize, const CLIPPED: bool>(
    [x, dy]: [&[f32]; 2],
    normal: [&[f32]; 3],
    clip: Clip,
    [products, sums]: [&mut [f32]; 2],
) {
    let channels = normal[0].len();
    let [mean, scale, shift] = normal.map(|values| &values[..channels]);
    let x: [&[f32]; N] = std::array::from_fn(|row| &x[row * channels..][..channels]);
    let dy: [&[f32]; N] = std::array::from_fn(|row| &dy[row * channels..][..channels]);
    let (products, sums) = (&mut products[..channels], &mut sums[..channels]);
    for c in 0..channels {
        let (mut product, mut sum) = (products[c], sums[c]);
        for row in 0..N {
            let distance = x[row][c] - mean[c];
            let dy = dy[row][c];
            let dz = if CLIPPED { clip.gradient(distance * scale[c] + shift[c], dy) } else { dy };
            product += dz * distance;
            sum += dz;
        }
        (products[c], sums[c]) = (product, sum);
    }
}

/// Adds dz·(x − mean) and dz of a run of rows.
#[inline(always)]
fn add_run<const CLIPPED: bool>(
    x: &[f32],
    dy: &[f32],
    normal: [&[f32]; 3],
    clip: Clip,
    products: &mut [f32],
    sums: &mut [f32],
) {
    let channels = normal[0].len();
    let several = x.chunks_exact(ROWS * channels).zip(dy.chunks_exact(ROWS * channels));
    for (x, dy) in several {
        add_rows::<ROWS, CLIPPED>([x, dy], normal, clip, [&mut *products, &mut *sums]);
    }
    let rest = x.len() / (ROWS * channels) * ROWS * channels;
    for (x, dy) in x[rest..].chunks_exact(channels).zip(dy[rest..].chunks_exact(channels)) {
        add_rows::<1, CLIPPED>([x, dy], normal, clip, [&mut *products, &mut *sums]);
    }
}

vectorized! {
    fn add_products(x: &[f32], dy: &[f32], mean: &[f32], products: &mut [f32], sums: &mut [f32]) {
        add_run::<false>(x, dy, [mean; 3], Clip::NONE, products, sums);
    }
}

vectorized! {
    fn add_clipped(x: &[f32], dy: &[f32], normal: [&[f32]; 3], clip: Clip, products: &mut [f32], sums: &mut [f32]) {
        add_run::<true>(x, dy, normal, clip, products, sums);
    }
}

vectorized! {
    /// Writes dz, told from y and dy (or what is in `dz`), and adds dz·(x − mean) and dz.
    fn add_by_output(x: &[f32], y: &[f32], dy: Option<&[f32]>, mean: &[f32], clip: Clip, totals: [&mut [f32]; 2], dz: &mut [f32]) {
        let channels = mean.len();
        let [products, sums] = totals.map(|values| &mut values[..channels]);
        for (row, dz) in dz.chunks_exact_mut(channels).enumerate() {
            let [x, y] = [x, y].map(|values| &values[row * channels..][..channels]);
            match dy {
                Some(dy) => {
                    let dy = &dy[row * channels..][..channels];
                    for c in 0..channels {
                        let gradient = clip.gradient(y[c], dy[c]);
                        dz[c] = gradient;
                        products[c] += gradient * (x[c] - mean[c]);
                        sums[c] += gradient;
                    }
                }
                None => for c in 0..channels {
                    let gradient = clip.gradient(y[c], dz[c]);
                    dz[c] = gradient;
                    products[c] += gradient * (x[c] - mean[c]);
                    sums[c] += gradient;
                },
            }
        }
    }
}

vectorized! {
    fn input_gradient(x: &[f32], dy: Option<&[f32]>, normal: [&[f32]; 3], factors: [&[f32]; 3], clip: Clip, dx: &mut [f32], y: Option<&mut [f32]>) {
        let nothing = &mut [][..];
        match (clip != Clip::NONE, y) {
            (false, None) => gradient_rows::<false, false>(x, dy, normal, factors, clip, dx, nothing),
            (false, Some(y)) => gradient_rows::<false, true>(x, dy, normal, factors, clip, dx, y),
            (true, None) => gradient_rows::<true, false>(x, dy, normal, factors, clip, dx, nothing),
            (true, Some(y)) => gradient_rows::<true, true>(x, dy, normal, factors, clip, dx, y),
        }
    }
}

/// `dx = dz·a + (x − mean)·b + c`, and y once more if it is asked for.
#[inline(always)]
fn gradient_rows<const CLIPPED: bool, const AGAIN: bool>(
    x: &[f32],
    dy: Option<&[f32]>,
    normal: [&[f32]; 3],
    factors: [&[f32]; 3],
    clip: Clip,
    dx: &mut [f32],
    y: &mut [f32],
) {
    let channels = normal[0].len();
    let [mean, scale, shift] = normal.map(|values| &values[..channels]);
    let [a, b, c] = factors.map(|values| &values[..channels]);
    for (row, dx) in dx.chunks_exact_mut(channels).enumerate() {
        let x = &x[row * channels..][..channels];
        let y = if AGAIN { &mut y[row * channels..][..channels] } else { &mut [][..] };
        macro_rules! gradient {
            (|$i:ident| $dy:expr) => {
                for $i in 0..channels {
                    let distance = x[$i] - mean[$i];
                    let z = distance * scale[$i] + shift[$i];
                    let dz = if CLIPPED { clip.gradient(z, $dy) } else { $dy };
                    dx[$i] = dz * a[$i] + distance * b[$i] + c[$i];
                    if AGAIN {
                        y[$i] = clip.apply(z);
                    }
                }
            };
        }
        match dy {
            Some(dy) => {
                let dy = &dy[row * channels..][..channels];
                gradient!(|i| dy[i]);
            }
            None => gradient!(|i| dx[i]),
        }
    }
}
