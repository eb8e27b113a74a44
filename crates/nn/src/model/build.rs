//! From symbols to a model, from models to parts of models, and from a model to a graph.

use std::sync::{Arc, Mutex};

use convnet_engine::{Graph, Precision, Shape, Slab, Value};
use serde_json::Map;

use super::network::NetworkWeight;
use super::symbol::{CallNode, Origin};
use super::variables::{Slot, Variables, Weight};
use super::{Model, Network, Symbol};
use crate::error::{Error, Result};
use crate::layer::{Instance, LayerContext, LayerKind, LayerRef, join};

/// What layers add to a graph besides their outputs.
#[derive(Debug, Default)]
pub(crate) struct Additions {
    /// Whether layers act as in training.
    pub(crate) training: bool,
    /// New values of states with their places.
    pub(crate) updates: Vec<(Value, usize)>,
    /// Scalars that are added to the loss.
    pub(crate) penalties: Vec<Value>,
    /// The outputs' masks: which time steps count.
    pub(crate) masks: Vec<Option<Value>>,
}

impl Model {
    /// The model that computes `outputs` from `inputs`. Keras's functional API. Weights are fresh, of seed 0, but for those of models in
    /// layers' places and of layers taken from models, which are copies.
    ///
    /// # Errors
    /// If the outputs need other inputs, two layers have one name, or a shared layer is called on shapes that need different
    /// weights.
    pub fn new(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Self> {
        let mut model = Self::of_network(Network::new(inputs, outputs)?);
        model.start();
        Ok(model)
    }

    /// As [`Model::new`], with zeros for weights, which take no memory before they are set: for weights from elsewhere, or
    /// to look at a model only.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn with_zeros(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Self> {
        Ok(Self::of_network(Network::new(inputs, outputs)?))
    }

    /// Weights as a new model has them.
    pub(super) fn start(&mut self) {
        self.initialize(0);
        let mut first = 0;
        for layer in 0..self.network.layers.len() {
            let layer = &mut self.network.layers[layer];
            let (count, values) = (layer.weights.len(), layer.values.take());
            let mut values = values.as_ref().map(|values| &values[..]);
            for weight in &self.weights[first..first + count] {
                if let Some((own, rest)) = values.and_then(|values| values.split_at_checked(weight.len())) {
                    self.variables.get_mut(weight).copy_from_slice(own);
                    values = Some(rest);
                }
            }
            first += count;
        }
    }

    /// The model with zeros for weights.
    pub(super) fn of_network(network: Network) -> Self {
        let mut places = Places::default();
        let weights = network.all_weights().into_iter().map(|weight| places.place(weight)).collect();
        Self {
            network,
            weights,
            variables: Variables {
                parameters: Slab::new(places.parameters),
                states: Slab::new(places.states),
                version: 0,
            },
            compiled: None,
            training: None,
            runtime: Mutex::default(),
            class_names: Vec::new(),
            remembered: Map::new(),
            max_memory: None,
            precision: Precision::default(),
            notes: Vec::new(),
            rates: Vec::new(),
        }
    }

    /// Adds the whole model to a graph; returns the values of its tensors.
    pub(crate) fn add_to(
        &self,
        graph: &mut Graph,
        inputs: &[Value],
        additions: &mut Additions,
    ) -> Result<Vec<Value>> {
        let variables: Vec<Value> = self.weights.iter().map(|weight| variable(graph, weight)).collect();
        let mut updates = Vec::new();
        let mut at = LayerContext {
            graph,
            weights: &variables,
            training: additions.training,
            trainable: true,
            stream: 0,
            updates: &mut updates,
            penalties: &mut additions.penalties,
            masks: Vec::new(),
            output_masks: Vec::new(),
        };
        let (values, masks) = self.network.add_to(&mut at, "", inputs)?;
        additions.masks = self.network.outputs.iter().map(|&tensor| masks[tensor]).collect();
        for (weight, value) in updates {
            if let Slot::State(start) = self.weights[weight].slot {
                additions.updates.push((value, start));
            }
        }
        Ok(values)
    }

    /// Numbers of the weights `first..first + count`, one after another.
    fn values(&self, first: usize, count: usize) -> Vec<f32> {
        self.weights[first..first + count]
            .iter()
            .flat_map(|weight| self.weight_values(weight).iter().copied().collect::<Vec<_>>())
            .collect()
    }

    /// The symbols that the model is made of, to build on any of its inner tensors. Layers start with copies of this model's weights.
    ///
    /// ```
    /// use convnet_nn::layers::{Conv2D, Dense, GlobalAveragePooling2D};
    /// use convnet_nn::{LayerRef, Model, Sequential};
    ///
    /// let base = Sequential::new([8, 8, 3])
    ///     .add(LayerRef::new(Conv2D::new(4, 3)).named("first"))
    ///     .add(Conv2D::new(8, 3))
    ///     .build()?;
    /// let inner = base.symbols();
    /// let head = inner.output_of("first")?.apply(GlobalAveragePooling2D::new())?.apply(Dense::new(2))?;
    /// let model = Model::new(inner.inputs(), &[head])?;
    /// assert_eq!(model.weight_values(model.weight("first/kernel")?), base.weight_values(base.weight("first/kernel")?));
    /// # Ok::<(), convnet_nn::Error>(())
    /// ```
    pub fn symbols(&self) -> Symbols {
        let firsts = self.network.first_weights();
        let instances: Vec<Option<LayerRef>> = (self.network.layers.iter().zip(firsts))
            .map(|(layer, first)| {
                let kind = layer.kind.clone()?;
                let values = self.values(first, layer.weights.len());
                let (name, trainable) = (Some(layer.name.clone()), layer.trainable);
                Some(LayerRef(Arc::new(Instance { name, trainable, kind, values: Some(Arc::new(values)) })))
            })
            .collect();
        let mut tensors: Vec<Symbol> = Vec::new();
        let mut makers = Vec::new();
        for call in &self.network.calls {
            let origin = match &instances[call.layer] {
                None => Origin::Input { name: Some(self.network.layers[call.layer].name.clone()) },
                Some(layer) => Origin::Call {
                    layer: layer.clone(),
                    inputs: call.inputs.iter().map(|&tensor| tensors[tensor].clone()).collect(),
                    training: call.training,
                },
            };
            let shapes = self.network.tensors[call.outputs.clone()].to_vec();
            let node = Arc::new(CallNode { origin, shapes, steps: call.steps, operations: call.operations });
            tensors.extend(
                call.outputs
                    .clone()
                    .map(|tensor| Symbol { node: Arc::clone(&node), output: tensor - call.outputs.start }),
            );
            makers.extend(call.outputs.clone().map(|_| self.network.layers[call.layer].name.clone()));
        }
        let ends = |ends: &[usize]| ends.iter().map(|&tensor| tensors[tensor].clone()).collect();
        Symbols { inputs: ends(&self.network.inputs), outputs: ends(&self.network.outputs), tensors, makers }
    }

    /// The model from this one's inputs to the outputs of some of its layers, with copies of the weights: to look at inner activations, or to
    /// keep the front part.
    ///
    /// # Errors
    /// If there is no such layer, or an input is not needed by any of them.
    pub fn up_to(&self, layers: &[&str]) -> Result<Self> {
        let symbols = self.symbols();
        let outputs = layers.iter().map(|layer| symbols.output_of(layer)).collect::<Result<Vec<_>>>()?;
        Self::new(symbols.inputs(), &outputs)
    }

    /// A model from inner tensors of this one, the outputs of the layers `from`, on to others, with copies of the weights.
    ///
    /// # Errors
    /// If there are no such layers, or what they make needs other inputs.
    pub fn between(&self, from: &[&str], to: &[&str]) -> Result<Self> {
        let symbols = self.symbols();
        let mut replaced: Vec<Option<Symbol>> = vec![None; symbols.tensors.len()];
        let mut inputs = Vec::new();
        for name in from {
            let tensor = symbols.place_of(name)?;
            let input = Symbol::named_input(*name, symbols.tensors[tensor].shape().dims.clone());
            replaced[tensor] = Some(input.clone());
            inputs.push(input);
        }
        for call in &self.network.calls {
            let Origin::Call { layer, training, .. } = &symbols.tensors[call.outputs.start].node.origin
            else {
                continue;
            };
            let known: Option<Vec<&Symbol>> =
                call.inputs.iter().map(|&tensor| replaced[tensor].as_ref()).collect();
            if let Some(known) = known.filter(|_| replaced[call.outputs.start].is_none()) {
                let outputs = Symbol::call(layer.clone(), &known, *training)?;
                for (tensor, output) in call.outputs.clone().zip(outputs) {
                    replaced[tensor] = Some(output);
                }
            }
        }
        let outputs = (to.iter())
            .map(|name| {
                let problem =
                    || Error::argument(format!("layer `{name}`"), "it needs other inputs than those given");
                replaced[symbols.place_of(name)?].clone().ok_or_else(problem)
            })
            .collect::<Result<Vec<_>>>()?;
        Self::new(&inputs, &outputs)
    }

    /// The model that stands in a layer's place, with copies of its weights.
    ///
    /// # Errors
    /// If there is no layer of this path, or it is not a model.
    pub fn nested(&self, path: &str) -> Result<Self> {
        let Some(network) = self.network.find(path)?.network() else {
            return Err(Error::argument(format!("layer `{path}`"), "it is not a model"));
        };
        let mut model = Self::of_network(network.clone());
        let paths: Vec<Weight> = model.weights.clone();
        for weight in paths {
            let from = self.weight(&join(path, &weight.path))?.clone();
            let values: Vec<f32> = self.weight_values(&from).iter().copied().collect();
            model.variables.get_mut(&weight).copy_from_slice(&values);
        }
        Ok(model)
    }
}

/// A model as a layer of others, which starts with copies of its weights.
///
/// ```
/// use convnet_nn::layers::{Conv2D, Dense, Flatten};
/// use convnet_nn::{LayerRef, Model, Sequential, Symbol};
///
/// let base = Sequential::new([8, 8, 3]).named("base").add(Conv2D::new(4, 3)).build()?;
/// let image = Symbol::input([8, 8, 3]);
/// let features = image.apply(LayerRef::from(&base).trainable(false))?;
/// let model = Model::new(&[image], &[features.apply(Flatten::new())?.apply(Dense::new(2))?])?;
/// assert_eq!(model.trainable_weights().count(), 2);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
impl From<&Model> for LayerRef {
    fn from(model: &Model) -> Self {
        let kind = LayerKind::Network(Arc::new(model.network.clone()));
        Self::from_parts(kind, None, true).with_values(model.values(0, model.weights.len()))
    }
}

/// The tensors of a model, as symbols that other models can be made of.
#[derive(Clone, Debug)]
pub struct Symbols {
    inputs: Vec<Symbol>,
    outputs: Vec<Symbol>,
    tensors: Vec<Symbol>,
    makers: Vec<String>,
}

impl Symbols {
    /// The model's inputs.
    pub fn inputs(&self) -> &[Symbol] {
        &self.inputs
    }

    /// The model's outputs.
    pub fn outputs(&self) -> &[Symbol] {
        &self.outputs
    }

    /// What a layer makes: of several calls the last, of several outputs the first.
    ///
    /// # Errors
    /// If there is no such layer.
    pub fn output_of(&self, layer: &str) -> Result<Symbol> {
        Ok(self.tensors[self.place_of(layer)?].clone())
    }

    fn place_of(&self, layer: &str) -> Result<usize> {
        let is_first = |&tensor: &usize| self.makers[tensor] == layer && self.tensors[tensor].output == 0;
        let found = (0..self.makers.len()).rev().find(is_first);
        found.ok_or_else(|| Error::unknown("layer", layer, self.makers.iter().map(String::as_str)))
    }
}

fn variable(graph: &mut Graph, weight: &Weight) -> Value {
    let shape = Shape::fixed(weight.dims.clone());
    match weight.slot {
        Slot::Parameter(start) => graph.parameter(shape, start),
        Slot::State(start) => graph.state(shape, start),
    }
}

/// Gives weights their places in the slabs.
#[derive(Default)]
struct Places {
    parameters: usize,
    states: usize,
}

impl Places {
    fn place(&mut self, weight: NetworkWeight) -> Weight {
        let NetworkWeight { layer, spec, .. } = weight;
        let len = Slab::round_up(spec.len());
        let (total, slot): (_, fn(usize) -> Slot) = if spec.trainable {
            (&mut self.parameters, Slot::Parameter)
        } else {
            (&mut self.states, Slot::State)
        };
        let start = *total;
        *total += len;
        Weight {
            name: spec.name,
            path: format!("{}/{}", join(&layer, &spec.group), spec.name),
            layer,
            group: spec.group,
            dims: spec.dims,
            slot: slot(start),
            initializer: spec.initializer,
            regularizer: spec.regularizer,
            constraint: spec.constraint,
            power_iterations: spec.power_iterations,
        }
    }
}
