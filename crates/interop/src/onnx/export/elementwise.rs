//! Functions of each element, and of elements in the same place.

use std::any::Any;

use convnet_nn::engine::Value;
use convnet_nn::engine::op::Op;
use convnet_nn::engine::ops::{
    Activate, Activation, BiasAdd, Binary, BinaryFunction, ChannelAffine, Multiply, ScaleShift, Select,
    StopGradient, Sum, Unary, UnaryFunction,
};

use super::{At, Attribute, Exporter, Order};
use crate::Result;

pub(super) fn export(at: &mut Exporter<'_>, op: &dyn Op, node: &At<'_>) -> Result<bool> {
    let any = op as &dyn Any;
    if let Some(Activate(function)) = any.downcast_ref::<Activate>() {
        map(at, node, |at, x| activation(at, *function, x))?;
    } else if let Some(Unary(function)) = any.downcast_ref::<Unary>() {
        map(at, node, |at, x| unary(at, *function, x))?;
    } else if let Some(&ScaleShift { scale, shift }) = any.downcast_ref::<ScaleShift>() {
        map(at, node, |at, x| affine(at, scale, shift, x))?;
    } else if any.downcast_ref::<StopGradient>().is_some() {
        map(at, node, |at, x| at.node("Identity", &[x], Vec::new()))?;
    } else if let Some(Binary(function)) = any.downcast_ref::<Binary>() {
        binary(at, *function, node)?;
    } else if any.downcast_ref::<Multiply>().is_some() {
        binary(at, BinaryFunction::Multiply, node)?;
    } else if any.downcast_ref::<Sum>().is_some() {
        several(at, "Sum", node)?;
    } else if any.downcast_ref::<Select>().is_some() {
        select(at, node)?;
    } else if any.downcast_ref::<BiasAdd>().is_some() {
        let y = of_channels(at, "Add", node.inputs[0], node.inputs[1])?;
        at.output(node.outputs[0], y.0, y.1);
    } else if let Some(ChannelAffine { activation: function }) = any.downcast_ref::<ChannelAffine>() {
        let (order, scaled) = of_channels(at, "Mul", node.inputs[0], node.inputs[1])?;
        at.output(node.outputs[0], order, scaled);
        let mut y = (order, at.input(node.outputs[0], order)?);
        if let Some(&shift) = node.inputs.get(2) {
            y = of_channels(at, "Add", node.outputs[0], shift)?;
        }
        let result = activation(at, *function, &y.1);
        at.output(node.outputs[0], y.0, result);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// A function of each element, in whichever order the value is there.
fn map(
    at: &mut Exporter<'_>,
    node: &At<'_>,
    write: impl Fn(&mut Exporter<'_>, &str) -> String,
) -> Result<()> {
    let order = at.order_of(node.inputs[0]);
    let x = at.input(node.inputs[0], order)?;
    let y = write(at, &x);
    at.output(node.outputs[0], order, y);
    Ok(())
}

/// A function of a value and one number for each channel.
fn of_channels(at: &mut Exporter<'_>, operator: &str, x: Value, channels: Value) -> Result<(Order, String)> {
    let rank = at.shape(x).dims.len();
    let order = at.order_of(x);
    let name = at.input(x, order)?;
    let mut other = at.input(channels, Order::Model)?;
    if order == Order::ChannelsFirst && rank > 1 {
        let dims: Vec<i64> = std::iter::once(-1).chain(std::iter::repeat_n(1, rank - 1)).collect();
        let dims = at.integers(&dims);
        other = at.node("Reshape", &[&other, &dims], Vec::new());
    }
    Ok((order, at.node(operator, &[&name, &other], Vec::new())))
}

/// The order in which values of one number of axes are taken: channels first if most of the work for that is done.
fn common_order(at: &Exporter<'_>, inputs: &[Value]) -> Order {
    let ranks: Vec<usize> = inputs.iter().map(|&input| at.shape(input).dims.len()).collect();
    let alike = ranks.windows(2).all(|pair| pair[0] == pair[1]);
    let first = inputs.iter().any(|&input| at.is_channels_first(input));
    if alike && first { Order::ChannelsFirst } else { Order::Model }
}

fn all_inputs(at: &mut Exporter<'_>, inputs: &[Value], order: Order) -> Result<Vec<String>> {
    inputs.iter().map(|&input| at.input(input, order)).collect()
}

fn several(at: &mut Exporter<'_>, operator: &str, node: &At<'_>) -> Result<()> {
    let order = common_order(at, node.inputs);
    let inputs = all_inputs(at, node.inputs, order)?;
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let operator = if inputs.len() == 2 { "Add" } else { operator };
    let y = at.node(operator, &inputs, Vec::new());
    at.output(node.outputs[0], order, y);
    Ok(())
}

fn binary(at: &mut Exporter<'_>, function: BinaryFunction, node: &At<'_>) -> Result<()> {
    let order = common_order(at, node.inputs);
    let inputs = all_inputs(at, node.inputs, order)?;
    let [a, b] = [&inputs[0][..], &inputs[1][..]];
    let (operator, attributes) = match function {
        BinaryFunction::Add => ("Add", Vec::new()),
        BinaryFunction::Subtract => ("Sub", Vec::new()),
        BinaryFunction::Multiply => ("Mul", Vec::new()),
        BinaryFunction::Divide => ("Div", Vec::new()),
        BinaryFunction::Maximum => ("Max", Vec::new()),
        BinaryFunction::Minimum => ("Min", Vec::new()),
        BinaryFunction::Power => ("Pow", Vec::new()),
        BinaryFunction::Remainder => ("Mod", vec![Attribute::int("fmod", 1)]),
        BinaryFunction::Equal => ("Equal", Vec::new()),
        BinaryFunction::Greater => ("Greater", Vec::new()),
        BinaryFunction::Modulo => {
            let quotient = at.node("Div", &[a, b], Vec::new());
            let whole = at.node("Floor", &[&quotient], Vec::new());
            let product = at.node("Mul", &[b, &whole], Vec::new());
            let y = at.node("Sub", &[a, &product], Vec::new());
            at.output(node.outputs[0], order, y);
            return Ok(());
        }
    };
    let mut y = at.node(operator, &[a, b], attributes);
    if matches!(function, BinaryFunction::Equal | BinaryFunction::Greater) {
        y = to_float(at, &y);
    }
    at.output(node.outputs[0], order, y);
    Ok(())
}

/// Truth values as numbers.
fn to_float(at: &mut Exporter<'_>, x: &str) -> String {
    at.node("Cast", &[x], vec![Attribute::int("to", 1)])
}

fn select(at: &mut Exporter<'_>, node: &At<'_>) -> Result<()> {
    let order = common_order(at, node.inputs);
    let inputs = all_inputs(at, node.inputs, order)?;
    let condition = at.node("Cast", &[&inputs[0]], vec![Attribute::int("to", 9)]);
    let y = at.node("Where", &[&condition, &inputs[1], &inputs[2]], Vec::new());
    at.output(node.outputs[0], order, y);
    Ok(())
}

fn affine(at: &mut Exporter<'_>, scale: f32, shift: f32, x: &str) -> String {
    let mut y = x.to_owned();
    if scale != 1.0 {
        let scale = at.number(scale);
        y = at.node("Mul", &[&y, &scale], Vec::new());
    }
    if shift != 0.0 || scale == 1.0 {
        let shift = at.number(shift);
        y = at.node("Add", &[&y, &shift], Vec::new());
    }
    y
}

fn unary(at: &mut Exporter<'_>, function: UnaryFunction, x: &str) -> String {
    let operator = match function {
        UnaryFunction::Floor => "Floor",
        UnaryFunction::Ceil => "Ceil",
        UnaryFunction::Round => "Round",
        UnaryFunction::Sign => "Sign",
        UnaryFunction::Sin => "Sin",
        UnaryFunction::Cos => "Cos",
        UnaryFunction::Tan => "Tan",
        UnaryFunction::Asin => "Asin",
        UnaryFunction::Acos => "Acos",
        UnaryFunction::Atan => "Atan",
        UnaryFunction::Sinh => "Sinh",
        UnaryFunction::Cosh => "Cosh",
        UnaryFunction::Asinh => "Asinh",
        UnaryFunction::Acosh => "Acosh",
        UnaryFunction::Atanh => "Atanh",
        UnaryFunction::Erf => "Erf",
        UnaryFunction::Truncate => {
            let (sign, size) = (at.node("Sign", &[x], Vec::new()), at.node("Abs", &[x], Vec::new()));
            let whole = at.node("Floor", &[&size], Vec::new());
            return at.node("Mul", &[&sign, &whole], Vec::new());
        }
        UnaryFunction::IsNan => {
            let y = at.node("IsNaN", &[x], Vec::new());
            return to_float(at, &y);
        }
        UnaryFunction::IsPositiveInfinity => {
            let y = at.node("IsInf", &[x], vec![Attribute::int("detect_negative", 0)]);
            return to_float(at, &y);
        }
    };
    at.node(operator, &[x], Vec::new())
}

/// x where it is above a number, else what `below` makes of it; `above` likewise.
fn bent(at: &mut Exporter<'_>, x: &str, threshold: f32, above: &str, below: &str) -> String {
    let threshold = at.number(threshold);
    let is_above = at.node("Greater", &[x, &threshold], Vec::new());
    at.node("Where", &[&is_above, above, below], Vec::new())
}

/// x cut to a range.
fn clip(at: &mut Exporter<'_>, x: &str, low: f32, high: f32) -> String {
    let (low, high) = (at.number(low.max(f32::MIN)), at.number(high.min(f32::MAX)));
    at.node("Clip", &[x, &low, &high], Vec::new())
}

/// Applies an activation of the engine.
pub(super) fn activation(at: &mut Exporter<'_>, function: Activation, x: &str) -> String {
    let plain = |at: &mut Exporter<'_>, operator: &str| at.node(operator, &[x], Vec::new());
    let times = |at: &mut Exporter<'_>, y: &str| at.node("Mul", &[x, y], Vec::new());
    match function {
        Activation::Linear => x.to_owned(),
        Activation::Relu => plain(at, "Relu"),
        Activation::Rectifier { negative_slope, max_value, threshold } => {
            if threshold == 0.0 && negative_slope == 0.0 {
                return clip(at, x, 0.0, max_value);
            }
            if threshold == 0.0 && max_value == f32::INFINITY {
                return at.node("LeakyRelu", &[x], vec![Attribute::float("alpha", negative_slope)]);
            }
            let below = affine(at, negative_slope, -negative_slope * threshold, x);
            let cut = max_value < f32::INFINITY;
            let above = if cut { clip(at, x, 0.0, max_value) } else { x.to_owned() };
            bent(at, x, threshold, &above, &below)
        }
        Activation::Elu { scale, alpha, rate } => {
            if rate == 1.0 && scale == 1.0 {
                return at.node("Elu", &[x], vec![Attribute::float("alpha", alpha)]);
            }
            if rate == 1.0 {
                let attributes = vec![Attribute::float("alpha", alpha), Attribute::float("gamma", scale)];
                return at.node("Selu", &[x], attributes);
            }
            let rated = affine(at, rate, 0.0, x);
            let power = at.node("Exp", &[&rated], Vec::new());
            let below = affine(at, scale * alpha, -scale * alpha, &power);
            let above = affine(at, scale, 0.0, x);
            bent(at, x, 0.0, &above, &below)
        }
        Activation::Ramp { slope, offset, low, high } => {
            let line = affine(at, slope, offset, x);
            clip(at, &line, low, high)
        }
        Activation::Sigmoid => plain(at, "Sigmoid"),
        Activation::Tanh => plain(at, "Tanh"),
        Activation::Exponential => plain(at, "Exp"),
        Activation::Softplus => plain(at, "Softplus"),
        Activation::Softsign => plain(at, "Softsign"),
        Activation::HardShrink { threshold } => {
            at.node("Shrink", &[x], vec![Attribute::float("lambd", threshold), Attribute::float("bias", 0.0)])
        }
        Activation::SoftShrink { threshold } => at.node(
            "Shrink",
            &[x],
            vec![Attribute::float("lambd", threshold), Attribute::float("bias", threshold)],
        ),
        Activation::Sqrt => plain(at, "Sqrt"),
        Activation::Threshold { threshold, value } => {
            let value = at.number(value);
            bent(at, x, threshold, x, &value)
        }
        Activation::HardSilu => plain(at, "HardSwish"),
        Activation::Abs => plain(at, "Abs"),
        Activation::Square => times(at, x),
        Activation::Log => plain(at, "Log"),
        Activation::Power { exponent } => {
            let exponent = at.number(exponent);
            at.node("Pow", &[x, &exponent], Vec::new())
        }
        other => composed(at, other, x),
    }
}

/// Activations that ONNX, or its older operator sets, have no operator for.
fn composed(at: &mut Exporter<'_>, function: Activation, x: &str) -> String {
    let plain = |at: &mut Exporter<'_>, operator: &str| at.node(operator, &[x], Vec::new());
    let times = |at: &mut Exporter<'_>, y: &str| at.node("Mul", &[x, y], Vec::new());
    match function {
        Activation::LogSigmoid => {
            let negative = plain(at, "Neg");
            let soft = at.node("Softplus", &[&negative], Vec::new());
            at.node("Neg", &[&soft], Vec::new())
        }
        Activation::Squareplus { b } => {
            let square = times(at, x);
            let shifted = affine(at, 1.0, b, &square);
            let root = at.node("Sqrt", &[&shifted], Vec::new());
            let sum = at.node("Add", &[x, &root], Vec::new());
            affine(at, 0.5, 0.0, &sum)
        }
        Activation::SparsePlus => {
            let cut = clip(at, x, -1.0, 1.0);
            let half = affine(at, 0.5, 0.5, &cut);
            let square = at.node("Mul", &[&half, &half], Vec::new());
            bent(at, x, 1.0, x, &square)
        }
        Activation::TanhShrink => {
            let tanh = plain(at, "Tanh");
            at.node("Sub", &[x, &tanh], Vec::new())
        }
        Activation::Gelu { approximate } => {
            let inner = if approximate {
                let square = times(at, x);
                let cube = times(at, &square);
                let scaled = affine(at, 0.044_715, 0.0, &cube);
                let sum = at.node("Add", &[x, &scaled], Vec::new());
                let scaled = affine(at, 0.797_884_6, 0.0, &sum);
                at.node("Tanh", &[&scaled], Vec::new())
            } else {
                let scaled = affine(at, std::f32::consts::FRAC_1_SQRT_2, 0.0, x);
                at.node("Erf", &[&scaled], Vec::new())
            };
            let share = affine(at, 0.5, 0.5, &inner);
            times(at, &share)
        }
        Activation::Silu => {
            let share = plain(at, "Sigmoid");
            times(at, &share)
        }
        Activation::Mish => {
            let soft = plain(at, "Softplus");
            let tanh = at.node("Tanh", &[&soft], Vec::new());
            times(at, &tanh)
        }
        _ => unreachable!("all others have an operator"),
    }
}
