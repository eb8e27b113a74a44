//! Dropout, reproducible by counters.

use convnet_kernels::random;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::TensorType;

/// y = x · m / (1 − rate), where each m is 0 with probability `rate` and else 1.
///
/// m follows from the run's seed, the `stream`, the step and the element alone, so the gradient need not store it: it is
/// this operation again. (Srivastava et al., 2014.)
#[derive(Clone, Debug)]
pub struct Dropout {
    /// Share of elements that become zero, 0 ≤ rate < 1.
    pub rate: f32,
    /// Number of the layer, so that no two layers drop the same elements.
    pub stream: u64,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(self.clone(), &[dy])?)])
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let Self { rate, stream } = *self;
        if sizes.in_place {
            Lowered::new(move |call| {
                random::dropout_in_place(call.outputs[0], rate, call.run.seed, stream, call.run.step);
            })
        } else {
            Lowered::new(move |call| {
                random::dropout(call.inputs[0], rate, call.run.seed, stream, call.run.step, call.outputs[0]);
            })
        }
    }
}
