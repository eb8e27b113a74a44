//! Axes: their order, their number, their sizes.

use std::sync::Arc;

use convnet_nn::layers::{self, Concatenate, Operation};

use super::call::one;
use super::{BATCH, Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{self, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "Concat", import: concat },
    Operator { name: "DepthToSpace", import: depth_to_space },
    Operator { name: "Flatten", import: flatten },
    Operator { name: "Reshape", import: reshape },
    Operator { name: "SpaceToDepth", import: space_to_depth },
    Operator { name: "Squeeze", import: squeeze },
    Operator { name: "Transpose", import: transpose },
    Operator { name: "Unsqueeze", import: unsqueeze },
];

fn transpose(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let rank = match call.input(0)? {
        Value::Known(tensor) => tensor.dims.len(),
        Value::Traced(traced) => call.rank(traced),
    };
    let order: Vec<usize> = match call.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(perm) => perm.iter().map(|&axis| call.any_axis(axis, rank)).collect::<Result<_>>()?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(call.malformed(format!("{order:?} is no order of {rank} axes")));
    }
    match call.input(0)?.clone() {
        Value::Known(tensor) => {
            call.at.spend_on(&tensor.dims, tensor.element())?;
            Ok(vec![Value::Known(Arc::new(tensor.transposed(&order)))])
        }
        Value::Traced(x) => {
            let first = call.first();
            if order[..first.min(rank)].iter().any(|&axis| axis != 0) {
                return Err(call.mixes());
            }
            let groups = order[first..].iter().map(|&axis| x.groups[axis - first].clone()).collect();
            one(Traced { groups, ..x })
        }
    }
}

/// The sizes that a reshape asks for, for a value of `len` elements.
fn target(call: &Call<'_, '_>, wanted: &[i64], old: &[usize], zero_copies: bool) -> Result<Vec<usize>> {
    let len: usize = old.iter().product();
    let bad = || call.malformed(format!("{old:?} cannot have the sizes {wanted:?}"));
    let mut open = None;
    let mut dims = Vec::with_capacity(wanted.len());
    for (place, &size) in wanted.iter().enumerate() {
        dims.push(match size {
            -1 if open.replace(place).is_some() => return Err(bad()),
            -1 => 1,
            0 if zero_copies => *old.get(place).ok_or_else(bad)?,
            BATCH => return Err(call.mixes()),
            size => usize::try_from(size).map_err(|_| bad())?,
        });
    }
    let rest = tensor::len(&dims).ok_or_else(bad)?;
    if let Some(place) = open {
        dims[place] = len.checked_div(rest).filter(|size| size * rest == len).ok_or_else(bad)?;
    } else if rest != len {
        return Err(bad());
    }
    Ok(dims)
}

/// A known value under other sizes.
fn renamed(call: &mut Call<'_, '_>, tensor: &Tensor, dims: Vec<usize>) -> Result<Vec<Value>> {
    call.at.spend_on(&dims, tensor.element())?;
    Ok(vec![Value::Known(Arc::new(tensor.clone().reshaped(dims)))])
}

fn reshape(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let wanted = match call.ints("shape")? {
        Some(shape) => shape.to_vec(),
        None => call.integers(1)?,
    };
    let zero_copies = call.int("allowzero", 0)? == 0;
    let x = match call.input(0)?.clone() {
        Value::Known(tensor) => {
            let dims = target(call, &wanted, &tensor.dims, zero_copies)?;
            return renamed(call, &tensor, dims);
        }
        Value::Traced(traced) => traced,
    };
    let old = x.dims();
    if !call.at.batched {
        let dims = target(call, &wanted, &old, zero_copies)?;
        return one(regroup(call, &x, &dims)?);
    }
    let Some((&batch, rest)) = wanted.split_first() else { return Err(call.mixes()) };
    // Zeros copy sizes of the same place, and the batch is the first.
    let rest: Vec<i64> = rest
        .iter()
        .enumerate()
        .map(|(place, &size)| match size {
            0 if zero_copies => old.get(place).map_or(0, |&size| size as i64),
            size => size,
        })
        .collect();
    let is_batch = batch == BATCH
        || batch == 0 && zero_copies
        || batch == -1 && !rest.contains(&-1)
        || Some(batch) == call.at.file_batch.map(|batch| batch as i64);
    let dims = if is_batch {
        target(call, &rest, &old, false).map_err(|_| call.mixes())?
    } else {
        return Err(call.mixes());
    };
    one(regroup(call, &x, &dims)?)
}

fn flatten(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let axis = call.int("axis", 1)?;
    let x = match call.input(0)?.clone() {
        Value::Known(tensor) => {
            let axis = call.any_axis(axis, tensor.dims.len() + 1)?;
            let dims = vec![tensor.dims[..axis].iter().product(), tensor.dims[axis..].iter().product()];
            return renamed(call, &tensor, dims);
        }
        Value::Traced(traced) => traced,
    };
    let rank = call.rank(&x);
    let axis = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let axis = usize::try_from(axis).ok().filter(|&axis| axis <= rank);
    let axis = axis.ok_or_else(|| call.malformed("an axis that the input does not have"))?;
    let dims = x.dims();
    if !call.at.batched {
        let dims = [dims[..axis].iter().product(), dims[axis..].iter().product()];
        return one(regroup(call, &x, &dims)?);
    }
    match axis {
        1 => one(regroup(call, &x, &[dims.iter().product()])?),
        _ if dims[..axis.saturating_sub(1)].iter().all(|&size| size == 1) && axis > 0 => {
            one(regroup(call, &x, &[dims.iter().product()])?)
        }
        _ => Err(call.mixes()),
    }
}

/// Other sizes for the same elements: as a change of lists of axes where axes are only joined, or one is divided.
pub(super) fn regroup(call: &mut Call<'_, '_>, x: &Traced, dims: &[usize]) -> Result<Traced> {
    if tensor::len(dims).is_none() {
        return Err(call.malformed(format!("a result of {} axes, {dims:?}", dims.len())));
    }
    let old = x.dims();
    let physical = x.physical().to_vec();
    // Places of axes after divisions: for each of the symbol's axes the parts that it is divided in.
    let mut parts: Vec<Vec<usize>> = physical.iter().map(|&size| vec![size]).collect();
    // For each new axis, pairs of an old axis of the symbol and the part.
    let mut made: Vec<Vec<(usize, Option<usize>)>> = Vec::new();
    let (mut from, mut to) = (0, 0);
    let mut is_clear = true;
    while to < dims.len() || from < old.len() {
        let (first_old, first_new) = (from, to);
        let (mut left, mut right) = (1, 1);
        if from < old.len() {
            left = old[from];
            from += 1;
        }
        if to < dims.len() {
            right = dims[to];
            to += 1;
        }
        while left != right {
            if left < right && from < old.len() {
                left *= old[from];
                from += 1;
            } else if to < dims.len() {
                right *= dims[to];
                to += 1;
            } else {
                is_clear = false;
                break;
            }
        }
        if !is_clear {
            break;
        }
        let group: Vec<usize> = x.groups[first_old..from].iter().flatten().copied().collect();
        let significant: Vec<usize> = (first_new..to).filter(|&axis| dims[axis] != 1).collect();
        match (&significant[..], &group[..]) {
            ([], _) => made.extend((first_new..to).map(|_| Vec::new())),
            (&[only], _) => made.extend((first_new..to).map(|axis| {
                if axis == only { group.iter().map(|&axis| (axis, None)).collect() } else { Vec::new() }
            })),
            (several, &[axis]) if physical[axis] == dims[first_new..to].iter().product::<usize>() => {
                parts[axis] = several.iter().map(|&axis| dims[axis]).collect();
                made.extend((first_new..to).map(|new| {
                    several
                        .iter()
                        .position(|&other| other == new)
                        .map(|part| (axis, Some(part)))
                        .into_iter()
                        .collect()
                }));
            }
            _ => is_clear = false,
        }
        if !is_clear {
            break;
        }
    }
    if !is_clear {
        let symbol = call.at.canonical(x)?;
        let symbol = call.at.reshaped(&symbol, dims)?;
        return Ok(Traced { not_negative: x.not_negative, ..Traced::plain(symbol, x.element) });
    }
    let starts: Vec<usize> = parts
        .iter()
        .scan(0, |next, parts| {
            let start = *next;
            *next += parts.len();
            Some(start)
        })
        .collect();
    let groups = made
        .iter()
        .map(|pairs| {
            pairs
                .iter()
                .flat_map(|&(axis, part)| match part {
                    Some(part) => vec![starts[axis] + part],
                    None => (starts[axis]..starts[axis] + parts[axis].len()).collect(),
                })
                .collect()
        })
        .collect();
    let divided: Vec<usize> = parts.concat();
    let symbol =
        if divided == physical { x.symbol.clone() } else { call.at.reshaped(&x.symbol, &divided)? };
    Ok(Traced { symbol, groups, ..x.clone() })
}

fn squeeze(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let axes = call.listed_axes()?;
    let drop = |call: &Call<'_, '_>, dims: &[usize], rank: usize, first: usize| -> Result<Vec<bool>> {
        let mut dropped = vec![false; rank];
        match &axes {
            None => (0..rank).for_each(|axis| dropped[axis] = axis >= first && dims[axis - first] == 1),
            Some(axes) => {
                for &axis in axes {
                    let axis = call.any_axis(axis, rank)?;
                    if axis < first {
                        return Err(call.mixes());
                    }
                    if dims[axis - first] != 1 {
                        return Err(
                            call.malformed(format!("axis {axis} has {} elements, not 1", dims[axis - first]))
                        );
                    }
                    dropped[axis] = true;
                }
            }
        }
        Ok(dropped)
    };
    match call.input(0)?.clone() {
        Value::Known(tensor) => {
            let dropped = drop(call, &tensor.dims, tensor.dims.len(), 0)?;
            let dims = tensor
                .dims
                .iter()
                .zip(dropped)
                .filter(|(_, dropped)| !dropped)
                .map(|(&size, _)| size)
                .collect();
            renamed(call, &tensor, dims)
        }
        Value::Traced(x) => {
            let first = call.first();
            let dropped = drop(call, &x.dims(), call.rank(&x), first)?;
            let kept = x.groups.iter().zip(&dropped[first..]).filter(|(_, dropped)| !**dropped);
            one(Traced { groups: kept.map(|(group, _)| group.clone()).collect(), ..x.clone() })
        }
    }
}

fn unsqueeze(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let axes = call.listed_axes()?.ok_or_else(|| call.malformed("it has no axes"))?;
    let old = match call.input(0)? {
        Value::Known(tensor) => tensor.dims.len(),
        Value::Traced(traced) => call.rank(traced),
    };
    let rank = old + axes.len();
    if rank > tensor::MAX_RANK {
        return Err(call.malformed(format!("a result of {rank} axes")));
    }
    let mut added = vec![false; rank];
    for &axis in &axes {
        let axis = call.any_axis(axis, rank)?;
        if std::mem::replace(&mut added[axis], true) {
            return Err(call.malformed(format!("axis {axis} is added twice")));
        }
    }
    match call.input(0)?.clone() {
        Value::Known(tensor) => {
            let mut old = tensor.dims.iter().copied();
            let dims = added.iter().map(|&added| if added { 1 } else { old.next().unwrap_or(1) }).collect();
            renamed(call, &tensor, dims)
        }
        Value::Traced(x) => {
            let first = call.first();
            if added[..first].contains(&true) {
                return Err(call.mixes());
            }
            let mut old = x.groups.iter().cloned();
            let groups = added[first..]
                .iter()
                .map(|&added| if added { Vec::new() } else { old.next().unwrap_or_default() })
                .collect();
            one(Traced { groups, ..x.clone() })
        }
    }
}

fn concat(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let axis = call.some_int("axis")?.unwrap_or(1);
    let values: Vec<Value> = call.inputs.iter().flatten().cloned().collect();
    let known: Vec<Arc<Tensor>> = values
        .iter()
        .filter_map(|value| match value {
            Value::Known(tensor) => Some(Arc::clone(tensor)),
            Value::Traced(_) => None,
        })
        .collect();
    if values.is_empty() {
        return Err(call.malformed("it has no inputs"));
    }
    if known.len() == values.len() {
        let axis = call.any_axis(axis, known[0].dims.len())?;
        let joined = super::fold::concatenate(call, &known, axis)?;
        let joined = joined.ok_or_else(|| call.malformed("inputs that differ in more than the axis"))?;
        return Ok(vec![Value::Known(Arc::new(joined))]);
    }
    let mut traced = Vec::new();
    for value in values {
        match value {
            Value::Traced(value) => traced.push(value),
            Value::Known(tensor) if tensor.is_empty() => {}
            Value::Known(tensor) => traced.push(call.at.trace(&tensor)?),
        }
    }
    let axis = call.axis(axis, &traced[0])?;
    let rank = traced[0].groups.len();
    if traced.iter().any(|value| value.groups.len() != rank) {
        return Err(call.malformed("inputs with different numbers of axes"));
    }
    if traced.len() == 1 {
        return one(traced.remove(0));
    }
    let leader = traced.iter().filter(|value| value.is_simple()).max_by_key(|value| value.physical().len());
    let order = leader.map_or_else(|| (0..rank).collect(), Traced::order);
    let not_negative = traced.iter().all(|value| value.not_negative);
    let arranged: Vec<Traced> =
        traced.iter().map(|value| call.at.arrange(value, &order)).collect::<Result<_>>()?;
    let place = arranged[0].groups[axis][0];
    let symbols: Vec<_> = arranged.iter().map(|value| &value.symbol).collect();
    let symbol = call.layer(Concatenate::new().axis(place as isize + 1), &symbols, Vec::new())?;
    one(Traced { not_negative, ..arranged[0].with(symbol) })
}

fn block(call: &Call<'_, '_>, x: &Traced) -> Result<usize> {
    let block = call.int("blocksize", 0)?;
    let block = usize::try_from(block).ok().filter(|&block| block > 0 && block < 1 << 16);
    if x.groups.len() + call.first() != 4 {
        return Err(call.malformed("an input that is no batch of images"));
    }
    block.ok_or_else(|| call.malformed("a blocksize that is no positive number"))
}

/// Divides axes, brings the parts into another order, and joins them.
fn rearrange(
    call: &mut Call<'_, '_>,
    x: &Traced,
    apart: &[usize],
    order: &[usize],
    joined: &[usize],
) -> Result<Vec<Value>> {
    let apart = regroup(call, x, apart)?;
    let moved = Traced { groups: order.iter().map(|&axis| apart.groups[axis].clone()).collect(), ..apart };
    one(regroup(call, &moved, joined)?)
}

fn depth_to_space(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let b = block(call, &x)?;
    let all = x.dims();
    let dims = &all[1 - call.first()..];
    let (outer, [c, h, w]) = (all[..1 - call.first()].to_vec(), [dims[0], dims[1], dims[2]]);
    if !c.is_multiple_of(b * b) {
        return Err(call.malformed(format!("{c} channels do not divide into blocks of {b}")));
    }
    let depth = c / (b * b);
    let (apart, order) = match call.string("mode", "DCR")? {
        "DCR" => ([b, b, depth, h, w], [2, 3, 0, 4, 1]),
        "CRD" => ([depth, b, b, h, w], [0, 3, 1, 4, 2]),
        other => return Err(call.malformed(format!("mode {other}"))),
    };
    let n = outer.len();
    let order: Vec<usize> = (0..n).chain(order.map(|axis| axis + n)).collect();
    let joined = [&outer[..], &[depth, h * b, w * b]].concat();
    rearrange(call, &x, &[&outer[..], &apart].concat(), &order, &joined)
}

fn space_to_depth(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let b = block(call, &x)?;
    let all = x.dims();
    let dims = &all[1 - call.first()..];
    let (outer, [c, h, w]) = (all[..1 - call.first()].to_vec(), [dims[0], dims[1], dims[2]]);
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return Err(call.malformed(format!("{h}×{w} do not divide into blocks of {b}")));
    }
    let n = outer.len();
    let order: Vec<usize> = (0..n).chain([2, 4, 0, 1, 3].map(|axis| axis + n)).collect();
    let joined = [&outer[..], &[c * b * b, h / b, w / b]].concat();
    rearrange(call, &x, &[&outer[..], &[c, h / b, b, w / b, b]].concat(), &order, &joined)
}

/// Repeats a value to sizes.
pub(super) fn expand(call: &mut Call<'_, '_>, x: &Traced, dims: &[usize]) -> Result<Traced> {
    let x = if x.is_simple()
        && x.groups.iter().all(|group| group.len() == 1)
        && x.groups.len() == x.physical().len()
    {
        x.clone()
    } else {
        let order: Vec<usize> = (0..x.groups.len()).collect();
        call.at.arrange(x, &order)?
    };
    let order = x.order();
    let wanted: Vec<usize> = order.iter().map(|&axis| dims[axis]).collect();
    if wanted == x.physical() {
        return Ok(x);
    }
    let symbol =
        call.layer(Operation::new(layers::Operator::Expand { dims: wanted }), &[&x.symbol], Vec::new())?;
    Ok(Traced { not_negative: x.not_negative, ..x.with(symbol) })
}
