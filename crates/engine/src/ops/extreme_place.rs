//! Where the largest or smallest element stands.

use convnet_kernels::reduce::{Extreme, extreme_place};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// y is the place along an axis of the largest (or smallest) element of x; the axis stays, with one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtremePlace {
    /// The axis, 0 being the first after the batch.
    pub axis: usize,
    /// Which element.
    pub extreme: Extreme,
}

impl Op for ExtremePlace {
    fn name(&self) -> &'static str {
        "place of an extreme"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let mut shape = inputs[0].shape.clone();
        match shape.dims.get_mut(self.axis) {
            Some(size) if *size > 0 => *size = 1,
            _ => {
                return Err(Mismatch::new(
                    format!("an axis {} that has elements", self.axis.saturating_add(1)),
                    &shape,
                ));
            }
        }
        Ok(vec![shape.into()])
    }

    /// Places do not change with the elements, almost everywhere.
    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        at.constant()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let input = &sizes.inputs[0];
        let axis = self.axis + usize::from(input.batched);
        let outer = input.dims[..axis].iter().product();
        let inner = input.dims[axis + 1..].iter().product();
        let (extreme, dims) = (self.extreme, [outer, input.dims[axis], inner]);
        Lowered::new(move |call| extreme_place(extreme, dims, call.inputs[0], call.outputs[0]))
    }
}
