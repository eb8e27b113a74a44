//! One of two values, place by place.

use convnet_kernels::elementwise;

use super::Fill;
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// y is a where c is not 0, else b. Inputs c, a, b, of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select;

impl Op for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 3..=3)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let condition = at.inputs[0];
        let shape = at.type_of(dy).shape;
        let zero = at.apply(Fill { value: 0.0, shape }, &[])?;
        let da = at.apply(Self, &[condition, dy, zero])?;
        let db = at.apply(Self, &[condition, zero, dy])?;
        Ok(vec![None, Some(da), Some(db)])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        Lowered::new(|call| {
            elementwise::select(call.inputs[0], call.inputs[1], call.inputs[2], call.outputs[0]);
        })
    }
}
