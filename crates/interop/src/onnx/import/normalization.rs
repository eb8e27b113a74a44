//! Normalisations, and functions of whole rows.

use std::sync::Arc;

use convnet_nn::layers::{self, BatchNormalization, Operation, Softmax};

use super::align::number;
use super::call::one;
use super::elementwise::pair;
use super::reduction::reduce;
use super::shape::regroup;
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{Element, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "BatchNormalization", import: batch },
    Operator { name: "GroupNormalization", import: group },
    Operator { name: "Hardmax", import: hardmax },
    Operator { name: "InstanceNormalization", import: instance },
    Operator { name: "LRN", import: response },
    Operator { name: "LayerNormalization", import: |call| rows(call, false) },
    Operator { name: "LogSoftmax", import: |call| softmax(call, true) },
    Operator { name: "LpNormalization", import: norm },
    Operator { name: "MeanVarianceNormalization", import: mean_variance },
    Operator { name: "RMSNormalization", import: |call| rows(call, true) },
    Operator { name: "Softmax", import: |call| softmax(call, false) },
];

fn batch(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    if call.int("training_mode", 0)? != 0 {
        return by_batch(call);
    }
    let whole = call.traced(0)?;
    // Where the first axis is not one sample, as where rows of all samples were joined, it is an axis like others.
    let joined = !call.at.batched && whole.groups.len() > 1 && whole.dims()[0] != 1;
    let x = if joined {
        let order: Vec<usize> = std::iter::once(0).chain(2..whole.groups.len()).chain([1]).collect();
        call.at.arrange(&whole, &order)?
    } else {
        call.images(0)?
    };
    let (epsilon, momentum) = (call.float("epsilon", 1e-5)?, call.float("momentum", 0.9)?);
    let channels = x.physical().last().copied().unwrap_or(0);
    let weights = (1..5).map(|index| numbers(call, index, &[channels])).collect::<Result<Vec<_>>>()?;
    let layer = BatchNormalization::new().epsilon(f64::from(epsilon)).momentum(f64::from(momentum));
    let symbol = call.layer(layer, &[&x.symbol], weights)?;
    if joined { one(x.with(symbol)) } else { call.of_images(x.with(symbol)) }
}

/// By the statistics of the batch itself, and what then becomes of the moving ones.
fn by_batch(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    if call.at.samples != super::Samples::None {
        return Err(call.mixes());
    }
    let x = call.traced(0)?;
    let rank = x.groups.len();
    if rank < 2 {
        return Err(call.malformed("an input without channels"));
    }
    let (epsilon, momentum) = (call.float("epsilon", 1e-5)?, call.float("momentum", 0.9)?);
    let channels = x.dims()[1];
    let weights = (1..5).map(|index| call.constant(index)).collect::<Result<Vec<_>>>()?;
    if weights.iter().any(|weight| weight.len() != channels) {
        return Err(call.malformed(format!("weights that are not {channels} each")));
    }
    let mut row = vec![1; rank];
    row[1] = channels;
    call.at.spend(channels.saturating_mul(4 * size_of::<i64>()))?;
    let as_row = |index: usize| Value::Known(Arc::new(weights[index].as_ref().clone().reshaped(row.clone())));
    let axes: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    let mean = reduce(call, &x, "mean", &axes, true)?;
    let centred = pair(call, "subtract", &[Value::Traced(x), Value::Traced(mean.clone())])?;
    let squares = call.at.map(&centred, function("square"))?;
    let variance = reduce(call, &squares, "mean", &axes, true)?;
    let inverse = inverse_root(call, &variance, epsilon)?;
    let y = pair(call, "multiply", &[Value::Traced(centred), Value::Traced(inverse)])?;
    let y = pair(call, "multiply", &[Value::Traced(y), as_row(0)])?;
    let mut outputs = one(pair(call, "add", &[Value::Traced(y), as_row(1)])?)?;
    for (statistic, old) in [(mean, &weights[2]), (variance, &weights[3])] {
        let flat = Traced { groups: vec![statistic.groups[1].clone()], ..statistic };
        let share = layers::Operator::Scale { scale: 1.0 - momentum, shift: 0.0 };
        let new = call.at.map(&flat, Operation::new(share))?;
        let kept = old.to_floats().iter().map(|old| old * momentum).collect();
        let kept = Value::Known(Arc::new(Tensor::floats([channels], kept)));
        outputs.push(Value::Traced(pair(call, "add", &[Value::Traced(new), kept])?));
    }
    Ok(outputs)
}

/// 1/√(x + ε).
fn inverse_root(call: &mut Call<'_, '_>, x: &Traced, epsilon: f32) -> Result<Traced> {
    let shifted = call.at.map(x, Operation::new(layers::Operator::Scale { scale: 1.0, shift: epsilon }))?;
    let power = layers::Operator::Activation { function: "power".into(), arguments: vec![-0.5] };
    call.at.map(&shifted, Operation::new(power))
}

/// The numbers of a known input that has one of these lengths.
fn numbers(call: &mut Call<'_, '_>, index: usize, lens: &[usize]) -> Result<Vec<f32>> {
    let tensor = call.constant(index)?;
    if !lens.contains(&tensor.len()) {
        let reason = format!("input {index} has {} numbers, it needs one a channel: {lens:?}", tensor.len());
        return Err(call.malformed(reason));
    }
    call.at.copy_floats(&tensor)
}

/// Groups of channels brought to mean 0 and deviation 1, with a factor and a summand for each channel.
fn groups(call: &mut Call<'_, '_>, x: &Traced, groups: usize, weights: [Vec<f32>; 2]) -> Result<Vec<Value>> {
    let epsilon = call.float("epsilon", 1e-5)?;
    let [scale, shift] = weights;
    let layer = Operation::new(layers::Operator::GroupNorm { groups, epsilon })
        .constant(1, [scale.len()], true)
        .constant(2, [shift.len()], true);
    let symbol = call.layer(layer, &[&x.symbol], vec![scale, shift])?;
    call.of_images(x.with(symbol))
}

fn instance(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.images(0)?;
    let channels = x.physical().last().copied().unwrap_or(0);
    let weights = [numbers(call, 1, &[channels])?, numbers(call, 2, &[channels])?];
    groups(call, &x, channels, weights)
}

fn group(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let count = usize::try_from(call.int("num_groups", 1)?).unwrap_or(0);
    let x = call.images(0)?;
    let channels = x.physical().last().copied().unwrap_or(0);
    if count == 0 || !channels.is_multiple_of(count) {
        return Err(call.malformed(format!("{channels} channels in {count} groups")));
    }
    let lens = [channels, count];
    let mut weights = [numbers(call, 1, &lens)?, numbers(call, 2, &lens)?];
    // Up to version 18 of the operators there was one factor for each group.
    for weight in &mut weights {
        if weight.len() == count && count < channels {
            call.at.spend_on(&[channels], Element::Float)?;
            let all = weight.iter().flat_map(|&value| std::iter::repeat_n(value, channels / count));
            *weight = all.collect();
        }
    }
    groups(call, &x, count, weights)
}

fn rows(call: &mut Call<'_, '_>, root_mean_square: bool) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let axis = call.axis(call.int("axis", -1)?, &x)?;
    let axes = x.groups.len() - axis;
    let wants_statistics = call.node.output.iter().skip(1).any(|name| !name.is_empty());
    let statistics = if wants_statistics { row_statistics(call, &x, axis)? } else { Vec::new() };
    let dims = x.dims();
    // Channels that lie last in the symbol need not be moved.
    let only_last = axes == 1
        && x.is_simple()
        && x.groups[axis].first().is_some_and(|place| place + 1 == x.physical().len());
    let x = if only_last {
        x
    } else {
        let order: Vec<usize> = (0..dims.len()).collect();
        call.at.arrange(&x, &order)?
    };
    let epsilon = call.float("epsilon", 1e-5)?;
    let mut layer = Operation::new(layers::Operator::LayerNorm { axes, epsilon, root_mean_square });
    let mut weights = Vec::new();
    let row = &dims[axis..];
    let scale = call.known(1)?;
    let shift = call.known(2)?;
    for (position, weight) in [scale, shift].into_iter().enumerate() {
        let Some(weight) = weight else { continue };
        let repeated = super::fold::broadcast(&[row, &weight.dims]).filter(|dims| dims == row);
        let repeated =
            repeated.ok_or_else(|| call.malformed(format!("weights {:?} for rows {row:?}", weight.dims)))?;
        let places = crate::onnx::tensor::Places::repeated(&repeated, &weight.dims);
        call.at.spend_on(&repeated, Element::Float)?;
        weights.push(weight.gather(repeated.clone(), places).to_floats());
        layer = layer.constant(position + 1, repeated, true);
    }
    let symbol = call.layer(layer, &[&x.symbol], weights)?;
    let mut outputs = one(x.with(symbol))?;
    outputs.extend(statistics);
    Ok(outputs)
}

/// The mean and 1/√(variance + ε) of each row.
fn row_statistics(call: &mut Call<'_, '_>, x: &Traced, axis: usize) -> Result<Vec<Value>> {
    let epsilon = call.float("epsilon", 1e-5)?;
    let axes: Vec<usize> = (axis..x.groups.len()).collect();
    let mean = reduce(call, x, "mean", &axes, true)?;
    let centred = pair(call, "subtract", &[Value::Traced(x.clone()), Value::Traced(mean.clone())])?;
    let squares = call.at.map(&centred, function("square"))?;
    let variance = reduce(call, &squares, "mean", &axes, true)?;
    let inverse = inverse_root(call, &variance, epsilon)?;
    Ok(vec![Value::Traced(mean), Value::Traced(inverse)])
}

fn response(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let size = call.int("size", 1)?;
    let radius =
        usize::try_from(size).ok().filter(|size| size % 2 == 1 && *size < 1 << 20).map(|size| size / 2);
    let depth_radius =
        radius.ok_or_else(|| call.unsupported(format!("a size of {size}: only odd ones are read")))?;
    let x = call.images(0)?;
    call.at.window = 2 * depth_radius + 1;
    let alpha = call.float("alpha", 1e-4)? / size as f32;
    let (beta, bias) = (call.float("beta", 0.75)?, call.float("bias", 1.0)?);
    let layer = Operation::new(layers::Operator::ResponseNorm { depth_radius, bias, alpha, beta });
    let symbol = call.layer(layer, &[&x.symbol], Vec::new())?;
    call.of_images(x.with(symbol))
}

/// The axis of a function of rows; before version 13 of the operators all axes from it on make a row.
fn row_axis(call: &mut Call<'_, '_>, x: Traced) -> Result<(Traced, usize, Option<Vec<usize>>)> {
    if call.at.opset >= 13 {
        let axis = call.axis(call.int("axis", -1)?, &x)?;
        return Ok((call.at.simple(&x)?, axis, None));
    }
    let rank = call.rank(&x);
    let axis = call.any_axis(call.int("axis", 1)?, rank)?;
    let dims = x.dims();
    let inner = axis.checked_sub(call.first()).ok_or_else(|| call.mixes())?;
    if dims[inner..].iter().filter(|&&size| size != 1).count() <= 1 {
        // A single axis: it need not be joined with others.
        let axis = (inner..dims.len()).find(|&axis| dims[axis] != 1).unwrap_or(inner);
        return Ok((call.at.simple(&x)?, axis, None));
    }
    let mut joined = dims[..inner].to_vec();
    joined.push(dims[inner..].iter().product());
    let flat = regroup(call, &x, &joined)?;
    let order: Vec<usize> = (0..joined.len()).collect();
    Ok((call.at.arrange(&flat, &order)?, inner, Some(dims)))
}

/// A row's function at work: the result has the sizes that the input had.
fn of_rows(call: &mut Call<'_, '_>, y: Traced, dims: Option<Vec<usize>>) -> Result<Vec<Value>> {
    match dims {
        None => one(y),
        Some(dims) => one(regroup(call, &y, &dims)?),
    }
}

fn softmax(call: &mut Call<'_, '_>, logarithm: bool) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let (x, axis, dims) = row_axis(call, x)?;
    let place = x.groups[axis][0];
    let symbol = if logarithm {
        call.layer(Operation::new(layers::Operator::LogSoftmax { axis: place }), &[&x.symbol], Vec::new())?
    } else {
        let last = place + 1 == x.physical().len();
        let layer = if last { Softmax::new() } else { Softmax::new().axis(place as isize + 1) };
        call.layer(layer, &[&x.symbol], Vec::new())?
    };
    let y = Traced { not_negative: !logarithm, ..x.with(symbol) };
    of_rows(call, y, dims)
}

fn hardmax(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let (x, axis, dims) = row_axis(call, x)?;
    let (place, size) = (x.groups[axis][0], x.dims()[axis]);
    let operator = layers::Operator::ExtremePlace { axis: place, smallest: false, last: false };
    let symbol = call.layer(Operation::new(operator), &[&x.symbol], Vec::new())?;
    let mut sizes = vec![1; call.first() + x.groups.len()];
    sizes[call.first() + axis] = size;
    call.at.spend_on(&[size], Element::Float)?;
    let places = Tensor::floats(sizes, (0..size).map(|place| place as f32).collect());
    let y = pair(call, "equal", &[Value::Traced(x.with(symbol)), Value::Known(Arc::new(places))])?;
    of_rows(call, Traced { element: x.element, ..y }, dims)
}

fn norm(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let axis = call.axis(call.int("axis", -1)?, &x)?;
    let p = call.int("p", 2)?;
    let powers = match p {
        1 => call.at.map(&x, function("absolute"))?,
        2 => call.at.map(&x, function("square"))?,
        _ => return Err(call.malformed(format!("p = {p}"))),
    };
    let mut sum = reduce(call, &powers, "sum", &[axis], true)?;
    if p == 2 {
        sum = call.at.map(&sum, function("sqrt"))?;
    }
    // A row of zeros stays one.
    let sum = pair(call, "maximum", &[Value::Traced(sum), number(f32::MIN_POSITIVE)])?;
    one(pair(call, "divide", &[Value::Traced(x), Value::Traced(sum)])?)
}

fn function(name: &str) -> Operation {
    Operation::new(layers::Operator::Activation { function: name.into(), arguments: Vec::new() })
}

fn mean_variance(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let axes = call
        .ints("axes")?
        .unwrap_or(&[0, 2, 3])
        .iter()
        .map(|&axis| call.axis(axis, &x))
        .collect::<Result<Vec<_>>>()?;
    let mean = reduce(call, &x, "mean", &axes, true)?;
    let centred = pair(call, "subtract", &[Value::Traced(x), Value::Traced(mean)])?;
    let squares = call.at.map(&centred, function("square"))?;
    let variance = reduce(call, &squares, "mean", &axes, true)?;
    let deviation = call.at.map(&variance, function("sqrt"))?;
    let deviation =
        call.at.map(&deviation, Operation::new(layers::Operator::Scale { scale: 1.0, shift: 1e-9 }))?;
    one(pair(call, "divide", &[Value::Traced(centred), Value::Traced(deviation)])?)
}
