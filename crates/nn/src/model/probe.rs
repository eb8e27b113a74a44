//! Probes: what happens inside a model, and gradients by it, read by the names of layers.

use std::collections::HashMap;

use convnet_engine::ops::{Activate, Activation, Convolution, GuidedActivate, LogSoftmax, Softmax};
use convnet_engine::{Graph, Memory, Plan, Program, RunContext, Shape, Slab, Value, gradients};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};

use super::Model;
use super::build::Additions;
use crate::error::{Error, Result};
use crate::threads;

/// What the gradients of a probe are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// The output before a softmax or sigmoid that the model ends with.
    Scores,
    /// The output of the layer of this name.
    Layer(String),
}

/// What a probe reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The output before a softmax or sigmoid that the model ends with.
    Scores,
    /// The output of the layer of this name; `base/conv2d` is a layer of a model in a layer's place.
    Layer(String),
    /// The gradient by the input.
    GradientByInput,
    /// The gradient by the output of the layer of this name.
    GradientByLayer(String),
}

/// A model with one input, ready to be looked into.
#[derive(Debug)]
pub struct Probe<'m> {
    model: &'m Model,
    program: Program,
    start: Shape,
    /// Shape of each reading, and which fetch it is; `None` for a gradient by what the start does not depend on.
    readings: Vec<(Shape, Option<usize>)>,
    batch: usize,
    plans: HashMap<usize, (Plan, Slab)>,
    arena: Slab,
}

/// Most samples that go through a probe at once: what backward sweeps need is kept for all of them.
const PROBE_BATCH: usize = 16;

impl Model {
    /// Prepares to read values and gradients of predictions. With `guided`, only positive gradients pass rectifiers
    /// ([`GuidedActivate`]).
    ///
    /// # Errors
    /// If there is no such layer, the model has several inputs or outputs, or an operation on the way has no gradient.
    pub fn probe(&self, start: &Start, readings: &[Reading], guided: bool) -> Result<Probe<'_>> {
        let (&[_], &[output]) = (&self.network.inputs[..], &self.network.outputs[..]) else {
            let problem = "only models with one input and one output can be looked into";
            return Err(Error::argument(format!("model `{}`", self.name()), problem));
        };
        let mut graph = Graph::new();
        let input = graph.input(self.input_shapes().remove(0));
        let values = self.add_to(&mut graph, &[input], &mut Additions::default())?;
        let layer = |name: &String| self.value_of_layer(name, &graph, &values);
        let of = match start {
            Start::Scores => values[output],
            Start::Layer(name) => layer(name)?,
        };
        let mut read = Vec::new();
        for reading in readings {
            read.push(match reading {
                Reading::Scores => values[output],
                Reading::GradientByInput => input,
                Reading::Layer(name) | Reading::GradientByLayer(name) => layer(name)?,
            });
        }
        let (mut graph, places) = graph.rewritten(|graph, node, inputs| {
            let activation = match (node.op_as::<Convolution>(), node.op_as::<Activate>()) {
                (Some(convolution), _) => convolution.activation,
                (_, Some(activate)) => activate.0,
                _ => return Ok(None),
            };
            let mut x = inputs[0];
            if let Some(convolution) = node.op_as::<Convolution>() {
                let linear = Convolution { activation: Activation::Linear, ..convolution.clone() };
                x = graph.apply(linear, inputs)?;
            }
            Ok(Some(vec![match activation {
                Activation::Linear => x,
                _ if guided && is_rectifier(activation) => graph.apply(GuidedActivate(activation), &[x])?,
                _ => graph.apply(Activate(activation), &[x])?,
            }]))
        })?;
        let scores = before_probabilities(&graph, places[&values[output]]);
        let of = if *start == Start::Scores { scores } else { places[&of] };
        let shape = graph.shape(of).clone();
        let by: Vec<Value> = read.iter().map(|value| places[value]).collect();
        let is_gradient =
            |reading: &Reading| matches!(reading, Reading::GradientByInput | Reading::GradientByLayer(_));
        let forward_nodes = graph.nodes().len();
        let found = if readings.iter().any(is_gradient) {
            let seed = graph.input(shape.clone());
            gradients(&mut graph, of, Some(seed), &by)?
        } else {
            vec![None; by.len()]
        };
        let mut program = Program { forward_nodes, constant_variables: true, ..Program::default() };
        let mut places = Vec::new();
        for ((reading, value), gradient) in readings.iter().zip(by).zip(found) {
            let fetched = match reading {
                Reading::Scores => Some(scores),
                Reading::Layer(_) => Some(value),
                _ => gradient,
            };
            let shape = graph.shape(fetched.unwrap_or(value)).clone();
            places.push((shape, fetched.map(|_| program.fetches.len())));
            program.fetches.extend(fetched);
        }
        program.graph = graph;
        let batch = self.prediction_batch()?.min(PROBE_BATCH);
        Ok(Probe {
            model: self,
            program,
            start: shape,
            readings: places,
            batch,
            plans: HashMap::new(),
            arena: Slab::default(),
        })
    }

    /// Name of the last convolution that gives more than one position, with the models that it is in.
    pub fn last_convolution(&self) -> Option<String> {
        let graph = self.inference_graph().ok()?.graph;
        let is_wanted = |node: &&convnet_engine::graph::Node| {
            let positions = node.outputs.first().map(|&output| &graph.shape(output).dims[..]);
            positions.is_some_and(|dims| dims.len() == 3 && dims[0] * dims[1] > 1)
                && self.network.find(&node.label).is_ok_and(|layer| layer.class_name().contains("Conv"))
        };
        graph.nodes().iter().rev().find(is_wanted).map(|node| node.label.to_string())
    }

    /// The output of the last call of a layer.
    fn value_of_layer(&self, name: &str, graph: &Graph, values: &[Value]) -> Result<Value> {
        self.network.find(name)?;
        let network = &self.network;
        let call = network.calls.iter().rev().find(|call| network.layers[call.layer].name == name);
        if let Some(call) = call {
            return Ok(values[call.outputs.start]);
        }
        let inside = format!("{name}/");
        let is_its = |label: &str| label == name || label.starts_with(&inside);
        let last = graph.nodes().iter().rev().find(|node| is_its(&node.label));
        last.map(|node| node.outputs[0]).ok_or_else(|| {
            Error::argument(
                format!("layer `{name}`"),
                "it does nothing in prediction; name the one before it",
            )
        })
    }
}

fn is_rectifier(activation: Activation) -> bool {
    match activation {
        Activation::Relu => true,
        Activation::Rectifier { negative_slope, threshold, .. } => negative_slope == 0.0 && threshold == 0.0,
        _ => false,
    }
}

/// What a softmax or sigmoid that makes the value is applied to; else the value.
fn before_probabilities(graph: &Graph, value: Value) -> Value {
    let Some(node) = graph.producer(value) else { return value };
    let is_sigmoid = node.op_as::<Activate>().is_some_and(|activate| activate.0 == Activation::Sigmoid);
    let is_softmax = node.op_as::<Softmax>().is_some() || node.op_as::<LogSoftmax>().is_some();
    if is_sigmoid || is_softmax { node.inputs[0] } else { value }
}

impl Probe<'_> {
    /// Shape of what the gradients are of, batch first.
    pub fn start_shape(&self) -> &Shape {
        &self.start
    }

    /// The readings for samples `(count, …)`, each `(count, …)`. Gradients are of Σ seed · start, where the seed has the
    /// shape of the start without the batch and is the same for all samples.
    ///
    /// # Errors
    /// If the sizes of samples or seed are others.
    pub fn run(&mut self, x: ArrayViewD<'_, f32>, seed: &[f32]) -> Result<Vec<ArrayD<f32>>> {
        let count = self.model.check_inputs(&[x.view()])?;
        if seed.len() != self.start.len() {
            let received = format!("{} numbers", seed.len());
            return Err(Error::Data { what: "seed", expected: self.start.to_string(), received });
        }
        let mut results: Vec<ArrayD<f32>> =
            self.readings.iter().map(|(shape, _)| ArrayD::zeros(IxDyn(&shape.bind(count).dims))).collect();
        for start in (0..count).step_by(self.batch) {
            let end = (start + self.batch).min(count);
            let part = x.slice_axis(Axis(0), Slice::from(start..end));
            let part = part.as_standard_layout();
            let part = part.as_slice().expect("standard layout");
            self.run_batch(part, seed, start..end, &mut results)?;
        }
        Ok(results)
    }

    fn run_batch(
        &mut self,
        x: &[f32],
        seed: &[f32],
        samples: std::ops::Range<usize>,
        results: &mut [ArrayD<f32>],
    ) -> Result<()> {
        let variables = &self.model.variables;
        let (arena, readings, batch) = (&mut self.arena, &self.readings, samples.len());
        let mut states = variables.states.clone();
        if !self.plans.contains_key(&batch) {
            let plan = Plan::new(self.program.clone(), batch);
            let mut constants = Slab::new(plan.constants_len());
            threads::install(|| plan.prepare(&variables.parameters, &mut states, &mut constants))?;
            self.plans.insert(batch, (plan, constants));
        }
        let (plan, constants) = &self.plans[&batch];
        arena.reserve(plan.arena_len());
        let seeds = seed.repeat(batch);
        threads::install(|| {
            let mut memory = Memory {
                inputs: &[x, &seeds],
                parameters: &variables.parameters,
                gradients: &mut [],
                states: &mut states,
                constants,
                arena,
            };
            plan.run(&mut memory, &RunContext::default());
            for (result, (shape, fetch)) in results.iter_mut().zip(readings) {
                let Some(fetch) = fetch else { continue };
                let row = shape.len();
                let to = result.as_slice_mut().expect("new arrays are in standard layout");
                to[samples.start * row..samples.end * row].copy_from_slice(plan.fetched(*fetch, &memory));
            }
        })
    }
}
