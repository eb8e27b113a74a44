//! Circle loss: what an embedding loses by its neighbours in the batch.

use convnet_kernels::loss;

use super::cross_entropy::{Target, infer_gradient, infer_loss, loss_gradient};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// The Circle loss of each embedding of a batch against all others, as [`loss::circle`] says. Inputs embeddings `(batch, features)` of length 1,
/// class numbers `(batch)`.
#[derive(Clone, Debug)]
pub struct CircleLoss(
    /// How pairs weigh.
    pub loss::Circle,
);

/// Gradient of [`CircleLoss`] by the embeddings. Inputs embeddings, class numbers, dloss.
#[derive(Clone, Debug)]
pub struct CircleLossGradient(
    /// How pairs weigh.
    pub loss::Circle,
);

impl Op for CircleLoss {
    fn name(&self) -> &'static str {
        "circle loss"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let losses = infer_loss(inputs, Target::Sparse)?;
        match &inputs[0].shape {
            embeddings if embeddings.batched && embeddings.dims.len() == 1 => Ok(losses),
            other => Err(Mismatch::new("embeddings (batch, features)", other)),
        }
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        loss_gradient(at, CircleLossGradient(self.0))
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (rule, dims) = (self.0, &sizes.inputs[0].dims);
        let (rows, width) = (dims[0], dims[1]);
        Lowered::with_scratch(rows, move |call| {
            loss::circle(width, rule, call.inputs[1], call.inputs[0], call.outputs[0], call.scratch);
        })
    }
}

impl Op for CircleLossGradient {
    fn name(&self) -> &'static str {
        "circle loss gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_gradient(inputs)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (rule, dims) = (self.0, &sizes.inputs[0].dims);
        let (rows, width) = (dims[0], dims[1]);
        Lowered::with_scratch(rows, move |call| {
            let [x, labels, dloss] = call.inputs[..] else { unreachable!("checked by `infer`") };
            loss::circle_gradient(width, rule, labels, x, dloss, call.outputs[0], call.scratch);
        })
    }
}
