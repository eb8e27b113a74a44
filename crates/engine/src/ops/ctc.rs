//! Connectionist temporal classification: rows of symbols that time steps spell without saying when.

use convnet_kernels::loss::{self, Spelling};

use super::cross_entropy::loss_gradient;
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// loss = −log of the probability that the steps spell the label. Inputs scores `(batch, steps, classes)` before a softmax, class 0 being the blank, and
/// labels `(batch, symbols)`, whose left-over places have 0.
#[derive(Clone, Debug)]
pub struct Ctc;

/// Gradient of [`Ctc`] by the scores. Inputs scores, labels, dloss.
#[derive(Clone, Debug)]
pub struct CtcGradient;

fn sizes_of(inputs: &[Bound]) -> Spelling {
    let (scores, labels) = (&inputs[0].dims, &inputs[1].dims);
    Spelling { steps: scores[1], classes: scores[2], width: labels[1] }
}

impl Op for Ctc {
    fn name(&self) -> &'static str {
        "connectionist temporal classification"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        let (scores, labels) = (&inputs[0].shape, &inputs[1].shape);
        if !scores.batched || scores.dims.len() != 2 || scores.dims.contains(&0) {
            return Err(Mismatch::new("scores (batch, steps, classes)", scores));
        }
        if !labels.batched || labels.dims.len() != 1 {
            return Err(Mismatch::new("labels (batch, symbols)", labels));
        }
        Ok(vec![Shape::batched([]).into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        loss_gradient(at, CtcGradient)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let spelling = sizes_of(sizes.inputs);
        Lowered::with_scratch(spelling.scratch(), move |call| {
            loss::ctc(spelling, call.inputs[1], call.inputs[0], call.outputs[0], call.scratch);
        })
    }
}

impl Op for CtcGradient {
    fn name(&self) -> &'static str {
        "connectionist temporal classification gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 3..=3)?;
        super::same("a gradient", &inputs[2], &Shape::batched([]))?;
        Ok(vec![inputs[0].clone()])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let spelling = sizes_of(sizes.inputs);
        Lowered::with_scratch(spelling.scratch(), move |call| {
            let [scores, labels, dloss] = call.inputs[..] else { unreachable!("checked by `infer`") };
            loss::ctc_gradient(spelling, labels, scores, dloss, call.outputs[0], call.scratch);
        })
    }
}
