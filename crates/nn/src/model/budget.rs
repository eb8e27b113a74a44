//! How many calls of layers a model may make. Models in layers' places multiply: one that calls another twice, which calls a third one twice, and so
//! on, asks in a page of configuration for more calls than any machine can make.

use std::cell::Cell;

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Graph};

/// Calls of layers that a model may make, those inside of other models counted at each call of these. Networks make some thousands.
pub(super) const MAX_CALLS: usize = 1 << 18;

/// Places in lists that layers may make while a model is put together, each operation of the engine being [`PLACES_OF_OPERATION`]. A network has some
/// thousand operations; layers that take a sequence step by step have a dozen a step.
pub(super) const MAX_OPERATIONS: usize = 1 << 23;

/// An operation, with its values and its call in a plan, takes a thousand bytes, where a place in a list takes some.
const PLACES_OF_OPERATION: usize = 8;

thread_local! {
    /// Calls that this thread may still make. Layers around models call these by [`Layer::call`](crate::layer::Layer::call), which has no place for it.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Operations that this thread may still make.
    static OPERATIONS: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// While it lives, the thread makes no more than [`MAX_CALLS`] calls and [`MAX_OPERATIONS`], those by which shapes are found included.
pub(super) struct Budget {
    before: [usize; 2],
}

impl Budget {
    pub(super) fn start() -> Self {
        Self { before: [LEFT.replace(MAX_CALLS), OPERATIONS.replace(MAX_OPERATIONS)] }
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
    let lists = graph.nodes().iter().map(|node| node.inputs.len().max(node.outputs.len()));
    spend_operations(lists.map(|places| places.max(PLACES_OF_OPERATION)).sum(), layer, op)
}

/// Counts places in a layer's lists.
pub(crate) fn spend_operations(count: usize, layer: &str, op: &'static str) -> Result<(), EngineError> {
    let Some(left) = OPERATIONS.get().checked_sub(count) else {
        let expected = format!(
            "at most {} operations, or {MAX_OPERATIONS} places in lists, in a model",
            MAX_OPERATIONS / PLACES_OF_OPERATION
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
