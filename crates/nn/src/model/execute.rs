//! Programs of a model, their plans, and prediction.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use convnet_engine::ops::{ScaleShift, Sum};
use convnet_engine::{
    Graph, Memory, Plan, Program, RunContext, Shape, Slab, Target, Value, gradients, passes,
};
use ndarray::{ArrayD, ArrayView, ArrayViewD, Axis, Dimension, IxDyn, Slice};

use super::build::Additions;
use super::{Model, Slot};
use crate::error::{Error, Result};
use crate::losses::Counted;
use crate::threads;

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Predict,
    /// With samples that have weights or not.
    Evaluate {
        weighted: bool,
    },
    Train {
        weighted: bool,
    },
}

impl Purpose {
    /// What a user calls for it.
    fn place(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Evaluate { .. } => "evaluate",
            Self::Train { .. } => "fit",
        }
    }
}

/// Plans that were made, and the arena that all of them use in turn.
#[derive(Debug, Default)]
pub(crate) struct Runtime {
    pub(crate) arena: Slab,
    plans: Vec<KeptPlan>,
    prediction_batch: Option<usize>,
}

/// A plan, and what it keeps from run to run.
#[derive(Debug)]
struct KeptPlan {
    purpose: Purpose,
    batch: usize,
    plan: Arc<Plan>,
    /// What the plan made of the variables, and of which version of them.
    constants: Slab,
    version: Option<u64>,
}

/// So many plans are kept; the oldest gives way.
const KEPT_PLANS: usize = 8;

/// Samples that are predicted at once, unless they need more memory than this.
const PREDICTION_BATCH: usize = 128;

/// Floats of intermediate values that a prediction may take before its batch is made smaller.
const PREDICTION_MEMORY: usize = 64 << 20;

/// The graph of a model that predicts: for those that write it in other forms.
#[derive(Clone, Debug)]
pub struct InferenceGraph {
    /// The graph, as the layers make it; no pass has changed it.
    pub graph: Graph,
    /// Names and values of the placeholders, in the model's order.
    pub inputs: Vec<(String, Value)>,
    /// Names of the layers that make the outputs, and the outputs.
    pub outputs: Vec<(String, Value)>,
}

/// A graph with longer lists than this gets no gradients: these make an operation for each input of one, such as each part of a joint, and all
/// that stands in a plan for it.
const MAX_TRAINED: usize = 3 << 20;

/// Refuses to add gradients to a very large graph.
fn check_gradients(graph: &Graph) -> Result<()> {
    let places: usize = graph.nodes().iter().map(|node| 1 + node.inputs.len()).sum();
    if places <= MAX_TRAINED {
        return Ok(());
    }
    let problem = format!(
        "its operations and their inputs are {places}, of which {MAX_TRAINED} can be trained (shorter sequences, fewer layers or parts); \
         it predicts all the same"
    );
    Err(Error::argument("compile", problem))
}

/// Refuses what the system has no memory for, lest the allocation that fails end the process.
pub(super) fn check_memory(place: &str, floats: usize) -> Result<()> {
    let mut probe = Vec::<f32>::new();
    let fits = probe.try_reserve_exact(floats).is_ok();
    // Memory that nobody sees need not be asked for at all.
    std::hint::black_box(&mut probe);
    if fits {
        return Ok(());
    }
    let gigabytes = floats as f64 * size_of::<f32>() as f64 * 1e-9;
    let problem = format!(
        "it needs {gigabytes:.1} GB at once, which the system has not; a smaller batch or input needs less"
    );
    Err(Error::argument(place, problem))
}

/// Refuses a plan for which the system has no memory.
pub(super) fn check_plan(place: &str, plan: &Plan, arena: &mut Slab) -> Result<()> {
    let (before, wanted) = (arena.len(), plan.arena_len());
    if wanted <= before {
        return check_memory(place, plan.constants_len());
    }
    // It holds nothing between runs, and need not be there beside the larger one.
    *arena = Slab::default();
    let fits = check_memory(place, wanted.saturating_add(plan.constants_len()));
    if fits.is_err() {
        arena.reserve(before);
    }
    fits
}

impl Runtime {
    pub(crate) fn forget_plans(&mut self) {
        self.plans.clear();
    }
}

impl Model {
    /// The graph that predicts. Variables have the places of [`Weight::slot`](super::Weight).
    ///
    /// # Errors
    /// If a layer cannot be added, which would have come up when the model was made.
    pub fn inference_graph(&self) -> Result<InferenceGraph> {
        let mut program = Program::default();
        let inputs = self.placeholders(&mut program);
        let values = self.add_to(&mut program.graph, &inputs, &mut Additions::default())?;
        let network = &self.network;
        let name = |tensor: usize| network.layers[network.maker_of(tensor).layer].name.clone();
        Ok(InferenceGraph {
            inputs: network.inputs.iter().zip(inputs).map(|(&tensor, value)| (name(tensor), value)).collect(),
            outputs: network.outputs.iter().map(|&tensor| (name(tensor), values[tensor])).collect(),
            graph: program.graph,
        })
    }

    /// The forward pass, outputs fetched.
    fn prediction_program(&self) -> Result<Program> {
        let mut program = Program { precision: self.precision, ..Program::default() };
        let inputs = self.placeholders(&mut program);
        let values = self.add_to(&mut program.graph, &inputs, &mut Additions::default())?;
        program.fetches = self.network.outputs.iter().map(|&tensor| values[tensor]).collect();
        program.constant_variables = true;
        Ok(program)
    }

    /// Which outputs have masks: time steps that losses and some metrics pass over.
    pub(crate) fn masked_outputs(&self) -> Result<Vec<bool>> {
        let (mut program, mut additions) = (Program::default(), Additions::default());
        let inputs = self.placeholders(&mut program);
        self.add_to(&mut program.graph, &inputs, &mut additions)?;
        Ok(additions.masks.iter().map(Option::is_some).collect())
    }

    /// Forward pass; fetched are the loss, of several outputs each one's loss, then what each metric wants to see, then the masks of outputs whose metrics heed them;
    /// placeholders are the inputs, then the targets of outputs that have a loss or a metric, then the samples' weights.
    fn scoring_program(&self, additions: &mut Additions, weighted: bool) -> Result<Program> {
        let compiled = self.compiled.as_ref().ok_or(Error::NotCompiled("training or evaluation"))?;
        let mut program = Program { precision: self.precision, ..Program::default() };
        let inputs = self.placeholders(&mut program);
        let judged = || compiled.objectives.iter().zip(&self.network.outputs).enumerate();
        let targets: Vec<Value> = judged()
            .filter(|(_, (objective, _))| objective.wants_targets())
            .map(|(_, (objective, &output))| {
                program.graph.input(objective.target_shape(&self.network.tensors[output]))
            })
            .collect();
        let weights = weighted.then(|| program.graph.input(Shape::batched([])));
        let values = self.add_to(&mut program.graph, &inputs, additions)?;
        let graph = &mut program.graph;
        let model_nodes = graph.nodes().len();
        let (mut terms, mut losses, mut scores, mut masks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let wanted = judged().filter(|(_, (objective, _))| objective.wants_targets());
        for ((index, (objective, &output)), &targets) in wanted.zip(&targets) {
            let predictions = values[output];
            if let Some(loss) = &objective.loss {
                graph.set_label("loss");
                let each = loss.build(graph, predictions, targets)?;
                let counted =
                    Counted { weights, mask: additions.masks[index], ignored: loss.ignored_class() };
                let mean = counted.mean(graph, each, targets)?;
                losses.push(mean);
                terms.push(match objective.weight {
                    1.0 => mean,
                    scale => graph.apply(ScaleShift { scale, shift: 0.0 }, &[mean])?,
                });
            }
            masks.extend(additions.masks[index].filter(|_| objective.heeds_mask()));
            for metric in &objective.metrics {
                graph.set_label(metric.name());
                metric.check(graph.shape(predictions), graph.shape(targets))?;
                scores.push(metric.build(graph, predictions, targets)?);
            }
        }
        graph.set_label("loss");
        terms.append(&mut additions.penalties);
        self.add_penalties(graph, &mut terms)?;
        program.fetches.push(if terms.len() > 1 { graph.apply(Sum, &terms)? } else { terms[0] });
        program.fetches.extend(losses.iter().filter(|_| losses.len() > 1));
        program.fetches.extend(scores);
        program.fetches.extend(masks);
        let scoring = &graph.nodes()[model_nodes..];
        program.exact =
            scoring.iter().flat_map(|node| node.inputs.iter().chain(&node.outputs)).copied().collect();
        program.exact.extend(&program.fetches);
        Ok(program)
    }

    /// Forward and backward pass: loss and metrics fetched, gradients and new states stored.
    pub(crate) fn training_program(&self, weighted: bool) -> Result<Program> {
        let mut additions = Additions { training: true, ..Additions::default() };
        let mut program = self.scoring_program(&mut additions, weighted)?;
        check_gradients(&program.graph)?;
        passes::before_gradients(&mut program);
        let loss = program.fetches[0];
        let trained: HashSet<usize> = self.trainable_slots().map(|(start, _)| start).collect();
        let parameters: Vec<(Value, usize)> =
            program.graph.parameters().into_iter().filter(|(_, start)| trained.contains(start)).collect();
        let by: Vec<Value> = parameters.iter().map(|&(value, _)| value).collect();
        program.forward_nodes = program.graph.nodes().len();
        let found = gradients(&mut program.graph, loss, None, &by)?;
        for (gradient, (_, start)) in found.into_iter().zip(parameters) {
            program.stores.extend(gradient.map(|gradient| (gradient, Target::Gradient(start))));
        }
        program
            .stores
            .extend(additions.updates.into_iter().map(|(value, start)| (value, Target::State(start))));
        Ok(program)
    }

    fn placeholders(&self, program: &mut Program) -> Vec<Value> {
        self.input_shapes().into_iter().map(|shape| program.graph.input(shape)).collect()
    }

    /// Starts and lengths of the parameters that are trained.
    pub(crate) fn trainable_slots(&self) -> impl Iterator<Item = (usize, usize)> {
        self.trainable_weights().filter_map(|weight| match weight.slot {
            Slot::Parameter(start) => Some((start, weight.len())),
            Slot::State(_) => None,
        })
    }

    /// Adds what the regularizers of trained weights ask for.
    fn add_penalties(&self, graph: &mut Graph, penalties: &mut Vec<Value>) -> Result<()> {
        let parameters: HashMap<usize, Value> =
            graph.parameters().into_iter().map(|(value, start)| (start, value)).collect();
        for weight in self.trainable_weights() {
            if let (Some(regularizer), Slot::Parameter(start)) = (&weight.regularizer, weight.slot) {
                graph.set_label(&weight.layer);
                let value = *parameters.get(&start).expect("all weights are in the graph");
                penalties.push(regularizer.penalty(graph, value)?);
            }
        }
        Ok(())
    }

    /// The plan for a purpose and batch size, made at the first call.
    pub(crate) fn plan(&self, runtime: &mut Runtime, purpose: Purpose, batch: usize) -> Result<Arc<Plan>> {
        Ok(Arc::clone(&self.kept_plan(runtime, purpose, batch)?.0.plan))
    }

    /// The same, with what it keeps, and the arena.
    fn kept_plan<'r>(
        &self,
        runtime: &'r mut Runtime,
        purpose: Purpose,
        batch: usize,
    ) -> Result<(&'r mut KeptPlan, &'r mut Slab)> {
        let Runtime { arena, plans, .. } = runtime;
        let index = match plans.iter().position(|kept| (kept.purpose, kept.batch) == (purpose, batch)) {
            Some(index) => index,
            None => {
                let plan = Arc::new(self.new_plan(purpose, batch)?);
                check_plan(purpose.place(), &plan, arena)?;
                if plans.len() == KEPT_PLANS {
                    plans.remove(0);
                }
                arena.reserve(plan.arena_len());
                let constants = Slab::new(plan.constants_len());
                plans.push(KeptPlan { purpose, batch, plan, constants, version: None });
                plans.len() - 1
            }
        };
        Ok((&mut plans[index], arena))
    }

    pub(crate) fn new_plan(&self, purpose: Purpose, batch: usize) -> Result<Plan> {
        let mut program = match purpose {
            Purpose::Predict => self.prediction_program()?,
            Purpose::Evaluate { weighted } => {
                let program = self.scoring_program(&mut Additions::default(), weighted)?;
                Program { constant_variables: true, ..program }
            }
            Purpose::Train { weighted } => self.training_program(weighted)?,
        };
        let Some(limit) = self.max_memory.filter(|_| matches!(purpose, Purpose::Train { .. })) else {
            return Ok(Plan::new(program, batch));
        };
        let floats = limit / size_of::<f32>();
        let beside = self.training_floats_beside_the_arena(batch);
        program.max_arena = Some(floats.saturating_sub(beside));
        let plan = Plan::new(program, batch);
        let needed = (plan.arena_len() + beside) * size_of::<f32>();
        if needed > limit {
            let problem = format!(
                "training on batches of {batch} needs {:.1} MB at least, but {:.1} MB are allowed; a smaller batch needs less",
                needed as f64 * 1e-6,
                limit as f64 * 1e-6
            );
            return Err(Error::argument("max_memory", problem));
        }
        Ok(plan)
    }

    /// Weights, gradients, the optimizer's slots and a batch of inputs. Gradients and slots of frozen weights are never touched, so that the system
    /// gives no memory for them.
    pub(crate) fn training_floats_beside_the_arena(&self, batch: usize) -> usize {
        let slots = self.compiled.as_ref().map_or(0, |compiled| compiled.optimizer.slots().len());
        let inputs: usize = self.input_shapes().iter().map(|shape| shape.bind(batch).len()).sum();
        let trained: usize = self.trainable_slots().map(|(_, len)| Slab::round_up(len)).sum();
        self.variables.parameters.len() + (1 + slots) * trained + self.variables.states.len() + inputs
    }

    pub(crate) fn lock_runtime(&self) -> MutexGuard<'_, Runtime> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many samples are predicted or evaluated at once: fewer if they are large. Depends on shapes alone.
    pub(crate) fn prediction_batch(&self) -> Result<usize> {
        let mut runtime = self.lock_runtime();
        if let Some(known) = runtime.prediction_batch {
            return Ok(known);
        }
        // The plan is kept: the first prediction is often of one sample.
        let one = self.plan(&mut runtime, Purpose::Predict, 1)?.arena_len().max(1);
        let batch = (PREDICTION_MEMORY / one).clamp(1, PREDICTION_BATCH);
        runtime.prediction_batch = Some(batch);
        Ok(batch)
    }

    /// Runs a plan that changes nothing but the arena, and gives what it fetches to `read`.
    pub(crate) fn run_forward<R: Send>(
        &self,
        purpose: Purpose,
        batch: usize,
        inputs: &[&[f32]],
        read: impl FnOnce(&Plan, &Memory<'_>) -> R + Send,
    ) -> Result<R> {
        self.with_memory(purpose, batch, inputs, |plan, memory| {
            plan.run(memory, &RunContext::default());
            read(plan, memory)
        })
    }

    /// Gives a plan that changes nothing but the arena to `act`, with its memory.
    pub(crate) fn with_memory<R: Send>(
        &self,
        purpose: Purpose,
        batch: usize,
        inputs: &[&[f32]],
        act: impl FnOnce(&Plan, &mut Memory<'_>) -> R + Send,
    ) -> Result<R> {
        let mut runtime = self.lock_runtime();
        let (kept, arena) = self.kept_plan(&mut runtime, purpose, batch)?;
        let is_prepared = kept.version == Some(self.variables.version);
        let plan = &kept.plan;
        // States are read but never written by these plans; a copy keeps the model shareable among threads.
        let reads_states = !is_prepared || plan.reads_states();
        let mut states = if reads_states { self.variables.states.clone() } else { Slab::default() };
        let result = threads::install(|| {
            if !is_prepared {
                plan.prepare(&self.variables.parameters, &mut states, &mut kept.constants);
            }
            let mut memory = Memory {
                inputs,
                parameters: &self.variables.parameters,
                gradients: &mut [],
                states: &mut states,
                constants: &kept.constants,
                arena,
            };
            act(plan, &mut memory)
        });
        kept.version = Some(self.variables.version);
        result
    }

    /// The output for samples `(count, …)`, of a model with one input and one output. Keras's `predict`.
    ///
    /// # Errors
    /// If the sizes are not those of the model's input, or it has several inputs or outputs.
    pub fn predict<D: Dimension>(&self, x: ArrayView<'_, f32, D>) -> Result<ArrayD<f32>> {
        let mut outputs = self.predict_all(&[x.into_dyn()])?;
        if outputs.len() != 1 {
            let problem = format!("the model has {} outputs; use predict_all", outputs.len());
            return Err(Error::argument("predict", problem));
        }
        Ok(outputs.remove(0))
    }

    /// All outputs for samples given for all inputs.
    ///
    /// # Errors
    /// If number or sizes are not those of the model's inputs.
    pub fn predict_all(&self, inputs: &[ArrayViewD<'_, f32>]) -> Result<Vec<ArrayD<f32>>> {
        let count = self.check_inputs(inputs)?;
        let batch = self.prediction_batch()?;
        let shapes = self.output_shapes();
        let numbers = shapes.iter().fold(0, |sum: usize, shape| {
            sum.saturating_add(shape.len().saturating_mul(if shape.batched { count } else { 1 }))
        });
        check_memory(Purpose::Predict.place(), numbers)?;
        let mut outputs: Vec<ArrayD<f32>> =
            (shapes.iter()).map(|shape| ArrayD::zeros(IxDyn(&shape.bind(count).dims))).collect();
        for start in (0..count).step_by(batch) {
            let end = (start + batch).min(count);
            let parts: Vec<_> = inputs
                .iter()
                .map(|input| {
                    input.slice_axis(Axis(0), Slice::from(start..end)).as_standard_layout().into_owned()
                })
                .collect();
            let slices: Vec<&[f32]> =
                parts.iter().map(|part| part.as_slice().expect("standard layout")).collect();
            self.run_forward(Purpose::Predict, end - start, &slices, |plan, memory| {
                for (index, output) in outputs.iter_mut().enumerate() {
                    let from = plan.fetched(index, memory);
                    let row = from.len() / (end - start);
                    let to = output.as_slice_mut().expect("new arrays are in standard layout");
                    to[start * row..end * row].copy_from_slice(from);
                }
            })?;
        }
        Ok(outputs)
    }

    /// Checks inputs against the model; returns the number of samples.
    pub(crate) fn check_inputs(&self, inputs: &[ArrayViewD<'_, f32>]) -> Result<usize> {
        let expected = self.input_shapes();
        if inputs.len() != expected.len() {
            let problem =
                format!("the model has {} inputs, but {} arrays were given", expected.len(), inputs.len());
            return Err(Error::argument("predict", problem));
        }
        let count = inputs.first().map_or(0, |input| input.shape().first().copied().unwrap_or(0));
        for (input, shape) in inputs.iter().zip(expected) {
            if input.shape() != shape.bind(count).dims {
                let received = format!("{:?}", input.shape());
                return Err(Error::Data { what: "inputs", expected: shape.to_string(), received });
            }
        }
        self.check_rows(|input| inputs[input].iter())?;
        Ok(count)
    }
}
