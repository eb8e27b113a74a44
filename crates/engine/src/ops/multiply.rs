//! Elementwise product.

use convnet_kernels::elementwise;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// y = a · b, of one shape.
#[derive(Clone, Debug)]
pub struct Multiply;

impl Op for Multiply {
    fn name(&self) -> &'static str {
        "multiply"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 2..=2)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let (a, b) = (at.inputs[0], at.inputs[1]);
        let da = if at.wanted[0] { Some(at.apply(Multiply, &[dy, b])?) } else { None };
        let db = if at.wanted[1] { Some(at.apply(Multiply, &[dy, a])?) } else { None };
        Ok(vec![da, db])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        Lowered::new(|call| elementwise::multiply(call.inputs[0], call.inputs[1], call.outputs[0]))
    }
}
