//! Networks: how the layers of a model are wired, without their numbers. A model has one, and so has a model in a layer's place.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value};
use serde_json::{Map, Value as Json};

use super::budget::{self, MAX_CALLS, MAX_OPERATIONS};
use super::order::{Maker, maker, order};
use super::symbol::{CallNode, Origin, Symbol};
use crate::error::{Error, Result};
use crate::layer::{Layer, LayerContext, LayerKind, WeightSpec, join, stream_of_part};
use crate::names::{Counters, cut, snake_case};

/// How a model was put together, which is how it is written to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Layers in a row.
    Sequential,
    /// Layers called on symbols.
    Functional,
}

/// A layer of a model.
#[derive(Clone, Debug)]
pub struct ModelLayer {
    pub(crate) name: String,
    /// `None` for a placeholder.
    pub(crate) kind: Option<LayerKind>,
    pub(crate) trainable: bool,
    /// All its weights, those of a model's layers one layer after another.
    pub(crate) weights: Vec<WeightSpec>,
    /// The numbers that they start with, if it is from another model.
    pub(crate) values: Option<Arc<Vec<f32>>>,
}

impl ModelLayer {
    /// Its name, unique in the model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keras's class name.
    pub fn class_name(&self) -> &'static str {
        self.kind.as_ref().map_or("InputLayer", |kind| kind.as_layer().class_name())
    }

    /// Its kind and arguments; `None` for a placeholder.
    pub fn layer(&self) -> Option<&dyn Layer> {
        self.kind.as_ref().map(LayerKind::as_layer)
    }

    /// Its layers, if it is a model in a layer's place.
    pub fn network(&self) -> Option<&Network> {
        match &self.kind {
            Some(LayerKind::Network(network)) => Some(network),
            _ => None,
        }
    }

    /// Whether its weights are trained, unless a model around it is frozen.
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// Its weights, in Keras's order.
    pub fn weights(&self) -> &[WeightSpec] {
        &self.weights
    }

    fn set_trainable(&mut self, trainable: bool) {
        self.trainable = trainable;
        if let Some(LayerKind::Network(network)) = &mut self.kind {
            Arc::make_mut(network).set_all_trainable(trainable);
        }
    }
}

/// A layer at work: which tensors go in, which come out.
#[derive(Clone, Debug)]
pub(crate) struct LayerCall {
    pub(crate) layer: usize,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Range<usize>,
    /// How the layer acts if not as the model does.
    pub(crate) training: Option<bool>,
    /// Calls of layers that it is, with those in models inside.
    pub(crate) steps: usize,
    /// Operations that it makes, and places in lists, with those in models inside.
    pub(crate) operations: usize,
}

/// Layers wired to each other, without numbers. It is a layer itself: a model in a layer's place.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) layers: Vec<ModelLayer>,
    /// In an order in which they can be run.
    pub(crate) calls: Vec<LayerCall>,
    /// Shapes of all tensors.
    pub(crate) tensors: Vec<Shape>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    /// Calls of layers that it makes, with those in models inside.
    pub(crate) steps: usize,
    /// Operations that it makes, and places in lists, with those in models inside.
    pub(crate) operations: usize,
}

/// A weight of a layer of a network, however deep.
#[derive(Clone, Debug)]
pub(crate) struct NetworkWeight {
    /// Names of the models around its layer and of the layer, between slashes.
    pub(crate) layer: String,
    pub(crate) spec: WeightSpec,
    /// Whether the layer and all models around it are trained.
    pub(crate) trained: bool,
}

/// The weights that a layer asks for; its name goes into the error.
pub(crate) fn weight_specs(
    layer: &dyn Layer,
    name: &str,
    inputs: &[Shape],
) -> Result<Vec<WeightSpec>, EngineError> {
    let refuse = |mismatch| EngineError::Shape { layer: name.to_owned(), op: layer.class_name(), mismatch };
    let specs = layer.weights(inputs).map_err(refuse)?;
    for spec in &specs {
        let len = spec.dims.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
        if len.is_none_or(|len| len > MAX_WEIGHT) {
            let received = format!("{} of sizes {:?}", spec.name, spec.dims);
            return Err(refuse(Mismatch::new(format!("weights of at most {MAX_WEIGHT} elements"), received)));
        }
    }
    Ok(specs)
}

/// A weight may not have more elements than this: it would not fit into memory anyway, and sizes stay far from overflow.
const MAX_WEIGHT: usize = 1 << 32;

/// The names of a layer and of the models around it may not have more bytes than this together: each weight of the layer keeps them, and so
/// does each operation.
const MAX_PATH: usize = 2000;

impl Network {
    /// All layers, in Keras's order.
    pub fn layers(&self) -> &[ModelLayer] {
        &self.layers
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network that computes `outputs` from `inputs`.
    pub(crate) fn new(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Self> {
        if inputs.is_empty() || outputs.is_empty() {
            return Err(Error::argument("Model", "a model needs at least one input and one output"));
        }
        let order = order(inputs, outputs)?;
        let sum = |count: fn(&CallNode) -> usize| {
            order.calls.iter().fold(0, |sum: usize, call| sum.saturating_add(count(call)))
        };
        let (steps, operations) = (sum(|call| call.steps), sum(|call| call.operations));
        check_counts(steps, operations)?;
        let layer_of: HashMap<Maker, usize> =
            order.makers.iter().enumerate().map(|(i, &maker)| (maker, i)).collect();
        let mut names = names(&order.makers, &order.calls)?;
        let mut layers: Vec<Option<ModelLayer>> = vec![None; order.makers.len()];
        let mut tensor: HashMap<(*const CallNode, usize), usize> = HashMap::new();
        let mut tensors = Vec::new();
        let mut calls = Vec::with_capacity(order.calls.len());
        for node in &order.calls {
            let first = tensors.len();
            for (output, shape) in node.shapes.iter().enumerate() {
                tensor.insert((Arc::as_ptr(node), output), tensors.len());
                tensors.push(shape.clone());
            }
            let layer = layer_of[&maker(node)];
            let (mut call_inputs, mut call_training) = (Vec::new(), None);
            match &node.origin {
                Origin::Input { .. } => layers[layer] = Some(placeholder(std::mem::take(&mut names[layer]))),
                Origin::Call { layer: instance, inputs, training } => {
                    call_inputs = inputs.iter().map(|input| tensor[&input.id()]).collect();
                    call_training = *training;
                    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
                    let slot = &mut layers[layer];
                    let name = slot.as_ref().map_or(&names[layer], |layer| &layer.name);
                    let weights = weight_specs(instance.layer(), name, &shapes)?;
                    match slot {
                        Some(known) => check_shared(known, &weights)?,
                        None => {
                            *slot = Some(ModelLayer {
                                name: std::mem::take(&mut names[layer]),
                                kind: Some(instance.0.kind.clone()),
                                trainable: instance.0.trainable,
                                weights,
                                values: instance.0.values.clone(),
                            });
                        }
                    }
                }
            }
            let outputs = first..tensors.len();
            let (inputs, training) = (call_inputs, call_training);
            let (steps, operations) = (node.steps, node.operations);
            calls.push(LayerCall { layer, inputs, outputs, training, steps, operations });
        }
        let network = Self {
            name: "functional".into(),
            kind: Kind::Functional,
            layers: layers.into_iter().map(|layer| layer.expect("every maker makes a call")).collect(),
            steps,
            operations,
            calls,
            tensors,
            inputs: inputs.iter().map(|input| tensor[&input.id()]).collect(),
            outputs: outputs.iter().map(|output| tensor[&output.id()]).collect(),
        };
        network.check_paths()?;
        Ok(network)
    }

    /// That its weights can be named in memory.
    fn check_paths(&self) -> Result<()> {
        let path = self.longest_path();
        if path > MAX_PATH {
            let problem = format!(
                "the names of a layer and of the models around it have {path} bytes together; {MAX_PATH} are possible"
            );
            return Err(Error::argument("Model", problem));
        }
        Ok(())
    }

    fn longest_path(&self) -> usize {
        let path = |layer: &ModelLayer| {
            layer.name.len() + layer.network().map_or(0, |network| 1 + network.longest_path())
        };
        self.layers.iter().map(path).max().unwrap_or(0)
    }

    /// Adds the whole network to a graph, its layers labelled with `path` in front; returns the values of its tensors, and the masks
    /// that some of them have.
    pub(crate) fn add_to(
        &self,
        at: &mut LayerContext<'_>,
        path: &str,
        inputs: &[Value],
    ) -> Result<(Vec<Value>, Vec<Option<Value>>), EngineError> {
        // A layer that is called again finds the states as the call before left them.
        let mut weights = at.weights.to_vec();
        let mut values: Vec<Value> = Vec::with_capacity(self.tensors.len());
        let mut masks: Vec<Option<Value>> = Vec::with_capacity(self.tensors.len());
        let firsts = self.first_weights();
        for call in &self.calls {
            let layer = &self.layers[call.layer];
            let Some(kind) = &layer.kind else {
                let input = self.inputs.iter().position(|&tensor| tensor == call.outputs.start);
                values.push(inputs[input.expect("placeholders are inputs")]);
                masks.push(input.and_then(|input| at.masks.get(input).copied().flatten()));
                continue;
            };
            let label = join(path, &layer.name);
            budget::spend(1, &label, kind.as_layer().class_name())?;
            if label.len() > MAX_PATH {
                let mismatch = Mismatch::new(
                    format!("a path of at most {MAX_PATH} bytes"),
                    format!("{} bytes", label.len()),
                );
                let (layer, op) = (cut(&label), kind.as_layer().class_name());
                return Err(EngineError::Shape { layer, op, mismatch });
            }
            at.graph.set_label(&label);
            let arguments: Vec<Value> = call.inputs.iter().map(|&tensor| values[tensor]).collect();
            let call_masks: Vec<Option<Value>> = call.inputs.iter().map(|&tensor| masks[tensor]).collect();
            let passed = if kind.as_layer().passes_mask() {
                call_masks.iter().take(1).copied().collect()
            } else {
                Vec::new()
            };
            let first = firsts[call.layer];
            let mut updates = Vec::new();
            let mut inner = LayerContext {
                graph: at.graph,
                weights: &weights[first..first + layer.weights.len()],
                training: call.training.unwrap_or(at.training),
                trainable: at.trainable && layer.trainable,
                stream: stream_of_part(at.stream, call.outputs.start as u64),
                updates: &mut updates,
                penalties: at.penalties,
                masks: call_masks,
                output_masks: passed,
            };
            let outputs = match kind {
                LayerKind::Layer(layer) => layer.call_all(&mut inner, &arguments)?,
                LayerKind::Network(network) => network.run(&mut inner, &label, &arguments)?,
            };
            inner.output_masks.resize(outputs.len(), None);
            masks.append(&mut inner.output_masks);
            values.extend(outputs);
            for (weight, value) in updates {
                weights[first + weight] = value;
                at.updates.retain(|&(known, _)| known != first + weight);
                at.updates.push((first + weight, value));
            }
        }
        Ok((values, masks))
    }

    fn run(
        &self,
        at: &mut LayerContext<'_>,
        path: &str,
        inputs: &[Value],
    ) -> Result<Vec<Value>, EngineError> {
        budget::spend_operations(inputs.len() + self.outputs.len(), path, self.class_name())?;
        self.check_inputs(path, inputs.iter().map(|&input| at.graph.shape(input)))?;
        let (values, masks) = self.add_to(at, path, inputs)?;
        at.output_masks = self.outputs.iter().map(|&tensor| masks[tensor]).collect();
        Ok(self.outputs.iter().map(|&tensor| values[tensor]).collect())
    }

    /// That it can be called on tensors of these shapes.
    pub(super) fn check_inputs<'s>(
        &self,
        path: &str,
        received: impl IntoIterator<Item = &'s Shape>,
    ) -> Result<(), EngineError> {
        let expected: Vec<&Shape> = self.inputs.iter().map(|&tensor| &self.tensors[tensor]).collect();
        let received: Vec<&Shape> = received.into_iter().collect();
        if expected == received {
            return Ok(());
        }
        let show = |shapes: &[&Shape]| {
            shapes.iter().map(|shape| shape.to_string()).collect::<Vec<_>>().join(" and ")
        };
        let mismatch = Mismatch::new(show(&expected), show(&received));
        Err(EngineError::Shape { layer: path.to_owned(), op: self.class_name(), mismatch })
    }

    /// Shapes of the outputs.
    pub(super) fn output_shapes(&self) -> Vec<Shape> {
        self.outputs.iter().map(|&tensor| self.tensors[tensor].clone()).collect()
    }

    /// For each layer the place of its first weight among all.
    pub(crate) fn first_weights(&self) -> Vec<usize> {
        let mut total = 0;
        let first = |layer: &ModelLayer| {
            let first = total;
            total += layer.weights.len();
            first
        };
        self.layers.iter().map(first).collect()
    }

    /// All weights, layer by layer, with the paths of their layers.
    pub(crate) fn all_weights(&self) -> Vec<NetworkWeight> {
        let mut all = Vec::new();
        self.collect_weights("", true, &mut all);
        all
    }

    fn collect_weights(&self, path: &str, trained: bool, all: &mut Vec<NetworkWeight>) {
        for layer in &self.layers {
            let (path, trained) = (join(path, &layer.name), trained && layer.trainable);
            match layer.network() {
                Some(network) => network.collect_weights(&path, trained, all),
                None => all.extend(layer.weights.iter().map(|spec| NetworkWeight {
                    layer: path.clone(),
                    spec: spec.clone(),
                    trained: trained && spec.trainable,
                })),
            }
        }
    }

    /// Trains or freezes all layers, however deep.
    pub(crate) fn set_all_trainable(&mut self, trainable: bool) {
        self.layers.iter_mut().for_each(|layer| layer.set_trainable(trainable));
    }

    /// The layer of a path such as `conv2d` or, in a model in a layer's place, `base/conv2d`.
    pub(crate) fn find(&self, path: &str) -> Result<&ModelLayer> {
        if let Some(layer) = self.layers.iter().find(|layer| layer.name == path) {
            return Ok(layer);
        }
        let inner = self.layers.iter().find_map(|layer| {
            let rest = path.strip_prefix(&layer.name)?.strip_prefix('/')?;
            Some((layer.network()?, rest))
        });
        match inner {
            Some((network, rest)) => network.find(rest),
            None => Err(Error::unknown("layer", path, self.layers.iter().map(|layer| layer.name.as_str()))),
        }
    }

    /// Trains or freezes the layer of a path, with all that is in it.
    pub(crate) fn set_trainable(&mut self, path: &str, trainable: bool) -> Result<()> {
        self.find(path)?;
        for layer in &mut self.layers {
            if layer.name == path {
                layer.set_trainable(trainable);
                return Ok(());
            }
            let rest = path.strip_prefix(&layer.name).and_then(|rest| rest.strip_prefix('/'));
            if let (Some(rest), Some(LayerKind::Network(network))) = (rest, &mut layer.kind) {
                return Arc::make_mut(network).set_trainable(rest, trainable);
            }
        }
        unreachable!("it was found")
    }

    /// The call that makes a tensor.
    pub(crate) fn maker_of(&self, tensor: usize) -> &LayerCall {
        // Calls make the tensors one after another.
        let place = self.calls.partition_point(|call| call.outputs.end <= tensor);
        self.calls.get(place).expect("every tensor is made by a call")
    }
}

impl Layer for Network {
    fn class_name(&self) -> &'static str {
        match self.kind {
            Kind::Sequential => "Sequential",
            Kind::Functional => "Functional",
        }
    }

    fn config(&self) -> Map<String, Json> {
        self.model_config()
    }

    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        // Keras's files name the parts of a model by class, counted.
        let mut counters = Counters::default();
        let mut weights = Vec::new();
        for layer in &self.layers {
            if self.kind == Kind::Sequential && layer.kind.is_none() {
                continue;
            }
            let group = format!("layers/{}", counters.next(&snake_case(layer.class_name())));
            weights.extend(layer.weights.iter().map(|spec| spec.clone().in_group(&group)));
        }
        Ok(weights)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        Ok(self.call_all(at, inputs)?[0])
    }

    fn call_all(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Vec<Value>, EngineError> {
        let path = at.graph.label().to_owned();
        let outputs = self.run(at, &path, inputs)?;
        // A layer around this model may call it again, at the same place.
        at.graph.set_label(&path);
        Ok(outputs)
    }
}

fn placeholder(name: String) -> ModelLayer {
    ModelLayer { name, kind: None, trainable: true, weights: Vec::new(), values: None }
}

/// A name for each layer: its own, or its class's with a number.
fn names(makers: &[Maker], calls: &[Arc<CallNode>]) -> Result<Vec<String>> {
    let mut origins: HashMap<Maker, (Option<String>, String)> = HashMap::new();
    for node in calls {
        origins.entry(maker(node)).or_insert_with(|| match &node.origin {
            Origin::Input { name } => (name.clone(), "input_layer".to_owned()),
            Origin::Call { layer, .. } => (layer.0.name.clone(), layer.base_name()),
        });
    }
    let mut used: std::collections::HashSet<String> =
        origins.values().filter_map(|(name, _)| name.clone()).collect();
    let given = origins.values().filter(|(name, _)| name.is_some()).count();
    if used.len() < given {
        return Err(Error::argument("Model", "two layers have the same name; names must be unique"));
    }
    let mut counters = Counters::default();
    Ok(makers
        .iter()
        .map(|maker| match &origins[maker] {
            (Some(name), _) => name.clone(),
            (None, base) => loop {
                let name = counters.next(base);
                if used.insert(name.clone()) {
                    break name;
                }
            },
        })
        .collect())
}

/// That a network of so many calls can be added to a graph in time, and its tensors be listed in memory.
fn check_counts(steps: usize, operations: usize) -> Result<()> {
    let counts = [
        (steps, MAX_CALLS, "calls of layers"),
        (operations, MAX_OPERATIONS, "operations and places in lists"),
    ];
    for (count, most, what) in counts {
        if count > most {
            let problem = format!("with those in models in it, it makes {count} {what}; {most} are possible");
            return Err(Error::argument("Model", problem));
        }
    }
    Ok(())
}

/// A shared layer must need the same weights wherever it is called.
fn check_shared(layer: &ModelLayer, specs: &[WeightSpec]) -> Result<()> {
    let same = layer.weights.len() == specs.len()
        && layer.weights.iter().zip(specs).all(|(weight, spec)| weight.dims == spec.dims);
    if same {
        return Ok(());
    }
    let problem = "it is shared, but called on shapes that need weights of different sizes";
    Err(Error::argument(format!("layer `{}`", layer.name), problem))
}
