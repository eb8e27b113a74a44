//! Adam, and the form of it whose weights decay.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Step, described};

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
    /// Whether the largest mean square so far takes the place of the present one. Reddi, Kale, Kumar, 2018. Default false.
    pub amsgrad: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, amsgrad: false }
    }
}

impl Adam {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }

    /// Says whether the largest mean square so far takes the place of the present one.
    pub fn amsgrad(self, amsgrad: bool) -> Self {
        Self { amsgrad, ..self }
    }
}

impl Optimizer for Adam {
    described!("Adam");

    fn slots(&self) -> Vec<&'static str> {
        let mut slots = vec!["momentum", "velocity"];
        slots.extend(self.amsgrad.then_some("velocity_hat"));
        slots
    }

    fn slot_groups(&self) -> Vec<usize> {
        if self.amsgrad { vec![2, 1] } else { vec![2] }
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let Self { beta_1, beta_2, epsilon, .. } = *self;
        let settings = optimizer::Adam { learning_rate: at.learning_rate, beta_1, beta_2, epsilon };
        match slots {
            [mean, variance] => optimizer::adam(settings, at.number, parameters, gradients, mean, variance),
            [mean, variance, largest] => {
                optimizer::amsgrad(settings, at.number, parameters, gradients, mean, variance, largest);
            }
            _ => unreachable!("Adam has two slots, or three"),
        }
    }
}

/// [`Adam`] whose weights get smaller by a share of themselves at each step, apart from the gradient. Loshchilov, Hutter, 2019.
///
/// As Keras's [AdamW](https://keras.io/api/optimizers/adamw/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamW {
    /// Step size. Default 0.001.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// Share of the weights, times the step size, by which they get smaller. Default 0.004.
    pub weight_decay: f32,
    /// Share of the mean that is kept. Default 0.9.
    pub beta_1: f64,
    /// Share of the mean square that is kept. Default 0.999.
    pub beta_2: f64,
    /// Added to the root of the mean square. Default 1e-7.
    pub epsilon: f32,
    /// Whether the largest mean square so far takes the place of the present one. Default false.
    pub amsgrad: bool,
}

impl Default for AdamW {
    fn default() -> Self {
        let Adam { learning_rate, beta_1, beta_2, epsilon, amsgrad } = Adam::default();
        Self { learning_rate, weight_decay: 0.004, beta_1, beta_2, epsilon, amsgrad }
    }
}

impl AdamW {
    /// Keras's defaults but for the step size and the decay.
    pub fn new(learning_rate: f32, weight_decay: f32) -> Self {
        Self { learning_rate, weight_decay, ..Self::default() }
    }

    fn adam(&self) -> Adam {
        let Self { learning_rate, beta_1, beta_2, epsilon, amsgrad, .. } = *self;
        Adam { learning_rate, beta_1, beta_2, epsilon, amsgrad }
    }
}

impl Optimizer for AdamW {
    described!("AdamW");

    fn slots(&self) -> Vec<&'static str> {
        self.adam().slots()
    }

    fn slot_groups(&self) -> Vec<usize> {
        self.adam().slot_groups()
    }

    fn weight_decay(&self) -> Option<f32> {
        Some(self.weight_decay)
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        self.adam().update(at, parameters, gradients, slots);
    }
}
