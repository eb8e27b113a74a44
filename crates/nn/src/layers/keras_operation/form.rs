//! Operations that move elements: parts, orders, joints.

use convnet_engine::ops;
use convnet_engine::{EngineError, Value};
use serde_json::Value as Json;

use super::call::{Call, integers};
use crate::layer::LayerContext;
use crate::layers::Operator;
use crate::model::spend_operations;

type Made<T> = Result<T, EngineError>;

pub(super) fn apply(call: &Call<'_>, at: &mut LayerContext<'_>) -> Made<Vec<Value>> {
    let x = call.input(at)?;
    let made = match call.class() {
        "Reshape" => sized(call, at, x)?,
        "Concatenate" => {
            let axis = axis(call, at, x, 0)?;
            at.graph.apply(ops::Concatenate { axis }, call.inputs)?
        }
        "ExpandDims" | "Squeeze" => one_more_or_less(call, at, x)?,
        "Flip" | "Repeat" | "Roll" | "Take" => picked(call, at, x)?,
        "GetItem" => item(call, at, x)?,
        "Matmul" => product(call, at)?,
        "Pad" => padded(call, at, x)?,
        "Split" => return split(call, at, x),
        "Stack" => {
            let axis = axis(call, at, x, 1)?;
            let mut parts = Vec::new();
            for &input in call.inputs {
                let mut dims = at.graph.shape(input).dims.clone();
                dims.insert(axis, 1);
                parts.push(call.reshaped(at, input, dims)?);
            }
            at.graph.apply(ops::Concatenate { axis }, &parts)?
        }
        "Tile" => {
            let counts = call.integers("repeats", 1).unwrap_or_default();
            if counts.len() != at.graph.shape(x).dims.len() + 1 || counts[0] != 1 {
                return call.refuse(at, "a number for each axis, 1 for the batch", format!("{counts:?}"));
            }
            let mut tiled = x;
            for (axis, &count) in counts[1..].iter().enumerate().filter(|(_, count)| **count != 1) {
                let count = whole(call, at, count)?;
                spend_places(call, at, count)?;
                tiled = at.graph.apply(ops::Concatenate { axis }, &vec![tiled; count])?;
            }
            tiled
        }
        _ => turned(call, at, x)?,
    };
    Ok(vec![made])
}

/// Longer lists of places are not made: a file would ask for all memory with a few numbers.
const MAX_PLACES: usize = 1 << 20;

/// A number of equal parts may not be larger: each is a tensor of the model.
const MAX_PARTS: usize = 1024;

/// Refuses to make a list of `count` places of an axis. [`Operator::Take`] counts those that stay in the graph.
fn check_places(call: &Call<'_>, at: &LayerContext<'_>, count: usize) -> Made<()> {
    match count {
        0..=MAX_PLACES => Ok(()),
        _ => call.refuse(at, &format!("at most {MAX_PLACES} places along an axis"), count),
    }
}

/// As [`check_places`], for lists that nothing else counts before they are made.
fn spend_places(call: &Call<'_>, at: &LayerContext<'_>, count: usize) -> Made<()> {
    check_places(call, at, count)?;
    spend_operations(count, at.graph.label(), "places")
}

/// How often something is repeated, and other numbers that are small.
fn whole(call: &Call<'_>, at: &LayerContext<'_>, number: i64) -> Made<usize> {
    match usize::try_from(number) {
        Ok(number @ 1..=65_536) => Ok(number),
        _ => call.refuse(at, "a number of 1 to 65536", number),
    }
}

/// The inner axis of the argument `axis`, of a result that has so many axes more than `x`.
fn axis(call: &Call<'_>, at: &LayerContext<'_>, x: Value, more: usize) -> Made<usize> {
    let Some(&[axis]) = call.integers("axis", usize::MAX).as_deref() else {
        return call.refuse(at, "an axis", call.get("axis").cloned().unwrap_or_default());
    };
    let rank = at.graph.shape(x).dims.len() + more;
    let counted = if axis < 0 { axis + rank as i64 + 1 } else { axis };
    match usize::try_from(counted) {
        Ok(counted) if (1..=rank).contains(&counted) => Ok(counted - 1),
        _ => call.refuse(at, &format!("an axis of 1 to {rank}; 0 is the batch"), axis),
    }
}

/// `reshape`, whose first size is the batch.
fn sized(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let old = at.graph.shape(x).clone();
    let stated = call.argument("newshape", 1).and_then(Json::as_array).cloned().unwrap_or_default();
    let refuse = |at: &LayerContext<'_>| {
        call.refuse(at, &format!("sizes behind a batch of −1 for a sample of {old}"), format!("{stated:?}"))
    };
    let Some((batch, rest)) = stated.split_first() else { return refuse(at) };
    let open = |size: &Json| size.is_null() || size.as_i64() == Some(-1);
    let mut dims: Vec<usize> = rest
        .iter()
        .map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(0))
        .collect();
    if !open(batch) {
        return refuse(at);
    }
    if let [place] =
        rest.iter().enumerate().filter(|(_, size)| open(size)).map(|(place, _)| place).collect::<Vec<_>>()[..]
    {
        dims[place] = 1;
        let known = dims.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
        dims[place] = known.and_then(|known| old.len().checked_div(known)).unwrap_or(0);
    }
    let len = dims.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
    if len != Some(old.len()) { refuse(at) } else { call.reshaped(at, x, dims) }
}

fn one_more_or_less(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let mut dims = at.graph.shape(x).dims.clone();
    if call.class() == "ExpandDims" {
        dims.insert(axis(call, at, x, 1)?, 1);
        return call.reshaped(at, x, dims);
    }
    let axes = match call.get("axis") {
        Some(_) => call.axes(at, x)?,
        None => (0..dims.len()).filter(|&axis| dims[axis] == 1).collect(),
    };
    if let Some(&long) = axes.iter().find(|&&axis| dims[axis] != 1) {
        return call.refuse(at, "an axis of one element", dims[long]);
    }
    let left =
        dims.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, &size)| size).collect();
    call.reshaped(at, x, left)
}

fn turned(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let rank = at.graph.shape(x).dims.len();
    let mut order: Vec<usize> = (0..rank).collect();
    let inner = |at: &LayerContext<'_>, name: &str| -> Made<Vec<usize>> {
        let axes = call.integers(name, usize::MAX).unwrap_or_default();
        axes.into_iter().map(|axis| call.axis(at, axis, x)).collect()
    };
    match call.class() {
        "Transpose" => {
            let axes = call.integers("axes", 1).unwrap_or_default();
            if axes.first() != Some(&0) {
                return call.refuse(
                    at,
                    "axes with the batch in front, such as [0, 2, 1]",
                    format!("{axes:?}"),
                );
            }
            order = axes[1..].iter().map(|&axis| call.axis(at, axis, x)).collect::<Made<_>>()?;
        }
        "Swapaxes" => match (&inner(at, "axis1")?[..], &inner(at, "axis2")?[..]) {
            (&[a], &[b]) => order.swap(a, b),
            _ => return call.refuse(at, "two axes", "others"),
        },
        _ => {
            let (from, to) = (inner(at, "source")?, inner(at, "destination")?);
            let (&[from], &[to]) = (&from[..], &to[..]) else {
                return call.refuse(at, "one source and one destination", format!("{from:?}, {to:?}"));
            };
            let moved = order.remove(from);
            order.insert(to, moved);
        }
    }
    at.graph.apply(ops::Permute { axes: order }, &[x])
}

/// Operations that take elements of an axis by their places.
fn picked(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let axes = call.axes(at, x)?;
    let mut made = x;
    for axis in axes {
        let size = at.graph.shape(x).dims[axis];
        if call.class() != "Take" {
            check_places(call, at, size)?;
        }
        let indices: Vec<usize> = match call.class() {
            "Flip" => (0..size).rev().collect(),
            "Repeat" => {
                let Some(&[count]) = call.integers("repeats", 1).as_deref() else {
                    return call.refuse(at, "one number of repeats", "several");
                };
                let count = whole(call, at, count)?;
                check_places(call, at, size * count)?;
                (0..size).flat_map(|index| std::iter::repeat_n(index, count)).collect()
            }
            "Roll" => {
                let Some(&[shift]) = call.integers("shift", 1).as_deref() else {
                    return call.refuse(at, "one shift", "several");
                };
                let last = shift.rem_euclid(size.max(1) as i64) as usize;
                (0..size).map(|index| (index + size - last) % size).collect()
            }
            _ => {
                let wanted = call.operation.arguments.get(1).and_then(integers).unwrap_or_default();
                check_places(call, at, wanted.len())?;
                let counted = |&index: &i64| if index < 0 { index + size as i64 } else { index };
                let found =
                    wanted.iter().map(|index| usize::try_from(counted(index)).ok().filter(|&at| at < size));
                match found.collect::<Option<Vec<_>>>() {
                    Some(found) => found,
                    None => return call.refuse(at, &format!("places among {size}"), format!("{wanted:?}")),
                }
            }
        };
        made = Operator::Take { axis, indices }.apply(at, &[made])?;
        if call.class() == "Take" && call.operation.arguments.get(1).is_some_and(Json::is_number) {
            let mut dims = at.graph.shape(made).dims.clone();
            dims.remove(axis);
            made = call.reshaped(at, made, dims)?;
        }
    }
    Ok(made)
}

/// `x[:, 1:, ::2, -1, None, ...]`
fn item(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let index = call.operation.arguments.get(1).cloned().unwrap_or_default();
    let mut items = match index {
        Json::Array(items) => items,
        one => vec![one],
    };
    let rank = at.graph.shape(x).dims.len() + 1;
    let is = |item: &Json, class: &str| item["class_name"] == class;
    let used = items.iter().filter(|item| !item.is_null() && !is(item, "__ellipsis__")).count();
    let all = serde_json::json!({ "class_name": "__slice__", "config": {} });
    let missing = vec![all; rank.saturating_sub(used)];
    match items.iter().position(|item| is(item, "__ellipsis__")) {
        Some(place) => drop(items.splice(place..=place, missing)),
        None => items.extend(missing),
    }
    let (mut made, mut dims, mut axis) = (x, Vec::new(), 0);
    for (place, item) in items.iter().enumerate() {
        if item.is_null() && place > 0 {
            dims.push(1);
            continue;
        }
        let part = |name: &str| item["config"][name].as_i64();
        let whole = [part("start"), part("stop")] == [None; 2] && part("step").is_none_or(|step| step == 1);
        if place == 0 {
            if !(is(item, "__slice__") && whole) {
                return call.refuse(at, "all samples of the batch: an index that begins with `:`", item);
            }
            continue;
        }
        let Some(&size) = at.graph.shape(made).dims.get(axis) else {
            return call.refuse(at, &format!("an index of {rank} axes"), items.len());
        };
        let places = match item.as_i64() {
            Some(index) => {
                let counted = if index < 0 { index + size as i64 } else { index };
                let start = usize::try_from(counted).ok().filter(|&index| index < size);
                start.map(|start| Places { start, step: 1, count: 1 })
            }
            None if is(item, "__slice__") => {
                places(size, part("start"), part("stop"), part("step").unwrap_or(1))
            }
            None => None,
        };
        let Some(Places { start, step, count }) = places else {
            return call.refuse(at, &format!("elements of an axis of {size}"), item);
        };
        if step != 1 && count > 1 {
            check_places(call, at, count)?;
            let indices = (0..count).map(|place| (start as i64 + place as i64 * step) as usize).collect();
            made = Operator::Take { axis, indices }.apply(at, &[made])?;
        } else if count != size {
            made = Operator::Slice { axis, start, size: count }.apply(at, &[made])?;
        }
        if item.as_i64().is_none() {
            dims.push(count);
        }
        axis += 1;
    }
    call.reshaped(at, made, dims)
}

/// `count` places of an axis, from `start` on, `step` after each other.
struct Places {
    start: usize,
    step: i64,
    count: usize,
}

/// The places of Python's `start:stop:step`; `None` if there are none.
fn places(size: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> Option<Places> {
    let size = size as i64;
    // Where a slice can begin and end: beyond an end there is one more place, for the stop.
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let clamp = |index: i64| (if index < 0 { index + size } else { index }).clamp(low, high);
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let (start, stop) = (start.map_or(first, clamp), stop.map_or(last, clamp));
    let way = if step > 0 { stop - start } else { start - stop };
    let count = u64::try_from(way - 1).ok()?.checked_div(step.unsigned_abs())? + 1;
    Some(Places { start: usize::try_from(start).ok()?, step, count: usize::try_from(count).ok()? })
}

fn product(call: &Call<'_>, at: &mut LayerContext<'_>) -> Made<Value> {
    let (a, b) = (call.value(at, 0)?, call.value(at, 1)?);
    let [left, right] = [a, b].map(|value| at.graph.shape(value).clone());
    if left.dims.len() != right.dims.len() || !(left.batched && right.batched) {
        return call.refuse(at, "two tensors of as many axes as each other", format!("{left} and {right}"));
    }
    Operator::MatMul {}.apply(at, &[a, b])
}

fn padded(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let dims = at.graph.shape(x).dims.clone();
    let stated = call.argument("pad_width", 1).cloned().unwrap_or_default();
    let pair = |sides: &Json| -> Option<(usize, usize)> {
        let sides = integers(sides)?;
        let side = |place: usize| usize::try_from(*sides.get(place)?).ok().filter(|&side| side <= 65_536);
        Some((side(0)?, side(1)?))
    };
    let border: Option<Vec<_>> = stated.as_array().and_then(|axes| axes.iter().map(pair).collect());
    let Some([(0, 0), border @ ..]) = border.as_deref().filter(|border| border.len() == dims.len() + 1)
    else {
        return call.refuse(at, "a pair for each axis, (0, 0) for the batch", stated);
    };
    let mode = call.get("mode").and_then(Json::as_str).unwrap_or("constant");
    if mode == "constant" {
        let value = call.argument("constant_values", 2).and_then(Json::as_f64).unwrap_or(0.0);
        return Operator::Pad { border: border.to_vec(), value: Some(value as f32) }.apply(at, &[x]);
    }
    let mut made = x;
    for (axis, &(before, after)) in border.iter().enumerate().filter(|(_, sides)| **sides != (0, 0)) {
        check_places(call, at, dims[axis] + before + after)?;
        let size = dims[axis] as i64;
        let place = |index: i64| -> Option<usize> {
            let found = match (mode, index < 0, index >= size) {
                (_, false, false) => index,
                ("edge", ..) => index.min(size - 1).max(0),
                ("reflect", true, _) => -index,
                ("reflect", ..) => 2 * (size - 1) - index,
                ("symmetric", true, _) => -1 - index,
                ("symmetric", ..) => 2 * size - 1 - index,
                _ => -1,
            };
            usize::try_from(found).ok().filter(|&found| found < dims[axis])
        };
        let indices: Option<Vec<usize>> = (-(before as i64)..size + after as i64).map(place).collect();
        let Some(indices) = indices else {
            let expected = "mode constant, edge, reflect or symmetric, and a border within the axis";
            return call.refuse(at, expected, format!("{mode} {before}, {after} around {size}"));
        };
        made = Operator::Take { axis, indices }.apply(at, &[made])?;
    }
    Ok(made)
}

fn split(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Vec<Value>> {
    let axis = axis(call, at, x, 0)?;
    let size = at.graph.shape(x).dims[axis];
    let stated = call.argument("indices_or_sections", 1).cloned().unwrap_or_default();
    let ends: Option<Vec<usize>> = match stated.as_u64() {
        Some(count) if (1..=MAX_PARTS as u64).contains(&count) && (size as u64).is_multiple_of(count) => {
            (1..=count as usize).map(|part| Some(part * (size / count as usize))).collect()
        }
        Some(_) => None,
        None => integers(&stated).and_then(|ends| {
            let ends = ends.iter().map(|&end| usize::try_from(end).ok().filter(|&end| end <= size));
            ends.chain([Some(size)]).collect()
        }),
    };
    spend_places(call, at, ends.as_ref().map_or(0, Vec::len))?;
    let mut start = 0;
    let mut parts = Vec::new();
    for end in ends.unwrap_or_default() {
        if end <= start {
            parts.clear();
            break;
        }
        parts.push(at.graph.apply(ops::Slice { axis, start, size: end - start }, &[x])?);
        start = end;
    }
    if parts.is_empty() {
        call.refuse(at, &format!("parts of an axis of {size}, at most {MAX_PARTS}"), stated)
    } else {
        Ok(parts)
    }
}
