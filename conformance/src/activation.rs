//! Activations, softmax and arg-max.

use convnet_kernels::elementwise::Activation;

/// max(x, 0).
pub fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// 1 / (1 + e⁻ˣ).
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Hyperbolic tangent.
pub fn tanh(x: f64) -> f64 {
    x.tanh()
}

/// The share of a normal distribution below x, by Kummer's series of the error function, whose terms all have one sign.
pub fn normal_share(x: f64) -> f64 {
    let z = x.abs() / 2.0_f64.sqrt();
    let (mut term, mut sum) = (z, z);
    for n in 1..500 {
        term *= 2.0 * z * z / f64::from(2 * n + 1);
        sum += term;
    }
    let erf = sum * (-z * z).exp() * 2.0 / std::f64::consts::PI.sqrt();
    0.5 + 0.5 * erf.min(1.0).copysign(x)
}

/// Any activation, by Keras's formula.
pub fn value(activation: Activation, x: f64) -> f64 {
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    match activation {
        Activation::Linear => x,
        Activation::Relu => relu(x),
        Activation::Rectifier { negative_slope, max_value, threshold } => {
            let [slope, max, threshold] = [negative_slope, max_value, threshold].map(f64::from);
            let above = if x > threshold { x } else { 0.0 };
            let above = if max.is_finite() { above.clamp(0.0, max) } else { above };
            above - slope * relu(threshold - x)
        }
        Activation::Elu { scale, alpha, rate } => {
            let [scale, alpha, rate] = [scale, alpha, rate].map(f64::from);
            scale * if x > 0.0 { x } else { alpha * (rate * x).exp_m1() }
        }
        Activation::Ramp { slope, offset, low, high } => {
            (f64::from(slope) * x + f64::from(offset)).clamp(f64::from(low), f64::from(high))
        }
        Activation::Sigmoid => sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Exponential => x.exp(),
        Activation::Softplus => softplus(x),
        Activation::LogSigmoid => -softplus(-x),
        Activation::Softsign => x / (1.0 + x.abs()),
        Activation::Squareplus { b } => (x + (x * x + f64::from(b)).sqrt()) / 2.0,
        Activation::SparsePlus if x <= -1.0 => 0.0,
        Activation::SparsePlus if x >= 1.0 => x,
        Activation::SparsePlus => (x + 1.0).powi(2) / 4.0,
        Activation::HardShrink { threshold } if x.abs() > f64::from(threshold) => x,
        Activation::HardShrink { .. } => 0.0,
        Activation::SoftShrink { threshold } => relu(x.abs() - f64::from(threshold)).copysign(x),
        Activation::Sqrt => x.sqrt(),
        Activation::TanhShrink => x - x.tanh(),
        Activation::Threshold { threshold, .. } if x > f64::from(threshold) => x,
        Activation::Threshold { value, .. } => f64::from(value),
        Activation::Gelu { approximate: false } => x * normal_share(x),
        Activation::Gelu { approximate: true } => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        Activation::Silu => x * sigmoid(x),
        Activation::HardSilu => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Mish => x * softplus(x).tanh(),
        Activation::Abs => x.abs(),
        Activation::Square => x * x,
        Activation::Log => x.ln(),
        Activation::Power { exponent } => x.powf(f64::from(exponent)),
    }
}

/// Every activation, those with arguments with several.
pub fn examples() -> Vec<Activation> {
    let rectifier =
        |negative_slope, max_value, threshold| Activation::Rectifier { negative_slope, max_value, threshold };
    let infinity = f32::INFINITY;
    vec![
        Activation::Linear,
        Activation::Relu,
        Activation::RELU6,
        Activation::leaky_relu(0.2),
        rectifier(0.1, 1.5, 0.0),
        rectifier(0.0, infinity, 0.5),
        rectifier(0.3, infinity, -0.4),
        rectifier(0.3, 2.0, -0.4),
        rectifier(0.2, 1.0, 0.3),
        rectifier(-0.5, infinity, 0.0),
        Activation::elu(1.0),
        Activation::elu(0.4),
        Activation::elu(-0.7),
        Activation::SELU,
        Activation::celu(1.0),
        Activation::celu(0.6),
        Activation::HARD_SIGMOID,
        Activation::HARD_TANH,
        Activation::SPARSE_SIGMOID,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Exponential,
        Activation::Softplus,
        Activation::LogSigmoid,
        Activation::Softsign,
        Activation::Squareplus { b: 4.0 },
        Activation::Squareplus { b: 0.3 },
        Activation::SparsePlus,
        Activation::HardShrink { threshold: 0.5 },
        Activation::HardShrink { threshold: -1.0 },
        Activation::SoftShrink { threshold: 0.35 },
        Activation::Sqrt,
        Activation::TanhShrink,
        Activation::Threshold { threshold: 0.2, value: -0.6 },
        Activation::Gelu { approximate: false },
        Activation::Gelu { approximate: true },
        Activation::Silu,
        Activation::HardSilu,
        Activation::Mish,
        Activation::Abs,
        Activation::Square,
        Activation::Log,
        Activation::Power { exponent: 3.0 },
        Activation::Power { exponent: -1.0 },
        Activation::Power { exponent: 0.75 },
    ]
}

/// Whether a function has values for positive numbers only.
pub fn is_for_positive(activation: Activation) -> bool {
    match activation {
        Activation::Sqrt | Activation::Log => true,
        Activation::Power { exponent } => exponent.fract() != 0.0 || exponent < 0.0,
        _ => false,
    }
}

/// e^x / Σ e^x of one row.
pub fn softmax(row: &[f64]) -> Vec<f64> {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
    row.iter().map(|x| (x - max).exp() / sum).collect()
}

/// Softmax of all elements that differ in one axis only.
pub fn softmax_along(x: &[f64], dims: [usize; 4], axis: usize) -> Vec<f64> {
    let inner: usize = dims[axis + 1..].iter().product();
    let mut y = vec![0.0; x.len()];
    for start in (0..x.len()).filter(|place| (place / inner).is_multiple_of(dims[axis])) {
        let places = || (0..dims[axis]).map(|i| start + i * inner);
        let row: Vec<f64> = places().map(|place| x[place]).collect();
        places().zip(softmax(&row)).for_each(|(place, value)| y[place] = value);
    }
    y
}

/// The nearest point to a row whose elements are not negative and have the sum 1, by bisection for the number to subtract.
pub fn sparsemax(row: &[f64]) -> Vec<f64> {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut low, mut high) = (max - 1.0, max);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        let sum: f64 = row.iter().map(|x| relu(x - middle)).sum();
        *(if sum > 1.0 { &mut low } else { &mut high }) = middle;
    }
    row.iter().map(|x| relu(x - low)).collect()
}

/// The first index of the largest element.
pub fn arg_max(row: &[f64]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0)
}
