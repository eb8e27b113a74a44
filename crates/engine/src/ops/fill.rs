//! A constant.

use crate::error::Mismatch;
use crate::op::{Lowered, Op, Sizes};
use crate::shape::{Shape, TensorType};

/// A value whose elements are all the same number.
#[derive(Clone, Debug)]
pub struct Fill {
    /// The number.
    pub value: f32,
    /// Shape of the result.
    pub shape: Shape,
}

impl Op for Fill {
    fn name(&self) -> &'static str {
        "fill"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 0..=0)?;
        Ok(vec![self.shape.clone().into()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let value = self.value;
        Lowered::new(move |call| call.outputs[0].fill(value))
    }
}
