//! What can go wrong while a graph is built. A planned run cannot fail.

/// An operation was given inputs that do not fit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What the operation accepts.
    pub expected: String,
    /// What it was given.
    pub received: String,
}

impl Mismatch {
    /// A mismatch between what is `expected` and what was `received`.
    pub fn new(expected: impl Into<String>, received: impl ToString) -> Self {
        Self { expected: expected.into(), received: received.to_string() }
    }
}

/// An error while building a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Inputs of an operation have shapes that it does not accept.
    #[error("layer `{layer}` ({op}) expected {}, but got {}", .mismatch.expected, .mismatch.received)]
    Shape {
        /// Label of the node, which is the layer's name.
        layer: String,
        /// Name of the operation.
        op: &'static str,
        /// What was expected and received.
        mismatch: Mismatch,
    },
    /// An operation has no derivative.
    #[error("layer `{layer}`: the operation `{op}` has no gradient")]
    NoGradient {
        /// Label of the node, which is the layer's name.
        layer: String,
        /// Name of the operation.
        op: &'static str,
    },
}

/// Result of building a graph.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;
