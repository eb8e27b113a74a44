//! The same elements under another shape.

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::{Shape, TensorType};

/// y has the elements of x, in the same order, and the sizes `dims` (the batch apart).
#[derive(Clone, Debug)]
pub struct Reshape {
    /// Sizes of the result, without the batch.
    pub dims: Vec<usize>,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let shape = Shape { batched: inputs[0].shape.batched, dims: self.dims.clone() };
        if shape.len() != inputs[0].shape.len() {
            return Err(Mismatch::new(format!("as many elements as in {shape}"), &inputs[0].shape));
        }
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let dims = at.type_of(at.inputs[0]).shape.dims;
        Ok(vec![Some(at.apply(Self { dims }, &[dy])?)])
    }

    fn sharing(&self) -> Sharing {
        Sharing::View
    }

    /// Runs only where the plan could not make the result a view: of a placeholder or a variable.
    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        Lowered::new(|call| call.outputs[0].copy_from_slice(call.inputs[0]))
    }
}
