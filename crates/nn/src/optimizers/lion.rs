//! Lion.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Step, described};

/// Every weight moves by the step size, against the sign of its moving mean and gradient. Chen et al., 2023.
///
/// It wants a step size three to ten times smaller than Adam's, and a weight decay as much larger.
///
/// As Keras's [Lion](https://keras.io/api/optimizers/lion/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lion {
    /// Step size. Default 0.001.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// Weight of the mean in the direction. Default 0.9.
    pub beta_1: f64,
    /// Share of the mean that is kept. Default 0.99.
    pub beta_2: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.99 }
    }
}

impl Lion {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }
}

impl Optimizer for Lion {
    described!("Lion");

    fn slots(&self) -> Vec<&'static str> {
        vec!["momentum"]
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let Self { beta_1, beta_2, .. } = *self;
        let [mean] = slots else { unreachable!("Lion has one slot") };
        let settings = optimizer::Lion { learning_rate: at.learning_rate, beta_1, beta_2 };
        optimizer::lion(settings, parameters, gradients, mean);
    }
}
