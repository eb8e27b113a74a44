//! Reductions along axes.

use convnet_nn::layers::{self, GlobalAveragePooling2D, Operation};

use super::call::one;
use super::elementwise::pair;
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::Element;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "ArgMax", import: |call| place(call, false) },
    Operator { name: "ArgMin", import: |call| place(call, true) },
    Operator { name: "CumSum", import: cumulative },
    Operator { name: "ReduceL1", import: |call| composed(call, Some("absolute"), None) },
    Operator { name: "ReduceL2", import: |call| composed(call, Some("square"), Some("sqrt")) },
    Operator { name: "ReduceLogSum", import: |call| composed(call, None, Some("log")) },
    Operator { name: "ReduceLogSumExp", import: log_sum_exp },
    Operator { name: "ReduceMax", import: |call| plain(call, "max") },
    Operator { name: "ReduceMean", import: |call| plain(call, "mean") },
    Operator { name: "ReduceMin", import: |call| plain(call, "min") },
    Operator { name: "ReduceProd", import: |call| plain(call, "product") },
    Operator { name: "ReduceSum", import: |call| plain(call, "sum") },
    Operator { name: "ReduceSumSquare", import: |call| composed(call, Some("square"), None) },
];

/// The axes (after the batch) that go, and whether they stay with one element; `None` if nothing is to be done.
fn axes(call: &Call<'_, '_>, x: &Traced) -> Result<Option<(Vec<usize>, bool)>> {
    let keep_dims = call.int("keepdims", 1)? != 0;
    let listed = call.listed_axes()?.filter(|axes| !axes.is_empty());
    let Some(listed) = listed else {
        if call.int("noop_with_empty_axes", 0)? != 0 {
            return Ok(None);
        }
        if call.at.batched {
            return Err(call.mixes());
        }
        return Ok(Some(((0..x.groups.len()).collect(), keep_dims)));
    };
    let mut axes = listed.iter().map(|&axis| call.axis(axis, x)).collect::<Result<Vec<_>>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(Some((axes, keep_dims)))
}

/// What a reduction makes of no elements.
pub(super) fn of_nothing(name: &str) -> Option<f32> {
    Some(match name {
        "ReduceL1" | "ReduceL2" | "ReduceSum" | "ReduceSumSquare" => 0.0,
        "ReduceProd" => 1.0,
        "ReduceMax" | "ReduceLogSum" | "ReduceLogSumExp" => f32::NEG_INFINITY,
        "ReduceMin" => f32::INFINITY,
        "ReduceMean" => f32::NAN,
        _ => return None,
    })
}

/// The sizes that a reduction leaves of those of a known value.
pub(super) fn reduced(call: &Call<'_, '_>, dims: &[usize]) -> Result<Vec<usize>> {
    let listed = call.listed_axes()?.unwrap_or_default();
    let all = listed.is_empty() && call.int("noop_with_empty_axes", 0)? == 0;
    let mut gone = vec![all; dims.len()];
    for axis in listed {
        gone[call.any_axis(axis, dims.len())?] = true;
    }
    let kept = call.int("keepdims", 1)? != 0;
    let sizes = dims.iter().zip(gone);
    Ok(sizes.filter(|(_, gone)| kept || !gone).map(|(&size, gone)| if gone { 1 } else { size }).collect())
}

/// Reduces axes (after the batch).
pub(super) fn reduce(
    call: &mut Call<'_, '_>,
    x: &Traced,
    function: &str,
    axes: &[usize],
    keep_dims: bool,
) -> Result<Traced> {
    let mut gone: Vec<usize> = axes.iter().flat_map(|&axis| x.groups[axis].iter().copied()).collect();
    gone.sort_unstable();
    gone.dedup();
    let rank = x.physical().len();
    let images = rank == 3 && gone == [0, 1] && function == "mean";
    let symbol = if gone.is_empty() {
        x.symbol.clone()
    } else if images {
        call.layer(GlobalAveragePooling2D::new(), &[&x.symbol], Vec::new())?
    } else {
        let operator =
            layers::Operator::Reduce { function: function.into(), axes: gone.clone(), keep_dims: false };
        call.layer(Operation::new(operator), &[&x.symbol], Vec::new())?
    };
    let moved = |axis: usize| axis - gone.iter().filter(|&&other| other < axis).count();
    let groups = (x.groups.iter().enumerate())
        .filter(|(axis, _)| keep_dims || !axes.contains(axis))
        .map(|(axis, group)| match axes.contains(&axis) {
            true => Vec::new(),
            false => group.iter().map(|&axis| moved(axis)).collect(),
        })
        .collect();
    Ok(Traced { symbol, groups, element: x.element, not_negative: x.not_negative })
}

fn plain(call: &mut Call<'_, '_>, function: &str) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    match axes(call, &x)? {
        Some((axes, keep_dims)) => one(reduce(call, &x, function, &axes, keep_dims)?),
        None => one(x),
    }
}

fn function(name: &str) -> Operation {
    Operation::new(layers::Operator::Activation { function: name.into(), arguments: Vec::new() })
}

/// A sum, with functions of the elements before and after.
fn composed(call: &mut Call<'_, '_>, before: Option<&str>, after: Option<&str>) -> Result<Vec<Value>> {
    let mut x = call.traced(0)?;
    let axes = axes(call, &x)?;
    if let Some(before) = before {
        x = call.at.map(&x, function(before))?;
    }
    if let Some((axes, keep_dims)) = axes {
        x = reduce(call, &x, "sum", &axes, keep_dims)?;
    }
    if let Some(after) = after {
        x = call.at.map(&x, function(after))?;
    }
    one(x)
}

fn log_sum_exp(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let Some((axes, keep_dims)) = axes(call, &x)? else { return one(x) };
    let max = reduce(call, &x, "max", &axes, true)?;
    let shifted = pair(call, "subtract", &[Value::Traced(x.clone()), Value::Traced(max.clone())])?;
    let powers = call.at.map(&shifted, function("exponential"))?;
    let sum = reduce(call, &powers, "sum", &axes, true)?;
    let log = call.at.map(&sum, function("log"))?;
    let mut y = pair(call, "add", &[Value::Traced(log), Value::Traced(max)])?;
    if !keep_dims {
        let kept = (0..y.groups.len()).filter(|axis| !axes.contains(axis));
        y.groups = kept.map(|axis| y.groups[axis].clone()).collect();
    }
    one(y)
}

fn place(call: &mut Call<'_, '_>, smallest: bool) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let axis = call.axis(call.int("axis", 0)?, &x)?;
    let last = call.int("select_last_index", 0)? != 0;
    let x = call.at.simple(&x)?;
    let operator = layers::Operator::ExtremePlace { axis: x.groups[axis][0], smallest, last };
    let symbol = call.layer(Operation::new(operator), &[&x.symbol], Vec::new())?;
    let mut y = Traced { element: Element::Integer, not_negative: true, ..x.with(symbol) };
    if call.int("keepdims", 1)? == 0 {
        y.groups.remove(axis);
    }
    one(y)
}

/// Sums of all elements up to each one: a product with a matrix of zeros and ones.
fn cumulative(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let axis = call.integers(1)?.first().copied().unwrap_or(0);
    let axis = call.axis(axis, &x)?;
    let (exclusive, reverse) = (call.int("exclusive", 0)? != 0, call.int("reverse", 0)? != 0);
    let size = x.dims()[axis];
    // Taps are read one by one, which takes longer than windows do.
    call.at.window = size.saturating_mul(4);
    // Half as many taps, of which layer and graph keep some copies.
    call.at.spend(size.saturating_mul(size).saturating_mul(2 * size_of::<(usize, f32)>()))?;
    let counts = |place: usize, other: usize| match (reverse, exclusive) {
        (false, false) => other <= place,
        (false, true) => other < place,
        (true, false) => other >= place,
        (true, true) => other > place,
    };
    let taps: Vec<Vec<(usize, f32)>> = (0..size)
        .map(|place| (0..size).filter(|&other| counts(place, other)).map(|other| (other, 1.0)).collect())
        .collect();
    let x = call.at.simple(&x)?;
    let layer = Operation::new(layers::Operator::Blend { axis: x.groups[axis][0], size, taps });
    let symbol = call.layer(layer, &[&x.symbol], Vec::new())?;
    one(x.with(symbol))
}
