//! How many calls of layers a model may make. Models in layers' places multiply: one that calls another twice, which calls a third one twice, and so
//! on, asks in a page of configuration for more calls than any machine can make.

use std::cell::Cell;

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Graph, Shape};

/// Calls of layers that a model may make, those inside of other models counted at each call of these. Networks make some thousands.
pub(super) const MAX_CALLS: usize = 1 << 18;

/// Places in lists that a model may have, each operation of the engine being [`PLACES_OF_OPERATION`]. A network has some thousand operations; layers
/// that take a sequence step by step have a dozen a step.
pub(super) const MAX_OPERATIONS: usize = 1 << 23;

/// Places in lists that may be made while a model is put together: a model in a layer's place is paid for when it is made, and again in each model
/// around it, though only the outermost is a graph in the end.
const MAX_WORK: usize = 4 * MAX_OPERATIONS;

/// An operation, with its values and its call in a plan, takes a thousand bytes, where a place in a list takes some.
const PLACES_OF_OPERATION: usize = 8;

/// Axes of a value that are counted with the operation that makes it.
const FREE_AXES: usize = 8;

thread_local! {
    /// Calls that this thread may still make. Layers around models call these by [`Layer::call`](crate::layer::Layer::call), which has no place for it.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Operations that this thread may still make.
    static OPERATIONS: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// While it lives, the thread makes no more than [`MAX_CALLS`] calls and [`MAX_WORK`], those by which shapes are found included.
pub(super) struct Budget {
    before: [usize; 2],
}

impl Budget {
    pub(super) fn start() -> Self {
        Self { before: [LEFT.replace(MAX_CALLS), OPERATIONS.replace(MAX_WORK)] }
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        LEFT.set(self.before[0]);
        OPERATIONS.set(self.before[1]);
    }
}

/// Calls that the thread may still make.
pub(super) fn left() -> usize {
    LEFT.get()
}

/// Operations that the thread may still make, in places.
pub(super) fn operations_left() -> usize {
    OPERATIONS.get()
}

/// Counts calls that a layer makes.
pub(super) fn spend(calls: usize, layer: &str, op: &'static str) -> Result<(), EngineError> {
    let Some(left) = LEFT.get().checked_sub(calls) else {
        let mismatch = Mismatch::new(format!("at most {MAX_CALLS} calls of layers in a model"), "more");
        return Err(EngineError::Shape { layer: layer.to_owned(), op, mismatch });
    };
    LEFT.set(left);
    Ok(())
}

/// Counts the operations of a graph.
pub(super) fn spend_nodes(graph: &Graph, layer: &str, op: &'static str) -> Result<(), EngineError> {
    let places = graph.nodes().iter().map(|node| {
        let axes = node.outputs.iter().map(|&output| graph.shape(output).dims.len());
        let lists = node.inputs.len().max(node.outputs.len()).max(PLACES_OF_OPERATION);
        lists + axes.map(|axes| axes.saturating_sub(FREE_AXES)).sum::<usize>()
    });
    spend_operations(places.sum(), layer, op)
}

/// Places that a shape takes which a model keeps.
pub(super) fn places_of(shape: &Shape) -> usize {
    1 + shape.dims.len()
}

/// Counts places in a layer's lists.
pub(crate) fn spend_operations(count: usize, layer: &str, op: &'static str) -> Result<(), EngineError> {
    let Some(left) = OPERATIONS.get().checked_sub(count) else {
        let expected = format!(
            "at most {} operations, or {MAX_WORK} places in lists, in a model and those in it",
            MAX_WORK / PLACES_OF_OPERATION
        );
        return Err(EngineError::Shape {
            layer: layer.to_owned(),
            op,
            mismatch: Mismatch::new(expected, "more"),
        });
    };
    OPERATIONS.set(left);
    Ok(())
}
