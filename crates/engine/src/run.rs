//! Runs a plan: a walk over its list, each kernel getting its pieces of the slabs.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::op::Call;
use crate::plan::{Piece, Place, Plan, Role, Step};
use crate::shape::Element;

/// What a run may depend on besides its inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunContext {
    /// Seed of everything random.
    pub seed: u64,
    /// Number of the training step.
    pub step: u64,
}

/// The memory that a run works on.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The placeholders, in the order in which they were made.
    pub inputs: &'a [&'a [f32]],
    /// The slab of parameters.
    pub parameters: &'a [f32],
    /// The slab of gradients; may be empty where none are stored.
    pub gradients: &'a mut [f32],
    /// The slab of states.
    pub states: &'a mut [f32],
    /// What [`Plan::prepare`] made of the variables; empty for a plan that has nothing to prepare.
    pub constants: &'a [f32],
    /// At least [`Plan::arena_len`] floats, contents arbitrary.
    pub arena: &'a mut [f32],
}

/// A call that gave something else than finite numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// The layer.
    pub layer: String,
    /// The operation.
    pub op: &'static str,
}

/// Time spent in one call of a plan.
#[derive(Clone, Debug)]
pub struct CallTime {
    /// The layer.
    pub layer: String,
    /// The operation.
    pub op: &'static str,
    /// Multiply-adds of the call.
    pub multiply_adds: u64,
    /// Time that it took.
    pub time: Duration,
}

impl Plan {
    /// Computes what depends on variables alone into `constants`, which has at least [`Plan::constants_len`] floats. To be
    /// called before the first run, and again whenever a variable has changed.
    ///
    /// # Panics
    /// If `constants` is too short.
    pub fn prepare(&self, parameters: &[f32], states: &mut [f32], constants: &mut [f32]) {
        assert!(constants.len() >= self.constants_len(), "the constants have less room than the plan needs");
        let (inputs, gradients) = (&[][..], &mut [][..]);
        let mut memory = Memory { inputs, parameters, gradients, states, constants: &[], arena: constants };
        for step in &self.preparation {
            run_step(step, &mut memory, &RunContext::default(), |_| ());
        }
    }

    /// Runs all calls.
    ///
    /// # Panics
    /// If the memory has not the sizes for which the plan was made.
    pub fn run(&self, memory: &mut Memory<'_>, context: &RunContext) {
        self.check(memory);
        for step in &self.steps {
            run_step(step, memory, context, |_| ());
        }
    }

    /// Runs call by call until one gives numbers that are not finite, and tells which.
    ///
    /// # Panics
    /// If the memory has not the sizes for which the plan was made.
    pub fn find_not_finite(&self, memory: &mut Memory<'_>, context: &RunContext) -> Option<NotFinite> {
        self.check(memory);
        self.steps.iter().find_map(|step| {
            let mut bad = false;
            run_step(step, memory, context, |call| {
                let floats =
                    call.outputs.iter().zip(&step.outputs).filter(|(_, element)| **element == Element::F32);
                bad = floats.into_iter().any(|(output, _)| output.iter().any(|x| !x.is_finite()));
            });
            bad.then(|| NotFinite { layer: step.label.to_string(), op: step.op })
        })
    }

    /// Runs all calls and tells the time of each.
    ///
    /// # Panics
    /// If the memory has not the sizes for which the plan was made.
    pub fn profile(&self, memory: &mut Memory<'_>, context: &RunContext) -> Vec<CallTime> {
        self.check(memory);
        (self.steps.iter())
            .map(|step| {
                let start = Instant::now();
                run_step(step, memory, context, |_| ());
                let (layer, multiply_adds) = (step.label.to_string(), step.multiply_adds);
                CallTime { layer, op: step.op, multiply_adds, time: start.elapsed() }
            })
            .collect()
    }

    /// A fetched value after a run, counted in the order of [`Program::fetches`](crate::Program::fetches).
    pub fn fetched<'m>(&self, index: usize, memory: &'m Memory<'_>) -> &'m [f32] {
        match self.fetches[index] {
            Place::Nowhere => &[],
            Place::Input { index, .. } => memory.inputs[index],
            Place::Parameter { start, len } => &memory.parameters[start..start + len],
            Place::State { start, len } => &memory.states[start..start + len],
            Place::Gradient { start, len } => &memory.gradients[start..start + len],
            Place::Arena { start, len } => &memory.arena[start..start + len],
            Place::Constant { start, len } => &memory.constants[start..start + len],
        }
    }

    /// The first element of each fetched value, which is all there is of losses and metrics.
    pub fn fetched_scalars<'m>(&'m self, memory: &'m Memory<'_>) -> impl Iterator<Item = f32> + 'm {
        (0..self.fetches.len()).map(|index| self.fetched(index, memory)[0])
    }

    fn check(&self, memory: &Memory<'_>) {
        assert!(memory.arena.len() >= self.arena_len(), "the arena is smaller than the plan");
        assert!(memory.constants.len() >= self.constants_len(), "the constants have not been prepared");
        for (index, len) in self.input_lens.iter().enumerate() {
            if let Some(len) = len {
                let given = memory.inputs.get(index).map_or(0, |input| input.len());
                assert_eq!(given, *len, "input {index} has another size than the plan");
            }
        }
    }
}

fn run_step(step: &Step, memory: &mut Memory<'_>, context: &RunContext, after: impl FnOnce(&Call<'_>)) {
    let mut call = Call {
        inputs: SmallVec::from_elem(&[][..], step.inputs),
        outputs: step.outputs.iter().map(|_| Default::default()).collect(),
        scratch: &mut [],
        run: context,
    };
    for &(input, place) in &step.read_only {
        call.inputs[input] = match place {
            Place::Input { index, .. } => memory.inputs[index],
            Place::Parameter { start, len } => &memory.parameters[start..start + len],
            Place::Constant { start, len } => &memory.constants[start..start + len],
            _ => unreachable!("only placeholders, parameters and constants are read-only"),
        };
    }
    carve(memory.arena, &step.arena, &mut call);
    carve(memory.gradients, &step.gradients, &mut call);
    carve(memory.states, &step.states, &mut call);
    (step.kernel)(&mut call);
    after(&call);
}

/// Hands disjoint pieces of a slab, sorted by their starts, to a call.
fn carve<'a>(slab: &'a mut [f32], pieces: &[Piece], call: &mut Call<'a>) {
    let mut rest = slab;
    let mut offset = 0;
    for Piece { start, len, role } in pieces {
        let (_, tail) = std::mem::take(&mut rest).split_at_mut(start - offset);
        let (piece, tail) = tail.split_at_mut(*len);
        rest = tail;
        offset = start + len;
        match role {
            Role::Output(output) => call.outputs[*output] = piece,
            Role::Scratch => call.scratch = piece,
            Role::Inputs(inputs) => {
                let piece: &'a [f32] = piece;
                inputs.iter().for_each(|&input| call.inputs[input] = piece);
            }
        }
    }
}
