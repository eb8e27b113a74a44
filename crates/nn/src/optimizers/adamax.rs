//! Adamax.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Step, described};

/// Adam with the largest gradient, which fades, in the place of the root of the mean square. Kingma, Ba, 2015.
///
/// As Keras's [Adamax](https://keras.io/api/optimizers/adamax/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adamax {
    /// Step size. Default 0.001.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// Share of the mean that is kept. Default 0.9.
    pub beta_1: f64,
    /// Share of the largest gradient that is kept. Default 0.999.
    pub beta_2: f64,
    /// Added to the largest gradient. Default 1e-7.
    pub epsilon: f32,
}

impl Default for Adamax {
    fn default() -> Self {
        Self { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Adamax {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }
}

impl Optimizer for Adamax {
    described!("Adamax");

    fn slots(&self) -> Vec<&'static str> {
        vec!["momentum", "norm"]
    }

    fn slot_groups(&self) -> Vec<usize> {
        vec![2]
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let Self { beta_1, beta_2, epsilon, .. } = *self;
        let [mean, largest] = slots else { unreachable!("Adamax has two slots") };
        let settings = optimizer::Adamax { learning_rate: at.learning_rate, beta_1, beta_2, epsilon };
        optimizer::adamax(settings, at.number, parameters, gradients, mean, largest);
    }
}
