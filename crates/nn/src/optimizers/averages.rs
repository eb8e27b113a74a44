//! The moving averages of weights that an optimizer keeps, as the model's weights.

use crate::model::Model;

impl Model {
    /// Gives the trained weights the values of their moving averages, if the optimizer keeps such
    /// ([`Settings::use_ema`](super::Settings)) and has taken a step; says whether. Training does so when it ends. Keras's
    /// `optimizer.finalize_variable_values`.
    pub fn finalize_weights(&mut self) -> bool {
        self.with_averages(|weights, averages| weights.copy_from_slice(averages))
    }

    /// Exchanges the trained weights and their moving averages, so that evaluation sees the averages; a second call brings
    /// all back. False, and nothing is changed, without averages. Keras's `SwapEMAWeights`.
    pub fn swap_averages(&mut self) -> bool {
        self.with_averages(|weights, averages| weights.swap_with_slice(averages))
    }

    fn with_averages(&mut self, act: impl Fn(&mut [f32], &mut [f32])) -> bool {
        let keeps = self.compiled().is_some_and(|compiled| compiled.optimizer.settings().use_ema);
        let slots: Vec<(usize, usize)> = self.trainable_slots().collect();
        let Some(state) = self.training.as_mut().filter(|state| keeps && state.steps > 0) else {
            return false;
        };
        // The average is the first of an optimizer's slots.
        let averages = &mut state.slots[0];
        for (start, len) in slots {
            act(&mut self.variables.parameters[start..start + len], &mut averages[start..start + len]);
        }
        self.variables.version += 1;
        true
    }
}
