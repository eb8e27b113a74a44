//! Gaussian noise, reproducible by counters.

use convnet_kernels::random::{self, Noise as Function};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::TensorType;

/// y = x + n, or x · (1 + n), with n normal of mean 0.
///
/// n follows from the run's seed, the `stream`, the step and the element alone, so the gradient need not store it.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Whether it is added or multiplied.
    pub function: Function,
    /// The standard deviation of n.
    pub deviation: f32,
    /// Number of the layer, so that no two layers have the same noise.
    pub stream: u64,
}

impl Op for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(match self.function {
            Function::Additive => dy,
            Function::Multiplicative => at.apply(self.clone(), &[dy])?,
        })])
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let Self { function, deviation, stream } = *self;
        let in_place = sizes.in_place;
        Lowered::new(move |call| {
            let output = &mut *call.outputs[0];
            if !in_place {
                output.copy_from_slice(call.inputs[0]);
            }
            random::noise_in_place(function, output, deviation, call.run.seed, stream, call.run.step);
        })
    }
}
