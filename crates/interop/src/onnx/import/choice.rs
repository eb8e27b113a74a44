//! Elements that are chosen: by a list of truth values, by their rank.

use std::sync::Arc;

use convnet_nn::Symbol;
use convnet_nn::layers::{self, Concatenate, Operation};

use super::align::number;
use super::along::pick;
use super::elementwise::pair;
use super::pick::{listed, take};
use super::shape::regroup;
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{Element, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "Compress", import: compress },
    Operator { name: "If", import: branch },
    Operator { name: "TopK", import: top },
];

/// Each of the largest elements takes an operation of its own; more than so many are refused.
const MOST: usize = 128;

/// One of two graphs, by a condition that is known while the file is read, such as one on sizes.
fn branch(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let holds = match &call.integers(0)?[..] {
        &[holds] => holds != 0,
        several => return Err(call.malformed(format!("{} conditions", several.len()))),
    };
    let name = if holds { "then_branch" } else { "else_branch" };
    let graph = call.node.attribute.iter().find(|attribute| attribute.name == name);
    let graph = graph.and_then(|attribute| attribute.g.as_ref());
    let graph = graph.ok_or_else(|| call.malformed(format!("it has no {name}")))?;
    let mut outputs = Vec::new();
    for ((inner, value), outer) in call.at.add_inner(graph)?.into_iter().zip(&call.node.output) {
        if let Some(&place) = call.at.places.get(inner) {
            call.at.places.insert(outer.clone(), place);
        }
        outputs.push(value);
    }
    Ok(outputs)
}

fn compress(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let mut x = call.traced(0)?;
    let chosen = call.constant(1)?;
    call.at.spend_on(&chosen.dims, Element::Integer)?;
    let chosen = chosen.to_integers();
    let axis = match call.some_int("axis")? {
        Some(axis) => call.axis(axis, &x)?,
        // Of all elements in a row.
        None if call.at.batched => return Err(call.mixes()),
        None => {
            x = regroup(call, &x, &[x.dims().iter().product()])?;
            0
        }
    };
    if chosen.len() > x.dims()[axis] {
        return Err(call.malformed(format!("{} choices for an axis of {}", chosen.len(), x.dims()[axis])));
    }
    let places = listed(call, (0..chosen.len()).filter(|&place| chosen[place] != 0))?;
    Ok(vec![Value::Traced(take(call, &x, axis, places)?)])
}

/// The largest elements of an axis, one after the other, and their places: what was found is put out of the way of the next.
fn top(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let axis = call.axis(call.int("axis", -1)?, &x)?;
    let size = x.dims()[axis];
    let count = match call.some_int("k")? {
        Some(count) => Some(count),
        None => call.integers(1)?.first().copied(),
    };
    let count =
        count.and_then(|count| usize::try_from(count).ok()).filter(|count| (1..=size).contains(count));
    let count = count.ok_or_else(|| {
        call.malformed(format!("a number of elements that an axis of {size} does not have"))
    })?;
    if count > MOST {
        return Err(call.unsupported(format!("the first {count} elements by size; {MOST} at most")));
    }
    // The places of an axis, and layers for each rank.
    call.at.spend_on(&[size], Element::Integer)?;
    call.at.spend(count << 14)?;
    let smallest = call.int("largest", 1)? == 0;
    let away = if smallest { f32::INFINITY } else { f32::NEG_INFINITY };
    let x = Traced::plain(call.at.canonical(&x)?, x.element);
    let mut dims = vec![1; call.first() + x.dims().len()];
    dims[call.first() + axis] = size;
    let all = Arc::new(Tensor::integers(dims, (0..size as i64).collect()));
    let (mut rest, mut elements, mut places) = (x.clone(), Vec::new(), Vec::new());
    for rank in 0..count {
        let first = layers::Operator::ExtremePlace { axis, smallest, last: false };
        let place = call.layer(Operation::new(first), &[&rest.symbol], Vec::new())?;
        let place = Traced::plain(place, Element::Float);
        elements.push(pick(call, &x, &place, axis)?.symbol);
        if rank + 1 < count {
            let found = pair(call, "equal", &[Value::Traced(place.clone()), Value::Known(Arc::clone(&all))])?;
            let values = [Value::Traced(found), number(away), Value::Traced(rest)];
            rest = call.matched(layers::Operator::Select {}, &values, Element::Float)?;
            rest = Traced::plain(call.at.canonical(&rest)?, Element::Float);
        }
        places.push(place.symbol);
    }
    let mut join = |parts: &[Symbol], element: Element| -> Result<Value> {
        let parts: Vec<&Symbol> = parts.iter().collect();
        let symbol = match parts[..] {
            [only] => only.clone(),
            _ => call.layer(Concatenate::new().axis(axis as isize + 1), &parts, Vec::new())?,
        };
        Ok(Value::Traced(Traced::plain(symbol, element)))
    };
    Ok(vec![join(&elements, x.element)?, join(&places, Element::Integer)?])
}
