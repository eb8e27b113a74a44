//! Functions of elements.

use convnet_engine::ops::{self, Activate, BinaryFunction, StopGradient, Unary, UnaryFunction};
use convnet_engine::{EngineError, Value};

use super::call::{Call, Operand};
use crate::Activation;
use crate::layer::LayerContext;
use crate::layers::Operator;

type Made<T> = Result<T, EngineError>;

pub(super) fn apply(call: &Call<'_>, at: &mut LayerContext<'_>) -> Made<Vec<Value>> {
    if let Some(made) = pair(call, at)? {
        return Ok(vec![made]);
    }
    let x = call.input(at)?;
    if let Some(function) = unary(call.class()) {
        return Ok(vec![at.graph.apply(Unary(function), &[x])?]);
    }
    if let Some(function) = activation(call) {
        return Ok(vec![at.graph.apply(Activate(function), &[x])?]);
    }
    other(call, at, x).map(|made| vec![made])
}

fn unary(class: &str) -> Option<UnaryFunction> {
    use UnaryFunction as F;
    Some(match class {
        "Arccos" => F::Acos,
        "Arccosh" => F::Acosh,
        "Arcsin" => F::Asin,
        "Arcsinh" => F::Asinh,
        "Arctan" => F::Atan,
        "Arctanh" => F::Atanh,
        "Ceil" => F::Ceil,
        "Cos" => F::Cos,
        "Cosh" => F::Cosh,
        "Erf" => F::Erf,
        "Floor" => F::Floor,
        "Isnan" => F::IsNan,
        "Sign" => F::Sign,
        "Sin" => F::Sin,
        "Sinh" => F::Sinh,
        "Tan" => F::Tan,
        _ => return None,
    })
}

fn activation(call: &Call<'_>) -> Option<ops::Activation> {
    use ops::Activation as A;
    let number = |name: &str, otherwise: f64| call.number(name, otherwise) as f32;
    Some(match call.class() {
        "Absolute" => A::Abs,
        "Celu" => A::celu(number("alpha", 1.0)),
        "Clip" => {
            let (low, high) = (number("x_min", f64::NEG_INFINITY), number("x_max", f64::INFINITY));
            A::Ramp { slope: 1.0, offset: 0.0, low, high }
        }
        "Elu" => A::elu(number("alpha", 1.0)),
        "Exp" => A::Exponential,
        "Gelu" => A::Gelu { approximate: call.get("approximate").is_none_or(|flag| flag != false) },
        "HardShrink" => A::HardShrink { threshold: number("threshold", 0.5) },
        "LeakyRelu" => A::leaky_relu(number("negative_slope", 0.2)),
        "Log" => A::Log,
        "Reciprocal" => A::Power { exponent: -1.0 },
        "Rsqrt" => A::Power { exponent: -0.5 },
        "SoftShrink" => A::SoftShrink { threshold: number("threshold", 0.5) },
        "Sqrt" => A::Sqrt,
        "Square" => A::Square,
        "Squareplus" => A::Squareplus { b: number("b", 4.0) },
        class => {
            let name = crate::names::snake_case(class);
            return Activation::ALL.iter().find(|known| known.name() == name)?.function();
        }
    })
}

/// Functions of two arguments, of which one may be a number.
fn pair(call: &Call<'_>, at: &mut LayerContext<'_>) -> Made<Option<Value>> {
    use BinaryFunction as F;
    // The function, whether the arguments change places, and whether the result is negated.
    let (function, turned, negated) = match call.class() {
        "Add" => (F::Add, false, false),
        "Divide" | "TrueDivide" | "FloorDivide" => (F::Divide, false, false),
        "Equal" => (F::Equal, false, false),
        "Greater" => (F::Greater, false, false),
        "GreaterEqual" => (F::Greater, true, true),
        "Less" => (F::Greater, true, false),
        "LessEqual" => (F::Greater, false, true),
        "LogicalAnd" => (F::Multiply, false, false),
        "LogicalOr" => (F::Maximum, false, false),
        "Maximum" => (F::Maximum, false, false),
        "Minimum" => (F::Minimum, false, false),
        "Mod" => (F::Modulo, false, false),
        "Multiply" => (F::Multiply, false, false),
        "NotEqual" => (F::Equal, false, true),
        "Power" => (F::Power, false, false),
        "Subtract" => (F::Subtract, false, false),
        _ => return Ok(None),
    };
    let operands = [call.operand(at, 0)?, call.operand(at, 1)?];
    if let (F::Power, Operand::Tensor(x), &Operand::Number(2.0)) = (function, &operands[0], &operands[1]) {
        return Ok(Some(at.graph.apply(Activate(ops::Activation::Square), &[*x])?));
    }
    let (mut a, mut b) = (call.value(at, 0)?, call.value(at, 1)?);
    if call.class().starts_with("Logical") {
        (a, b) = (truth(call, at, a)?, truth(call, at, b)?);
    }
    if turned {
        (a, b) = (b, a);
    }
    let mut made = call.pair(at, function, a, b)?;
    if call.class() == "FloorDivide" {
        made = at.graph.apply(Unary(UnaryFunction::Floor), &[made])?;
    }
    if negated {
        made = call.scaled(at, made, -1.0, 1.0)?;
    }
    Ok(Some(made))
}

/// 1 where a value is not 0, else 0.
fn truth(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let zero = crate::layers::config::constants(at, &[0.0])?;
    let is_zero = call.pair(at, BinaryFunction::Equal, x, zero)?;
    call.scaled(at, is_zero, -1.0, 1.0)
}

fn other(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let logarithm = |at: &mut LayerContext<'_>, x| at.graph.apply(Activate(ops::Activation::Log), &[x]);
    match call.class() {
        "Cast" => {
            let kind = call.get("dtype").and_then(serde_json::Value::as_str).unwrap_or("float32");
            match kind {
                "bool" => truth(call, at, x),
                kind if kind.contains("int") => at.graph.apply(Unary(UnaryFunction::Truncate), &[x]),
                _ => Ok(x),
            }
        }
        "Copy" => Ok(x),
        "Expm1" => {
            let power = at.graph.apply(Activate(ops::Activation::Exponential), &[x])?;
            call.scaled(at, power, 1.0, -1.0)
        }
        "Glu" | "LogSoftmax" | "Softmax" | "Sparsemax" => along(call, at, x),
        "Log10" | "Log2" => {
            let base: f64 = if call.class() == "Log2" { 2.0 } else { 10.0 };
            let natural = logarithm(at, x)?;
            call.scaled(at, natural, 1.0 / base.ln(), 0.0)
        }
        "Log1p" => {
            let more = call.scaled(at, x, 1.0, 1.0)?;
            logarithm(at, more)
        }
        "LogicalNot" => {
            let truth = truth(call, at, x)?;
            call.scaled(at, truth, -1.0, 1.0)
        }
        "Negative" => call.scaled(at, x, -1.0, 0.0),
        "Round" => match call.number("decimals", 0.0) {
            0.0 => at.graph.apply(Unary(UnaryFunction::Round), &[x]),
            decimals => call.refuse(at, "decimals = 0", decimals),
        },
        "StopGradient" => at.graph.apply(StopGradient, &[x]),
        "Where" => {
            let all = [call.value(at, 0)?, call.value(at, 1)?, call.value(at, 2)?];
            Operator::Select {}.apply(at, &all)
        }
        class => call.refuse(at, "a function that is known", class),
    }
}

/// Functions of the elements along an axis.
fn along(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let axes = match call.get("axis") {
        Some(_) => call.axes(at, x)?,
        None => vec![at.graph.shape(x).dims.len().saturating_sub(1)],
    };
    let (&[axis], rank) = (&axes[..], at.graph.shape(x).dims.len()) else {
        return call.refuse(at, "one axis", format!("{axes:?}"));
    };
    match call.class() {
        "Softmax" => ops::softmax_along(at.graph, x, axis),
        "LogSoftmax" => ops::log_softmax_along(at.graph, x, axis),
        _ if axis + 1 != rank => call.refuse(at, "the last axis", axis + 1),
        "Glu" => Activation::Glu.apply(at.graph, x),
        _ => Activation::Sparsemax.apply(at.graph, x),
    }
}
