//! Masks of time steps where a layer has several inputs, each of which may have one.

use convnet_engine::ops::{self, Binary, BinaryFunction, Fill, Reshape};
use convnet_engine::{EngineError, Graph, Shape, Value};

use super::operation::Operator;
use crate::layer::LayerContext;

/// Steps that count in any input; none if all steps of an input count.
pub(super) fn any(graph: &mut Graph, masks: &[Option<Value>]) -> Result<Option<Value>, EngineError> {
    let Some(masks) = masks.iter().copied().collect::<Option<Vec<Value>>>() else { return Ok(None) };
    let Some((&first, rest)) = masks.split_first() else { return Ok(None) };
    let either = |mask, &other| graph.apply(Binary(BinaryFunction::Maximum), &[mask, other]);
    rest.iter().try_fold(first, either).map(Some)
}

/// The mask of inputs that are joined along an axis (0 being the first after the batch).
pub(super) fn joined(
    graph: &mut Graph,
    masks: &[Option<Value>],
    inputs: &[Value],
    axis: usize,
) -> Result<Option<Value>, EngineError> {
    let Some(known) = masks.iter().copied().flatten().next() else { return Ok(None) };
    let axes = graph.shape(known).dims.len();
    if axis >= axes {
        return any(graph, masks);
    }
    let mut parts = Vec::new();
    for (&mask, &input) in masks.iter().zip(inputs) {
        let dims: Vec<usize> = graph.shape(input).dims.iter().take(axes).copied().collect();
        let shape = Shape::batched(dims);
        parts.push(match mask {
            Some(mask) => mask,
            None => graph.apply(Fill { value: 1.0, shape }, &[])?,
        });
    }
    graph.apply(ops::Concatenate { axis }, &parts).map(Some)
}

/// The mask with as many axes as a value whose steps it is of, each that it lacks with one element.
pub(super) fn beside(graph: &mut Graph, mask: Value, x: Value) -> Result<Value, EngineError> {
    let mut dims = graph.shape(mask).dims.clone();
    dims.resize(graph.shape(x).dims.len().max(dims.len()), 1);
    graph.apply(Reshape { dims }, &[mask])
}

/// `x` where the steps count, `other` elsewhere.
pub(super) fn select(
    at: &mut LayerContext<'_>,
    mask: Value,
    x: Value,
    other: Value,
) -> Result<Value, EngineError> {
    let mask = beside(at.graph, mask, x)?;
    Operator::Select {}.apply(at, &[mask, x, other])
}
