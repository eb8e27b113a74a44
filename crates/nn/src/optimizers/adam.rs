//! Adam.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Optimizer, to_map};

/// Steps by the mean of the gradient over the root of its mean square, both corrected for their start at 0. Kingma, Ba, 2015.
///
/// As Keras's [Adam](https://keras.io/api/optimizers/adam/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adam {
    /// Step size. Default 0.001.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// Share of the mean that is kept. Default 0.9.
    pub beta_1: f64,
    /// Share of the mean square that is kept. Default 0.999.
    pub beta_2: f64,
    /// Added to the root of the mean square. Default 1e-7.
    pub epsilon: f32,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Adam {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }
}

impl Optimizer for Adam {
    fn class_name(&self) -> &'static str {
        "Adam"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn slots(&self) -> Vec<&'static str> {
        vec!["momentum", "velocity"]
    }

    fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f32) {
        self.learning_rate = learning_rate;
    }

    fn update(&self, step: u64, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let Self { learning_rate, beta_1, beta_2, epsilon } = *self;
        let [mean, variance] = slots else { unreachable!("Adam has two slots") };
        let settings = optimizer::Adam { learning_rate, beta_1, beta_2, epsilon };
        optimizer::adam(settings, step, parameters, gradients, mean, variance);
    }
}
