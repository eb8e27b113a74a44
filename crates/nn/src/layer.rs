//! What a layer is: a configuration that can make weights and add itself to a graph.

use std::fmt::Debug;
use std::sync::Arc;

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde_json::{Map, Value as Json};

use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::model::Network;
use crate::regularizers::Regularizer;

/// A kind of layer, with its arguments. Built-in layers and a user's own implement this alike.
///
/// A layer is plain data: its weights belong to the model, and its mathematics to the operations that [`Layer::call`]
/// composes. Output shapes need not be stated, they follow from the graph.
pub trait Layer: std::any::Any + Debug + Send + Sync {
    /// Keras's class name, such as `Conv2D`.
    fn class_name(&self) -> &'static str;

    /// The Python module in which Keras finds the class when it opens a file: that of its public layers, or of a network that has layers
    /// of its own. Classes from outside of Keras are found by their name, if they are registered there.
    fn module(&self) -> &'static str {
        "keras.layers"
    }

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

    /// Adds a layer that has several outputs to a graph; the first is that of [`Layer::call`].
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn call_all(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Vec<Value>, EngineError> {
        Ok(vec![self.call(at, inputs)?])
    }

    /// Whether the output has the time steps of the input, so that its mask is the input's, as of Keras's layers with
    /// `supports_masking`. Layers that make masks set [`LayerContext::output_masks`] instead.
    fn passes_mask(&self) -> bool {
        false
    }

    /// If the first input has numbers of rows of a table, how many rows that is. A model refuses samples with other numbers.
    fn rows(&self) -> Option<usize> {
        None
    }
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
    /// The part of the layer that it belongs to, as Keras's files name it: `cell` in an LSTM; empty for the layer itself.
    pub group: String,
    /// What large values cost while it is trained.
    pub regularizer: Option<Regularizer>,
    /// What it is brought back to after each step.
    pub constraint: Option<Constraint>,
    /// If it is the vector of a power iteration, how many of these are made before each step of training, by which the kernel of the same layer
    /// is brought to spectral norm 1.
    pub power_iterations: Option<usize>,
}

impl WeightSpec {
    /// A weight that is trained.
    pub fn trainable(name: &'static str, dims: impl Into<Vec<usize>>, initializer: Initializer) -> Self {
        Self {
            name,
            dims: dims.into(),
            initializer,
            trainable: true,
            group: String::new(),
            regularizer: None,
            constraint: None,
            power_iterations: None,
        }
    }

    /// A weight that the layer itself keeps up to date.
    pub fn state(name: &'static str, dims: impl Into<Vec<usize>>, initializer: Initializer) -> Self {
        Self { trainable: false, ..Self::trainable(name, dims, initializer) }
    }

    /// The same weight as that of a part of the layer.
    pub fn in_group(mut self, group: &str) -> Self {
        self.group = join(group, &self.group);
        self
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
    /// Scalars that are added to the loss in training and evaluation.
    pub penalties: &'g mut Vec<Value>,
    /// For each input a mask: 1 for each sample and time step that counts, 0 for those that are to be skipped; `None`, as for inputs that are
    /// missing here, if all count.
    pub masks: Vec<Option<Value>>,
    /// The same of the outputs. At first the mask of the first input, if the layer passes it on.
    pub output_masks: Vec<Option<Value>>,
}

impl LayerContext<'_> {
    /// The mask of the first input.
    pub fn mask(&self) -> Option<Value> {
        self.masks.first().copied().flatten()
    }

    /// An input that does not fit the layer.
    pub fn mismatch(&self, op: &'static str, mismatch: Mismatch) -> EngineError {
        EngineError::Shape { layer: self.graph.label().to_owned(), op, mismatch }
    }

    /// Adds a layer that is part of this one, with the weights of this one from `first` on, of which it has `count`.
    ///
    /// # Errors
    /// If the inputs do not fit it.
    pub fn call_part(
        &mut self,
        part: &dyn Layer,
        first: usize,
        count: usize,
        inputs: &[Value],
    ) -> Result<Vec<Value>, EngineError> {
        let mut updates = Vec::new();
        let masks = vec![self.mask()];
        let outputs = part.call_all(
            &mut LayerContext {
                graph: self.graph,
                weights: &self.weights[first..first + count],
                training: self.training,
                trainable: self.trainable,
                stream: stream_of_part(self.stream, first as u64 + 1),
                updates: &mut updates,
                penalties: self.penalties,
                masks,
                output_masks: Vec::new(),
            },
            inputs,
        )?;
        self.updates.extend(updates.into_iter().map(|(weight, value)| (first + weight, value)));
        Ok(outputs)
    }
}

/// A number for what is random in part `part` of something that has the number `whole`.
pub(crate) fn stream_of_part(whole: u64, part: u64) -> u64 {
    whole.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(part)
}

/// Two parts of a path, of which one may be empty.
pub(crate) fn join(around: &str, inner: &str) -> String {
    match (around, inner) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{around}/{inner}"),
    }
}

/// A layer, or a model as one, that can be called; several times if it is to share its weights.
#[derive(Clone, Debug)]
pub struct LayerRef(pub(crate) Arc<Instance>);

#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) name: Option<String>,
    pub(crate) trainable: bool,
    pub(crate) kind: LayerKind,
    /// Numbers of all its weights, one after another, if it is to start with those of a model that it is from.
    pub(crate) values: Option<Arc<Vec<f32>>>,
}

/// A layer, or a model in a layer's place.
#[derive(Clone, Debug)]
pub(crate) enum LayerKind {
    Layer(Arc<dyn Layer>),
    Network(Arc<Network>),
}

impl LayerKind {
    pub(crate) fn as_layer(&self) -> &dyn Layer {
        match self {
            Self::Layer(layer) => &**layer,
            Self::Network(network) => &**network,
        }
    }
}

impl LayerRef {
    /// A layer of this kind. Clones of the reference are the same layer.
    pub fn new(layer: impl Layer) -> Self {
        Self::from_parts(LayerKind::Layer(Arc::new(layer)), None, true)
    }

    pub(crate) fn from_parts(kind: LayerKind, name: Option<String>, trainable: bool) -> Self {
        Self(Arc::new(Instance { name, trainable, kind, values: None }))
    }

    /// The same kind of layer under a name of its own, weights not shared.
    pub fn named(&self, name: impl Into<String>) -> Self {
        Self(Arc::new(Instance { name: Some(name.into()), ..(*self.0).clone() }))
    }

    /// The same kind of layer, trained or frozen, weights not shared. Of a model this says it for all of its layers.
    pub fn trainable(&self, trainable: bool) -> Self {
        let mut instance = (*self.0).clone();
        instance.trainable = trainable;
        if let LayerKind::Network(network) = &mut instance.kind {
            Arc::make_mut(network).set_all_trainable(trainable);
        }
        Self(Arc::new(instance))
    }

    /// The same kind of layer, whose weights start with these numbers, one weight after another.
    pub(crate) fn with_values(&self, values: Vec<f32>) -> Self {
        Self(Arc::new(Instance { values: Some(Arc::new(values)), ..(*self.0).clone() }))
    }

    /// Its name, or the name of its class as long as no model has given it one.
    pub fn name(&self) -> String {
        self.0.name.clone().unwrap_or_else(|| self.base_name())
    }

    /// What it is called, with a number if need be, where it was given no name.
    pub(crate) fn base_name(&self) -> String {
        match &self.0.kind {
            LayerKind::Layer(layer) => crate::names::snake_case(layer.class_name()),
            LayerKind::Network(network) => network.name.clone(),
        }
    }

    /// Its kind and arguments.
    pub fn layer(&self) -> &dyn Layer {
        self.0.kind.as_layer()
    }
}

impl<L: Layer> From<L> for LayerRef {
    fn from(layer: L) -> Self {
        Self::new(layer)
    }
}

/// A layer whose kind was chosen at run time.
impl From<Arc<dyn Layer>> for LayerRef {
    fn from(layer: Arc<dyn Layer>) -> Self {
        Self::from_parts(LayerKind::Layer(layer), None, true)
    }
}
