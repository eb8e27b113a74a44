//! Elementwise sum of any number of values: residual connections, gradients that meet.

use convnet_kernels::elementwise;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::TensorType;

/// y = x₀ + x₁ + …, all of one shape.
#[derive(Clone, Debug)]
pub struct Sum;

impl Op for Sum {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 1..=usize::MAX)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![at.output_gradient(); at.inputs.len()])
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let in_place = sizes.in_place;
        Lowered::new(move |call| {
            let output = &mut call.outputs[0];
            match (in_place, &call.inputs[..]) {
                (false, [first, second, rest @ ..]) => {
                    elementwise::add(first, second, output);
                    rest.iter().for_each(|input| elementwise::add_assign(output, input));
                }
                (false, inputs) => inputs.iter().for_each(|input| output.copy_from_slice(input)),
                // A value added to itself is given in place and, again, as an input of its own: the plan
                // never does that, since an input that is read twice is not overwritten.
                (true, inputs) => inputs[1..].iter().for_each(|input| elementwise::add_assign(output, input)),
            }
        })
    }
}
