//! Squared error, one number a sample.

use convnet_kernels::loss;

use super::cross_entropy::{Target, infer_gradient, infer_loss, loss_gradient};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// loss = mean over the last axis of (y − t)². Inputs predictions y, targets t.
#[derive(Clone, Debug)]
pub struct SquaredError;

/// dy = dloss · 2 (y − t) / n. Inputs y, t, dloss.
#[derive(Clone, Debug)]
pub struct SquaredErrorGradient;

impl Op for SquaredError {
    fn name(&self) -> &'static str {
        "squared error"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_loss(inputs, Target::Dense)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        loss_gradient(at, SquaredErrorGradient)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        Lowered::new(move |call| {
            loss::mean_squared_error(columns, call.inputs[1], call.inputs[0], call.outputs[0]);
        })
    }
}

impl Op for SquaredErrorGradient {
    fn name(&self) -> &'static str {
        "squared error gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_gradient(inputs)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        Lowered::new(move |call| {
            let [y, t, dloss] = call.inputs[..] else { unreachable!("checked by `infer`") };
            loss::mean_squared_error_gradient(columns, t, y, dloss, call.outputs[0]);
        })
    }
}
