//! A number added to each channel, and the sum over all but the channels that is its gradient.

use convnet_kernels::{elementwise, reduce};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::{Shape, TensorType};

/// `y[…, c] = x[…, c] + b[c]`.
#[derive(Clone, Debug)]
pub struct BiasAdd;

/// `s[c] = Σ x[…, c]`, over the batch and all axes but the last.
#[derive(Clone, Debug)]
pub struct SumRows;

impl Op for BiasAdd {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        super::same("a bias", &inputs[1], &Shape::fixed([inputs[0].shape.channels()]))?;
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let bias = if at.wanted[1] { Some(at.apply(SumRows, &[dy])?) } else { None };
        Ok(vec![Some(dy), bias])
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let in_place = sizes.in_place;
        Lowered::new(move |call| {
            let output = &mut call.outputs[0];
            if !in_place {
                output.copy_from_slice(call.inputs[0]);
            }
            elementwise::add_bias(output, call.inputs[1]);
        })
    }
}

impl Op for SumRows {
    fn name(&self) -> &'static str {
        "sum over pixels"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        Ok(vec![Shape::fixed([inputs[0].shape.channels()]).into()])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (rows, columns) = (sizes.inputs[0].rows(), sizes.inputs[0].channels());
        Lowered::new(move |call| reduce::sum_rows(rows, columns, call.inputs[0], call.outputs[0]))
    }
}
