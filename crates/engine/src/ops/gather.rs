//! Rows of a table by their numbers: the lookup of an embedding.

use convnet_kernels::elementwise;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Shape, TensorType};

/// `y[…, :] = table[x[…], :]`. Inputs x, whose elements are whole numbers, and the table `(rows, columns)`.
///
/// An element that is the number of no row gives a row that is not a number.
#[derive(Clone, Debug)]
pub struct Gather;

/// The gradient of [`Gather`] by its table: row r is the sum of the dy whose x is r. Inputs dy, x.
#[derive(Clone, Debug)]
struct GatherGradient {
    rows: usize,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        let (x, table) = (&inputs[0].shape, &inputs[1].shape);
        if table.batched || table.dims.len() != 2 || table.is_empty() {
            return Err(Mismatch::new("a table (rows, columns)", table));
        }
        let mut shape = x.clone();
        shape.dims.push(table.dims[1]);
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let rows = at.type_of(at.inputs[1]).shape.dims[0];
        let x = at.inputs[0];
        let table = if at.wanted[1] { Some(at.apply(GatherGradient { rows }, &[dy, x])?) } else { None };
        Ok(vec![None, table])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let width = sizes.outputs[0].channels();
        Lowered::new(move |call| {
            elementwise::gather_rows(call.inputs[0], call.inputs[1], width, call.outputs[0]);
        })
    }
}

impl Op for GatherGradient {
    fn name(&self) -> &'static str {
        "gather gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        Ok(vec![Shape::fixed([self.rows, inputs[0].shape.channels()]).into()])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let width = sizes.outputs[0].channels();
        Lowered::new(move |call| {
            elementwise::scatter_rows(call.inputs[1], call.inputs[0], width, call.outputs[0]);
        })
    }
}
