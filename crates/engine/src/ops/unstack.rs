//! A value taken apart along an axis: the steps of a sequence.

use convnet_kernels::elementwise;

use super::{Concatenate, Fill, Reshape};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Shape, TensorType};

/// An output for each element of `axis` (counted without the batch), which the outputs do not have any more.
///
/// Its gradient is one value, where that of as many slices would be a sum of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstack {
    /// The axis that is taken apart, 0 being the first after the batch.
    pub axis: usize,
}

/// Each part is a value of its own, with nodes that work on it: of more there would be no end.
const MAX_PARTS: usize = 1 << 16;

impl Op for Unstack {
    fn name(&self) -> &'static str {
        "unstack"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let mut shape = inputs[0].shape.clone();
        if self.axis >= shape.dims.len() || shape.is_empty() {
            return Err(Mismatch::new(format!("an input with more than {} axes", self.axis), &shape));
        }
        let count = shape.dims.remove(self.axis);
        if count > MAX_PARTS {
            return Err(Mismatch::new(
                format!("at most {MAX_PARTS} steps, each of which is computed by itself"),
                count,
            ));
        }
        Ok(vec![shape.into(); count])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let shape = at.type_of(at.outputs[0]).shape;
        let mut dims = shape.dims.clone();
        dims.insert(self.axis, 1);
        let mut parts = Vec::new();
        for gradient in at.output_gradients.clone() {
            parts.push(match gradient {
                Some(gradient) => at.apply(Reshape { dims: dims.clone() }, &[gradient])?,
                None => {
                    let shape = Shape { batched: shape.batched, dims: dims.clone() };
                    at.apply(Fill { value: 0.0, shape }, &[])?
                }
            });
        }
        Ok(vec![Some(at.apply(Concatenate { axis: self.axis }, &parts)?)])
    }

    fn optional_output(&self, _output: usize) -> bool {
        true
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let inner = sizes.inputs[0].inner();
        let width: usize = inner[self.axis + 1..].iter().product();
        let row = inner[self.axis] * width;
        let rows = sizes.inputs[0].len() / row.max(1);
        Lowered::new(move |call| {
            let input = call.inputs[0];
            for (index, output) in call.outputs.iter_mut().enumerate() {
                if !output.is_empty() {
                    elementwise::copy_block(rows, input, row, index * width, output, width, 0, width);
                }
            }
        })
    }
}
