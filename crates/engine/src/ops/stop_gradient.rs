//! A border for gradients.

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::TensorType;

/// y = x, but no gradient goes on to x: for what is to be taken as a constant.
#[derive(Clone, Debug)]
pub struct StopGradient;

impl Op for StopGradient {
    fn name(&self) -> &'static str {
        "stop gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        at.constant()
    }

    fn sharing(&self) -> Sharing {
        Sharing::View
    }

    /// Runs only where the plan could not make the result a view: of a placeholder or a variable.
    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        Lowered::new(|call| call.outputs[0].copy_from_slice(call.inputs[0]))
    }
}
