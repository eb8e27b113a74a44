//! Integers of few bits that stand for numbers: computed with as the numbers that they stand for, in floating point, rounded where a file rounds.

use std::sync::Arc;

use convnet_nn::layers::{self, Operation};

use super::align::number;
use super::elementwise::pair;
use super::reduction::reduce;
use super::{Call, Operator, Traced, Value, convolution, matrix};
use crate::Result;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::tensor::{Element, Places, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "ConvInteger", import: convolution_of_integers },
    Operator { name: "DequantizeLinear", import: to_numbers },
    Operator { name: "DynamicQuantizeLinear", import: by_range },
    Operator { name: "MatMulInteger", import: product_of_integers },
    Operator { name: "QLinearConv", import: convolution_of_quantized },
    Operator { name: "QLinearMatMul", import: product_of_quantized },
    Operator { name: "QuantizeLinear", import: to_integers },
];

/// What the integers of a kind reach from and to.
type Range = (f32, f32);

const BYTE: Range = (0.0, 255.0);

/// The range of the type of the input `index`, by which a file says which integers a result has.
fn range_of_input(call: &Call<'_, '_>, index: usize) -> Result<Range> {
    let Some(name) = call.node.input.get(index).filter(|name| !name.is_empty()) else { return Ok(BYTE) };
    range(call, call.at.kinds.get(name).copied().unwrap_or(DataType::Uint8 as i32))
}

fn range(call: &Call<'_, '_>, kind: i32) -> Result<Range> {
    match DataType::try_from(kind) {
        Ok(DataType::Uint8) => Ok(BYTE),
        Ok(DataType::Int8) => Ok((-128.0, 127.0)),
        Ok(DataType::Uint16) => Ok((0.0, 65535.0)),
        Ok(DataType::Int16) => Ok((-32768.0, 32767.0)),
        Ok(DataType::Int32) => Ok((i32::MIN as f32, i32::MAX as f32)),
        _ => Err(call.unsupported("numbers that are quantised to other than integers of 8, 16 or 32 bits")),
    }
}

fn rank(call: &Call<'_, '_>, value: &Value) -> usize {
    match value {
        Value::Known(tensor) => tensor.dims.len(),
        Value::Traced(traced) => call.rank(traced),
    }
}

/// A scale or zero point: one number, or one for each element of an axis of a value with `rank` axes.
fn along(call: &mut Call<'_, '_>, index: usize, axis: i64, rank: usize) -> Result<Option<Value>> {
    let Some(value) = call.optional(index).cloned() else { return Ok(None) };
    let Value::Known(tensor) = &value else { return Ok(Some(value)) };
    match tensor.dims[..] {
        _ if tensor.len() == 1 => {
            Ok(Some(Value::Known(Arc::new(call.at.copy(tensor)?.reshaped(Vec::new())))))
        }
        [len] => {
            let mut dims = vec![1; rank];
            dims[call.any_axis(axis, rank)?] = len;
            Ok(Some(Value::Known(Arc::new(call.at.copy(tensor)?.reshaped(dims)))))
        }
        _ => Err(call.unsupported("a scale for each block")),
    }
}

/// Numbers of two known tensors, the second repeated to match the first.
fn zip(call: &mut Call<'_, '_>, x: &Tensor, y: &Tensor, f: impl Fn(f32, f32) -> f32) -> Result<Tensor> {
    if super::fold::broadcast(&[&x.dims, &y.dims]).as_deref() != Some(&x.dims) {
        return Err(call.malformed(format!("a scale of sizes {:?} for {:?}", y.dims, x.dims)));
    }
    call.at.spend_on(&x.dims, Element::Float)?;
    let others = call.at.copy_floats(y)?;
    let pairs = x.to_floats().into_iter().zip(Places::repeated(&x.dims, &y.dims));
    Ok(Tensor::floats(x.dims.clone(), pairs.map(|(x, place)| f(x, others[place])).collect()))
}

/// x − zero.
fn centred(call: &mut Call<'_, '_>, x: Value, zero: Option<Value>) -> Result<Value> {
    Ok(match (x, zero) {
        (x, None) => x,
        (Value::Known(x), Some(Value::Known(zero))) => {
            Value::Known(Arc::new(zip(call, &x, &zero, |x, zero| x - zero)?))
        }
        (x, Some(zero)) => Value::Traced(pair(call, "subtract", &[x, zero])?),
    })
}

/// (x − zero) · scale.
fn dequantized(call: &mut Call<'_, '_>, x: Value, scale: Value, zero: Option<Value>) -> Result<Value> {
    let x = centred(call, x, zero)?;
    Ok(match (x, scale) {
        (Value::Known(x), Value::Known(scale)) => {
            Value::Known(Arc::new(zip(call, &x, &scale, |x, scale| x * scale)?))
        }
        (x, scale) => {
            Value::Traced(Traced { element: Element::Float, ..pair(call, "multiply", &[x, scale])? })
        }
    })
}

/// x / scale + zero, rounded to the nearest integers within a range.
fn quantized(
    call: &mut Call<'_, '_>,
    x: Value,
    scale: Value,
    zero: Option<Value>,
    (low, high): Range,
) -> Result<Value> {
    if let (Value::Known(x), Value::Known(scale)) = (&x, &scale) {
        let zero = match zero {
            Some(Value::Known(zero)) => zero,
            None => Arc::new(Tensor::integers([], vec![0])),
            Some(Value::Traced(_)) => return Err(call.unsupported("a zero point that is computed")),
        };
        let rounded = zip(call, x, scale, |x, scale| (x / scale).round_ties_even())?;
        let y = zip(call, &rounded, &zero, |x, zero| (x + zero).clamp(low, high))?;
        call.at.spend_on(&y.dims, Element::Integer)?;
        return Ok(Value::Known(Arc::new(y.cast(Element::Integer))));
    }
    let y = pair(call, "divide", &[x, scale])?;
    let round = Operation::new(layers::Operator::Unary { function: "round".into() });
    let mut y = call.at.map(&y, round)?;
    if let Some(zero) = zero.filter(|zero| !matches!(zero, Value::Known(zero) if zero.scalar() == Some(0.0)))
    {
        y = pair(call, "add", &[Value::Traced(y), zero])?;
    }
    Ok(Value::Traced(Traced { element: Element::Integer, ..clamped(call, &y, low, high)? }))
}

fn clamped(call: &mut Call<'_, '_>, x: &Traced, low: f32, high: f32) -> Result<Traced> {
    let arguments = vec![1.0, 0.0, low, high];
    call.at.map(x, Operation::new(layers::Operator::Activation { function: "ramp".into(), arguments }))
}

fn needed(call: &mut Call<'_, '_>, index: usize, axis: i64, rank: usize) -> Result<Value> {
    along(call, index, axis, rank)?.ok_or_else(|| call.malformed(format!("input {index} is missing")))
}

fn to_numbers(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.input(0)?.clone();
    let (axis, rank) = (call.int("axis", 1)?, rank(call, &x));
    let (scale, zero) = (needed(call, 1, axis, rank)?, along(call, 2, axis, rank)?);
    Ok(vec![dequantized(call, x, scale, zero)?])
}

fn to_integers(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.input(0)?.clone();
    let (axis, rank) = (call.int("axis", 1)?, rank(call, &x));
    let range = match call.int("output_dtype", 0)? {
        0 => range_of_input(call, 2)?,
        kind => range(call, i32::try_from(kind).unwrap_or(-1))?,
    };
    let (scale, zero) = (needed(call, 1, axis, rank)?, along(call, 2, axis, rank)?);
    Ok(vec![quantized(call, x, scale, zero, range)?])
}

/// To bytes by the smallest and the largest number, of which one is 0 at least.
fn by_range(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    if call.at.batched {
        return Err(call.mixes());
    }
    let x = call.traced(0)?;
    let all: Vec<usize> = (0..x.groups.len()).collect();
    let [high, low] = [("max", "maximum"), ("min", "minimum")].map(|(function, with_zero)| {
        let extreme = reduce(call, &x, function, &all, false)?;
        pair(call, with_zero, &[Value::Traced(extreme), number(0.0)])
    });
    let low = low?;
    let width = pair(call, "subtract", &[Value::Traced(high?), Value::Traced(low.clone())])?;
    let scale = pair(call, "divide", &[Value::Traced(width), number(255.0)])?;
    // Of zeros alone any scale is right.
    let scale = pair(call, "maximum", &[Value::Traced(scale), number(f32::MIN_POSITIVE)])?;
    let zero = quantized(call, Value::Traced(low), Value::Traced(scale.clone()), None, (-255.0, 0.0))?;
    let Value::Traced(zero) = zero else { return Err(call.unsupported("a constant")) };
    let zero = pair(call, "multiply", &[Value::Traced(zero), number(-1.0)])?;
    let y = quantized(
        call,
        Value::Traced(x),
        Value::Traced(scale.clone()),
        Some(Value::Traced(zero.clone())),
        BYTE,
    )?;
    Ok(vec![y, Value::Traced(scale), Value::Traced(zero)])
}

/// The results as the integers that they are.
fn as_integers(outputs: Vec<Value>) -> Vec<Value> {
    let integer = |value| match value {
        Value::Traced(x) => Value::Traced(Traced { element: Element::Integer, ..x }),
        known => known,
    };
    outputs.into_iter().map(integer).collect()
}

fn convolution_of_integers(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (x, kernel) = (call.input(0)?.clone(), call.input(1)?.clone());
    let axes = [rank(call, &x), rank(call, &kernel)];
    let zeros = [along(call, 2, 0, axes[0])?, along(call, 3, 0, axes[1])?];
    let [zero, kernel_zero] = zeros;
    call.inputs = vec![Some(centred(call, x, zero)?), Some(centred(call, kernel, kernel_zero)?)];
    Ok(as_integers(convolution::convolution(call)?))
}

fn product_of_integers(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (a, b) = (call.input(0)?.clone(), call.input(1)?.clone());
    let axes = [rank(call, &a), rank(call, &b)];
    // Of the rows of the first factor, of the columns of the second.
    let zeros = [along(call, 2, -2, axes[0])?, along(call, 3, -1, axes[1])?];
    let [zero_a, zero_b] = zeros;
    let (a, b) = (centred(call, a, zero_a)?, centred(call, b, zero_b)?);
    Ok(as_integers(vec![Value::Traced(matrix::multiply(call, &a, &b)?)]))
}

/// The numbers that two inputs stand for, each followed by its scale and zero point.
fn both(call: &mut Call<'_, '_>, axes: [i64; 2]) -> Result<[Value; 2]> {
    let mut factors = Vec::with_capacity(2);
    for (index, axis) in [0, 3].into_iter().zip(axes) {
        let x = call.input(index)?.clone();
        let rank = rank(call, &x);
        let (scale, zero) = (needed(call, index + 1, axis, rank)?, along(call, index + 2, axis, rank)?);
        factors.push(dequantized(call, x, scale, zero)?);
    }
    Ok(<[Value; 2]>::try_from(factors).unwrap_or_else(|_| unreachable!("there are two")))
}

fn product_of_quantized(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let [a, b] = both(call, [-2, -1])?;
    let y = matrix::multiply(call, &a, &b)?;
    let rank = call.rank(&y);
    let (scale, zero) = (needed(call, 6, 1, rank)?, along(call, 7, 1, rank)?);
    let range = range_of_input(call, 7)?;
    Ok(vec![quantized(call, Value::Traced(y), scale, zero, range)?])
}

fn convolution_of_quantized(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let [x, kernel] = both(call, [1, 0])?;
    let bias = match call.known(8)? {
        None => None,
        Some(bias) => {
            // Its unit is the product of the scales of input and weights.
            let (of_x, of_kernel) = (call.constant(1)?, call.constant(4)?);
            let units = of_kernel.len();
            if of_x.len() != 1 {
                return Err(call.malformed("a scale of the input that is no single number"));
            }
            let of_kernel = call.at.copy(&of_kernel)?.reshaped(vec![units]);
            let unit = zip(call, &of_kernel, &of_x.as_ref().clone().reshaped(vec![1]), |a, b| a * b)?;
            Some(Value::Known(Arc::new(zip(call, &bias, &unit, |bias, unit| bias * unit)?)))
        }
    };
    let (scale, zero) = (needed(call, 6, 1, 1)?, along(call, 7, 1, 1)?);
    let range = range_of_input(call, 7)?;
    call.inputs = vec![Some(x), Some(kernel), bias];
    let y = convolution::convolution(call)?.swap_remove(0);
    Ok(vec![quantized(call, y, scale, zero, range)?])
}
