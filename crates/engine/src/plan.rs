//! The plan: for one batch size, the list of kernel calls and the place of every buffer.
//!
//! Nodes that nobody needs are dropped. A value lives from the call that makes it to the last that reads it, and values that
//! do not live at the same time share memory; the sum, known before the run, is [`Plan::arena_len`].
//!
//! Where variables stay the same over many runs (prediction), what depends on them alone is computed once, by
//! [`Plan::prepare`], and kept in memory of its own.

mod arena;
mod constants;

use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use crate::graph::{Graph, Source, Value};
use crate::op::{Kernel, Sharing, Sizes};
use crate::ops::Sum;
use crate::precision::Precision;
use crate::shape::{Bound, Element};
use crate::slab::Slab;

/// Where a value is to be written, beside the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The slab of gradients, from this offset.
    Gradient(usize),
    /// The slab of states, from this offset. The value must come from an operation that works in place on that state, and nothing
    /// added to the graph later may read the state.
    State(usize),
}

/// A graph and what is wanted of it.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The graph.
    pub graph: Graph,
    /// Values to read after the run.
    pub fetches: Vec<Value>,
    /// Values that go to slabs.
    pub stores: Vec<(Value, Target)>,
    /// Whether parameters and states stay the same over many runs, so that what depends on them alone is worth keeping.
    /// Such a program stores nothing.
    pub constant_variables: bool,
    /// Number of nodes of the forward sweep, the others having been added by [`gradients`](crate::gradients).
    pub forward_nodes: usize,
    /// How exactly values are stored.
    pub precision: Precision,
    /// Values that stay as they are in any precision: what loss and metrics read and make.
    pub exact: Vec<Value>,
    /// Most floats that the arena should take, if less than it takes by itself: values of the forward sweep are then computed
    /// again when the backward sweep needs them, as far as that helps.
    pub max_arena: Option<usize>,
}

impl Program {
    /// For each value, whether it is wanted outside of the graph. To be asked for once and for all values: a model of many layers stores many.
    pub fn outputs(&self) -> Vec<bool> {
        let mut outputs = vec![false; self.graph.values.len()];
        for value in self.fetches.iter().chain(self.stores.iter().map(|(value, _)| value)) {
            outputs[value.index()] = true;
        }
        outputs
    }

    /// Makes every stored value the output of a node that is stored nowhere else.
    fn separate_stores(&mut self) {
        let mut seen = HashSet::with_capacity(self.stores.len());
        for i in 0..self.stores.len() {
            let (value, target) = self.stores[i];
            let repeated = !seen.insert(value);
            if repeated || !matches!(self.graph.source(value), Source::Node { .. }) {
                let copy = self.graph.apply(Sum, &[value]).expect("a copy fits any value");
                self.stores[i] = (copy, target);
            }
        }
    }
}

/// Where a value lies during the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    Input { index: usize, len: usize },
    Parameter { start: usize, len: usize },
    State { start: usize, len: usize },
    Gradient { start: usize, len: usize },
    Arena { start: usize, len: usize },
    Constant { start: usize, len: usize },
}

/// What a piece of a slab is to a kernel call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is these inputs.
    Inputs(SmallVec<[usize; 2]>),
    /// It is this output.
    Output(usize),
    Scratch,
}

/// A piece of a slab that a kernel call works on.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) role: Role,
}

/// A kernel call with everything that it needs.
pub(crate) struct Step {
    pub(crate) label: std::sync::Arc<str>,
    pub(crate) op: &'static str,
    pub(crate) kernel: Kernel,
    pub(crate) inputs: usize,
    /// Floats of each output that hold floats: what a check for numbers that are not finite looks at.
    pub(crate) outputs: Vec<Element>,
    /// Inputs that lie in placeholders, parameters or what was prepared from them.
    pub(crate) read_only: Vec<(usize, Place)>,
    /// Disjoint pieces of the slabs, by rising start.
    pub(crate) arena: Vec<Piece>,
    pub(crate) gradients: Vec<Piece>,
    pub(crate) states: Vec<Piece>,
    pub(crate) multiply_adds: u64,
}

/// A program with all sizes and places fixed for one batch size.
pub struct Plan {
    /// What is computed once for given variables.
    pub(crate) preparation: Vec<Step>,
    pub(crate) steps: Vec<Step>,
    pub(crate) fetches: Vec<Place>,
    /// Lengths of the placeholders; `None` where the program does not read them.
    pub(crate) input_lens: Vec<Option<usize>>,
    arena_len: usize,
    constants_len: usize,
    batch: usize,
}

impl std::fmt::Debug for Plan {
    /// One line a call: label, operation, multiply-adds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "plan for batch {}: arena of {} floats", self.batch, self.arena_len)?;
        for step in &self.steps {
            writeln!(f, "  {:<28} {:<32} {:>14} multiply-adds", step.label, step.op, step.multiply_adds)?;
        }
        Ok(())
    }
}

impl Plan {
    /// Plans a program for a batch size, after the [passes](crate::passes).
    pub fn new(mut program: Program, batch: usize) -> Self {
        crate::passes::optimize(&mut program);
        if program.constant_variables {
            constants::prepare(&mut program, batch);
            crate::passes::band::run(&mut program, batch);
        }
        let rounds = program.precision == Precision::Bf16 && program.forward_nodes > 0;
        if rounds {
            crate::passes::bf16::multiply_pairs(&mut program, batch);
            crate::passes::bf16::round(&mut program);
        }
        let make = |mut program| {
            if rounds {
                crate::passes::bf16::store(&mut program);
            }
            Self::without_passes(program, batch)
        };
        let Some(limit) = program.max_arena else { return make(program) };
        let mut best = make(program.clone());
        for extent in crate::passes::recompute::Extent::all(program.forward_nodes) {
            if best.arena_len() <= limit {
                break;
            }
            let mut program = program.clone();
            crate::passes::recompute::run(&mut program, extent);
            let plan = make(program);
            if plan.arena_len() < best.arena_len() {
                best = plan;
            }
        }
        best
    }

    /// Plans a program as it stands: what tests hold the passes against.
    pub fn without_passes(mut program: Program, batch: usize) -> Self {
        program.separate_stores();
        Planner::new(&program, batch).finish()
    }

    /// Floats of the arena in which all intermediate values lie.
    pub fn arena_len(&self) -> usize {
        self.arena_len
    }

    /// Floats that [`Plan::prepare`] fills, to be given to each run.
    pub fn constants_len(&self) -> usize {
        self.constants_len
    }

    /// Whether runs read the slab of states.
    pub fn reads_states(&self) -> bool {
        self.steps.iter().any(|step| !step.states.is_empty())
    }

    /// The batch size for which it was made.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Multiply-adds of one run.
    pub fn multiply_adds(&self) -> u64 {
        self.steps.iter().map(|step| step.multiply_adds).sum()
    }

    /// Label, operation and multiply-adds of the calls, in order.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = (&str, &'static str, u64)> {
        self.steps.iter().map(|step| (&*step.label, step.op, step.multiply_adds))
    }
}

/// The memory of one or several values.
#[derive(Clone, Debug)]
struct Buffer {
    len: usize,
    first: usize,
    last: usize,
    start: usize,
    /// Whether it is filled once for many runs.
    constant: bool,
}

/// Where a value lies, before offsets in the arena are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    Fixed(Place),
    Buffer(usize),
}

struct Planner<'p> {
    program: &'p Program,
    graph: &'p Graph,
    batch: usize,
    /// Nodes that are run, in order.
    order: Vec<usize>,
    /// So many of the first of them depend on variables alone, and these stay the same.
    constants: usize,
    /// For each value the position of its last reader, `usize::MAX` if it is fetched.
    last_read: Vec<Option<usize>>,
    /// Where values go that are stored.
    targets: HashMap<Value, Target>,
    storage: Vec<Storage>,
    buffers: Vec<Buffer>,
    in_place: Vec<bool>,
}

impl<'p> Planner<'p> {
    fn new(program: &'p Program, batch: usize) -> Self {
        let graph = &program.graph;
        let mut order = needed_nodes(program);
        let constants = if program.constant_variables { constants::move_first(graph, &mut order) } else { 0 };
        let mut is_constant = vec![false; graph.nodes.len()];
        order[..constants].iter().for_each(|&node| is_constant[node] = true);
        let mut last_read = vec![None; graph.values.len()];
        for (position, &node) in order.iter().enumerate() {
            for input in &graph.nodes[node].inputs {
                let made = &graph.values[input.index()].source;
                let kept =
                    position >= constants && matches!(made, Source::Node { node, .. } if is_constant[*node]);
                last_read[input.index()] = Some(if kept { usize::MAX } else { position });
            }
        }
        for fetch in &program.fetches {
            last_read[fetch.index()] = Some(usize::MAX);
        }
        let storage = vec![Storage::Fixed(Place::Nowhere); graph.values.len()];
        let in_place = vec![false; order.len()];
        let targets = program.stores.iter().copied().collect();
        let buffers = Vec::new();
        Self { program, graph, batch, order, constants, last_read, targets, storage, buffers, in_place }
    }

    fn finish(mut self) -> Plan {
        self.place_sources();
        for position in 0..self.order.len() {
            self.place_outputs(position);
        }
        let lowered: Vec<_> = (0..self.order.len()).map(|position| self.lower(position)).collect();
        let scratch: Vec<usize> = lowered
            .iter()
            .enumerate()
            .map(|(position, lowered)| self.new_buffer(lowered.scratch, position, position))
            .collect();
        let constants_len = arena::assign(&mut self.buffers, true);
        let arena_len = arena::assign(&mut self.buffers, false);
        let (mut preparation, mut steps) = (Vec::new(), Vec::with_capacity(self.order.len()));
        for (position, lowered) in lowered.into_iter().enumerate() {
            if !self.is_view(position) {
                let list = if position < self.constants { &mut preparation } else { &mut steps };
                list.push(self.step(position, lowered.kernel, scratch[position]));
            }
        }
        let fetches = self.program.fetches.iter().map(|&value| self.place(value, usize::MAX)).collect();
        let mut input_lens = vec![None; self.graph.inputs()];
        for (index, info) in self.graph.values.iter().enumerate() {
            if let (Source::Input(input), Some(_)) = (info.source, self.last_read[index]) {
                input_lens[input] = Some(info.ty.shape.bind(self.batch).len());
            }
        }
        Plan { preparation, steps, fetches, input_lens, arena_len, constants_len, batch: self.batch }
    }

    fn bound(&self, value: Value) -> Bound {
        self.graph.shape(value).bind(self.batch)
    }

    /// Floats that a value takes.
    fn floats(&self, value: Value) -> usize {
        let len = self.bound(value).len();
        match self.graph.type_of(value).element {
            Element::F32 => len,
            Element::Bf16 => len.div_ceil(2),
            Element::U8 => len.div_ceil(size_of::<f32>()),
        }
    }

    fn place_sources(&mut self) {
        for index in 0..self.graph.values.len() {
            let value = Value(index as u32);
            let len = self.bound(value).len();
            self.storage[index] = Storage::Fixed(match self.graph.source(value) {
                Source::Input(index) => Place::Input { index, len },
                Source::Parameter(start) => Place::Parameter { start, len },
                Source::State(start) => Place::State { start, len },
                Source::Node { .. } => Place::Nowhere,
            });
        }
    }

    fn place_outputs(&mut self, position: usize) {
        let node = &self.graph.nodes[self.order[position]];
        for (output, &value) in node.outputs.iter().enumerate() {
            let len = self.floats(value);
            let last = self.last_read[value.index()];
            let storage = if let Some(&target) = self.targets.get(&value) {
                let place = match target {
                    Target::Gradient(start) => Place::Gradient { start, len },
                    Target::State(start) => Place::State { start, len },
                };
                let shared = matches!(node.op.sharing(), Sharing::InPlace(input)
                    if output == 0 && self.storage[node.inputs[input].index()] == Storage::Fixed(place));
                let reads_a_state = node.inputs.first().is_some_and(|input| {
                    matches!(self.storage[input.index()], Storage::Fixed(Place::State { .. }))
                });
                debug_assert!(
                    shared || !reads_a_state || matches!(place, Place::Gradient { .. }),
                    "states are updated in place, or from what such an update would have given"
                );
                self.in_place[position] |= shared;
                Storage::Fixed(place)
            } else if output == 0 && node.op.sharing() == Sharing::View {
                let storage = self.storage[node.inputs[0].index()];
                if let Storage::Buffer(buffer) = storage {
                    self.extend(buffer, last.unwrap_or(position));
                }
                storage
            } else if let Some(buffer) = self.reusable(position).filter(|_| output == 0) {
                self.in_place[position] = true;
                self.extend(buffer, last.unwrap_or(position));
                Storage::Buffer(buffer)
            } else if last.is_none() && node.op.optional_output(output) {
                Storage::Fixed(Place::Nowhere)
            } else {
                Storage::Buffer(self.new_buffer(len, position, last.unwrap_or(position)))
            };
            self.storage[value.index()] = storage;
        }
    }

    /// Lets a buffer hold another value, which is read until `last`.
    fn extend(&mut self, buffer: usize, last: usize) {
        let buffer = &mut self.buffers[buffer];
        buffer.last = buffer.last.max(last);
    }

    /// The buffer that the node at `position` may overwrite with its first output.
    fn reusable(&self, position: usize) -> Option<usize> {
        let node = &self.graph.nodes[self.order[position]];
        let Sharing::InPlace(input) = node.op.sharing() else { return None };
        let Storage::Buffer(buffer) = self.storage[node.inputs[input].index()] else { return None };
        let unread_later = self.buffers[buffer].last <= position;
        let read_once = (node.inputs.iter())
            .filter(|other| self.storage[other.index()] == Storage::Buffer(buffer))
            .count()
            == 1;
        let fits = self.floats(node.inputs[input]) == self.floats(node.outputs[0]);
        let made_together = self.buffers[buffer].constant == (position < self.constants);
        (unread_later && read_once && fits && made_together).then_some(buffer)
    }

    fn new_buffer(&mut self, len: usize, first: usize, last: usize) -> usize {
        let constant = first < self.constants;
        self.buffers.push(Buffer { len: Slab::round_up(len), first, last, start: 0, constant });
        self.buffers.len() - 1
    }

    /// Whether nothing is to be done at `position`, its output being a view of its input.
    fn is_view(&self, position: usize) -> bool {
        let node = &self.graph.nodes[self.order[position]];
        node.op.sharing() == Sharing::View
            && self.storage[node.outputs[0].index()] == self.storage[node.inputs[0].index()]
    }

    fn lower(&self, position: usize) -> crate::op::Lowered {
        let node = &self.graph.nodes[self.order[position]];
        let inputs: Vec<Bound> = node.inputs.iter().map(|&value| self.bound(value)).collect();
        let outputs: Vec<Bound> = node.outputs.iter().map(|&value| self.bound(value)).collect();
        node.op.lower(&Sizes { inputs: &inputs, outputs: &outputs, in_place: self.in_place[position] })
    }

    /// Where a value lies for the call at `position`. While constants are being computed, their memory is the arena.
    fn place(&self, value: Value, position: usize) -> Place {
        match self.storage[value.index()] {
            Storage::Fixed(place) => place,
            Storage::Buffer(buffer) => {
                let (start, len) = (self.buffers[buffer].start, self.floats(value));
                if self.buffers[buffer].constant && position >= self.constants {
                    Place::Constant { start, len }
                } else {
                    Place::Arena { start, len }
                }
            }
        }
    }

    fn step(&self, position: usize, kernel: Kernel, scratch: usize) -> Step {
        let node = &self.graph.nodes[self.order[position]];
        let inputs: Vec<Bound> = node.inputs.iter().map(|&value| self.bound(value)).collect();
        let outputs: Vec<Bound> = node.outputs.iter().map(|&value| self.bound(value)).collect();
        let mut step = Step {
            label: node.label.clone(),
            op: node.op.name(),
            kernel,
            inputs: node.inputs.len(),
            outputs: node.outputs.iter().map(|&value| self.graph.type_of(value).element).collect(),
            read_only: Vec::new(),
            arena: Vec::new(),
            gradients: Vec::new(),
            states: Vec::new(),
            multiply_adds: node.op.multiply_adds(&inputs, &outputs),
        };
        for (output, &value) in node.outputs.iter().enumerate() {
            step.push(self.place(value, position), Role::Output(output));
        }
        let overwritten = match node.op.sharing() {
            Sharing::InPlace(input) if self.in_place[position] => Some(input),
            _ => None,
        };
        for (input, &value) in node.inputs.iter().enumerate() {
            if overwritten != Some(input) {
                step.push(self.place(value, position), Role::Inputs(SmallVec::from_slice(&[input])));
            }
        }
        let Buffer { start, len, .. } = self.buffers[scratch];
        step.push(Place::Arena { start, len }, Role::Scratch);
        step.sort();
        step
    }
}

impl Step {
    fn push(&mut self, place: Place, role: Role) {
        let (pieces, start, len) = match (place, &role) {
            (Place::Nowhere, _) => return,
            (
                Place::Input { .. } | Place::Parameter { .. } | Place::Constant { .. },
                Role::Inputs(inputs),
            ) => {
                self.read_only.push((inputs[0], place));
                return;
            }
            (Place::Input { .. } | Place::Parameter { .. } | Place::Constant { .. }, _) => {
                unreachable!("these are never written by a plan")
            }
            (Place::State { start, len }, _) => (&mut self.states, start, len),
            (Place::Gradient { start, len }, _) => (&mut self.gradients, start, len),
            (Place::Arena { start, len }, _) => (&mut self.arena, start, len),
        };
        if len == 0 {
            return;
        }
        pieces.push(Piece { start, len, role });
    }

    /// Sorts the pieces by start; inputs that are the same piece become one.
    fn sort(&mut self) {
        for pieces in [&mut self.arena, &mut self.gradients, &mut self.states] {
            pieces.sort_by_key(|piece| piece.start);
            pieces.dedup_by(|piece, before| match (&piece.role, &mut before.role) {
                (Role::Inputs(new), Role::Inputs(inputs)) if piece.start == before.start => {
                    inputs.extend_from_slice(new);
                    true
                }
                _ => false,
            });
            for pair in pieces.windows(2) {
                assert!(
                    pair[0].start + pair[0].len <= pair[1].start,
                    "layer `{}` ({}): the plan lets two buffers overlap",
                    self.label,
                    self.op
                );
            }
        }
    }
}

/// The nodes on which something that is fetched or stored depends, in order.
pub(crate) fn needed_nodes(program: &Program) -> Vec<usize> {
    let graph = &program.graph;
    let mut needed = vec![false; graph.values.len()];
    for &value in program.fetches.iter().chain(program.stores.iter().map(|(value, _)| value)) {
        needed[value.index()] = true;
    }
    let mut order = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|output| needed[output.index()]) {
            for input in &node.inputs {
                needed[input.index()] = true;
            }
            order.push(index);
        }
    }
    order.reverse();
    order
}
