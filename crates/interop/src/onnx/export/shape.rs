//! Sizes, orders and parts of values, reductions, and products of matrices.

use std::any::Any;

use convnet_nn::engine::Shape;
use convnet_nn::engine::op::Op;
use convnet_nn::engine::ops::{
    Blend, ChannelMaxPool, Concatenate, Crop, Expand, ExtremePlace, Fill, MatMul, Pad, Permute, Reduce,
    ReduceFunction, Reshape, Slice,
};

use super::{At, Attribute, Exporter, Order};
use crate::Result;

pub(super) fn export(at: &mut Exporter<'_>, op: &dyn Op, node: &At<'_>) -> Result<bool> {
    let any = op as &dyn Any;
    let y = node.outputs[0];
    let order = node.inputs.first().map_or(Order::Model, |&x| at.order_of(x));
    if any.is::<Reshape>() {
        // Weights under another shape are written by those who read them.
        if at.variable(node.inputs[0]).is_some() && !at.shape(node.inputs[0]).batched {
            let (name, _, values) = at.variable(node.inputs[0]).expect("just found");
            let dims = at.shape(y).dims;
            let name = at.variable_as(&format!("{name}_reshaped"), &dims, &values);
            at.output(y, Order::Model, name);
            return Ok(true);
        }
        let x = at.input(node.inputs[0], Order::Model)?;
        let dims = at.reshape_to(&at.shape(y));
        let name = at.node("Reshape", &[&x, &dims], Vec::new());
        at.output(y, Order::Model, name);
    } else if let Some(Permute { axes }) = any.downcast_ref::<Permute>() {
        let x = at.input(node.inputs[0], Order::Model)?;
        let first = usize::from(at.shape(y).batched);
        let axes = (0..first).chain(axes.iter().map(|axis| axis + first)).map(|axis| axis as i64);
        let name = at.node("Transpose", &[&x], vec![Attribute::ints("perm", axes)]);
        at.output(y, Order::Model, name);
    } else if let Some(&Concatenate { axis }) = any.downcast_ref::<Concatenate>() {
        let axis = at.axis(y, axis, order);
        let inputs = node.inputs.iter().map(|&x| at.input(x, order)).collect::<Result<Vec<_>>>()?;
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let name = at.node("Concat", &inputs, vec![Attribute::int("axis", axis)]);
        at.output(y, order, name);
    } else if let Some(&Slice { axis, start, size }) = any.downcast_ref::<Slice>() {
        let axis = at.axis(y, axis, order);
        slice(at, node, order, &[(axis, start, start + size)])?;
    } else if let Some(Crop { border }) = any.downcast_ref::<Crop>() {
        let dims = at.shape(node.inputs[0]).dims;
        let parts: Vec<(i64, usize, usize)> = (border.iter().enumerate())
            .map(|(axis, &(before, after))| (at.axis(y, axis, order), before, dims[axis] - after))
            .collect();
        slice(at, node, order, &parts)?;
    } else if let Some(op) = any.downcast_ref::<Pad>() {
        pad(at, op, node, order)?;
    } else if let Some(op) = any.downcast_ref::<Reduce>() {
        reduce(at, op, node, order)?;
    } else if let Some(Expand { shape, shared: false }) = any.downcast_ref::<Expand>() {
        expand(at, shape, node)?;
    } else if let Some(Blend { axis, taps }) = any.downcast_ref::<Blend>() {
        let picks: Option<Vec<i64>> = (0..taps.output())
            .map(|place| match taps.of(place) {
                &[(index, 1.0)] => Some(index as i64),
                _ => None,
            })
            .collect();
        match picks {
            Some(picks) => {
                let (axis, picks) = (at.axis(y, *axis, order), at.integers(&picks));
                let x = at.input(node.inputs[0], order)?;
                let name = at.node("Gather", &[&x, &picks], vec![Attribute::int("axis", axis)]);
                at.output(y, order, name);
            }
            None => blend(at, *axis, taps, node)?,
        }
    } else if any.is::<MatMul>() {
        let (a, b) = (at.input(node.inputs[0], Order::Model)?, at.input(node.inputs[1], Order::Model)?);
        let name = at.node("MatMul", &[&a, &b], Vec::new());
        at.output(y, Order::Model, name);
    } else if let Some(ExtremePlace { axis, extreme }) = any.downcast_ref::<ExtremePlace>() {
        let axis = at.axis(y, *axis, order);
        let x = at.input(node.inputs[0], order)?;
        let operator = if extreme.smallest { "ArgMin" } else { "ArgMax" };
        let attributes =
            vec![Attribute::int("axis", axis), Attribute::int("select_last_index", i64::from(extreme.last))];
        let place = at.node(operator, &[&x], attributes);
        let name = at.node("Cast", &[&place], vec![Attribute::int("to", 1)]);
        at.output(y, order, name);
    } else if let Some(&ChannelMaxPool { window }) = any.downcast_ref::<ChannelMaxPool>() {
        let x = at.input(node.inputs[0], Order::Model)?;
        let mut apart = at.shape(y);
        apart.dims.push(window);
        let dims = at.reshape_to(&apart);
        let parts = at.node("Reshape", &[&x, &dims], Vec::new());
        let attributes = vec![Attribute::ints("axes", [-1]), Attribute::int("keepdims", 0)];
        let name = at.node("ReduceMax", &[&parts], attributes);
        at.output(y, Order::Model, name);
    } else if let Some(Fill { value, shape }) = any.downcast_ref::<Fill>() {
        let name = at.filled(*value, shape)?;
        at.output(y, Order::Model, name);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Parts of axes (axis in the file, start, end).
fn slice(at: &mut Exporter<'_>, node: &At<'_>, order: Order, parts: &[(i64, usize, usize)]) -> Result<()> {
    let x = at.input(node.inputs[0], order)?;
    let list = |pick: fn(&(i64, usize, usize)) -> i64| parts.iter().map(pick).collect::<Vec<i64>>();
    let starts = at.integers(&list(|part| part.1 as i64));
    let ends = at.integers(&list(|part| part.2 as i64));
    let axes = at.integers(&list(|part| part.0));
    let name = at.node("Slice", &[&x, &starts, &ends, &axes], Vec::new());
    at.output(node.outputs[0], order, name);
    Ok(())
}

fn pad(at: &mut Exporter<'_>, op: &Pad, node: &At<'_>, order: Order) -> Result<()> {
    let (x, y) = (node.inputs[0], node.outputs[0]);
    let shape = at.shape(y);
    let rank = shape.dims.len() + usize::from(shape.batched);
    let mut pads = vec![0_i64; 2 * rank];
    for (axis, &(before, after)) in op.border.iter().enumerate() {
        let axis = at.axis(y, axis, order) as usize;
        (pads[axis], pads[rank + axis]) = (before as i64, after as i64);
    }
    let x = at.input(x, order)?;
    let (pads, value) = (at.integers(&pads), at.number(op.value));
    let name = at.node("Pad", &[&x, &pads, &value], Vec::new());
    at.output(y, order, name);
    Ok(())
}

fn reduce(at: &mut Exporter<'_>, op: &Reduce, node: &At<'_>, order: Order) -> Result<()> {
    let (x, y) = (node.inputs[0], node.outputs[0]);
    if op.batch {
        return Err(at.refuse("a reduction over the batch"));
    }
    let rank = at.shape(x).dims.len();
    // What is left without the axes has its own order: channels first means something only if nothing goes.
    let keeps_order = op.keep_dims || op.axes.len() + 1 == rank && !op.axes.contains(&(rank - 1));
    let order = if keeps_order { order } else { Order::Model };
    let axes: Vec<i64> = op.axes.iter().map(|&axis| at.axis(x, axis, order)).collect();
    let name = at.input(x, order)?;
    let keep = Attribute::int("keepdims", i64::from(op.keep_dims));
    let operator = match op.function {
        ReduceFunction::Sum => {
            let axes = at.integers(&axes);
            let name = at.node("ReduceSum", &[&name, &axes], vec![keep]);
            at.output(y, if op.keep_dims { order } else { Order::Model }, name);
            return Ok(());
        }
        ReduceFunction::Mean => "ReduceMean",
        ReduceFunction::Max => "ReduceMax",
        ReduceFunction::Min => "ReduceMin",
        ReduceFunction::Product => "ReduceProd",
    };
    let name = at.node(operator, &[&name], vec![Attribute::ints("axes", axes), keep]);
    at.output(y, if op.keep_dims { order } else { Order::Model }, name);
    Ok(())
}

/// Repetition along axes; the batch, where it is added, is taken from the first input of the graph.
fn expand(at: &mut Exporter<'_>, shape: &Shape, node: &At<'_>) -> Result<()> {
    let from = at.shape(node.inputs[0]);
    let x = at.input(node.inputs[0], Order::Model)?;
    let mut sizes: Vec<i64> = shape.dims.iter().map(|&size| size as i64).collect();
    let name = if shape.batched && !from.batched {
        at.repeated(&x, &shape.dims)?
    } else {
        sizes.splice(0..0, shape.batched.then_some(1));
        let sizes = at.integers(&sizes);
        at.node("Expand", &[&x, &sizes], Vec::new())
    };
    at.output(node.outputs[0], Order::Model, name);
    Ok(())
}

/// Weighted sums along an axis: a product with a matrix.
fn blend(
    at: &mut Exporter<'_>,
    axis: usize,
    taps: &convnet_nn::engine::ops::Taps,
    node: &At<'_>,
) -> Result<()> {
    let (x, y) = (node.inputs[0], node.outputs[0]);
    let shape = at.shape(x);
    let (inputs, outputs) = (taps.input(), taps.output());
    let mut matrix = vec![0.0; inputs * outputs];
    for place in 0..outputs {
        for &(index, weight) in taps.of(place) {
            matrix[index * outputs + place] += weight;
        }
    }
    let matrix = at.floats(&[inputs, outputs], &matrix);
    let first = usize::from(shape.batched);
    let rank = shape.dims.len() + first;
    let mut axes: Vec<i64> = (0..rank as i64).collect();
    axes.swap(axis + first, rank - 1);
    let x = at.input(x, Order::Model)?;
    let moved = at.node("Transpose", &[&x], vec![Attribute::ints("perm", axes.clone())]);
    let product = at.node("MatMul", &[&moved, &matrix], Vec::new());
    let name = at.node("Transpose", &[&product], vec![Attribute::ints("perm", axes)]);
    at.output(y, Order::Model, name);
    Ok(())
}
