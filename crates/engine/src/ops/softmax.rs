//! Softmax over the last axis and its relatives, and their gradients.

use convnet_kernels::softmax;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// `y[…, i] = exp(x[…, i]) / Σⱼ exp(x[…, j])`.
#[derive(Clone, Debug)]
pub struct Softmax;

/// dx = y · (dy − Σⱼ dyⱼ yⱼ). Inputs dy, y.
#[derive(Clone, Debug)]
pub struct SoftmaxGradient;

/// `y[…, i] = x[…, i] − ln Σⱼ exp(x[…, j])`.
#[derive(Clone, Debug)]
pub struct LogSoftmax;

/// dx = dy − e^y Σⱼ dyⱼ. Inputs dy, y.
#[derive(Clone, Debug)]
struct LogSoftmaxGradient;

/// The nearest point to `x[…, ·]` whose elements are not negative and have the sum 1 (Martins, Astudillo, 2016).
#[derive(Clone, Debug)]
pub struct Sparsemax;

/// dx: on the support of y, dy less its mean there; else 0. Inputs dy, y.
#[derive(Clone, Debug)]
struct SparsemaxGradient;

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let y = at.outputs[0];
        Ok(vec![Some(at.apply(SoftmaxGradient, &[dy, y])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        Lowered::new(move |call| softmax::softmax(columns, call.inputs[0], call.outputs[0]))
    }
}

impl Op for SoftmaxGradient {
    fn name(&self) -> &'static str {
        "softmax gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 2..=2)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        Lowered::new(move |call| {
            softmax::softmax_gradient(columns, call.inputs[1], call.inputs[0], call.outputs[0]);
        })
    }
}

impl Op for LogSoftmax {
    fn name(&self) -> &'static str {
        "log softmax"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let y = at.outputs[0];
        Ok(vec![Some(at.apply(LogSoftmaxGradient, &[dy, y])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        Lowered::new(move |call| softmax::log_softmax(columns, call.inputs[0], call.outputs[0]))
    }
}

impl Op for LogSoftmaxGradient {
    fn name(&self) -> &'static str {
        "log softmax gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 2..=2)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        Lowered::new(move |call| {
            softmax::log_softmax_gradient(columns, call.inputs[1], call.inputs[0], call.outputs[0]);
        })
    }
}

impl Op for Sparsemax {
    fn name(&self) -> &'static str {
        "sparsemax"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let y = at.outputs[0];
        Ok(vec![Some(at.apply(SparsemaxGradient, &[dy, y])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        Lowered::new(move |call| softmax::sparsemax(columns, call.inputs[0], call.outputs[0]))
    }
}

impl Op for SparsemaxGradient {
    fn name(&self) -> &'static str {
        "sparsemax gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 2..=2)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        Lowered::new(move |call| {
            softmax::sparsemax_gradient(columns, call.inputs[1], call.inputs[0], call.outputs[0]);
        })
    }
}
