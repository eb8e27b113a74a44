//! Batch normalisation over rows.

/// What the forward pass gives.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// Normalised, scaled and shifted values, `(rows, channels)`.
    pub y: Vec<f64>,
    /// Mean of each channel.
    pub mean: Vec<f64>,
    /// Biased variance of each channel.
    pub variance: Vec<f64>,
}

/// `y = gamma·(x − mean)/√(variance + ε) + beta` with the mean and biased variance over rows of `x (rows, channels)`.
pub fn forward(x: &[f64], gamma: &[f64], beta: &[f64], epsilon: f64) -> BatchNorm {
    let channels = gamma.len();
    let rows = x.len() / channels;
    let mut result =
        BatchNorm { y: vec![0.0; x.len()], mean: vec![0.0; channels], variance: vec![0.0; channels] };
    for c in 0..channels {
        let column: Vec<f64> = (0..rows).map(|r| x[r * channels + c]).collect();
        let mean = column.iter().sum::<f64>() / rows as f64;
        let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
        for r in 0..rows {
            result.y[r * channels + c] =
                gamma[c] * (column[r] - mean) / (variance + epsilon).sqrt() + beta[c];
        }
        (result.mean[c], result.variance[c]) = (mean, variance);
    }
    result
}
