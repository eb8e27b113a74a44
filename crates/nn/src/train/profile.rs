//! What a step costs: counted, and measured call by call.

use std::sync::PoisonError;

use convnet_engine::run::CallTime;
use convnet_engine::{Memory, RunContext};
use ndarray::{ArrayViewD, Axis, Slice};

use super::{Batch, Samples, Visit};
use crate::error::Result;
use crate::model::{Model, Purpose};
use crate::threads;

impl Model {
    /// Multiply-adds of one training step on a batch.
    ///
    /// # Errors
    /// If the model is not compiled.
    pub fn training_multiply_adds(&self, batch: usize) -> Result<u64> {
        Ok(self.new_plan(Purpose::Train { weighted: false }, batch)?.multiply_adds())
    }

    /// Multiply-adds to predict a batch.
    ///
    /// # Errors
    /// If the model cannot be planned.
    pub fn prediction_multiply_adds(&self, batch: usize) -> Result<u64> {
        Ok(self.new_plan(Purpose::Predict, batch)?.multiply_adds())
    }

    /// Time of each kernel call of a training step on the first `batch` samples, the optimizer's update left out. Weights stay as
    /// they are; moving statistics move on.
    ///
    /// # Errors
    /// If the model is not compiled, or the samples do not fit it.
    pub fn profile_training(&mut self, samples: &dyn Samples, batch: usize) -> Result<Vec<CallTime>> {
        self.check_samples(samples)?;
        let count = batch.min(samples.len());
        let mut data = Batch::new(samples, count);
        samples.fill(Visit::default(), &(0..count).collect::<Vec<_>>(), &mut data)?;
        let mut state = self.take_training_state()?;
        let plan =
            self.plan(&mut self.lock_runtime(), Purpose::Train { weighted: samples.weighted() }, count)?;
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner);
        let inputs: Vec<&[f32]> = data.slices().collect();
        let variables = &mut self.variables;
        let times = threads::install(|| {
            let mut memory = Memory {
                inputs: &inputs,
                parameters: &variables.parameters,
                gradients: &mut state.gradients,
                states: &mut variables.states,
                constants: &[],
                arena: &mut runtime.arena,
            };
            plan.profile(&mut memory, &RunContext { seed: 0, step: state.steps })
        })?;
        self.training = Some(state);
        Ok(times)
    }

    /// Time of each kernel call of a prediction, for as many of these samples as are predicted at once.
    ///
    /// # Errors
    /// If number or sizes of the inputs are not those of the model's.
    pub fn profile_prediction(&self, inputs: &[ArrayViewD<'_, f32>]) -> Result<Vec<CallTime>> {
        let count = self.check_inputs(inputs)?.min(self.prediction_batch()?);
        let parts: Vec<_> = inputs
            .iter()
            .map(|input| input.slice_axis(Axis(0), Slice::from(..count)).as_standard_layout().into_owned())
            .collect();
        let slices: Vec<&[f32]> = parts.iter().filter_map(|part| part.as_slice()).collect();
        self.with_memory(Purpose::Predict, count, &slices, |plan, memory| {
            plan.profile(memory, &RunContext::default())
        })
    }
}
