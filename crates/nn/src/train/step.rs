//! One training step: forward, backward, update.

use std::ops::Range;
use std::sync::PoisonError;

use convnet_engine::{Memory, RunContext, Slab};
use smallvec::SmallVec;

use super::Batch;
use super::evaluate::Tally;
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::layers;
use crate::model::{Model, Purpose, Slot};
use crate::optimizers::{self, Course, Target};
use crate::threads;

/// What training needs besides the weights.
#[derive(Debug)]
pub struct TrainingState {
    pub(super) gradients: Slab,
    /// A slab for each of the optimizer's slots.
    pub(crate) slots: Vec<Slab>,
    /// Steps taken.
    pub(crate) steps: u64,
    /// The parameters that are trained.
    course: Course,
    /// What trained weights are held to, with their sizes and places.
    constraints: Vec<(Constraint, Vec<usize>, Range<usize>)>,
    /// Kernels that are brought to spectral norm 1 before each step.
    spectral: Vec<Spectral>,
}

/// Places of a kernel and of the vector of its power iteration.
#[derive(Debug)]
struct Spectral {
    kernel: Range<usize>,
    vector: Range<usize>,
    iterations: usize,
}

impl Model {
    /// Takes one step on a batch of `count` samples: gradients of the mean loss, and the optimizer's update. Loss and metrics
    /// are counted in as they are before the update. If the loss is not finite, weights stay as they are.
    pub(super) fn train_step(
        &mut self,
        batch: &Batch,
        count: usize,
        seed: u64,
        tally: &mut Tally,
    ) -> Result<f32> {
        let mut state = self.take_training_state()?;
        let purpose = Purpose::Train { weighted: !batch.weights.is_empty() };
        let plan = self.plan(&mut self.lock_runtime(), purpose, count)?;
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner);
        let optimizer = &self.compiled.as_ref().ok_or(Error::NotCompiled("training"))?.optimizer;
        let inputs: SmallVec<[&[f32]; 4]> = batch.slices().collect();
        let variables = &mut self.variables;
        variables.version += 1;
        for spectral in &state.spectral {
            let kernel = &mut variables.parameters[spectral.kernel.clone()];
            let vector = &mut variables.states[spectral.vector.clone()];
            layers::normalise_spectrum(kernel, spectral.vector.len(), vector, spectral.iterations);
        }
        let loss = threads::install(|| {
            let mut memory = Memory {
                inputs: &inputs,
                parameters: &variables.parameters,
                gradients: &mut state.gradients,
                states: &mut variables.states,
                constants: &[],
                arena: &mut runtime.arena,
            };
            plan.run(&mut memory, &RunContext { seed, step: state.steps });
            let loss = plan.fetched(0, &memory)[0];
            if loss.is_finite() {
                tally.add(|index| plan.fetched(index, &memory), batch, count);
                let TrainingState { course, gradients, slots, steps, .. } = &mut state;
                let parameters = &mut variables.parameters;
                optimizers::apply(&**optimizer, course, *steps, parameters, gradients, slots);
                *steps += 1;
                for (constraint, dims, range) in &state.constraints {
                    constraint.apply(dims, &mut variables.parameters[range.clone()]);
                }
            }
            loss
        })?;
        self.training = Some(state);
        Ok(loss)
    }

    /// The state of training; a fresh one at first.
    pub(crate) fn take_training_state(&mut self) -> Result<TrainingState> {
        if let Some(state) = self.training.take() {
            return Ok(state);
        }
        let optimizer = &*self.compiled.as_ref().ok_or(Error::NotCompiled("training"))?.optimizer;
        let len = self.variables.parameters.len();
        let targets = self.trainable_weights().filter(|weight| matches!(weight.slot, Slot::Parameter(_)));
        let targets = targets.map(|weight| Target {
            path: weight.path.clone(),
            range: weight.start()..weight.start() + Slab::round_up(weight.len()),
            rate: self.rate(&weight.layer),
        });
        let course = Course::new(optimizer, targets);
        let slots = optimizers::memory(optimizer, len);
        let constraints = (self.trainable_weights())
            .filter_map(|weight| {
                let range = weight.start()..weight.start() + weight.len();
                Some((weight.constraint.clone()?, weight.dims.clone(), range))
            })
            .collect();
        Ok(TrainingState {
            gradients: Slab::new(len),
            slots,
            steps: 0,
            course,
            constraints,
            spectral: self.spectral(),
        })
    }

    /// What is trained has changed: plans are made anew. The optimizer keeps what it remembers of weights that were trained `before`, as
    /// starts and lengths, and are trained on.
    pub(crate) fn retarget(&mut self, before: &[(usize, usize)]) {
        self.runtime_mut().forget_plans();
        let Some(TrainingState { steps, slots, .. }) = self.training.take() else { return };
        let Ok(mut fresh) = self.take_training_state() else { return };
        let averages = self.compiled().is_some_and(|compiled| compiled.optimizer.settings().use_ema);
        for (slot, (fresh, old)) in fresh.slots.iter_mut().zip(&slots).enumerate() {
            for (start, len) in self.trainable_slots() {
                let range = start..start + len;
                if before.contains(&(start, len)) {
                    fresh[range.clone()].copy_from_slice(&old[range]);
                } else if averages && slot == 0 {
                    // An average of what has not been trained is the weight itself.
                    fresh[range.clone()].copy_from_slice(&self.variables.parameters[range]);
                }
            }
        }
        self.training = Some(TrainingState { steps, ..fresh });
    }

    fn spectral(&self) -> Vec<Spectral> {
        let weights: Vec<_> = self.weights().collect();
        let range = |at: usize| weights[at].start()..weights[at].start() + weights[at].len();
        let is_kernel = |at: usize| ["kernel", "embeddings"].contains(&weights[at].name);
        (0..weights.len())
            .filter_map(|at| {
                let iterations = weights[at].power_iterations?;
                let same = |&other: &usize| weights[other].layer == weights[at].layer && is_kernel(other);
                let kernel = (0..weights.len()).find(same)?;
                Some(Spectral { kernel: range(kernel), vector: range(at), iterations })
            })
            .collect()
    }

    /// Where the first number that is not finite came from, for a batch whose loss is not.
    pub(crate) fn origin_of_not_finite(&mut self, batch: &Batch, count: usize, seed: u64) -> Result<String> {
        let bad = |values: &[f32]| values.iter().any(|x| !x.is_finite());
        if batch.inputs.iter().any(|input| bad(input)) {
            return Ok("the input data has a value that is not finite".into());
        }
        if let Err(problem) = self.check_rows(|input| batch.inputs[input].iter()) {
            return Ok(problem.to_string());
        }
        if batch.targets.iter().any(|targets| bad(targets)) {
            return Ok("the targets have a value that is not finite".into());
        }
        // States are left out: the sweep that gave the loss has already moved them.
        for weight in self.weights().filter(|weight| matches!(weight.slot, Slot::Parameter(_))) {
            if self.weight_values(weight).iter().any(|x| !x.is_finite()) {
                return Ok(format!("weight `{}` is not finite after the step before", weight.path));
            }
        }
        let mut state = self.take_training_state()?;
        let purpose = Purpose::Train { weighted: !batch.weights.is_empty() };
        let plan = self.plan(&mut self.lock_runtime(), purpose, count)?;
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner);
        let inputs: Vec<&[f32]> = batch.slices().collect();
        let mut memory = Memory {
            inputs: &inputs,
            parameters: &self.variables.parameters,
            gradients: &mut state.gradients,
            states: &mut self.variables.states,
            constants: &[],
            arena: &mut runtime.arena,
        };
        let found = plan.find_not_finite(&mut memory, &RunContext { seed, step: state.steps });
        self.training = Some(state);
        Ok(found.map_or_else(
            || "no layer alone is to blame".into(),
            |at| format!("layer `{}` ({}) is the first whose output is not finite", at.layer, at.op),
        ))
    }
}
