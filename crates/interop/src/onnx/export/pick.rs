//! Elements by their places: lookups, elements along axes and where they stand, values taken apart.

use std::any::Any;

use convnet_nn::engine::op::Op;
use convnet_nn::engine::ops::{Gather, PickAlong, PlaceAlong, Sparsemax, Unstack, WinnerPlaces};

use super::{At, Attribute, Exporter, Order};
use crate::Result;

/// Numbers of ONNX's kinds of elements.
const FLOAT: i64 = 1;
const INT64: i64 = 7;

pub(super) fn export(at: &mut Exporter<'_>, op: &dyn Op, node: &At<'_>) -> Result<bool> {
    let any = op as &dyn Any;
    let y = node.outputs[0];
    if any.is::<Gather>() {
        let (x, table) = (at.input(node.inputs[0], Order::Model)?, at.input(node.inputs[1], Order::Model)?);
        let rows = cast(at, &x, INT64);
        let name = at.node("Gather", &[&table, &rows], vec![Attribute::int("axis", 0)]);
        at.output(y, Order::Model, name);
    } else if let Some(&PickAlong { axis }) = any.downcast_ref::<PickAlong>() {
        let axis = at.axis(y, axis, Order::Model);
        let (x, places) = (at.input(node.inputs[0], Order::Model)?, at.input(node.inputs[1], Order::Model)?);
        let places = cast(at, &places, INT64);
        let name = at.node("GatherElements", &[&x, &places], vec![Attribute::int("axis", axis)]);
        at.output(y, Order::Model, name);
    } else if let Some(op) = any.downcast_ref::<PlaceAlong>() {
        place(at, op, node)?;
    } else if let Some(op) = any.downcast_ref::<WinnerPlaces>() {
        winners(at, op, node)?;
    } else if let Some(&Unstack { axis }) = any.downcast_ref::<Unstack>() {
        let axis = at.axis(node.inputs[0], axis, Order::Model);
        let x = at.input(node.inputs[0], Order::Model)?;
        for (place, &y) in node.outputs.iter().enumerate() {
            let place = at.integer(place as i64);
            let name = at.node("Gather", &[&x, &place], vec![Attribute::int("axis", axis)]);
            at.output(y, Order::Model, name);
        }
    } else if any.is::<Sparsemax>() {
        sparsemax(at, node)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn cast(at: &mut Exporter<'_>, x: &str, to: i64) -> String {
    at.node("Cast", &[x], vec![Attribute::int("to", to)])
}

fn place(at: &mut Exporter<'_>, op: &PlaceAlong, node: &At<'_>) -> Result<()> {
    let y = node.outputs[0];
    let shape = at.shape(y);
    let zeros = at.filled(0.0, &shape)?;
    let axis = at.axis(y, op.axis, Order::Model);
    let (x, places) = (at.input(node.inputs[0], Order::Model)?, at.input(node.inputs[1], Order::Model)?);
    let places = cast(at, &places, INT64);
    let reduction = if op.sums { "add" } else { "none" };
    let attributes = vec![Attribute::int("axis", axis), Attribute::text("reduction", reduction)];
    let name = at.node("ScatterElements", &[&zeros, &places, &x], attributes);
    at.output(y, Order::Model, name);
    Ok(())
}

/// The places are a second output of the pool, where they count what lies before the channel too.
fn winners(at: &mut Exporter<'_>, op: &WinnerPlaces, node: &At<'_>) -> Result<()> {
    let pool = at.graph.producer(node.inputs[0]).map(|pool| pool.inputs[0]);
    let x = pool.ok_or_else(|| at.refuse("places of winners without their pool"))?;
    let spatial = op.input.dims[..op.pool.window.len()].to_vec();
    let attributes = super::window::windows(at, &op.pool.sliding, &spatial, &op.pool.window)?;
    let x = at.input(x, Order::ChannelsFirst)?;
    let places = at.second("MaxPool", &[&x], attributes);
    let count = at.integer(spatial.iter().product::<usize>() as i64);
    let within = at.node("Mod", &[&places, &count], Vec::new());
    let name = cast(at, &within, FLOAT);
    at.output(node.outputs[0], Order::ChannelsFirst, name);
    Ok(())
}

/// The largest elements stay, as many as stay above zero when what they have over a sum of 1 is taken off them in equal parts.
fn sparsemax(at: &mut Exporter<'_>, node: &At<'_>) -> Result<()> {
    let count = at.shape(node.inputs[0]).channels();
    let x = at.input(node.inputs[0], Order::Model)?;
    let all = at.integers(&[count as i64]);
    let sorted = at.node("TopK", &[&x, &all], vec![Attribute::int("axis", -1)]);
    let axis = at.integer(-1);
    let sums = at.node("CumSum", &[&sorted, &axis], Vec::new());
    let ranks: Vec<f32> = (1..=count).map(|rank| rank as f32).collect();
    let (ranks, one) = (at.floats(&[count], &ranks), at.number(1.0));
    let scaled = at.node("Mul", &[&sorted, &ranks], Vec::new());
    let bound = at.node("Sub", &[&sums, &one], Vec::new());
    let stays = at.node("Greater", &[&scaled, &bound], Vec::new());
    let stays = cast(at, &stays, FLOAT);
    let last = at.integers(&[-1]);
    let support = at.node("ReduceSum", &[&stays, &last], Vec::new());
    let kept = at.node("Mul", &[&sorted, &stays], Vec::new());
    let total = at.node("ReduceSum", &[&kept, &last], Vec::new());
    let over = at.node("Sub", &[&total, &one], Vec::new());
    let part = at.node("Div", &[&over, &support], Vec::new());
    let less = at.node("Sub", &[&x, &part], Vec::new());
    let name = at.node("Relu", &[&less], Vec::new());
    at.output(node.outputs[0], Order::Model, name);
    Ok(())
}
