//! LAMB.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Step, described};

/// Adam's step, brought to the length of the weight that it changes, for large batches. You et al., 2020.
///
/// As Keras's [Lamb](https://keras.io/api/optimizers/lamb/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lamb {
    /// Step size, as a share of the length of the weight. Default 0.001.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// Share of the mean that is kept. Default 0.9.
    pub beta_1: f64,
    /// Share of the mean square that is kept. Default 0.999.
    pub beta_2: f64,
    /// Added to the root of the mean square. Default 1e-7.
    pub epsilon: f32,
}

impl Default for Lamb {
    fn default() -> Self {
        Self { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Lamb {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }
}

impl Optimizer for Lamb {
    described!("Lamb");

    fn slots(&self) -> Vec<&'static str> {
        vec!["momentum", "velocity"]
    }

    fn slot_groups(&self) -> Vec<usize> {
        vec![2]
    }

    fn by_weight(&self) -> bool {
        true
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let Self { beta_1, beta_2, epsilon, .. } = *self;
        let [mean, variance] = slots else { unreachable!("LAMB has two slots") };
        let settings = optimizer::Lamb { learning_rate: at.learning_rate, beta_1, beta_2, epsilon };
        optimizer::lamb(settings, at.number, parameters, gradients, mean, variance);
    }
}
