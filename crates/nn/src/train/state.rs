//! The optimizer's memory, as files keep it.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::error::{Error, Result};
use crate::model::{Model, Weight};

/// What an optimizer remembers between steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerMemory {
    /// Steps taken.
    pub steps: u64,
    /// For each of the optimizer's slots an array for each trained weight, in the order of [`Model::weights`].
    pub slots: Vec<Vec<ArrayD<f32>>>,
}

impl Model {
    /// What the optimizer remembers; `None` before the first step.
    pub fn optimizer_memory(&self) -> Option<OptimizerMemory> {
        let state = self.training.as_ref()?;
        let copy = |slab: &[f32]| {
            let part = |weight: &Weight| {
                let values = &slab[weight.start()..weight.start() + weight.len()];
                ArrayViewD::from_shape(IxDyn(&weight.dims), values)
                    .expect("a weight has its own sizes")
                    .to_owned()
            };
            self.trainable_weights().map(part).collect()
        };
        Some(OptimizerMemory {
            steps: state.steps,
            slots: state.slots.iter().map(|slab| copy(slab)).collect(),
        })
    }

    /// Lets the optimizer remember what it did before.
    ///
    /// # Errors
    /// If the model is not compiled, or the memory is that of another optimizer or model.
    pub fn set_optimizer_memory(&mut self, memory: &OptimizerMemory) -> Result<()> {
        let mut state = self.take_training_state()?;
        let weights: Vec<Weight> = self.trainable_weights().cloned().collect();
        let fits = memory.slots.len() == state.slots.len()
            && (memory.slots.iter()).all(|slot| {
                slot.len() == weights.len()
                    && slot.iter().zip(&weights).all(|(array, weight)| array.shape() == weight.dims)
            });
        if !fits {
            return Err(Error::argument("optimizer state", "it is that of another optimizer or model"));
        }
        state.steps = memory.steps;
        for (slab, arrays) in state.slots.iter_mut().zip(&memory.slots) {
            for (array, weight) in arrays.iter().zip(&weights) {
                let part = &mut slab[weight.start()..weight.start() + weight.len()];
                part.iter_mut().zip(array.iter()).for_each(|(to, from)| *to = *from);
            }
        }
        self.training = Some(state);
        Ok(())
    }
}
