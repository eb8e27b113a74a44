//! RMSprop.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Step, described};

/// v ← rho · v + (1 − rho) · g², w ← w − rate · g / √(v + epsilon). Hinton, 2012.
///
/// As Keras's [RMSprop](https://keras.io/api/optimizers/rmsprop/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RmsProp {
    /// Step size. Default 0.001.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// Share of the mean square that is kept. Default 0.9.
    pub rho: f64,
    /// Share of the step that is kept. Default 0: none is.
    pub momentum: f32,
    /// Added to the mean square. Default 1e-7.
    pub epsilon: f32,
    /// Whether the gradient's variance takes the place of its mean square. Default false.
    pub centered: bool,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { learning_rate: 0.001, rho: 0.9, momentum: 0.0, epsilon: 1e-7, centered: false }
    }
}

impl RmsProp {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }

    /// Sets the share of the mean square that is kept.
    pub fn rho(self, rho: f64) -> Self {
        Self { rho, ..self }
    }

    /// Sets the share of the step that is kept.
    pub fn momentum(self, momentum: f32) -> Self {
        Self { momentum, ..self }
    }

    /// Says whether the gradient's variance takes the place of its mean square.
    pub fn centered(self, centered: bool) -> Self {
        Self { centered, ..self }
    }
}

impl Optimizer for RmsProp {
    described!("RMSprop");

    fn slots(&self) -> Vec<&'static str> {
        let mut slots = vec!["velocity"];
        slots.extend((self.momentum > 0.0).then_some("momentum"));
        slots.extend(self.centered.then_some("average_gradient"));
        slots
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let Self { rho, momentum, epsilon, centered, .. } = *self;
        let mut slots = slots.iter_mut().map(|slot| &mut **slot);
        let mut next = |there: bool| if there { slots.next() } else { None };
        let mean_square = next(true).expect("the first slot is always there");
        let velocity = next(momentum > 0.0);
        let mean_gradient = next(centered);
        let settings = optimizer::RmsProp { learning_rate: at.learning_rate, rho, momentum, epsilon };
        optimizer::rmsprop(settings, parameters, gradients, mean_square, velocity, mean_gradient);
    }
}
