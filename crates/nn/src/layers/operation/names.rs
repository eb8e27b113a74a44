//! Functions of the engine by name.

use convnet_engine::ops::{Activation, BinaryFunction, ReduceFunction, UnaryFunction};

/// The activation of a name with its arguments.
pub(super) fn activation(name: &str, arguments: &[f32]) -> Option<Activation> {
    Some(match (name, arguments) {
        ("linear", []) => Activation::Linear,
        ("relu", []) => Activation::Relu,
        ("rectifier", &[negative_slope, max_value, threshold]) => {
            Activation::Rectifier { negative_slope, max_value, threshold }
        }
        ("elu", &[scale, alpha, rate]) => Activation::Elu { scale, alpha, rate },
        ("ramp", &[slope, offset, low, high]) => Activation::Ramp { slope, offset, low, high },
        ("sigmoid", []) => Activation::Sigmoid,
        ("tanh", []) => Activation::Tanh,
        ("exponential", []) => Activation::Exponential,
        ("softplus", []) => Activation::Softplus,
        ("softsign", []) => Activation::Softsign,
        ("hard_shrink", &[threshold]) => Activation::HardShrink { threshold },
        ("soft_shrink", &[threshold]) => Activation::SoftShrink { threshold },
        ("sqrt", []) => Activation::Sqrt,
        ("threshold", &[threshold, value]) => Activation::Threshold { threshold, value },
        ("gelu", &[approximate]) => Activation::Gelu { approximate: approximate != 0.0 },
        ("silu", []) => Activation::Silu,
        ("hard_silu", []) => Activation::HardSilu,
        ("mish", []) => Activation::Mish,
        ("absolute", []) => Activation::Abs,
        ("square", []) => Activation::Square,
        ("log", []) => Activation::Log,
        ("power", &[exponent]) => Activation::Power { exponent },
        _ => return None,
    })
}

pub(super) fn unary(name: &str) -> Option<UnaryFunction> {
    UnaryFunction::ALL.into_iter().find(|function| function.name() == name)
}

pub(super) fn binary(name: &str) -> Option<BinaryFunction> {
    BinaryFunction::ALL.into_iter().find(|function| function.name() == name)
}

pub(super) fn reduce(name: &str) -> Option<ReduceFunction> {
    Some(match name {
        "sum" => ReduceFunction::Sum,
        "mean" => ReduceFunction::Mean,
        "max" => ReduceFunction::Max,
        "min" => ReduceFunction::Min,
        "product" => ReduceFunction::Product,
        _ => return None,
    })
}
