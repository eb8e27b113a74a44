//! Softmax over the last axis and its relatives, and their gradients.

use convnet_kernels::softmax;

use super::{Activate, Activation, Binary, BinaryFunction, Reduce, ReduceFunction, StopGradient};
use crate::error::{Mismatch, Result};
use crate::graph::{Graph, Value};
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

/// Softmax over any axis (0 being the first after the batch), composed from other operations but for the last one.
///
/// # Errors
/// If there is no such axis.
pub fn softmax_along(graph: &mut Graph, x: Value, axis: usize) -> Result<Value> {
    if axis + 1 == graph.shape(x).dims.len() {
        return graph.apply(Softmax, &[x]);
    }
    let (_, powers, sum) = exponentials(graph, x, axis)?;
    graph.apply(Binary(BinaryFunction::Divide), &[powers, sum])
}

/// Logarithm of softmax over any axis (0 being the first after the batch), composed from other operations but for the last
/// one.
///
/// # Errors
/// If there is no such axis.
pub fn log_softmax_along(graph: &mut Graph, x: Value, axis: usize) -> Result<Value> {
    if axis + 1 == graph.shape(x).dims.len() {
        return graph.apply(LogSoftmax, &[x]);
    }
    let (shifted, _, sum) = exponentials(graph, x, axis)?;
    let log = graph.apply(Activate(Activation::Log), &[sum])?;
    graph.apply(Binary(BinaryFunction::Subtract), &[shifted, log])
}

/// x less its maximum along an axis, the exponentials of that, and their sum.
fn exponentials(graph: &mut Graph, x: Value, axis: usize) -> Result<(Value, Value, Value)> {
    let along = |function| Reduce { function, batch: false, axes: vec![axis], keep_dims: true };
    let max = graph.apply(along(ReduceFunction::Max), &[x])?;
    // The result does not change with the maximum.
    let max = graph.apply(StopGradient, &[max])?;
    let shifted = graph.apply(Binary(BinaryFunction::Subtract), &[x, max])?;
    let powers = graph.apply(Activate(Activation::Exponential), &[shifted])?;
    Ok((shifted, powers, graph.apply(along(ReduceFunction::Sum), &[powers])?))
}

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
