//! Multiplication by a number and addition of another.

use convnet_kernels::elementwise;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// y = scale · x + shift.
#[derive(Clone, Debug)]
pub struct ScaleShift {
    /// The factor.
    pub scale: f32,
    /// The summand.
    pub shift: f32,
}

impl Op for ScaleShift {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(Self { scale: self.scale, shift: 0.0 }, &[dy])?)])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let Self { scale, shift } = *self;
        Lowered::new(move |call| elementwise::scale_shift(call.inputs[0], scale, shift, call.outputs[0]))
    }
}
