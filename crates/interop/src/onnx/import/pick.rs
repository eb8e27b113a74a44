//! Parts of values: slices, picked and repeated elements, borders.

use std::ops::Range;
use std::sync::Arc;

use convnet_nn::layers::{self, Embedding, Operation, Sides, ZeroPadding1D, ZeroPadding2D, ZeroPadding3D};

use super::along::from_front;
use super::call::{empty, one};
use super::shape::{expand, regroup};
use super::{BATCH, Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{self, Element, Places, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "CenterCropPad", import: center_crop_pad },
    Operator { name: "Expand", import: expanded },
    Operator { name: "Gather", import: gather },
    Operator { name: "OneHot", import: one_hot },
    Operator { name: "Pad", import: pad },
    Operator { name: "Slice", import: slice },
    Operator { name: "Split", import: split },
    Operator { name: "Tile", import: tile },
    Operator { name: "Trilu", import: trilu },
];

/// Places along an axis. Files can ask for very many, so a list is made by [`listed`] only.
pub(super) enum Picked {
    /// Neighbours.
    Run(Range<usize>),
    /// Any.
    List(Vec<usize>),
}

impl From<Range<usize>> for Picked {
    fn from(run: Range<usize>) -> Self {
        Self::Run(run)
    }
}

/// Bytes that a part of a value takes beside its numbers.
const PART: usize = 200;

/// Bytes that a place in a list takes: layer and graph keep it, some eighty bytes together.
const PLACE: usize = 128;

/// The list of places, if there are not too many.
pub(super) fn listed(call: &mut Call<'_, '_>, places: impl Iterator<Item = usize>) -> Result<Vec<usize>> {
    let mut list = Vec::new();
    for place in places {
        call.at.spend(PLACE)?;
        list.push(place);
    }
    Ok(list)
}

impl From<Vec<usize>> for Picked {
    fn from(list: Vec<usize>) -> Self {
        Self::List(list)
    }
}

/// Picked elements along one of the file's axes (after the batch).
pub(super) fn take(
    call: &mut Call<'_, '_>,
    x: &Traced,
    axis: usize,
    picked: impl Into<Picked>,
) -> Result<Traced> {
    let (size, picked) = (x.dims()[axis], picked.into());
    let run = match &picked {
        Picked::Run(run) => Some(run.clone()),
        Picked::List(list) if list.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1])) => {
            list.first().map_or(Some(0..0), |&first| Some(first..first + list.len()))
        }
        Picked::List(_) => None,
    };
    if run == Some(0..size) {
        return Ok(x.clone());
    }
    if run.as_ref().is_some_and(Range::is_empty) {
        return Err(call.unsupported("a result without elements"));
    }
    let x = call.at.simple(x)?;
    let axis = x.groups[axis][0];
    let operator = match (run, picked) {
        (Some(run), _) | (None, Picked::Run(run)) => {
            layers::Operator::Slice { axis, start: run.start, size: run.len() }
        }
        (None, Picked::List(indices)) => layers::Operator::Take { axis, indices },
    };
    let symbol = call.layer(Operation::new(operator), &[&x.symbol], Vec::new())?;
    Ok(Traced { not_negative: x.not_negative, ..x.with(symbol) })
}

/// Picked elements of a known tensor.
fn take_known(call: &mut Call<'_, '_>, tensor: &Tensor, axis: usize, indices: &[usize]) -> Result<Tensor> {
    let mut dims = tensor.dims.clone();
    let size = std::mem::replace(&mut dims[axis], indices.len());
    call.at.spend_on(&dims, tensor.element())?;
    if tensor::len(&dims) == Some(0) {
        return Ok(tensor.gather(dims, std::iter::empty()));
    }
    let inner: usize = tensor.dims[axis + 1..].iter().product();
    let outer: usize = tensor.dims[..axis].iter().product();
    let places = (0..outer).flat_map(|place| indices.iter().map(move |&index| place * size + index));
    Ok(tensor.gather(dims, places.flat_map(|row| row * inner..(row + 1) * inner)))
}

fn take_any(call: &mut Call<'_, '_>, value: &Value, axis: usize, picked: impl Into<Picked>) -> Result<Value> {
    let picked = picked.into();
    Ok(match value {
        Value::Known(tensor) => {
            // An axis of a tensor without elements can be as long as it likes.
            let indices = match picked {
                Picked::Run(run) => listed(call, run)?,
                Picked::List(list) => list,
            };
            Value::Known(Arc::new(take_known(call, tensor, axis, &indices)?))
        }
        Value::Traced(traced) => {
            let axis = axis.checked_sub(call.first()).ok_or_else(|| call.mixes())?;
            let is_empty = match &picked {
                Picked::Run(run) => run.is_empty(),
                Picked::List(list) => list.is_empty(),
            };
            if is_empty && !call.at.batched {
                let mut dims = traced.dims();
                dims[axis] = 0;
                return Ok(empty(dims, traced.element));
            }
            Value::Traced(take(call, traced, axis, picked)?)
        }
    })
}

/// The file's sizes of a value; `None` for the batch.
fn sizes(call: &Call<'_, '_>, value: &Value) -> Vec<Option<usize>> {
    match value {
        Value::Known(tensor) => tensor.dims.iter().map(|&size| Some(size)).collect(),
        Value::Traced(traced) => {
            let batch = call.at.batched.then_some(None);
            batch.into_iter().chain(traced.dims().into_iter().map(Some)).collect()
        }
    }
}

fn slice(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let starts = call.ints_or_input("starts", 1)?.ok_or_else(|| call.malformed("it has no starts"))?;
    let ends = call.ints_or_input("ends", 2)?.ok_or_else(|| call.malformed("it has no ends"))?;
    let axes = call.ints_or_input("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.known_integers(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    let len = starts.len();
    if [ends.len(), axes.len(), steps.len()] != [len; 3] || len > tensor::MAX_RANK {
        return Err(call.malformed("starts, ends, axes and steps of different lengths, or too long"));
    }
    let mut value = call.input(0)?.clone();
    for (place, &axis) in axes.iter().enumerate() {
        let sizes = sizes(call, &value);
        let axis = call.any_axis(axis, sizes.len())?;
        let (start, end, step) = (starts[place], ends[place], steps[place]);
        let Some(size) = sizes[axis] else {
            let all = start == 0 && step == 1 && (end == BATCH || end >= i64::from(i32::MAX));
            if all {
                continue;
            }
            return Err(call.mixes());
        };
        if step == 0 || start == BATCH || end == BATCH {
            return Err(if step == 0 { call.malformed("a step of 0") } else { call.mixes() });
        }
        let picked = match bounds(start, end, step, size) {
            (start, end) if step == 1 => Picked::Run(start as usize..end.max(start) as usize),
            _ => Picked::List(listed(call, places(start, end, step, size))?),
        };
        value = take_any(call, &value, axis, picked)?;
    }
    Ok(vec![value])
}

/// Where a slice of an axis starts and ends, by NumPy's rules.
fn bounds(start: i64, end: i64, step: i64, size: usize) -> (i64, i64) {
    let size = size as i64;
    let from_end = |place: i64| if place < 0 { place.saturating_add(size) } else { place };
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    (from_end(start).clamp(low, high), from_end(end).clamp(low, high))
}

/// The elements of an axis that a slice has.
fn places(start: i64, end: i64, step: i64, size: usize) -> impl Iterator<Item = usize> {
    let (start, end) = bounds(start, end, step, size);
    let steps = std::iter::successors(Some(start), move |place| Some(place.saturating_add(step)));
    steps
        .take_while(move |&place| if step > 0 { place < end } else { place > end })
        .map(|place| place as usize)
}

fn gather(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let data = call.input(0)?.clone();
    let rank = sizes(call, &data).len();
    let axis = call.any_axis(call.int("axis", 0)?, rank)?;
    if let (Value::Known(table), Value::Traced(places), 0) = (&data, call.input(1)?.clone(), axis)
        && table.dims.len() == 2
    {
        return rows(call, table, places);
    }
    let indices = call.constant(1)?;
    let Some(size) = sizes(call, &data)[axis] else {
        return Err(call.mixes());
    };
    call.at.spend(indices.len().saturating_mul(PLACE))?;
    let mut places = Vec::with_capacity(indices.len());
    for index in indices.to_integers() {
        let place = usize::try_from(if index < 0 { index.saturating_add(size as i64) } else { index });
        let place = place.ok().filter(|&place| place < size);
        places.push(place.ok_or_else(|| call.malformed(format!("element {index} of an axis of {size}")))?);
    }
    let taken = take_any(call, &data, axis, places)?;
    if indices.dims.len() == 1 {
        return Ok(vec![taken]);
    }
    // The axis is replaced by those of the indices.
    match taken {
        Value::Known(tensor) => {
            let mut dims = tensor.dims.clone();
            dims.splice(axis..=axis, indices.dims.iter().copied());
            if tensor::len(&dims).is_none() {
                return Err(call.malformed(format!("a result of {} axes, {dims:?}", dims.len())));
            }
            Ok(vec![Value::Known(Arc::new(Arc::unwrap_or_clone(tensor).reshaped(dims)))])
        }
        Value::Traced(x) => {
            let mut dims = x.dims();
            let inner = axis - call.first();
            if indices.dims.is_empty() {
                let mut groups = x.groups.clone();
                groups.remove(inner);
                return one(Traced { groups, ..x });
            }
            dims.splice(inner..=inner, indices.dims.iter().copied());
            one(regroup(call, &x, &dims)?)
        }
    }
}

/// Rows of a table by computed numbers, negative ones counted from the end.
fn rows(call: &mut Call<'_, '_>, table: &Tensor, places: Traced) -> Result<Vec<Value>> {
    let (rows, columns) = (table.dims[0], table.dims[1]);
    let places = if places.not_negative { places } else { from_front(call, places, rows)? };
    let places = call.at.canonical(&places)?;
    let numbers = call.at.copy_floats(table)?;
    let symbol = call.layer(Embedding::new(rows, columns), &[&places], vec![numbers])?;
    one(Traced::plain(symbol, table.element()))
}

fn split(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let value = call.input(0)?.clone();
    let all = sizes(call, &value);
    let axis = call.any_axis(call.int("axis", 0)?, all.len())?;
    let Some(size) = all[axis] else { return Err(call.mixes()) };
    let outputs = call.node.output.len();
    let count = match call.some_int("num_outputs")? {
        Some(count) => usize::try_from(count).ok().filter(|&count| count <= outputs),
        None => Some(outputs),
    };
    let count =
        count.ok_or_else(|| call.malformed(format!("num_outputs is more than its {outputs} outputs")))?;
    let parts: Vec<usize> = match call.ints_or_input("split", 1)? {
        Some(parts) => parts.iter().map(|&part| usize::try_from(part).unwrap_or(usize::MAX)).collect(),
        None => {
            let part = size.div_ceil(count.clamp(1, size.max(1)));
            (0..count).map(|index| part.min(size.saturating_sub(index.saturating_mul(part)))).collect()
        }
    };
    let total = parts.iter().try_fold(0_usize, |total, &part| total.checked_add(part));
    if total != Some(size) || parts.len() > outputs {
        let reason = format!("{} parts of an axis of {size} for {outputs} outputs", parts.len());
        return Err(call.malformed(reason));
    }
    call.at.spend(parts.len().saturating_mul(PART))?;
    let mut start = 0;
    let mut outputs = Vec::new();
    for part in parts {
        outputs.push(take_any(call, &value, axis, start..start + part)?);
        start += part;
    }
    Ok(outputs)
}

fn tile(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let repeats = call.integers(1)?;
    let mut value = call.input(0)?.clone();
    if repeats.len() != sizes(call, &value).len() {
        return Err(call.malformed("repeats for another number of axes"));
    }
    for (axis, repeats) in repeats.into_iter().enumerate() {
        if repeats == 1 {
            continue;
        }
        let Some(size) = sizes(call, &value)[axis] else { return Err(call.mixes()) };
        let times = usize::try_from(repeats).map_err(|_| call.malformed(format!("{repeats} repeats")))?;
        let times = if size == 0 { 0 } else { times };
        let picked = listed(call, (0..times).flat_map(|_| 0..size))?;
        value = take_any(call, &value, axis, picked)?;
    }
    Ok(vec![value])
}

fn expanded(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let mut wanted = call.integers(1)?;
    let x = match call.input(0)?.clone() {
        Value::Known(tensor) => {
            if call.at.batched && wanted.first() == Some(&BATCH) {
                wanted[0] = 1;
            }
            let wanted: Option<Vec<usize>> = wanted.iter().map(|&size| usize::try_from(size).ok()).collect();
            let wanted = wanted.ok_or_else(|| call.malformed("negative sizes"))?;
            let dims = super::fold::broadcast(&[&tensor.dims, &wanted]);
            let dims =
                dims.ok_or_else(|| call.malformed(format!("{:?} repeated to {wanted:?}", tensor.dims)))?;
            call.at.spend_on(&dims, tensor.element())?;
            let places = Places::repeated(&dims, &tensor.dims);
            return Ok(vec![Value::Known(Arc::new(tensor.gather(dims.clone(), places)))]);
        }
        Value::Traced(traced) => traced,
    };
    let first = call.first();
    let rank = call.rank(&x).max(wanted.len());
    let missing = rank - call.rank(&x);
    if call.at.batched && missing > 0 {
        return Err(call.mixes());
    }
    wanted.splice(0..0, vec![1; rank - wanted.len()]);
    let is_batch =
        |size: i64| size == 1 || size == BATCH || Some(size) == call.at.file_batch.map(|batch| batch as i64);
    if wanted[..first].iter().any(|&size| !is_batch(size)) {
        return Err(call.mixes());
    }
    let mut x = x;
    x.groups.splice(0..0, vec![Vec::new(); missing]);
    let old = x.dims();
    let wanted: Option<Vec<usize>> = wanted[first..].iter().map(|&size| usize::try_from(size).ok()).collect();
    let wanted = wanted.ok_or_else(|| call.mixes())?;
    let dims = super::fold::broadcast(&[&old, &wanted]);
    let dims = dims.ok_or_else(|| call.malformed(format!("{old:?} repeated to {wanted:?}")))?;
    one(expand(call, &x, &dims)?)
}

/// Pairs of numbers for each axis, from a list of all first and then all second ones.
fn sides(call: &Call<'_, '_>, pads: &[i64], rank: usize) -> Result<Vec<(i64, i64)>> {
    if pads.len() != 2 * rank || pads.iter().any(|pad| pad.unsigned_abs() > 1 << 24) {
        return Err(call.malformed(format!("pads {pads:?} for {rank} axes")));
    }
    Ok((0..rank).map(|axis| (pads[axis], pads[rank + axis])).collect())
}

fn pad(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let rank = call.rank(&x);
    let pads = match call.ints("pads")?.or(call.ints("paddings")?) {
        Some(pads) => pads.to_vec(),
        None => call.integers(1)?,
    };
    let value = match call.known(2)? {
        Some(tensor) => tensor.scalar().ok_or_else(|| call.malformed("its value is no single number"))?,
        None => call.float("value", 0.0)?,
    };
    let mut all = vec![(0, 0); rank];
    match call.known_integers(3)? {
        None => all = sides(call, &pads, rank)?,
        Some(axes) => {
            for (axis, side) in axes.iter().zip(sides(call, &pads, axes.len())?) {
                all[call.any_axis(*axis, rank)?] = side;
            }
        }
    }
    if all[..call.first()].iter().any(|&side| side != (0, 0)) {
        return Err(call.mixes());
    }
    let all = all.split_off(call.first());
    let mode = call.string("mode", "constant")?;
    // What is taken off is taken off first.
    let mut x = x;
    for (axis, &(before, after)) in all.iter().enumerate() {
        let size = x.dims()[axis] as i64;
        let (start, end) = ((-before).max(0), size - (-after).max(0));
        if start >= end {
            return Err(call.unsupported("nothing is left of an axis"));
        }
        x = take(call, &x, axis, start as usize..end as usize)?;
    }
    let all: Vec<(usize, usize)> = all.iter().map(|&(a, b)| (a.max(0) as usize, b.max(0) as usize)).collect();
    if mode == "constant" {
        return one(border(call, &x, &all, Some(value))?);
    }
    for (axis, &(before, after)) in all.iter().enumerate() {
        let size = x.dims()[axis] as i64;
        let inside = |place: i64| -> Option<usize> {
            let place = match mode {
                "edge" => place.clamp(0, size - 1),
                "wrap" => place.rem_euclid(size),
                "reflect" if size == 1 => 0,
                "reflect" => {
                    let period = 2 * (size - 1);
                    let place = place.rem_euclid(period);
                    if place < size { place } else { period - place }
                }
                _ => return None,
            };
            Some(place as usize)
        };
        if inside(0).is_none() {
            return Err(call.unsupported(format!("mode {mode}")));
        }
        let picked = listed(call, (-(before as i64)..size + after as i64).filter_map(inside))?;
        x = take(call, &x, axis, picked)?;
    }
    one(x)
}

/// A border of one value (−∞ if there is none) along the file's axes (after the batch).
pub(super) fn border(
    call: &mut Call<'_, '_>,
    x: &Traced,
    sides: &[(usize, usize)],
    value: Option<f32>,
) -> Result<Traced> {
    if sides.iter().all(|&side| side == (0, 0)) {
        return Ok(x.clone());
    }
    let x = call.at.simple(x)?;
    let mut border = vec![(0, 0); x.physical().len()];
    for (axis, &side) in sides.iter().enumerate() {
        border[x.groups[axis][0]] = side;
    }
    let not_negative = x.not_negative && value.is_some_and(|value| value >= 0.0);
    let spatial = border.len().saturating_sub(1);
    let keras = value == Some(0.0) && border.last() == Some(&(0, 0));
    let symbol = match border[..spatial] {
        [a] if keras => call.at.layer("pad", ZeroPadding1D::new(Sides([a])), &[&x.symbol], Vec::new())?,
        [a, b] if keras => {
            call.at.layer("pad", ZeroPadding2D::new(Sides([a, b])), &[&x.symbol], Vec::new())?
        }
        [a, b, c] if keras => {
            call.at.layer("pad", ZeroPadding3D::new(Sides([a, b, c])), &[&x.symbol], Vec::new())?
        }
        _ => {
            let layer = Operation::new(layers::Operator::Pad { border, value });
            call.at.layer("pad", layer, &[&x.symbol], Vec::new())?
        }
    };
    Ok(Traced { not_negative, ..x.with(symbol) })
}

fn center_crop_pad(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let mut x = call.traced(0)?;
    let rank = call.rank(&x);
    let wanted = call.integers(1)?;
    let axes: Vec<i64> = call.ints("axes")?.map_or_else(|| (0..rank as i64).collect(), <[i64]>::to_vec);
    if axes.len() != wanted.len() {
        return Err(call.malformed("sizes for another number of axes"));
    }
    let mut sides = vec![(0, 0); x.groups.len()];
    for (&axis, &wanted) in axes.iter().zip(&wanted) {
        let axis = call.axis(axis, &x)?;
        let size = x.dims()[axis];
        let wanted = usize::try_from(wanted).ok().filter(|&wanted| (1..1 << 24).contains(&wanted));
        let wanted = wanted.ok_or_else(|| call.malformed("a size that is no positive number"))?;
        if wanted > size {
            let before = (wanted - size) / 2;
            sides[axis] = (before, wanted - size - before);
        } else {
            let start = (size - wanted) / 2;
            x = take(call, &x, axis, start..start + wanted)?;
        }
    }
    one(border(call, &x, &sides, Some(0.0))?)
}

fn trilu(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let diagonal = call.known_integers(1)?.and_then(|k| k.first().copied()).unwrap_or(0);
    let upper = call.int("upper", 1)? != 0;
    let dims = x.dims();
    let [.., rows, columns] = dims[..] else { return Err(call.mixes()) };
    call.at.spend_on(&[rows, columns], Element::Float)?;
    let keep = |place: usize| {
        let distance = (place % columns) as i64 - (place / columns) as i64;
        if upper { distance >= diagonal } else { distance <= diagonal }
    };
    let mask = Tensor::floats(
        [rows, columns],
        (0..rows * columns).map(|place| f32::from(u8::from(keep(place)))).collect(),
    );
    let element = x.element;
    let values = [Value::Known(Arc::new(mask)), Value::Traced(x), super::align::number(0.0)];
    one(call.matched(layers::Operator::Select {}, &values, element)?)
}

fn one_hot(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let depth = call.integers(1)?;
    let ends = call.few(2)?.ok_or_else(|| call.malformed("it has no values"))?;
    let depth = depth
        .first()
        .and_then(|&depth| usize::try_from(depth).ok())
        .filter(|depth| (1..1 << 24).contains(depth));
    let depth = depth.ok_or_else(|| call.malformed("a depth that is no positive number"))?;
    let &[off, on] = &ends.to_floats()[..] else { return Err(call.malformed("values that are not two")) };
    call.at.spend_on(&[depth], Element::Float)?;
    let rank = call.rank(&x) + 1;
    if rank > tensor::MAX_RANK {
        return Err(call.malformed(format!("a result of {rank} axes, {} at most", tensor::MAX_RANK)));
    }
    let axis = call.any_axis(call.int("axis", -1)?, rank)?;
    let axis = axis.checked_sub(call.first()).ok_or_else(|| call.mixes())?;
    let mut x = x;
    x.groups.insert(axis, Vec::new());
    let mut dims = vec![1; x.groups.len()];
    dims[axis] = depth;
    // Negative indices count from the end.
    let whole =
        super::elementwise::pair(call, "modulo", &[Value::Traced(x), super::align::number(depth as f32)])?;
    let mut all = vec![1; call.first()];
    all.extend(dims);
    let places = Tensor::floats(all, (0..depth).map(|place| place as f32).collect());
    let hit =
        super::elementwise::pair(call, "equal", &[Value::Traced(whole), Value::Known(Arc::new(places))])?;
    let y = call.at.map(&hit, Operation::new(layers::Operator::Scale { scale: on - off, shift: off }))?;
    one(Traced { element: ends.element(), ..y })
}

#[cfg(test)]
#[test]
fn slices_have_the_elements_of_numpy() {
    assert!(places(1, 4, 1, 5).eq([1, 2, 3]));
    assert!(places(-1, i64::MIN, -2, 5).eq([4, 2, 0]));
    assert_eq!(places(10, 20, 1, 5).count(), 0);
    assert!(places(20, 0, -4, 20).eq([19, 15, 11, 7, 3]));
}
