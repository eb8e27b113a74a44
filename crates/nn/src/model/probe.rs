//! Probes: what happens inside a model, and gradients by it, read by the names of layers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use convnet_engine::ops::{
    Activate, Activation, Binary, BinaryFunction, Convolution, Extreme, ExtremePlace, GuidedActivate,
    LogSoftmax, Reduce, ReduceFunction, ScaleShift, Softmax,
};
use convnet_engine::{Graph, Memory, Plan, Program, RunContext, Shape, Slab, Value, gradients};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};

use super::Model;
use super::build::Additions;
use super::execute::{check_memory, check_plan};
use crate::error::{Error, Result};
use crate::threads;

/// What the gradients of a probe are of: a value of the graph times a seed of the same shape, summed.
#[derive(Clone, Debug)]
pub enum Start {
    /// The output before a softmax or sigmoid that the model ends with.
    Scores,
    /// The score of one class, before softmax or sigmoid. The seed is one number for each sample: that of its class, or one below 0
    /// for the class of its highest score. Of a model with one score, class 1 is the one that it speaks for, class 0 the other.
    Class,
    /// The output of the layer of this name.
    Layer(String),
    /// The means over all positions of the maps of the layer of this name, `(channels)`.
    Means(String),
    /// Something else.
    Goal(Goal),
}

/// A value that is made from the outputs of layers.
#[derive(Clone)]
pub struct Goal {
    layers: Vec<String>,
    given: Vec<Vec<usize>>,
    build: Build,
}

type Build = Arc<dyn Fn(&mut Graph, &[Value], &[Value]) -> Result<Value> + Send + Sync>;

impl Goal {
    /// `build` is given the outputs of the layers, adds nodes to the graph, and returns the value.
    pub fn new<L: Into<String>>(
        layers: impl IntoIterator<Item = L>,
        build: impl Fn(&mut Graph, &[Value], &[Value]) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        let layers = layers.into_iter().map(Into::into).collect();
        Self { layers, given: Vec::new(), build: Arc::new(build) }
    }

    /// Numbers of these sizes are given to each run, the same for all samples ([`Probe::run_given`]); `build` gets them as its last argument.
    pub fn given(mut self, sizes: impl IntoIterator<Item = Vec<usize>>) -> Self {
        self.given = sizes.into_iter().collect();
        self
    }
}

impl fmt::Debug for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Goal").field("layers", &self.layers).finish_non_exhaustive()
    }
}

/// What a probe reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The output before a softmax or sigmoid that the model ends with.
    Scores,
    /// The model's output.
    Output,
    /// What the gradients are of, before it is multiplied by the seed.
    Start,
    /// The output of the layer of this name; `base/conv2d` is a layer of a model in a layer's place.
    Layer(String),
    /// The gradient by the input.
    GradientByInput,
    /// The gradient by the output of the layer of this name.
    GradientByLayer(String),
}

impl Reading {
    fn is_gradient(&self) -> bool {
        matches!(self, Self::GradientByInput | Self::GradientByLayer(_))
    }
}

/// What is asked of a model.
#[derive(Clone, Debug)]
pub struct Question {
    start: Start,
    readings: Vec<Reading>,
    guided: bool,
    input: Option<Vec<usize>>,
}

impl Question {
    /// These readings, gradients being of `start`.
    pub fn new(start: Start, readings: impl Into<Vec<Reading>>) -> Self {
        Self { start, readings: readings.into(), guided: false, input: None }
    }

    /// Only positive gradients pass rectifiers ([`GuidedActivate`]).
    pub fn guided(mut self, guided: bool) -> Self {
        self.guided = guided;
        self
    }

    /// Of inputs of these sizes (height, width, channels) instead of the model's: all its layers must be able to take what comes of them.
    pub fn of_input(mut self, dims: impl Into<Vec<usize>>) -> Self {
        self.input = Some(dims.into());
        self
    }
}

/// A model with one input, ready to be looked into. Weights are packed at the first run, and plans are kept.
#[derive(Debug)]
pub struct Probe<'m> {
    model: &'m Model,
    program: Program,
    input: Shape,
    /// Of one sample's seed.
    seed: Shape,
    /// What placeholders hold beside the input and what is given: the numbers of the classes.
    numbers: Vec<f32>,
    /// Shapes of what a goal is given.
    given: Vec<Shape>,
    /// Shape of each reading, and which fetch it is; `None` for a gradient by what the start does not depend on.
    readings: Vec<(Shape, Option<usize>)>,
    batch: usize,
    plans: HashMap<usize, (Plan, Slab)>,
    arena: Slab,
}

/// Most samples that go through a probe at once: what backward sweeps need is kept for all of them.
const PROBE_BATCH: usize = 16;

impl Model {
    /// Prepares to read values and gradients of predictions.
    ///
    /// # Errors
    /// If there is no such layer, the model has several inputs, scores are asked of one with several outputs, an operation on the way has
    /// no gradient, or the layers do not take the input's sizes.
    pub fn probe(&self, question: &Question) -> Result<Probe<'_>> {
        let asks_for_scores = matches!(question.start, Start::Scores | Start::Class)
            || question.readings.iter().any(|reading| matches!(reading, Reading::Scores | Reading::Output));
        if self.network.inputs.len() != 1 || asks_for_scores && self.network.outputs.len() != 1 {
            let problem = "only models with one input and one output can be looked into";
            return Err(Error::argument(format!("model `{}`", self.name()), problem));
        }
        let output = self.network.outputs[0];
        let mut graph = Graph::new();
        let own = self.input_shapes().remove(0);
        let shape = question.input.clone().map_or_else(|| own.clone(), Shape::batched);
        let input = graph.input(shape.clone());
        let values = self.add_to(&mut graph, &[input], &mut Additions::default())?;
        let layer = |name: &String| self.value_of_layer(name, &graph, &values);
        let readings = &question.readings;
        let of: Vec<Value> = match &question.start {
            Start::Scores | Start::Class => vec![values[output]],
            Start::Layer(name) | Start::Means(name) => vec![layer(name)?],
            Start::Goal(goal) => goal.layers.iter().map(layer).collect::<Result<_>>()?,
        };
        let mut read = Vec::new();
        for reading in readings {
            read.push(match reading {
                Reading::Scores | Reading::Output => values[output],
                Reading::Start => of[0],
                Reading::GradientByInput => input,
                Reading::Layer(name) | Reading::GradientByLayer(name) => layer(name)?,
            });
        }
        let (mut graph, places) = separate_activations(&graph, question.guided)?;
        let scores = before_probabilities(&graph, places[&values[output]]);
        let of: Vec<Value> = of.iter().map(|value| places[value]).collect();
        let mut given = Vec::new();
        let of = match &question.start {
            Start::Scores | Start::Class => scores,
            Start::Layer(_) => of[0],
            Start::Means(_) => {
                let axes: Vec<usize> = (0..graph.shape(of[0]).dims.len().saturating_sub(1)).collect();
                graph.set_label("means");
                graph.apply(Reduce::new(ReduceFunction::Mean, axes), &of)?
            }
            Start::Goal(goal) => {
                graph.set_label("goal");
                given = goal.given.iter().map(|sizes| Shape::fixed(sizes.clone())).collect();
                let placeholders: Vec<Value> = given.iter().map(|shape| graph.input(shape.clone())).collect();
                (goal.build)(&mut graph, &of, &placeholders)?
            }
        };
        let by: Vec<Value> = read.iter().map(|value| places[value]).collect();
        let forward_nodes = graph.nodes().len();
        let (mut seed_shape, mut numbers) = (graph.shape(of).clone(), Vec::new());
        let found = if readings.iter().any(Reading::is_gradient) {
            let seed = if matches!(question.start, Start::Class) {
                (seed_shape, numbers) = (Shape::batched([1]), class_numbers(&seed_shape)?);
                seed_of_class(&mut graph, of)?
            } else {
                graph.input(seed_shape.clone())
            };
            gradients(&mut graph, of, Some(seed), &by)?
        } else {
            vec![None; by.len()]
        };
        let mut program = Program { forward_nodes, constant_variables: true, ..Program::default() };
        let mut places = Vec::new();
        for ((reading, value), gradient) in readings.iter().zip(by).zip(found) {
            let fetched = match reading {
                Reading::Scores => Some(scores),
                Reading::Start => Some(of),
                Reading::Layer(_) | Reading::Output => Some(value),
                Reading::GradientByInput | Reading::GradientByLayer(_) => gradient,
            };
            let shape = graph.shape(fetched.unwrap_or(value)).clone();
            places.push((shape, fetched.map(|_| program.fetches.len())));
            program.fetches.extend(fetched);
        }
        program.graph = graph;
        let larger = shape.len().div_ceil(own.len().max(1)).max(1);
        let batch = (self.prediction_batch()?.min(PROBE_BATCH) / larger).max(1);
        Ok(Probe {
            model: self,
            program,
            input: shape,
            seed: seed_shape,
            numbers,
            given,
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

/// The graph with activations as nodes of their own, so that their gradients can be others.
fn separate_activations(graph: &Graph, guided: bool) -> Result<(Graph, HashMap<Value, Value>)> {
    let rewritten = graph.rewritten(|graph, node, inputs| {
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
    Ok(rewritten)
}

/// 0, 1, … for the scores of so many classes.
fn class_numbers(scores: &Shape) -> Result<Vec<f32>> {
    match scores.dims[..] {
        [classes] if classes > 0 && scores.batched => Ok((0..classes).map(|class| class as f32).collect()),
        _ => Err(Error::argument("model", format!("it gives {scores}, not one row of classes"))),
    }
}

/// Adds placeholders for the numbers of the samples' classes and for those of all classes; returns what the scores are multiplied by to
/// give that of a sample's class.
fn seed_of_class(graph: &mut Graph, scores: Value) -> Result<Value> {
    graph.set_label("class");
    let classes = graph.shape(scores).dims[0];
    let (chosen, numbers) = (graph.input(Shape::batched([1])), graph.input(Shape::fixed([classes])));
    let likeliest = if classes == 1 {
        let zero = graph.apply(ScaleShift { scale: 0.0, shift: 0.0 }, &[chosen])?;
        graph.apply(Binary(BinaryFunction::Greater), &[scores, zero])?
    } else {
        graph.apply(ExtremePlace { axis: 0, extreme: Extreme { smallest: false, last: false } }, &[scores])?
    };
    // A chosen number is at least 0 and the likeliest below the number of classes: shifted numbers tell which of both holds.
    let shifted = graph.apply(ScaleShift { scale: -1.0, shift: 0.0 }, &[chosen])?;
    let zero = graph.apply(ScaleShift { scale: 0.0, shift: 0.0 }, &[chosen])?;
    let is_free = graph.apply(Binary(BinaryFunction::Greater), &[shifted, zero])?;
    let difference = graph.apply(Binary(BinaryFunction::Subtract), &[likeliest, chosen])?;
    let change = graph.apply(Binary(BinaryFunction::Multiply), &[is_free, difference])?;
    let class = graph.apply(Binary(BinaryFunction::Add), &[chosen, change])?;
    if classes == 1 {
        return Ok(graph.apply(ScaleShift { scale: 2.0, shift: -1.0 }, &[class])?);
    }
    Ok(graph.apply(Binary(BinaryFunction::Equal), &[class, numbers])?)
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
    /// Shape of a sample's input, batch first.
    pub fn input_shape(&self) -> &Shape {
        &self.input
    }

    /// Shape of a sample's seed, batch first.
    pub fn seed_shape(&self) -> &Shape {
        &self.seed
    }

    /// Shapes of the readings, batch first.
    pub fn reading_shapes(&self) -> impl Iterator<Item = &Shape> {
        self.readings.iter().map(|(shape, _)| shape)
    }

    /// The readings for samples `(count, …)`, each `(count, …)`. Gradients are of Σ seed · start; the seed has the shape of
    /// [`Probe::seed_shape`], one for all samples or one after another for each. Without readings of gradients it is not looked at.
    ///
    /// # Errors
    /// If the sizes of samples or seed are others.
    pub fn run(&mut self, x: ArrayViewD<'_, f32>, seed: &[f32]) -> Result<Vec<ArrayD<f32>>> {
        self.run_given(x, &[], seed)
    }

    /// As [`Probe::run`], for a [`Goal`] that is given numbers.
    ///
    /// # Errors
    /// If the sizes of samples, seed, or what is given are others.
    pub fn run_given(
        &mut self,
        x: ArrayViewD<'_, f32>,
        given: &[&[f32]],
        seed: &[f32],
    ) -> Result<Vec<ArrayD<f32>>> {
        let count = x.shape().first().copied().unwrap_or(0);
        if x.shape() != self.input.bind(count).dims {
            let (expected, received) = (self.input.to_string(), format!("{:?}", x.shape()));
            return Err(Error::Data { what: "inputs", expected, received });
        }
        let wrong = |what, expected: String, numbers: usize| {
            Err(Error::Data { what, expected, received: format!("{numbers} numbers") })
        };
        if given.len() != self.given.len() {
            return wrong("given arrays", self.given.len().to_string(), given.len());
        }
        if let Some((shape, given)) =
            self.given.iter().zip(given).find(|(shape, given)| shape.len() != given.len())
        {
            return wrong("given arrays", shape.to_string(), given.len());
        }
        let (has_seed, one) = (self.program.graph.inputs() > 1 + given.len(), self.seed.len());
        if has_seed && seed.len() != one && seed.len() != one * count {
            return wrong("seed", self.seed.to_string(), seed.len());
        }
        let each = if seed.len() == one { seed.repeat(count) } else { seed.to_vec() };
        let numbers = self.reading_shapes().fold(0, |sum: usize, shape| sum.saturating_add(shape.len()));
        check_memory("probe", numbers.saturating_mul(count))?;
        let mut results: Vec<ArrayD<f32>> =
            self.readings.iter().map(|(shape, _)| ArrayD::zeros(IxDyn(&shape.bind(count).dims))).collect();
        for start in (0..count).step_by(self.batch) {
            let samples = start..(start + self.batch).min(count);
            let part = x.slice_axis(Axis(0), Slice::from(samples.clone()));
            let part = part.as_standard_layout();
            let part = part.as_slice().expect("standard layout");
            let seeds = if has_seed { &each[samples.start * one..samples.end * one] } else { &[] };
            let mut inputs = vec![part];
            inputs.extend(given);
            inputs.push(seeds);
            self.run_batch(&inputs, samples, &mut results)?;
        }
        Ok(results)
    }

    fn run_batch(
        &mut self,
        inputs: &[&[f32]],
        samples: std::ops::Range<usize>,
        results: &mut [ArrayD<f32>],
    ) -> Result<()> {
        let Self { model, program, numbers, readings, plans, arena, .. } = self;
        let (variables, batch) = (&model.variables, samples.len());
        let mut states = variables.states.clone();
        let (plan, constants) = match plans.entry(batch) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let plan = Plan::new(program.clone(), batch);
                check_plan("probe", &plan, arena)?;
                let mut constants = Slab::new(plan.constants_len());
                threads::install(|| plan.prepare(&variables.parameters, &mut states, &mut constants))?;
                place.insert((plan, constants))
            }
        };
        arena.reserve(plan.arena_len());
        let inputs = [inputs, &[&numbers[..]]].concat();
        threads::install(|| {
            let mut memory = Memory {
                inputs: &inputs,
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
