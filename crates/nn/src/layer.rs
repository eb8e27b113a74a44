//! What a layer is: a configuration that can make weights and add itself to a graph.

use std::fmt::Debug;
use std::sync::Arc;

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde_json::{Map, Value as Json};

use crate::initializers::Initializer;

/// A kind of layer, with its arguments. Built-in layers and a user's own implement this alike.
///
/// A layer is plain data: its weights belong to the model, and its mathematics to the operations that [`Layer::call`]
/// composes. Output shapes need not be stated, they follow from the graph.
pub trait Layer: Debug + Send + Sync + 'static {
    /// Keras's class name, such as `Conv2D`.
    fn class_name(&self) -> &'static str;

    /// The arguments under Keras's names, as they stand in a Keras configuration (without `name`, `trainable`, `dtype`).
    fn config(&self) -> Map<String, Json>;

    /// The weights that it needs for inputs of these shapes, in Keras's order: trainable ones first.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        Ok(Vec::new())
    }

    /// Adds the layer to a graph.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError>;
}

/// A weight that a layer asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightSpec {
    /// Keras's name: `kernel`, `bias`, …
    pub name: &'static str,
    /// Its sizes.
    pub dims: Vec<usize>,
    /// How it is filled at first.
    pub initializer: Initializer,
    /// Whether an optimizer may change it; moving statistics are not trainable.
    pub trainable: bool,
}

impl WeightSpec {
    /// A weight that is trained.
    pub fn trainable(name: &'static str, dims: impl Into<Vec<usize>>, initializer: Initializer) -> Self {
        Self { name, dims: dims.into(), initializer, trainable: true }
    }

    /// A weight that the layer itself keeps up to date.
    pub fn state(name: &'static str, dims: impl Into<Vec<usize>>, initializer: Initializer) -> Self {
        Self { name, dims: dims.into(), initializer, trainable: false }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a layer adds itself: the graph, its weights, and whether this is training.
#[derive(Debug)]
pub struct LayerContext<'g> {
    /// The graph that grows.
    pub graph: &'g mut Graph,
    /// The weights, in the order of [`Layer::weights`].
    pub weights: &'g [Value],
    /// Whether the layer shall act as in training: dropout, statistics of the batch. Never true for frozen layers
    /// whose behaviour Keras freezes too.
    pub training: bool,
    /// Whether the layer's weights are trained.
    pub trainable: bool,
    /// A number of its own for each layer, for what is random.
    pub stream: u64,
    /// New values of states: index of the weight, value.
    pub updates: &'g mut Vec<(usize, Value)>,
}

impl LayerContext<'_> {
    /// An input that does not fit the layer.
    pub fn mismatch(&self, op: &'static str, mismatch: Mismatch) -> EngineError {
        EngineError::Shape { layer: self.graph.label().to_owned(), op, mismatch }
    }
}

/// A layer that can be called, several times if it is to share its weights.
#[derive(Clone, Debug)]
pub struct LayerRef(pub(crate) Arc<Instance>);

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) name: Option<String>,
    pub(crate) trainable: bool,
    pub(crate) layer: Arc<dyn Layer>,
}

impl LayerRef {
    /// A layer of this kind. Clones of the reference are the same layer.
    pub fn new(layer: impl Layer) -> Self {
        Self::from_parts(Arc::new(layer), None, true)
    }

    pub(crate) fn from_parts(layer: Arc<dyn Layer>, name: Option<String>, trainable: bool) -> Self {
        Self(Arc::new(Instance { name, trainable, layer }))
    }

    /// The same kind of layer under a name of its own, weights not shared.
    pub fn named(&self, name: impl Into<String>) -> Self {
        Self::from_parts(Arc::clone(&self.0.layer), Some(name.into()), self.0.trainable)
    }

    /// The same kind of layer, trained or frozen, weights not shared.
    pub fn trainable(&self, trainable: bool) -> Self {
        Self::from_parts(Arc::clone(&self.0.layer), self.0.name.clone(), trainable)
    }

    /// Its name, or the name of its class as long as no model has given it one.
    pub fn name(&self) -> String {
        self.0.name.clone().unwrap_or_else(|| crate::names::snake_case(self.0.layer.class_name()))
    }

    /// Its kind and arguments.
    pub fn layer(&self) -> &dyn Layer {
        &*self.0.layer
    }
}

impl<L: Layer> From<L> for LayerRef {
    fn from(layer: L) -> Self {
        Self::new(layer)
    }
}
