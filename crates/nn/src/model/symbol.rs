//! Symbols: what layers are called on to wire a model.

use std::sync::Arc;

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Graph, Shape};

use super::build;
use crate::error::Result;
use crate::layer::LayerRef;

/// A tensor that is still to be computed: a placeholder, or what a layer makes of other symbols. Clones are the same tensor.
#[derive(Clone, Debug)]
pub struct Symbol(pub(crate) Arc<SymbolNode>);

#[derive(Debug)]
pub(crate) struct SymbolNode {
    pub(crate) origin: Origin,
    pub(crate) shape: Shape,
}

#[derive(Debug)]
pub(crate) enum Origin {
    Input { name: Option<String> },
    Call { layer: LayerRef, inputs: Vec<Symbol> },
}

impl Symbol {
    /// A placeholder for samples of these sizes, the batch not counted. Keras's `Input`.
    pub fn input(dims: impl Into<Vec<usize>>) -> Self {
        Self::placeholder(dims.into(), None)
    }

    /// A placeholder with a name.
    pub fn named_input(name: impl Into<String>, dims: impl Into<Vec<usize>>) -> Self {
        Self::placeholder(dims.into(), Some(name.into()))
    }

    fn placeholder(dims: Vec<usize>, name: Option<String>) -> Self {
        Self(Arc::new(SymbolNode { origin: Origin::Input { name }, shape: Shape::batched(dims) }))
    }

    /// Calls a layer on this symbol. Pass a [`LayerRef`] to call the same layer, with the same weights, several times.
    ///
    /// # Errors
    /// If the shape does not fit the layer.
    pub fn apply(&self, layer: impl Into<LayerRef>) -> Result<Self> {
        Self::merge(layer, &[self])
    }

    /// Calls a layer on several symbols.
    ///
    /// ```
    /// use convnet_nn::layers::Add;
    /// use convnet_nn::Symbol;
    ///
    /// let (a, b) = (Symbol::input([4]), Symbol::input([4]));
    /// let sum = Symbol::merge(Add::new(), &[&a, &b])?;
    /// # Ok::<(), convnet_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not fit the layer.
    pub fn merge(layer: impl Into<LayerRef>, inputs: &[&Self]) -> Result<Self> {
        let layer = layer.into();
        let inputs: Vec<Self> = inputs.iter().map(|&input| input.clone()).collect();
        let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
        let shape = output_shape(&layer, &shapes)?;
        Ok(Self(Arc::new(SymbolNode { origin: Origin::Call { layer, inputs }, shape })))
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// Whether both are the same tensor.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether this tensor is computed from another one, or is it.
    pub fn depends_on(&self, other: &Self) -> bool {
        let mut seen = std::collections::HashSet::new();
        let mut waiting = vec![self];
        while let Some(symbol) = waiting.pop() {
            if symbol.is_same(other) {
                return true;
            }
            if let Origin::Call { inputs, .. } = &symbol.0.origin
                && seen.insert(symbol.id())
            {
                waiting.extend(inputs);
            }
        }
        false
    }

    pub(crate) fn id(&self) -> *const SymbolNode {
        Arc::as_ptr(&self.0)
    }
}

/// The shape that a layer gives, found by letting it add itself to a graph that is thrown away.
fn output_shape(layer: &LayerRef, inputs: &[Shape]) -> Result<Shape, EngineError> {
    let mut graph = Graph::new();
    graph.set_label(&layer.name());
    let values: Vec<_> = inputs.iter().map(|shape| graph.input(shape.clone())).collect();
    let specs = build::weight_specs(layer.layer(), &layer.name(), inputs)?;
    let weights: Vec<_> =
        specs.iter().map(|spec| graph.parameter(Shape::fixed(spec.dims.clone()), 0)).collect();
    let output = build::call_layer(layer.layer(), &mut graph, &weights, &values, build::Mode::Inference)?;
    let shape = graph.shape(output).clone();
    let len = shape.dims.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
    if len.is_none_or(|len| len > MAX_OUTPUT) {
        let mismatch = Mismatch::new(format!("an output of at most {MAX_OUTPUT} numbers a sample"), shape);
        return Err(EngineError::Shape { layer: layer.name(), op: layer.layer().class_name(), mismatch });
    }
    Ok(shape)
}

/// The output of a layer may not have more numbers a sample than this, so that sizes stay far from overflow.
const MAX_OUTPUT: usize = 1 << 36;
