//! Random numbers, all alike likely within a range.

use convnet_kernels::random::Philox;

use crate::error::Mismatch;
use crate::op::{Lowered, Op, Sizes};
use crate::shape::{Shape, TensorType};

/// A value whose elements are random numbers of low ≤ x < high, which follow from the run's seed, the `stream`, the step and the element alone.
#[derive(Clone, Debug)]
pub struct Uniform {
    /// The least number.
    pub low: f32,
    /// The number that all are below.
    pub high: f32,
    /// Number of the layer, so that no two layers have the same numbers.
    pub stream: u64,
    /// Shape of the result.
    pub shape: Shape,
}

/// The numbers of a step of a run.
pub(super) fn numbers(seed: u64, step: u64, stream: u64) -> Philox {
    // As for dropout, the step goes into the key.
    Philox::new(seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15)), stream)
}

impl Op for Uniform {
    fn name(&self) -> &'static str {
        "uniform"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 0..=0)?;
        Ok(vec![self.shape.clone().into()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let Self { low, high, stream, .. } = *self;
        Lowered::new(move |call| {
            numbers(call.run.seed, call.run.step, stream).fill_uniform(low, high, call.outputs[0]);
        })
    }
}
