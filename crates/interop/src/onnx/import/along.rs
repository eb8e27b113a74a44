//! Elements picked from places, and put to places, that a value has for each of them.

use convnet_nn::layers::{self, Operation};

use super::align::{element, number};
use super::call::one;
use super::elementwise::pair;
use super::pick::{border, take};
use super::shape::{expand, regroup};
use super::{Call, Operator, Traced, Value};
use crate::Result;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "GatherElements", import: gather_elements },
    Operator { name: "GatherND", import: gather_slices },
    Operator { name: "Scatter", import: scatter_elements },
    Operator { name: "ScatterElements", import: scatter_elements },
    Operator { name: "ScatterND", import: scatter_slices },
];

/// Places that count from the end as such from the front.
pub(super) fn from_front(call: &mut Call<'_, '_>, places: Traced, size: usize) -> Result<Traced> {
    pair(call, "modulo", &[Value::Traced(places), number(size as f32)])
}

/// The elements of x that stand at places along an axis; both have their axes in the file's order.
pub(super) fn pick(call: &mut Call<'_, '_>, x: &Traced, places: &Traced, axis: usize) -> Result<Traced> {
    let inputs = [call.at.canonical(x)?, call.at.canonical(places)?];
    let layer = Operation::new(layers::Operator::PickAlong { axis });
    let symbol = call.layer(layer, &[&inputs[0], &inputs[1]], Vec::new())?;
    Ok(Traced::plain(symbol, x.element))
}

fn gather_elements(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (mut x, places) = (call.traced(0)?, call.traced(1)?);
    let axis = call.axis(call.int("axis", 0)?, &x)?;
    let (dims, wanted) = (x.dims(), places.dims());
    if dims.len() != wanted.len() {
        return Err(call.malformed(format!("places {wanted:?} in {dims:?}")));
    }
    for (other, (&size, &wanted)) in dims.iter().zip(&wanted).enumerate() {
        if other != axis && wanted > size {
            return Err(call.malformed(format!("{wanted} places along an axis of {size}")));
        }
        if other != axis {
            x = take(call, &x, other, 0..wanted)?;
        }
    }
    let places = from_front(call, places, dims[axis])?;
    one(pick(call, &x, &places, axis)?)
}

/// What `reduction` says is done with an element that is there already: it is replaced, or else added to.
fn adds(call: &Call<'_, '_>) -> Result<bool> {
    match call.string("reduction", "none")? {
        "none" => Ok(false),
        "add" => Ok(true),
        other => Err(call.unsupported(format!("reduction {other}"))),
    }
}

/// x with elements put to places along an axis. Elements and places have the sizes of x but along that axis, or less at the ends.
fn put(
    call: &mut Call<'_, '_>,
    x: &Traced,
    elements: &Traced,
    places: &Traced,
    axis: usize,
    sums: bool,
) -> Result<Traced> {
    let (dims, given) = (x.dims(), elements.dims());
    if given != places.dims() || given.len() != dims.len() {
        return Err(call.malformed(format!("elements {given:?} for places {:?} in {dims:?}", places.dims())));
    }
    let size = dims[axis];
    let mut sides = vec![(0, 0); dims.len()];
    for (other, side) in sides.iter_mut().enumerate().filter(|(other, _)| *other != axis) {
        let more = dims[other].checked_sub(given[other]);
        side.1 = more.ok_or_else(|| call.malformed(format!("elements {given:?} in {dims:?}")))?;
    }
    let places = from_front(call, places.clone(), size)?;
    let places = call.at.canonical(&places)?;
    let placed = |call: &mut Call<'_, '_>, elements: &Traced| -> Result<Value> {
        let elements = call.at.canonical(elements)?;
        let layer = Operation::new(layers::Operator::PlaceAlong { axis, size, sums });
        let symbol = call.layer(layer, &[&elements, &places], Vec::new())?;
        Ok(Value::Traced(border(call, &Traced::plain(symbol, x.element), &sides, Some(0.0))?))
    };
    let there = placed(call, elements)?;
    if sums {
        return pair(call, "add", &[Value::Traced(x.clone()), there]);
    }
    let ones = layers::Operator::Activation { function: "ramp".into(), arguments: vec![0.0, 1.0, 0.0, 1.0] };
    let ones = call.at.map(elements, Operation::new(ones))?;
    let is_there = placed(call, &ones)?;
    let values = [is_there, there, Value::Traced(x.clone())];
    let element = element(&values[1..]);
    call.matched(layers::Operator::Select {}, &values, element)
}

fn scatter_elements(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (x, places, elements) = (call.traced(0)?, call.traced(1)?, call.traced(2)?);
    let sums = adds(call)?;
    let axis = call.axis(call.int("axis", 0)?, &x)?;
    one(put(call, &x, &elements, &places, axis, sums)?)
}

/// Places in the first axes of a value, one number for each axis in the last axis of `places`: as numbers of rows, of which there is
/// then one axis. Returns them with one element in an axis behind, their sizes, and the number of axes that they name.
fn rows(call: &mut Call<'_, '_>, dims: &[usize], places: Traced) -> Result<(Traced, Vec<usize>, usize)> {
    if call.at.batched {
        // The first number of each place would be that of a sample.
        return Err(call.mixes());
    }
    let mut outer = places.dims();
    let axes = outer.pop().filter(|&axes| (1..=dims.len()).contains(&axes));
    let axes = axes.ok_or_else(|| call.malformed(format!("places {:?} in {dims:?}", places.dims())))?;
    let mut numbers: Option<Traced> = None;
    for (axis, &size) in dims[..axes].iter().enumerate() {
        let part = take(call, &places, outer.len(), axis..axis + 1)?;
        let part = from_front(call, part, size)?;
        numbers = Some(match numbers {
            None => part,
            Some(before) => {
                let before = pair(call, "multiply", &[Value::Traced(before), number(size as f32)])?;
                pair(call, "add", &[Value::Traced(before), Value::Traced(part)])?
            }
        });
    }
    let numbers = numbers.ok_or_else(|| call.malformed("places without axes"))?;
    let count = outer.iter().product();
    Ok((regroup(call, &numbers, &[count, 1])?, outer, axes))
}

fn gather_slices(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (x, places) = (call.traced(0)?, call.traced(1)?);
    if call.int("batch_dims", 0)? != 0 {
        return Err(call.unsupported("batch_dims"));
    }
    let dims = x.dims();
    let (numbers, mut sizes, axes) = rows(call, &dims, places)?;
    let (count, width) = (numbers.dims()[0], dims[axes..].iter().product());
    let x = regroup(call, &x, &[dims[..axes].iter().product(), width])?;
    let numbers = expand(call, &numbers, &[count, width])?;
    let y = pick(call, &x, &numbers, 0)?;
    sizes.extend(&dims[axes..]);
    one(regroup(call, &y, &sizes)?)
}

fn scatter_slices(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (x, places, elements) = (call.traced(0)?, call.traced(1)?, call.traced(2)?);
    let sums = adds(call)?;
    let dims = x.dims();
    let (numbers, mut sizes, axes) = rows(call, &dims, places)?;
    sizes.extend(&dims[axes..]);
    if elements.dims() != sizes {
        return Err(call.malformed(format!("elements {:?}, not {sizes:?}", elements.dims())));
    }
    let (count, width) = (numbers.dims()[0], dims[axes..].iter().product());
    let numbers = expand(call, &numbers, &[count, width])?;
    let flat = regroup(call, &x, &[dims[..axes].iter().product(), width])?;
    let elements = regroup(call, &elements, &[count, width])?;
    let y = put(call, &flat, &elements, &numbers, 0, sums)?;
    one(regroup(call, &y, &dims)?)
}
