//! How many calls of layers a model may make. Models in layers' places multiply: one that calls another twice, which calls a third one twice, and so
//! on, asks in a page of configuration for more calls than any machine can make.

use std::cell::Cell;

use convnet_engine::EngineError;
use convnet_engine::error::Mismatch;

/// Calls of layers that a model may make, those inside of other models counted at each call of these. Networks make some thousands.
pub(super) const MAX_CALLS: usize = 1 << 18;

/// Operations of the engine, and places in lists of them, that layers may make while a model is put together. A network has some thousands; layers
/// that take a sequence step by step have a dozen a step.
const MAX_OPERATIONS: usize = 1 << 23;

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

/// Counts calls that a layer makes.
pub(super) fn spend(calls: usize, layer: &str, op: &'static str) -> Result<(), EngineError> {
    let Some(left) = LEFT.get().checked_sub(calls) else {
        let mismatch = Mismatch::new(format!("at most {MAX_CALLS} calls of layers in a model"), "more");
        return Err(EngineError::Shape { layer: layer.to_owned(), op, mismatch });
    };
    LEFT.set(left);
    Ok(())
}

/// Counts operations that a layer makes, or places in its lists.
pub(crate) fn spend_operations(count: usize, layer: &str, op: &'static str) -> Result<(), EngineError> {
    let Some(left) = OPERATIONS.get().checked_sub(count) else {
        let expected = format!("at most {MAX_OPERATIONS} operations, and places in lists, in a model");
        return Err(EngineError::Shape {
            layer: layer.to_owned(),
            op,
            mismatch: Mismatch::new(expected, "more"),
        });
    };
    OPERATIONS.set(left);
    Ok(())
}
