//! Functions of one number: activations by Keras's formulas, and plain ones such as the square root.

use std::fmt;

/// A function applied to every element.
///
/// Where the derivative can be told from the output alone ([`Activation::gradient_from_output`]) the input need not be
/// kept, and the function can be the epilogue of a convolution that is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// y = x.
    #[default]
    Linear,
    /// y = max(x, 0).
    Relu,
    /// Keras's `relu` with all its arguments, and `relu6`, `leaky_relu`: x above the threshold and slope · (x − threshold) below it, the part
    /// above cut to 0 … max.
    Rectifier {
        /// Slope below the threshold.
        negative_slope: f32,
        /// The largest value; +∞ if there is none.
        max_value: f32,
        /// Where the part of slope 1 begins.
        threshold: f32,
    },
    /// scale · x where x > 0, else scale · α · (e^(rate · x) − 1): `elu`, `selu`, `celu`.
    Elu {
        /// Slope where x > 0.
        scale: f32,
        /// Saturates at −scale · α.
        alpha: f32,
        /// Factor of x in the exponent.
        rate: f32,
    },
    /// slope · x + offset, cut to low … high: `hard_sigmoid`, `hard_tanh`, `sparse_sigmoid`.
    Ramp {
        /// Factor of x.
        slope: f32,
        /// Value at 0.
        offset: f32,
        /// Smallest value.
        low: f32,
        /// Largest value.
        high: f32,
    },
    /// y = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// y = tanh x.
    Tanh,
    /// y = eˣ.
    Exponential,
    /// y = ln(1 + eˣ).
    Softplus,
    /// y = ln(1 / (1 + e⁻ˣ)).
    LogSigmoid,
    /// y = x / (1 + |x|).
    Softsign,
    /// y = (x + √(x² + b)) / 2.
    Squareplus {
        /// Smoothness.
        b: f32,
    },
    /// y = 0 below −1, x above 1, (x + 1)² / 4 between.
    SparsePlus,
    /// y = x where |x| > threshold, else 0.
    HardShrink {
        /// Half the width of the gap.
        threshold: f32,
    },
    /// y = x moved towards 0 by the threshold, 0 if it would get past it.
    SoftShrink {
        /// How far.
        threshold: f32,
    },
    /// y = √x.
    Sqrt,
    /// y = x − tanh x.
    TanhShrink,
    /// y = x where x > threshold, else another value.
    Threshold {
        /// Where x is kept.
        threshold: f32,
        /// What stands in its place elsewhere.
        value: f32,
    },
    /// y = x · Φ(x), with Φ the share of a normal distribution below x; approximately x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³))).
    Gelu {
        /// Whether the approximation is meant.
        approximate: bool,
    },
    /// y = x / (1 + e⁻ˣ).
    Silu,
    /// y = x · min(max(x + 3, 0), 6) / 6.
    HardSilu,
    /// y = x · tanh(ln(1 + eˣ)).
    Mish,
    /// y = |x|.
    Abs,
    /// y = x².
    Square,
    /// y = ln x.
    Log,
    /// y = xᵖ.
    Power {
        /// The exponent p.
        exponent: f32,
    },
}

/// Between which numbers results are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// Whether negative results become zero.
    pub rectified: bool,
    /// Results above it become it; +∞ for no bound.
    pub ceiling: f32,
}

impl Bounds {
    /// Results stay as they are.
    pub(crate) const NONE: Self = Self { rectified: false, ceiling: f32::INFINITY };
}

impl Activation {
    /// relu cut at 6.
    pub const RELU6: Self = Self::Rectifier { negative_slope: 0.0, max_value: 6.0, threshold: 0.0 };
    /// The scaled exponential linear unit (Klambauer et al., 2017).
    pub const SELU: Self = Self::Elu { scale: 1.050_701, alpha: 1.673_263_2, rate: 1.0 };
    /// x / 6 + ½, cut to 0 … 1.
    pub const HARD_SIGMOID: Self = Self::Ramp { slope: 1.0 / 6.0, offset: 0.5, low: 0.0, high: 1.0 };
    /// x, cut to −1 … 1.
    pub const HARD_TANH: Self = Self::Ramp { slope: 1.0, offset: 0.0, low: -1.0, high: 1.0 };
    /// (x + 1) / 2, cut to 0 … 1.
    pub const SPARSE_SIGMOID: Self = Self::Ramp { slope: 0.5, offset: 0.5, low: 0.0, high: 1.0 };

    /// x where it is positive, else slope · x.
    pub const fn leaky_relu(negative_slope: f32) -> Self {
        Self::Rectifier { negative_slope, max_value: f32::INFINITY, threshold: 0.0 }
    }

    /// x where it is positive, else α (eˣ − 1) (Clevert et al., 2016).
    pub const fn elu(alpha: f32) -> Self {
        Self::Elu { scale: 1.0, alpha, rate: 1.0 }
    }

    /// x where it is positive, else α (e^(x/α) − 1) (Barron, 2017).
    pub const fn celu(alpha: f32) -> Self {
        Self::Elu { scale: 1.0, alpha, rate: 1.0 / alpha }
    }

    /// Name, in Keras's words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu | Self::Rectifier { .. } => "relu",
            Self::Elu { .. } => "elu",
            Self::Ramp { .. } => "ramp",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Exponential => "exponential",
            Self::Softplus => "softplus",
            Self::LogSigmoid => "log_sigmoid",
            Self::Softsign => "softsign",
            Self::Squareplus { .. } => "squareplus",
            Self::SparsePlus => "sparse_plus",
            Self::HardShrink { .. } => "hard_shrink",
            Self::SoftShrink { .. } => "soft_shrink",
            Self::Sqrt => "sqrt",
            Self::TanhShrink => "tanh_shrink",
            Self::Threshold { .. } => "threshold",
            Self::Gelu { .. } => "gelu",
            Self::Silu => "silu",
            Self::HardSilu => "hard_silu",
            Self::Mish => "mish",
            Self::Abs => "absolute",
            Self::Square => "square",
            Self::Log => "log",
            Self::Power { .. } => "power",
        }
    }

    /// Whether the derivative follows from the output. If not, the gradient is worked out from the input.
    pub fn gradient_from_output(self) -> bool {
        match self {
            // Else outputs do not tell on which side of the threshold they come from.
            Self::Rectifier { negative_slope, threshold, .. } => threshold == 0.0 && negative_slope >= 0.0,
            Self::Elu { scale, alpha, rate } => scale > 0.0 && alpha >= 0.0 && rate >= 0.0,
            Self::HardShrink { threshold } | Self::SoftShrink { threshold } => threshold >= 0.0,
            Self::Linear
            | Self::Relu
            | Self::Ramp { .. }
            | Self::Sigmoid
            | Self::Tanh
            | Self::Exponential
            | Self::Softplus
            | Self::LogSigmoid
            | Self::Softsign
            | Self::Squareplus { .. }
            | Self::SparsePlus
            | Self::Sqrt => true,
            Self::TanhShrink
            | Self::Threshold { .. }
            | Self::Gelu { .. }
            | Self::Silu
            | Self::HardSilu
            | Self::Mish
            | Self::Abs
            | Self::Square
            | Self::Log
            | Self::Power { .. } => false,
        }
    }

    /// The bounds that make up the whole function, if it is nothing else: kernels apply these to sums before they store them.
    pub(crate) const fn bounds(self) -> Option<Bounds> {
        match self {
            Self::Linear => Some(Bounds::NONE),
            Self::Relu => Some(Bounds { rectified: true, ceiling: f32::INFINITY }),
            Self::Rectifier { negative_slope: 0.0, max_value, threshold: 0.0 } => {
                Some(Bounds { rectified: true, ceiling: max_value })
            }
            _ => None,
        }
    }

    /// Nanoseconds for so many elements on one thread, roughly.
    pub(super) const fn cost(self, elements: usize) -> u64 {
        let elements = elements as u64;
        match self {
            Self::Linear | Self::Relu | Self::Rectifier { .. } | Self::Ramp { .. } => elements / 4,
            Self::SparsePlus | Self::HardShrink { .. } | Self::SoftShrink { .. } | Self::Threshold { .. } => {
                elements / 4
            }
            Self::HardSilu | Self::Abs | Self::Square => elements / 4,
            Self::Power { .. } => elements * 8,
            _ => elements,
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
