//! Adadelta.

use convnet_engine::kernels::optimizer;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Step, described};

/// Steps by the gradient, times the root of the mean square of past steps over that of past gradients. Zeiler, 2012.
///
/// Of itself it needs no step size: 1 is the paper's.
///
/// As Keras's [Adadelta](https://keras.io/api/optimizers/adadelta/), with the same defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adadelta {
    /// Factor of the step. Default 0.001.
    #[serde(alias = "lr")]
    pub learning_rate: f32,
    /// Share of the mean squares that is kept. Default 0.95.
    pub rho: f64,
    /// Added to the mean squares. Default 1e-7.
    pub epsilon: f32,
}

impl Default for Adadelta {
    fn default() -> Self {
        Self { learning_rate: 0.001, rho: 0.95, epsilon: 1e-7 }
    }
}

impl Adadelta {
    /// Keras's defaults but for the step size.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, ..Self::default() }
    }
}

impl Optimizer for Adadelta {
    described!("Adadelta");

    fn slots(&self) -> Vec<&'static str> {
        vec!["accumulated_grad", "accumulated_delta_var"]
    }

    fn slot_groups(&self) -> Vec<usize> {
        vec![2]
    }

    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]) {
        let Self { rho, epsilon, .. } = *self;
        let [squares, step_squares] = slots else { unreachable!("Adadelta has two slots") };
        let settings = optimizer::Adadelta { learning_rate: at.learning_rate, rho, epsilon };
        optimizer::adadelta(settings, parameters, gradients, squares, step_squares);
    }
}
