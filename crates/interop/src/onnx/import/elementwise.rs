//! Activations, arithmetic, and functions of each element.

use std::sync::Arc;

use convnet_nn::activation::Activation;
use convnet_nn::layers::{
    self, Add, Average, Dropout, ELU, LeakyReLU, Maximum, Minimum, Multiply, Operation, PReLU, ReLU,
    Rescaling, Subtract,
};
use convnet_nn::{LayerRef, Symbol};

use super::align::{element, number};
use super::call::one;
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::Element;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "Abs", import: |call| function(call, "absolute", &[]) },
    Operator { name: "Acos", import: |call| unary(call, "acos") },
    Operator { name: "Acosh", import: |call| unary(call, "acosh") },
    Operator { name: "Add", import: |call| arithmetic(call, "add") },
    Operator { name: "Asin", import: |call| unary(call, "asin") },
    Operator { name: "Asinh", import: |call| unary(call, "asinh") },
    Operator { name: "Atan", import: |call| unary(call, "atan") },
    Operator { name: "Atanh", import: |call| unary(call, "atanh") },
    Operator { name: "Ceil", import: |call| unary(call, "ceil") },
    Operator { name: "Celu", import: celu },
    Operator { name: "Clip", import: clip },
    Operator { name: "Cos", import: |call| unary(call, "cos") },
    Operator { name: "Cosh", import: |call| unary(call, "cosh") },
    Operator { name: "Div", import: divide },
    Operator { name: "Dropout", import: dropout },
    Operator { name: "Elu", import: elu },
    Operator { name: "Erf", import: |call| unary(call, "erf") },
    Operator { name: "Exp", import: |call| activation(call, Activation::Exponential) },
    Operator { name: "Floor", import: |call| unary(call, "floor") },
    Operator { name: "Gelu", import: gelu },
    Operator { name: "HardSigmoid", import: hard_sigmoid },
    Operator { name: "HardSwish", import: |call| activation(call, Activation::HardSilu) },
    Operator { name: "LeakyRelu", import: leaky_relu },
    Operator { name: "Log", import: |call| function(call, "log", &[]) },
    Operator { name: "Max", import: |call| several(call, "maximum") },
    Operator { name: "Mean", import: mean },
    Operator { name: "Min", import: |call| several(call, "minimum") },
    Operator { name: "Mish", import: |call| activation(call, Activation::Mish) },
    Operator { name: "Mod", import: modulo },
    Operator { name: "Mul", import: |call| arithmetic(call, "multiply") },
    Operator {
        name: "Neg",
        import: |call| map(call, Operation::new(layers::Operator::Scale { scale: -1.0, shift: 0.0 })),
    },
    Operator { name: "PRelu", import: p_relu },
    Operator { name: "Pow", import: power },
    Operator { name: "Reciprocal", import: |call| function(call, "power", &[-1.0]) },
    Operator { name: "Relu", import: relu },
    Operator { name: "Round", import: |call| unary(call, "round") },
    Operator { name: "Selu", import: selu },
    Operator { name: "Shrink", import: shrink },
    Operator { name: "Sigmoid", import: |call| activation(call, Activation::Sigmoid) },
    Operator { name: "Sign", import: |call| unary(call, "sign") },
    Operator { name: "Sin", import: |call| unary(call, "sin") },
    Operator { name: "Sinh", import: |call| unary(call, "sinh") },
    Operator { name: "Softplus", import: |call| activation(call, Activation::Softplus) },
    Operator { name: "Softsign", import: |call| activation(call, Activation::Softsign) },
    Operator { name: "Sqrt", import: |call| function(call, "sqrt", &[]) },
    Operator { name: "Sub", import: |call| arithmetic(call, "subtract") },
    Operator { name: "Sum", import: |call| several(call, "add") },
    Operator { name: "Swish", import: swish },
    Operator { name: "Tan", import: |call| unary(call, "tan") },
    Operator { name: "Tanh", import: |call| activation(call, Activation::Tanh) },
    Operator { name: "ThresholdedRelu", import: thresholded_relu },
];

/// The result of a function of each element.
fn map(call: &mut Call<'_, '_>, layer: impl Into<LayerRef>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    one(call.at.map(&x, layer)?)
}

fn activation(call: &mut Call<'_, '_>, activation: Activation) -> Result<Vec<Value>> {
    map(call, layers::Activation::new(activation))
}

fn operator_of(function: &str, arguments: &[f32]) -> layers::Operator {
    layers::Operator::Activation { function: function.into(), arguments: arguments.to_vec() }
}

fn function(call: &mut Call<'_, '_>, function: &str, arguments: &[f32]) -> Result<Vec<Value>> {
    map(call, Operation::new(operator_of(function, arguments)))
}

fn unary(call: &mut Call<'_, '_>, function: &str) -> Result<Vec<Value>> {
    map(call, Operation::new(layers::Operator::Unary { function: function.into() }))
}

fn relu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let y = call.at.map(&x, ReLU::new())?;
    one(Traced { not_negative: true, ..y })
}

fn leaky_relu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let slope = call.float("alpha", 0.01)?;
    if slope < 0.0 {
        return function(call, "rectifier", &[slope, f32::MAX, 0.0]);
    }
    map(call, LeakyReLU::new().negative_slope(f64::from(slope)))
}

fn elu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let alpha = call.float("alpha", 1.0)?;
    if alpha < 0.0 {
        function(call, "elu", &[1.0, alpha, 1.0])
    } else {
        map(call, ELU::new().alpha(f64::from(alpha)))
    }
}

fn celu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let alpha = call.float("alpha", 1.0)?;
    if alpha == 1.0 {
        return activation(call, Activation::Celu);
    }
    function(call, "elu", &[1.0, alpha, 1.0 / alpha])
}

fn selu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (alpha, gamma) = (call.float("alpha", 1.673_263_2)?, call.float("gamma", 1.050_701)?);
    if (alpha, gamma) == (1.673_263_2, 1.050_701) {
        return activation(call, Activation::Selu);
    }
    function(call, "elu", &[gamma, alpha, 1.0])
}

fn gelu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    match call.string("approximate", "none")? {
        "none" => activation(call, Activation::Gelu),
        "tanh" => function(call, "gelu", &[1.0]),
        other => Err(call.malformed(format!("approximate = {other}"))),
    }
}

fn hard_sigmoid(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (alpha, beta) = (call.float("alpha", 0.2)?, call.float("beta", 0.5)?);
    if (alpha - 1.0 / 6.0).abs() < 1e-6 && beta == 0.5 {
        return activation(call, Activation::HardSigmoid);
    }
    function(call, "ramp", &[alpha, beta, 0.0, 1.0])
}

fn swish(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let alpha = call.float("alpha", 1.0)?;
    if alpha == 1.0 {
        return activation(call, Activation::Silu);
    }
    let x = call.traced(0)?;
    let scaled = call.at.map(&x, Operation::new(layers::Operator::Scale { scale: alpha, shift: 0.0 }))?;
    let share = call.at.map(&scaled, layers::Activation::new(Activation::Sigmoid))?;
    one(pair(call, "multiply", &[Value::Traced(x), Value::Traced(share)])?)
}

fn thresholded_relu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let alpha = call.float("alpha", 1.0)?;
    function(call, "threshold", &[alpha, 0.0])
}

fn shrink(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (bias, lambda) = (call.float("bias", 0.0)?, call.float("lambd", 0.5)?);
    if lambda < 0.0 {
        return Err(call.unsupported(format!("lambd = {lambda}")));
    }
    if bias == lambda {
        return function(call, "soft_shrink", &[lambda]);
    }
    let x = call.traced(0)?;
    let kept = call.at.map(&x, Operation::new(operator_of("hard_shrink", &[lambda])))?;
    if bias == 0.0 {
        return one(kept);
    }
    let sign = call.at.map(&kept, Operation::new(layers::Operator::Unary { function: "sign".into() }))?;
    let moved = call.at.map(&sign, Operation::new(layers::Operator::Scale { scale: -bias, shift: 0.0 }))?;
    one(pair(call, "add", &[Value::Traced(kept), Value::Traced(moved)])?)
}

fn p_relu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    if let Value::Known(slope) = call.input(1)?.clone() {
        let first = call.first();
        let rank = x.groups.len();
        let mut dims = slope.dims.clone();
        if call.at.opset < 7 && dims.len() == 1 && rank + first > 1 {
            // One for each channel.
            dims.resize(rank + first - 1, 1);
        }
        if dims.len() > first + rank {
            return Err(call.malformed("the slope has more axes than the input"));
        }
        let mut all = vec![1; first + rank - dims.len()];
        all.append(&mut dims);
        if all[..first].iter().any(|&size| size != 1) {
            return Err(call.mixes());
        }
        let (x, sizes) = (call.at.simple(&x)?, all.split_off(first));
        let order = x.order();
        let wanted = x.dims();
        let fits = sizes.iter().zip(&wanted).all(|(&size, &wanted)| size == 1 || size == wanted);
        if fits && !order.is_empty() {
            let shared: Vec<usize> =
                (0..rank).filter(|&place| sizes[order[place]] == 1).map(|place| place + 1).collect();
            let slope = call.at.copy(&slope)?.reshaped(sizes);
            let slope = call.at.transposed(&slope, &order)?.into_floats();
            let layer = if shared.is_empty() { PReLU::new() } else { PReLU::new().shared_axes(shared) };
            let symbol = call.layer(layer, &[&x.symbol], vec![slope])?;
            return one(x.with(symbol));
        }
    }
    let positive = call.at.map(&x, ReLU::new())?;
    let negative = pair(call, "subtract", &[Value::Traced(x), Value::Traced(positive.clone())])?;
    let slope = call.input(1)?.clone();
    let scaled = pair(call, "multiply", &[Value::Traced(negative), slope])?;
    one(pair(call, "add", &[Value::Traced(positive), Value::Traced(scaled)])?)
}

fn clip(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let bound = |index: usize, name: &str| -> Result<Option<f32>> {
        if let Some(found) = call.some_float(name)? {
            return Ok(Some(found));
        }
        match call.known(index)? {
            None => Ok(None),
            Some(tensor) => {
                tensor.scalar().map(Some).ok_or_else(|| call.malformed("a bound is no single number"))
            }
        }
    };
    let (low, high) = (bound(1, "min")?, bound(2, "max")?);
    let x = call.traced(0)?;
    let bound = |low: f32| low > f32::MIN && low < f32::MAX;
    let y = match (low.filter(|&low| bound(low)), high.filter(|&high| bound(high))) {
        (None, None) => x.clone(),
        (Some(0.0), None) => call.at.map(&x, ReLU::new())?,
        (Some(0.0), Some(high)) if high >= 0.0 => call.at.map(&x, ReLU::new().max_value(f64::from(high)))?,
        (Some(low), Some(high)) if low <= high => {
            call.at.map(&x, Operation::new(operator_of("ramp", &[1.0, 0.0, low, high])))?
        }
        (low, high) => {
            let mut y = x.clone();
            if let Some(low) = low {
                y = pair(call, "maximum", &[Value::Traced(y), number(low)])?;
            }
            if let Some(high) = high {
                y = pair(call, "minimum", &[Value::Traced(y), number(high)])?;
            }
            y
        }
    };
    one(Traced { not_negative: low.is_some_and(|low| low >= 0.0), element: x.element, ..y })
}

fn dropout(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let ratio = match call.known(1)? {
        Some(tensor) => tensor.scalar().ok_or_else(|| call.malformed("the ratio is no single number"))?,
        None => call.float("ratio", 0.5)?,
    };
    let trains = call.few(2)?.is_some_and(|tensor| tensor.to_integers().first() == Some(&1));
    let y = if (0.0..1.0).contains(&ratio) && !trains {
        call.at.map(&x, Dropout::new(ratio))?
    } else {
        x.clone()
    };
    if trains && ratio != 0.0 {
        return Err(call.unsupported("it drops elements while it predicts"));
    }
    let mut outputs = vec![Value::Traced(Traced { not_negative: x.not_negative, ..y })];
    if call.node.output.len() > 1 {
        let mask = Operation::new(operator_of("ramp", &[0.0, 1.0, 0.0, 1.0]));
        outputs.push(Value::Traced(Traced { element: Element::Boolean, ..call.at.map(&x, mask)? }));
    }
    Ok(outputs)
}

/// A function of two values, of which one may be known.
pub(super) fn pair(call: &mut Call<'_, '_>, function: &str, values: &[Value]) -> Result<Traced> {
    let element = element(values);
    if let [Value::Traced(x), Value::Known(tensor)] | [Value::Known(tensor), Value::Traced(x)] = values
        && let Some(scalar) = tensor.scalar()
        && tensor.dims.len() <= call.rank(x)
    {
        let second = matches!(values[1], Value::Known(_));
        if let Some(layer) = by_scalar(function, scalar, second) {
            return Ok(Traced { element, ..call.at.map(x, layer)? });
        }
    }
    if values.iter().all(|value| matches!(value, Value::Traced(_)))
        && let Some(layer) = merging(function)
    {
        let aligned = call.align(values)?;
        let symbols: Vec<&Symbol> = (aligned.inputs.iter())
            .map(|input| match input {
                super::align::Aligned::Symbol(symbol) => symbol,
                super::align::Aligned::Known(_) => unreachable!("all values are traced"),
            })
            .collect();
        let symbol = call.layer(layer, &symbols, Vec::new())?;
        return Ok(Traced { symbol, groups: aligned.groups, element, not_negative: false });
    }
    call.matched(layers::Operator::Binary { function: function.into() }, values, element)
}

/// Keras's layer of a function.
fn merging(function: &str) -> Option<LayerRef> {
    Some(match function {
        "add" => Add::new().into(),
        "subtract" => Subtract::new().into(),
        "multiply" => Multiply::new().into(),
        "maximum" => Maximum::new().into(),
        "minimum" => Minimum::new().into(),
        _ => return None,
    })
}

/// The layer of a function one of whose arguments (the second, or else the first) is one number.
fn by_scalar(function: &str, scalar: f32, second: bool) -> Option<LayerRef> {
    let rescale = |scale: f32, offset: f32| -> Option<LayerRef> {
        (scale.is_finite() && offset.is_finite())
            .then(|| Rescaling::new(f64::from(scale)).offset(f64::from(offset)).into())
    };
    let activation =
        |function: &str, arguments: &[f32]| Some(Operation::new(operator_of(function, arguments)).into());
    match (function, second) {
        ("add", _) => rescale(1.0, scalar),
        ("subtract", true) => rescale(1.0, -scalar),
        ("subtract", false) => rescale(-1.0, scalar),
        ("multiply", _) => rescale(scalar, 0.0),
        ("power", true) if scalar == 2.0 => activation("square", &[]),
        ("power", true) if scalar == 0.5 => activation("sqrt", &[]),
        ("power", true) => activation("power", &[scalar]),
        ("maximum", _) if scalar == 0.0 => Some(ReLU::new().into()),
        _ => None,
    }
}

fn two(call: &mut Call<'_, '_>) -> Result<[Value; 2]> {
    let (a, mut b) = (call.input(0)?.clone(), call.input(1)?.clone());
    // Up to operator set 6 an attribute says where the second value's axes stand among those of the first.
    if call.at.opset < 7
        && let Some(axis) = call.some_int("axis")?
    {
        let (Value::Traced(x), Value::Known(tensor)) = (&a, &b) else {
            return Err(call.unsupported("an axis from which on a computed value is repeated"));
        };
        let (start, rank) = (call.any_axis(axis, call.rank(x))?, call.rank(x));
        let mut dims = tensor.dims.clone();
        if start + dims.len() > rank {
            return Err(call.malformed(format!("sizes {dims:?} from axis {axis} on")));
        }
        dims.resize(rank - start, 1);
        b = Value::Known(Arc::new(call.at.copy(tensor)?.reshaped(dims)));
    }
    Ok([a, b])
}

fn arithmetic(call: &mut Call<'_, '_>, function: &str) -> Result<Vec<Value>> {
    let values = two(call)?;
    one(pair(call, function, &values)?)
}

fn power(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let values = two(call)?;
    let y = pair(call, "power", &values)?;
    one(whole(call, y)?)
}

/// Integers stay integers.
fn whole(call: &mut Call<'_, '_>, value: Traced) -> Result<Traced> {
    match value.element {
        Element::Integer => {
            let y = call
                .at
                .map(&value, Operation::new(layers::Operator::Unary { function: "truncate".into() }))?;
            Ok(Traced { element: Element::Integer, ..y })
        }
        _ => Ok(value),
    }
}

fn divide(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let values = two(call)?;
    let y = pair(call, "divide", &values)?;
    one(whole(call, y)?)
}

fn modulo(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let function = if call.int("fmod", 0)? == 1 { "remainder" } else { "modulo" };
    arithmetic(call, function)
}

/// A function of any number of values.
fn fold(call: &mut Call<'_, '_>, function: &str) -> Result<Traced> {
    let values: Vec<Value> = call.inputs.iter().flatten().cloned().collect();
    let Some((first, rest)) = values.split_first() else { return Err(call.malformed("it has no inputs")) };
    if rest.is_empty() {
        return call.traced(0);
    }
    let mut folded = first.clone();
    for value in rest {
        folded = match (&folded, value) {
            // Two constants before the first symbol.
            (Value::Known(a), Value::Known(_)) => {
                let a = call.at.trace(a)?;
                Value::Traced(pair(call, function, &[Value::Traced(a), value.clone()])?)
            }
            _ => Value::Traced(pair(call, function, &[folded, value.clone()])?),
        };
    }
    match folded {
        Value::Traced(traced) => Ok(traced),
        Value::Known(tensor) => call.at.trace(&tensor),
    }
}

fn several(call: &mut Call<'_, '_>, function: &str) -> Result<Vec<Value>> {
    one(fold(call, function)?)
}

fn mean(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let values: Vec<Value> = call.inputs.iter().flatten().cloned().collect();
    if values.len() > 1 && values.iter().all(|value| matches!(value, Value::Traced(_))) {
        let aligned = call.align(&values)?;
        let mut symbols = Vec::new();
        for input in &aligned.inputs {
            if let super::align::Aligned::Symbol(symbol) = input {
                symbols.push(symbol);
            }
        }
        let symbol = call.layer(Average::new(), &symbols, Vec::new())?;
        return one(Traced { symbol, groups: aligned.groups, element: Element::Float, not_negative: false });
    }
    let count = values.len();
    let sum = fold(call, "add")?;
    one(pair(call, "multiply", &[Value::Traced(sum), number(1.0 / count as f32)])?)
}
