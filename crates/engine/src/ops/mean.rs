//! Mean over the batch, with which losses and metrics end.

use convnet_kernels::reduce;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Shape, TensorType};

/// The mean of all elements: a scalar.
#[derive(Clone, Debug)]
pub struct BatchMean;

/// A scalar divided by the number of elements of `shape`, in each of them.
#[derive(Clone, Debug)]
pub struct BatchSpread {
    /// Shape of the result.
    pub shape: Shape,
}

impl Op for BatchMean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        Ok(vec![Shape::fixed([]).into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let shape = at.type_of(at.inputs[0]).shape;
        Ok(vec![Some(at.apply(BatchSpread { shape }, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let count = sizes.inputs[0].len().max(1) as f32;
        Lowered::new(move |call| call.outputs[0][0] = reduce::sum(call.inputs[0]) / count)
    }
}

impl Op for BatchSpread {
    fn name(&self) -> &'static str {
        "mean gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        super::same("a scalar", &inputs[0], &Shape::fixed([]))?;
        Ok(vec![self.shape.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(BatchMean, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let count = sizes.outputs[0].len().max(1) as f32;
        Lowered::new(move |call| {
            let value = call.inputs[0][0] / count;
            call.outputs[0].fill(value);
        })
    }
}
