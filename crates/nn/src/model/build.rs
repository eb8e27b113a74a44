//! From symbols to a model, and from a model to a graph.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Graph, Shape, Slab, Value};

use super::order::{Maker, maker, order};
use super::symbol::Origin;
use super::variables::{Slot, Variables, Weight};
use super::{Kind, LayerCall, Model, ModelLayer, Symbol};
use crate::error::{Error, Result};
use crate::layer::{Layer, LayerContext, WeightSpec};
use crate::names::{Counters, snake_case};

/// In what way a layer is called.
#[derive(Debug)]
pub(crate) enum Mode<'m> {
    /// To predict.
    Inference,
    /// To train: with this number for random streams, trained or frozen, and a list for new values of states.
    Training { stream: u64, trainable: bool, updates: &'m mut Vec<(usize, Value)> },
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

/// Adds a layer to a graph.
pub(crate) fn call_layer(
    layer: &dyn Layer,
    graph: &mut Graph,
    weights: &[Value],
    inputs: &[Value],
    mode: Mode<'_>,
) -> Result<Value, EngineError> {
    let mut none = Vec::new();
    let (training, stream, trainable, updates) = match mode {
        Mode::Inference => (false, 0, false, &mut none),
        Mode::Training { stream, trainable, updates } => (true, stream, trainable, updates),
    };
    layer.call(&mut LayerContext { graph, weights, training, trainable, stream, updates }, inputs)
}

impl Model {
    /// The model that computes `outputs` from `inputs`, with fresh weights of seed 0. Keras's functional API.
    ///
    /// # Errors
    /// If the outputs need other inputs, two layers have one name, or a shared layer is called on shapes that need different
    /// weights.
    pub fn new(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Self> {
        let mut model = Self::assemble(inputs, outputs)?;
        model.initialize(0);
        Ok(model)
    }

    /// As [`Model::new`], with zeros for weights, for those that fill them from elsewhere.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn with_zeros(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Self> {
        Self::assemble(inputs, outputs)
    }

    /// The model with zeros for weights.
    pub(super) fn assemble(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Self> {
        if inputs.is_empty() || outputs.is_empty() {
            return Err(Error::argument("Model", "a model needs at least one input and one output"));
        }
        let order = order(inputs, outputs)?;
        let tensor: HashMap<_, _> =
            order.symbols.iter().enumerate().map(|(i, symbol)| (symbol.id(), i)).collect();
        let layer_of: HashMap<Maker, usize> =
            order.makers.iter().enumerate().map(|(i, &maker)| (maker, i)).collect();
        let mut layers: Vec<Option<ModelLayer>> = vec![None; order.makers.len()];
        let mut calls = Vec::with_capacity(order.symbols.len());
        let mut places = Places::default();
        let mut names = names(&order.makers, &order.symbols)?;
        for (output, symbol) in order.symbols.iter().enumerate() {
            let layer = layer_of[&maker(symbol)];
            let (slot, mut call_inputs) = (&mut layers[layer], Vec::new());
            match &symbol.0.origin {
                Origin::Input { .. } => {
                    let name = std::mem::take(&mut names[layer]);
                    *slot = Some(ModelLayer { name, layer: None, trainable: true, weights: Vec::new() });
                }
                Origin::Call { layer: instance, inputs } => {
                    call_inputs = inputs.iter().map(|input| tensor[&input.id()]).collect();
                    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
                    let name = slot.as_ref().map_or(&names[layer], |layer| &layer.name);
                    let specs = weight_specs(instance.layer(), name, &shapes)?;
                    match slot {
                        Some(known) => check_shared(known, &specs)?,
                        None => {
                            let name = std::mem::take(&mut names[layer]);
                            let weights = specs.into_iter().map(|spec| places.place(&name, spec)).collect();
                            let (layer, trainable) = (Arc::clone(&instance.0.layer), instance.0.trainable);
                            *slot = Some(ModelLayer { name, layer: Some(layer), trainable, weights });
                        }
                    }
                }
            }
            calls.push(LayerCall { layer, inputs: call_inputs, output });
        }
        Ok(Self {
            name: "functional".into(),
            kind: Kind::Functional,
            layers: layers.into_iter().map(|layer| layer.expect("every maker makes a symbol")).collect(),
            calls,
            tensors: order.symbols.iter().map(|symbol| symbol.shape().clone()).collect(),
            inputs: inputs.iter().map(|input| tensor[&input.id()]).collect(),
            outputs: outputs.iter().map(|output| tensor[&output.id()]).collect(),
            variables: Variables {
                parameters: Slab::new(places.parameters),
                states: Slab::new(places.states),
                version: 0,
            },
            compiled: None,
            training: None,
            runtime: Mutex::default(),
            class_names: Vec::new(),
            max_memory: None,
        })
    }

    /// Adds the whole model to a graph; returns the values of its tensors. In training, `updates` gets the new values of
    /// states with their places.
    pub(crate) fn add_to(
        &self,
        graph: &mut Graph,
        inputs: &[Value],
        mut updates: Option<&mut Vec<(Value, usize)>>,
    ) -> Result<Vec<Value>> {
        let weights: Vec<Vec<Value>> = self
            .layers
            .iter()
            .map(|layer| layer.weights.iter().map(|weight| variable(graph, weight)).collect())
            .collect();
        let mut values: Vec<Value> = Vec::with_capacity(self.tensors.len());
        for call in &self.calls {
            let ModelLayer { name, layer, trainable, weights: specs } = &self.layers[call.layer];
            let Some(layer) = layer else {
                let input = self.inputs.iter().position(|&tensor| tensor == call.output);
                values.push(inputs[input.expect("placeholders are inputs")]);
                continue;
            };
            graph.set_label(name);
            let arguments: Vec<Value> = call.inputs.iter().map(|&tensor| values[tensor]).collect();
            let mut new_states = Vec::new();
            let mode = match updates {
                None => Mode::Inference,
                Some(_) => Mode::Training {
                    stream: call.output as u64,
                    trainable: *trainable,
                    updates: &mut new_states,
                },
            };
            values.push(call_layer(&**layer, graph, &weights[call.layer], &arguments, mode)?);
            if let Some(updates) = updates.as_deref_mut() {
                updates.extend(new_states.into_iter().map(|(weight, value)| match specs[weight].slot {
                    Slot::State(start) => (value, start),
                    Slot::Parameter(_) => unreachable!("layers update states, optimizers update parameters"),
                }));
            }
        }
        Ok(values)
    }
}

fn variable(graph: &mut Graph, weight: &Weight) -> Value {
    let shape = Shape::fixed(weight.dims.clone());
    match weight.slot {
        Slot::Parameter(start) => graph.parameter(shape, start),
        Slot::State(start) => graph.state(shape, start),
    }
}

/// A name for each layer: its own, or its class's with a number.
fn names(makers: &[Maker], symbols: &[Symbol]) -> Result<Vec<String>> {
    let mut origins: HashMap<Maker, (Option<String>, &'static str)> = HashMap::new();
    for symbol in symbols {
        origins.entry(maker(symbol)).or_insert_with(|| match &symbol.0.origin {
            Origin::Input { name } => (name.clone(), "InputLayer"),
            Origin::Call { layer, .. } => (layer.0.name.clone(), layer.layer().class_name()),
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
            (None, class) => loop {
                let name = counters.next(&snake_case(class));
                if used.insert(name.clone()) {
                    break name;
                }
            },
        })
        .collect())
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

/// Gives weights their places in the slabs.
#[derive(Default)]
struct Places {
    parameters: usize,
    states: usize,
}

impl Places {
    fn place(&mut self, layer: &str, spec: WeightSpec) -> Weight {
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
            path: format!("{layer}/{}", spec.name),
            dims: spec.dims,
            slot: slot(start),
            initializer: spec.initializer,
        }
    }
}
