//! Adagrad.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Step, described};

/// s ← s + g², w ← w − rate · g / √(s + epsilon): what was moved often moves less. Duchi, Hazan, Singer, 2011.
///
/// As Keras's [Adagrad](https://keras.io/api/optimizers/adagrad/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adagrad {
    /// Step size. Default 0.001.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// What s is at first. Default 0.1.
    pub initial_accumulator_value: f32,
    /// Added to s. Default 1e-7.
    pub epsilon: f32,
}

impl Default for Adagrad {
    fn default() -> Self {
        Self { learning_rate: 0.001, initial_accumulator_value: 0.1, epsilon: 1e-7 }
    }
}

impl Adagrad {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }
}

impl Optimizer for Adagrad {
    described!("Adagrad");

    fn slots(&self) -> Vec<&'static str> {
        vec!["accumulator"]
    }

    fn slot_start(&self, _slot: usize) -> f32 {
        self.initial_accumulator_value
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let [squares] = slots else { unreachable!("Adagrad has one slot") };
        let settings = optimizer::Adagrad { learning_rate: at.learning_rate, epsilon: self.epsilon };
        optimizer::adagrad(settings, parameters, gradients, squares);
    }
}
