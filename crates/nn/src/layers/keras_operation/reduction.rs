//! Operations that make one element of those along some axes.

use convnet_engine::ops::{self, Activate, BinaryFunction, Extreme, ExtremePlace, Reduce, ReduceFunction};
use convnet_engine::{EngineError, Value};

use super::call::Call;
use crate::layer::LayerContext;
use crate::layers::Operator;

type Made<T> = Result<T, EngineError>;

/// Running sums of longer axes would be too many weights.
const MAX_RUN: usize = 1024;

pub(super) fn apply(call: &Call<'_>, at: &mut LayerContext<'_>) -> Made<Vec<Value>> {
    let x = call.input(at)?;
    let axes = match call.class() {
        "Normalize" if call.get("axis").is_none() => vec![at.graph.shape(x).dims.len().saturating_sub(1)],
        _ => call.axes(at, x)?,
    };
    let made = match call.class() {
        "Argmax" | "Argmin" | "Cumsum" => along(call, at, x, &axes)?,
        "Normalize" => normalize(call, at, x, axes)?,
        _ => {
            let kept = kept(call, at, x, &axes)?;
            if call.flag("keepdims") { kept } else { without(call, at, kept, &axes)? }
        }
    };
    Ok(vec![made])
}

/// A value without axes that have one element.
fn without(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value, axes: &[usize]) -> Made<Value> {
    let dims = at.graph.shape(x).dims.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    let dims = dims.map(|(_, &size)| size).collect();
    call.reshaped(at, x, dims)
}

fn reduced(at: &mut LayerContext<'_>, function: ReduceFunction, x: Value, axes: &[usize]) -> Made<Value> {
    at.graph.apply(Reduce { function, batch: false, axes: axes.to_vec(), keep_dims: true }, &[x])
}

/// The result, the axes with one element each.
fn kept(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value, axes: &[usize]) -> Made<Value> {
    if call.get("initial").is_some() {
        return call.refuse(at, "no `initial`", "one");
    }
    use ReduceFunction as R;
    let function = match call.class() {
        "Amax" | "Max" | "Any" => R::Max,
        "Amin" | "Min" | "All" => R::Min,
        "Mean" => R::Mean,
        "Prod" => R::Product,
        "Sum" => R::Sum,
        "Var" | "Std" => {
            let mean = reduced(at, R::Mean, x, axes)?;
            let rest = call.pair(at, BinaryFunction::Subtract, x, mean)?;
            let square = at.graph.apply(Activate(ops::Activation::Square), &[rest])?;
            let variance = reduced(at, R::Mean, square, axes)?;
            let root = Activate(ops::Activation::Sqrt);
            return if call.class() == "Var" { Ok(variance) } else { at.graph.apply(root, &[variance]) };
        }
        "Logsumexp" => {
            let largest = reduced(at, R::Max, x, axes)?;
            let rest = call.pair(at, BinaryFunction::Subtract, x, largest)?;
            let powers = at.graph.apply(Activate(ops::Activation::Exponential), &[rest])?;
            let sum = reduced(at, R::Sum, powers, axes)?;
            let log = at.graph.apply(Activate(ops::Activation::Log), &[sum])?;
            return call.pair(at, BinaryFunction::Add, log, largest);
        }
        _ => return length(call, at, x, axes, "ord"),
    };
    reduced(at, function, x, axes)
}

/// The norm along axes: 2, or 1.
fn length(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value, axes: &[usize], order: &str) -> Made<Value> {
    let order = call.get(order).cloned().unwrap_or(serde_json::Value::Null);
    if order.is_null() || order == "fro" || (order.as_f64() == Some(2.0) && axes.len() == 1) {
        let square = at.graph.apply(Activate(ops::Activation::Square), &[x])?;
        let sum = reduced(at, ReduceFunction::Sum, square, axes)?;
        return at.graph.apply(Activate(ops::Activation::Sqrt), &[sum]);
    }
    if order.as_f64() == Some(1.0) && axes.len() == 1 {
        let absolute = at.graph.apply(Activate(ops::Activation::Abs), &[x])?;
        return reduced(at, ReduceFunction::Sum, absolute, axes);
    }
    call.refuse(at, "the norm of order 2 or 1", order)
}

fn normalize(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value, axes: Vec<usize>) -> Made<Value> {
    let norm = length(call, at, x, &axes, "order")?;
    let least = crate::layers::config::constants(at, &[call.number("epsilon", 1e-7)])?;
    let norm = call.pair(at, BinaryFunction::Maximum, norm, least)?;
    call.pair(at, BinaryFunction::Divide, x, norm)
}

fn along(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value, axes: &[usize]) -> Made<Value> {
    let &[axis] = axes else { return call.refuse(at, "one axis", format!("{axes:?}")) };
    if call.class() == "Cumsum" {
        let size = at.graph.shape(x).dims[axis];
        if size > MAX_RUN {
            return call.refuse(at, &format!("at most {MAX_RUN} elements"), size);
        }
        let taps = (0..size).map(|last| (0..=last).map(|index| (index, 1.0)).collect()).collect();
        return Operator::Blend { axis, size, taps }.apply(at, &[x]);
    }
    let extreme = Extreme { smallest: call.class() == "Argmin", last: false };
    let place = at.graph.apply(ExtremePlace { axis, extreme }, &[x])?;
    if call.flag("keepdims") { Ok(place) } else { without(call, at, place, axes) }
}
