//! The trait of all operations: shape rule, gradient, cost, lowering to kernels.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::{Mismatch, Result};
use crate::graph::{Graph, Value};
use crate::run::RunContext;
use crate::shape::{Bound, TensorType};

/// How an output may share memory with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Every output has memory of its own.
    None,
    /// The first output may overwrite this input, if nobody needs it any more.
    InPlace(usize),
    /// The first output is the first input under another shape: nothing is to be done.
    View,
}

/// An operation of the graph.
///
/// One file in [`crate::ops`] holds one operation (or a small family with its gradients).
pub trait Op: Any + Debug + Send + Sync {
    /// Name in error messages and listings, in lower case.
    fn name(&self) -> &'static str;

    /// Types of the outputs for the given inputs.
    ///
    /// # Errors
    /// If the inputs do not fit; the caller adds the layer's name.
    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch>;

    /// Adds the nodes that compute the gradients by the inputs.
    ///
    /// # Errors
    /// If the operation has no gradient.
    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        at.no_gradient(self.name())
    }

    /// Multiply-adds of one run, for costs and speeds. Work that only passes over memory counts as none.
    fn multiply_adds(&self, _inputs: &[Bound], _outputs: &[Bound]) -> u64 {
        0
    }

    /// Whether an output can share the memory of an input.
    fn sharing(&self) -> Sharing {
        Sharing::None
    }

    /// Whether an output that nobody reads may be left out: the kernel then gets an empty slice for it.
    fn optional_output(&self, _output: usize) -> bool {
        false
    }

    /// How to bring an input that stays the same over many runs into another form once, if that makes the runs faster.
    fn prepared(&self, _sizes: &Sizes<'_>) -> Option<Prepared> {
        None
    }

    /// The same where 16 bits are precise enough for what stays the same.
    fn prepared_bf16(&self, sizes: &Sizes<'_>) -> Option<Prepared> {
        self.prepared(sizes)
    }

    /// The kernel call for sizes that are now all known.
    fn lower(&self, sizes: &Sizes<'_>) -> Lowered;
}

/// The sizes for which an operation is lowered.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    /// Shapes of the inputs.
    pub inputs: &'a [Bound],
    /// Shapes of the outputs.
    pub outputs: &'a [Bound],
    /// The plan decided that the first output overwrites the input named by [`Sharing::InPlace`]. The kernel finds the
    /// input's values in the output, and an empty slice in the input's place.
    pub in_place: bool,
}

/// Two operations that do the work of one, the first of them on something that stays the same.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The input that is prepared.
    pub input: usize,
    /// Makes another form of it, its last output.
    pub prepare: Arc<dyn Op>,
    /// Does the rest, with that form in the input's place.
    pub op: Arc<dyn Op>,
}

/// What one kernel call works on.
#[derive(Debug)]
pub struct Call<'a> {
    /// The inputs.
    pub inputs: SmallVec<[&'a [f32]; 8]>,
    /// The outputs; bytes are packed four to a float.
    pub outputs: SmallVec<[&'a mut [f32]; 4]>,
    /// Working memory with arbitrary contents.
    pub scratch: &'a mut [f32],
    /// Seed and step, for what is random.
    pub run: &'a RunContext,
}

/// A kernel call, sizes bound.
pub type Kernel = Box<dyn Fn(&mut Call<'_>) + Send + Sync>;

/// A kernel call and the working memory that it needs.
pub struct Lowered {
    /// The call.
    pub kernel: Kernel,
    /// Floats of working memory.
    pub scratch: usize,
}

impl Lowered {
    /// A call that needs no working memory.
    pub fn new(kernel: impl Fn(&mut Call<'_>) + Send + Sync + 'static) -> Self {
        Self::with_scratch(0, kernel)
    }

    /// A call that needs `scratch` floats of working memory.
    pub fn with_scratch(scratch: usize, kernel: impl Fn(&mut Call<'_>) + Send + Sync + 'static) -> Self {
        Self { kernel: Box::new(kernel), scratch }
    }
}

/// Where a gradient is being built: the node, and the gradients by its outputs.
#[derive(Debug)]
pub struct GradientContext<'g> {
    /// The graph that grows.
    pub graph: &'g mut Graph,
    /// Inputs of the node.
    pub inputs: Vec<Value>,
    /// Outputs of the node.
    pub outputs: Vec<Value>,
    /// Gradient by each output; `None` where nothing depends on it.
    pub output_gradients: Vec<Option<Value>>,
    /// Whether the gradient by each input is wanted.
    pub wanted: Vec<bool>,
}

impl GradientContext<'_> {
    /// The gradient by the first output. Called only if some output has one, and for operations
    /// whose other outputs are not differentiated (places of maxima, statistics).
    pub fn output_gradient(&self) -> Option<Value> {
        self.output_gradients[0]
    }

    /// Adds a node and gives its first output.
    ///
    /// # Errors
    /// If the inputs do not fit the operation.
    pub fn apply(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value> {
        self.graph.apply(op, inputs)
    }

    /// Shape of a value.
    pub fn type_of(&self, value: Value) -> TensorType {
        self.graph.type_of(value).clone()
    }

    /// No gradient by any input: the outputs do not change with them (almost everywhere).
    ///
    /// # Errors
    /// Never; a `Result` for the sake of the callers.
    pub fn constant(&self) -> Result<Vec<Option<Value>>> {
        Ok(vec![None; self.inputs.len()])
    }

    /// The error of an operation without a gradient.
    ///
    /// # Errors
    /// Always.
    pub fn no_gradient<T>(&self, op: &'static str) -> Result<T> {
        Err(crate::EngineError::NoGradient { layer: self.graph.label().to_owned(), op })
    }
}
