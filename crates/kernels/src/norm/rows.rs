//! Normalisation of every row by itself.

use crate::par::{self, Shared};
use crate::reduce::tree;
use crate::simd::vectorized;

/// What a row is divided by, and whether its mean is subtracted before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowNorm {
    /// (x − mean) / √(variance + ε): layer normalisation (Ba, Kiros, Hinton, 2016).
    Layer {
        /// ε.
        epsilon: f32,
    },
    /// x / √(variance + ε): what Keras's `LayerNormalization` does with `rms_scaling`.
    Variance {
        /// ε.
        epsilon: f32,
    },
    /// x / √(mean of x² + ε) (Zhang, Sennrich, 2019).
    RootMeanSquare {
        /// ε.
        epsilon: f32,
    },
    /// x / max(√(Σ x²), ε).
    Unit {
        /// ε.
        epsilon: f32,
    },
}

impl RowNorm {
    /// What is subtracted from the elements of a row, and the factor after that; both are one for the row.
    fn statistics(self, x: &[f32]) -> (f32, f32) {
        let count = x.len() as f32;
        match self {
            Self::Layer { epsilon } | Self::Variance { epsilon } => {
                let mean = sum(x, 0.0) / count;
                let variance = sum_of_squares(x, mean) / count;
                (mean, 1.0 / (variance + epsilon).sqrt())
            }
            Self::RootMeanSquare { epsilon } => {
                (0.0, 1.0 / (sum_of_squares(x, 0.0) / count + epsilon).sqrt())
            }
            Self::Unit { epsilon } => {
                let length = sum_of_squares(x, 0.0).sqrt();
                (0.0, 1.0 / if length < epsilon { epsilon } else { length })
            }
        }
    }

    /// What is subtracted from the elements, of a row with this mean.
    fn shift(self, mean: f32) -> f32 {
        if matches!(self, Self::Layer { .. }) { mean } else { 0.0 }
    }

    /// The factors (of g, of x, and a summand) that make dx, from Σ g and Σ g·x̂ of a row of `count` elements, where g is the gradient by
    /// x̂ = (x − shift)·inv.
    fn gradient(self, count: f32, mean: f32, inv: f32, sum: f32, product: f32) -> [f32; 3] {
        match self {
            Self::Layer { .. } => {
                let b = inv * inv * (product / count);
                [inv, -b, b * mean - inv * (sum / count)]
            }
            Self::Variance { .. } => {
                let b = inv * inv * (product / count);
                [inv, -b, b * mean]
            }
            Self::RootMeanSquare { .. } => [inv, -inv * inv * (product / count), 0.0],
            // Where the length is below ε the row is only scaled.
            Self::Unit { epsilon } if inv >= 1.0 / epsilon => [inv, 0.0, 0.0],
            Self::Unit { .. } => [inv, -inv * inv * product, 0.0],
        }
    }
}

/// One mean and one factor for each row, which the gradient reads.
#[derive(Debug)]
pub struct RowStatistics<'a> {
    /// Mean, or 0 where it is not needed.
    pub mean: &'a mut [f32],
    /// 1 / what the row is divided by.
    pub inv: &'a mut [f32],
}

/// `y[r,c] = gamma[c] · (x[r,c] − shift[r]) · inv[r] + beta[c]` over rows of `columns`.
///
/// # Panics
/// If the lengths do not fit.
pub fn row_norm_forward(
    norm: RowNorm,
    columns: usize,
    x: &[f32],
    gamma: Option<&[f32]>,
    beta: Option<&[f32]>,
    y: &mut [f32],
    statistics: RowStatistics<'_>,
) {
    assert!(columns > 0 && x.len().is_multiple_of(columns), "row_norm_forward: no whole number of rows");
    assert_eq!(x.len(), y.len(), "row_norm_forward: lengths differ");
    let rows = x.len() / columns;
    let RowStatistics { mean, inv } = statistics;
    assert!(mean.len() == rows && inv.len() == rows, "row_norm_forward: one mean and factor per row");
    let weights = [gamma, beta].map(|weight| weight.map_or(columns, <[f32]>::len));
    assert_eq!(weights, [columns; 2], "row_norm_forward: one gamma and beta per column");
    let (mean, inv) = (Shared::new(mean), Shared::new(inv));
    par::for_each_chunk(y, (8192 / columns).max(1) * columns, x.len() as u64 / 2, |start, y| {
        let (first, count) = (start / columns, y.len() / columns);
        // SAFETY: each piece has rows of its own.
        let (mean, inv) = unsafe { (mean.part(first, count), inv.part(first, count)) };
        let rows = y.chunks_exact_mut(columns).zip(x[start..].chunks_exact(columns));
        for (row, (y, x)) in rows.enumerate() {
            (mean[row], inv[row]) = norm.statistics(x);
            scale_row(x, norm.shift(mean[row]), inv[row], gamma, beta, y);
        }
    });
}

/// What the gradient of a normalisation of rows reads.
#[derive(Clone, Copy, Debug)]
pub struct RowNormBackward<'a> {
    /// `(rows, columns)`.
    pub x: &'a [f32],
    /// `(rows, columns)`.
    pub dy: &'a [f32],
    /// Scale, or 1 where absent.
    pub gamma: Option<&'a [f32]>,
    /// Mean of each row.
    pub mean: &'a [f32],
    /// Factor of each row.
    pub inv: &'a [f32],
}

/// Gradients of [`row_norm_forward`]: dx, and `dgamma = Σ_r dy·x̂`, `dbeta = Σ_r dy` where they are wanted.
///
/// # Panics
/// If the lengths do not fit.
pub fn row_norm_backward(
    norm: RowNorm,
    from: RowNormBackward<'_>,
    dx: &mut [f32],
    weights: Option<[&mut [f32]; 2]>,
) {
    let RowNormBackward { x, dy, gamma, mean, inv } = from;
    let rows = mean.len();
    assert!(rows > 0 && x.len().is_multiple_of(rows), "row_norm_backward: no whole number of rows");
    let columns = x.len() / rows;
    assert!(x.len() == dy.len() && x.len() == dx.len(), "row_norm_backward: lengths differ");
    assert_eq!(inv.len(), rows, "row_norm_backward: one factor per row");
    assert!(gamma.is_none_or(|gamma| gamma.len() == columns), "row_norm_backward: one gamma per column");
    par::for_each_chunk(dx, (8192 / columns).max(1) * columns, x.len() as u64, |start, dx| {
        for (index, dx) in dx.chunks_exact_mut(columns).enumerate() {
            let row = start / columns + index;
            let at = row * columns;
            let (x, dy) = (&x[at..][..columns], &dy[at..][..columns]);
            let (sum, product) = products(x, dy, gamma, norm.shift(mean[row]), inv[row]);
            let factors = norm.gradient(columns as f32, mean[row], inv[row], sum, product);
            gradient_row(x, dy, gamma, factors, dx);
        }
    });
    let Some([dgamma, dbeta]) = weights else { return };
    assert!(dgamma.len() == columns && dbeta.len() == columns, "row_norm_backward: one gradient per column");
    tree::<2>(
        rows,
        columns,
        x.len() as u64 / 3,
        |block, [dgamma, dbeta]| {
            let (start, width) = (block.column, block.width);
            for row in block.start..block.end {
                let at = row * columns + start;
                let sums = [&mut dgamma[..width], &mut dbeta[..width]];
                add_row(&x[at..][..width], &dy[at..][..width], norm.shift(mean[row]), inv[row], sums);
            }
        },
        |column, width, total| {
            dgamma[column..column + width].copy_from_slice(&total[0][..width]);
            dbeta[column..column + width].copy_from_slice(&total[1][..width]);
        },
    );
}

/// Sums kept side by side.
const LANES: usize = 32;
/// Rows of lanes that are summed directly; their sums are added in turn, so that errors do not grow with the length.
const RUN: usize = 32;

#[inline(always)]
fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

vectorized! {
    /// Σ (x − shift).
    fn sum(x: &[f32], shift: f32) -> f32 {
        let mut total = 0.0;
        for run in x.chunks(LANES * RUN) {
            let mut lanes = [0.0; LANES];
            let (rows, rest) = run.as_chunks::<LANES>();
            for row in rows {
                for i in 0..LANES {
                    lanes[i] += row[i] - shift;
                }
            }
            for (lane, x) in lanes.iter_mut().zip(rest) {
                *lane += x - shift;
            }
            total += fold(lanes);
        }
        total
    }
}

vectorized! {
    /// Σ (x − shift)².
    fn sum_of_squares(x: &[f32], shift: f32) -> f32 {
        let mut total = 0.0;
        for run in x.chunks(LANES * RUN) {
            let mut lanes = [0.0; LANES];
            let (rows, rest) = run.as_chunks::<LANES>();
            for row in rows {
                for i in 0..LANES {
                    lanes[i] += (row[i] - shift) * (row[i] - shift);
                }
            }
            for (lane, x) in lanes.iter_mut().zip(rest) {
                *lane += (x - shift) * (x - shift);
            }
            total += fold(lanes);
        }
        total
    }
}

vectorized! {
    fn scale_row(x: &[f32], shift: f32, inv: f32, gamma: Option<&[f32]>, beta: Option<&[f32]>, y: &mut [f32]) {
        let columns = y.len();
        let x = &x[..columns];
        match (gamma.map(|gamma| &gamma[..columns]), beta.map(|beta| &beta[..columns])) {
            (Some(gamma), Some(beta)) => (0..columns).for_each(|c| y[c] = (x[c] - shift) * inv * gamma[c] + beta[c]),
            (Some(gamma), None) => (0..columns).for_each(|c| y[c] = (x[c] - shift) * inv * gamma[c]),
            (None, Some(beta)) => (0..columns).for_each(|c| y[c] = (x[c] - shift) * inv + beta[c]),
            (None, None) => (0..columns).for_each(|c| y[c] = (x[c] - shift) * inv),
        }
    }
}

vectorized! {
    /// Σ g and Σ g·x̂ of a row, with g = dy·gamma.
    fn products(x: &[f32], dy: &[f32], gamma: Option<&[f32]>, shift: f32, inv: f32) -> (f32, f32) {
        let (mut sum, mut product) = (0.0, 0.0);
        for start in (0..x.len()).step_by(LANES * RUN) {
            let end = x.len().min(start + LANES * RUN);
            let (mut sums, mut products) = ([0.0; LANES], [0.0; LANES]);
            let mut at = start;
            while at < end {
                let width = LANES.min(end - at);
                let (x, dy) = (&x[at..][..width], &dy[at..][..width]);
                let mut g = [0.0; LANES];
                g[..width].copy_from_slice(dy);
                if let Some(gamma) = gamma {
                    g[..width].iter_mut().zip(&gamma[at..]).for_each(|(g, gamma)| *g *= gamma);
                }
                for i in 0..width {
                    sums[i] += g[i];
                    products[i] += g[i] * ((x[i] - shift) * inv);
                }
                at += width;
            }
            sum += fold(sums);
            product += fold(products);
        }
        (sum, product)
    }
}

vectorized! {
    fn gradient_row(x: &[f32], dy: &[f32], gamma: Option<&[f32]>, factors: [f32; 3], dx: &mut [f32]) {
        let [a, b, c] = factors;
        let columns = dx.len();
        let (x, dy) = (&x[..columns], &dy[..columns]);
        match gamma {
            Some(gamma) => {
                let gamma = &gamma[..columns];
                (0..columns).for_each(|i| dx[i] = a * (dy[i] * gamma[i]) + (b * x[i] + c));
            }
            None => (0..columns).for_each(|i| dx[i] = a * dy[i] + (b * x[i] + c)),
        }
    }
}

vectorized! {
    fn add_row(x: &[f32], dy: &[f32], shift: f32, inv: f32, sums: [&mut [f32]; 2]) {
        let [dgamma, dbeta] = sums;
        let width = x.len();
        let (dy, dgamma, dbeta) = (&dy[..width], &mut dgamma[..width], &mut dbeta[..width]);
        for c in 0..width {
            dgamma[c] += dy[c] * ((x[c] - shift) * inv);
            dbeta[c] += dy[c];
        }
    }
}
