//! Symbols: what layers are called on to wire a model.

use std::sync::Arc;

use convnet_engine::{EngineError, Graph, Shape};

use super::{budget, network};
use crate::error::{Error, Result};
use crate::layer::{LayerContext, LayerKind, LayerRef};

/// A tensor that is still to be computed: a placeholder, or what a layer makes of other symbols. Clones are the same tensor.
#[derive(Clone, Debug)]
pub struct Symbol {
    pub(crate) node: Arc<CallNode>,
    /// Which output of the call.
    pub(crate) output: usize,
}

/// A placeholder, or a call of a layer, with all its outputs.
#[derive(Debug)]
pub(crate) struct CallNode {
    pub(crate) origin: Origin,
    pub(crate) shapes: Vec<Shape>,
    /// Calls of layers that it is, with those in models inside.
    pub(crate) steps: usize,
    /// Operations that it makes, and places in lists, with those in models inside.
    pub(crate) operations: usize,
}

/// Without recursion, since networks can be many thousand layers deep.
impl Drop for CallNode {
    fn drop(&mut self) {
        let mut waiting = self.take_inputs();
        while let Some(symbol) = waiting.pop() {
            if let Some(mut node) = Arc::into_inner(symbol.node) {
                waiting.append(&mut node.take_inputs());
            }
        }
    }
}

impl CallNode {
    fn take_inputs(&mut self) -> Vec<Symbol> {
        match &mut self.origin {
            Origin::Input { .. } => Vec::new(),
            Origin::Call { inputs, .. } => std::mem::take(inputs),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Origin {
    Input {
        name: Option<String>,
    },
    Call {
        layer: LayerRef,
        inputs: Vec<Symbol>,
        /// How the layer acts if not as the model does.
        training: Option<bool>,
    },
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
        let (origin, shapes) = (Origin::Input { name }, vec![Shape::batched(dims)]);
        let node = CallNode { origin, shapes, steps: 1, operations: 0 };
        Self { node: Arc::new(node), output: 0 }
    }

    /// Calls a layer, or a model as one, on this symbol. Pass a [`LayerRef`] to call the same layer, with the same weights, several times.
    ///
    /// # Errors
    /// If the shape does not fit the layer, or it has several outputs.
    pub fn apply(&self, layer: impl Into<LayerRef>) -> Result<Self> {
        Self::merge(layer, &[self])
    }

    /// Calls a layer, or a model, that acts as in prediction even while the model around it is trained: nothing is dropped, and batch
    /// normalisation uses its moving statistics. Keras's call with `training=False`.
    ///
    /// # Errors
    /// If the shape does not fit the layer, or it has several outputs.
    pub fn apply_as_in_prediction(&self, layer: impl Into<LayerRef>) -> Result<Self> {
        only(Self::call(layer, &[self], Some(false))?)
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
    /// If the shapes do not fit the layer, or it has several outputs.
    pub fn merge(layer: impl Into<LayerRef>, inputs: &[&Self]) -> Result<Self> {
        only(Self::call(layer, inputs, None)?)
    }

    /// Calls a layer or model that may have several outputs. `training` says how it acts, if not as the model that it becomes part of.
    ///
    /// # Errors
    /// If the shapes do not fit the layer.
    pub fn call(layer: impl Into<LayerRef>, inputs: &[&Self], training: Option<bool>) -> Result<Vec<Self>> {
        let layer = layer.into();
        let inputs: Vec<Self> = inputs.iter().map(|&input| input.clone()).collect();
        let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
        let (calls, operations) = (budget::left(), budget::operations_left());
        let shapes = output_shapes(&layer, &shapes)?;
        let (steps, operations) = (calls - budget::left(), operations - budget::operations_left());
        let count = shapes.len();
        let origin = Origin::Call { layer, inputs, training };
        let node = Arc::new(CallNode { origin, shapes, steps, operations });
        Ok((0..count).map(|output| Self { node: Arc::clone(&node), output }).collect())
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.node.shapes[self.output]
    }

    /// Whether both are the same tensor.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id() == other.id()
    }

    /// Whether this tensor is computed from another one, or is it.
    pub fn depends_on(&self, other: &Self) -> bool {
        let mut seen = std::collections::HashSet::new();
        let mut waiting = vec![self];
        while let Some(symbol) = waiting.pop() {
            if symbol.is_same(other) {
                return true;
            }
            if let Origin::Call { inputs, .. } = &symbol.node.origin
                && seen.insert(symbol.id())
            {
                waiting.extend(inputs);
            }
        }
        false
    }

    pub(crate) fn id(&self) -> (*const CallNode, usize) {
        (Arc::as_ptr(&self.node), self.output)
    }
}

/// The only output of a call.
fn only(mut outputs: Vec<Symbol>) -> Result<Symbol> {
    match outputs.len() {
        1 => Ok(outputs.remove(0)),
        count => {
            let problem = format!("the layer has {count} outputs; use Symbol::call, which gives all of them");
            Err(Error::argument("Symbol", problem))
        }
    }
}

/// The shapes that a layer gives, found by letting it add itself to a graph that is thrown away. The calls of layers and the operations that it makes
/// are counted.
fn output_shapes(layer: &LayerRef, inputs: &[Shape]) -> Result<Vec<Shape>, EngineError> {
    let (name, class) = (layer.name(), layer.layer().class_name());
    if let LayerKind::Network(network) = &layer.0.kind {
        // Its shapes are known; to add it would take as long as all that is in it, again in each model around.
        budget::spend(network.steps, &name, class)?;
        budget::spend_operations(network.operations, &name, class)?;
        // Each call keeps the shapes of its outputs.
        let outputs = network.outputs.iter().map(|&tensor| budget::places_of(&network.tensors[tensor]));
        budget::spend_operations(inputs.len() + outputs.sum::<usize>(), &name, class)?;
        network.check_inputs(&name, inputs)?;
        return Ok(network.output_shapes());
    }
    budget::spend(1, &name, class)?;
    let mut graph = Graph::new();
    graph.set_label(&name);
    let values: Vec<_> = inputs.iter().map(|shape| graph.input(shape.clone())).collect();
    let specs = network::weight_specs(layer.layer(), &name, inputs)?;
    let weights: Vec<_> =
        specs.iter().map(|spec| graph.parameter(Shape::fixed(spec.dims.clone()), 0)).collect();
    let mut at = LayerContext {
        graph: &mut graph,
        weights: &weights,
        training: false,
        trainable: false,
        stream: 0,
        updates: &mut Vec::new(),
        penalties: &mut Vec::new(),
        masks: Vec::new(),
        output_masks: Vec::new(),
    };
    let outputs = layer.layer().call_all(&mut at, &values)?;
    budget::spend_nodes(&graph, &name, class)?;
    let places = outputs.iter().map(|&output| budget::places_of(graph.shape(output)));
    budget::spend_operations(places.sum(), &name, class)?;
    let shapes: Vec<Shape> = outputs.iter().map(|&output| graph.shape(output).clone()).collect();
    for shape in &shapes {
        let refuse = |mismatch| EngineError::Shape { layer: name.clone(), op: class, mismatch };
        shape.check().map_err(refuse)?;
    }
    Ok(shapes)
}
