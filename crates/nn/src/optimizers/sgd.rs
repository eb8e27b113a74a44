//! Stochastic gradient descent.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Step, described};

/// w ← w − rate · g, or with momentum v ← momentum · v − rate · g and w ← w + v (Nesterov: w ← w + momentum · v − rate · g).
///
/// As Keras's [SGD](https://keras.io/api/optimizers/sgd/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// Step size. Default 0.01.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// Share of the velocity that is kept. Default 0: none is.
    pub momentum: f32,
    /// Whether momentum looks ahead (Nesterov, 1983). Default false.
    pub nesterov: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 0.01, momentum: 0.0, nesterov: false }
    }
}

impl Sgd {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }

    /// Sets the share of the velocity that is kept.
    pub fn momentum(self, momentum: f32) -> Self {
        Self { momentum, ..self }
    }

    /// Says whether momentum looks ahead.
    pub fn nesterov(self, nesterov: bool) -> Self {
        Self { nesterov, ..self }
    }
}

impl Optimizer for Sgd {
    described!("SGD");

    fn slots(&self) -> Vec<&'static str> {
        if self.momentum == 0.0 { Vec::new() } else { vec!["momentum"] }
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let Self { momentum, nesterov, .. } = *self;
        let learning_rate = at.learning_rate;
        let velocity = slots.first_mut().map(|slot| &mut **slot);
        optimizer::sgd(optimizer::Sgd { learning_rate, momentum, nesterov }, parameters, gradients, velocity);
    }
}
