//! Normalisation of rows, groups of channels, and by neighbouring channels.

use convnet_kernels::norm::{Response, RowNorm};

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    let mean = mean(x);
    x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64
}

/// Every row normalised, times gamma, plus beta.
pub fn rows(norm: RowNorm, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let row = |row: &[f64]| -> Vec<f64> {
        let squares: f64 = row.iter().map(|x| x * x).sum();
        let (shift, factor) = match norm {
            RowNorm::Layer { epsilon } => (mean(row), (variance(row) + f64::from(epsilon)).sqrt()),
            RowNorm::Variance { epsilon } => (0.0, (variance(row) + f64::from(epsilon)).sqrt()),
            RowNorm::RootMeanSquare { epsilon } => {
                (0.0, (squares / row.len() as f64 + f64::from(epsilon)).sqrt())
            }
            RowNorm::Unit { epsilon } => (0.0, squares.sqrt().max(f64::from(epsilon))),
        };
        let scaled = |(x, (gamma, beta)): (&f64, (&f64, &f64))| gamma * (x - shift) / factor + beta;
        row.iter().zip(gamma.iter().zip(beta)).map(scaled).collect()
    };
    x.chunks(gamma.len()).flat_map(row).collect()
}

/// `(batch, positions, channels)`, every group of channels of an image normalised.
pub fn groups(batch: usize, groups: usize, epsilon: f64, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let channels = gamma.len();
    let image = x.len() / batch;
    let group_of = |i: usize| i / image * groups + i % channels / (channels / groups);
    let mut members = vec![Vec::new(); batch * groups];
    x.iter().enumerate().for_each(|(i, &x)| members[group_of(i)].push(x));
    let normal = |(i, x): (usize, &f64)| {
        let group = &members[group_of(i)];
        gamma[i % channels] * (x - mean(group)) / (variance(group) + epsilon).sqrt() + beta[i % channels]
    };
    x.iter().enumerate().map(normal).collect()
}

/// Rows of channels by the response of their neighbours.
pub fn response(response: Response, channels: usize, x: &[f64]) -> Vec<f64> {
    let row = |row: &[f64]| -> Vec<f64> {
        let near = |c: usize, j: usize| c.abs_diff(j) <= response.depth_radius;
        let squares = |c: usize| (0..channels).filter(|&j| near(c, j)).map(|j| row[j] * row[j]).sum::<f64>();
        let divisor = |c: usize| f64::from(response.bias) + f64::from(response.alpha) * squares(c);
        (0..channels).map(|c| row[c] / divisor(c).powf(f64::from(response.beta))).collect()
    };
    x.chunks(channels).flat_map(row).collect()
}
