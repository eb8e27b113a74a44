//! Joining values along an axis, and cutting them apart again.

use convnet_kernels::elementwise;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// The inputs one after another along `axis` (counted without the batch).
#[derive(Clone, Debug)]
pub struct Concatenate {
    /// The axis along which the inputs differ, 0 being the first after the batch.
    pub axis: usize,
}

/// The elements `start..start + size` of `axis` (counted without the batch).
#[derive(Clone, Debug)]
pub struct Slice {
    /// The axis that is cut.
    pub axis: usize,
    /// First element.
    pub start: usize,
    /// Number of elements.
    pub size: usize,
}

/// The gradient of a [`Slice`]: the input's shape, zero outside the slice.
#[derive(Clone, Debug)]
struct SliceGradient {
    slice: Slice,
    input: Shape,
}

/// Elements between neighbours along the axes before `axis`: the length of a row that is copied in parts.
fn row(shape: &Bound, axis: usize) -> usize {
    shape.inner()[axis..].iter().product()
}

impl Op for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=usize::MAX)?;
        let mut shape = inputs[0].shape.clone();
        if self.axis >= shape.dims.len() {
            return Err(Mismatch::new(format!("inputs with more than {} axes", self.axis), &shape));
        }
        let mut total = 0;
        for input in inputs {
            total += input.shape.dims.get(self.axis).copied().unwrap_or(0);
            let mut other = input.shape.clone();
            other.dims.resize(shape.dims.len(), 0);
            other.dims[self.axis] = shape.dims[self.axis];
            if other != shape || input.shape.dims.len() != shape.dims.len() {
                let expected =
                    format!("inputs that differ from {shape} only in axis {}", self.axis.saturating_add(1));
                return Err(Mismatch::new(expected, &input.shape));
            }
        }
        shape.dims[self.axis] = total;
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let mut start = 0;
        let mut gradients = Vec::new();
        for (input, wanted) in at.inputs.clone().into_iter().zip(at.wanted.clone()) {
            let size = at.type_of(input).shape.dims[self.axis];
            let slice = Slice { axis: self.axis, start, size };
            gradients.push(if wanted { Some(at.apply(slice, &[dy])?) } else { None });
            start += size;
        }
        Ok(gradients)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let output_row = row(&sizes.outputs[0], self.axis);
        let rows = sizes.outputs[0].len() / output_row;
        let widths: Vec<usize> = sizes.inputs.iter().map(|input| row(input, self.axis)).collect();
        Lowered::new(move |call| {
            let mut offset = 0;
            for (input, &width) in call.inputs.iter().zip(&widths) {
                elementwise::copy_block(rows, input, width, 0, call.outputs[0], output_row, offset, width);
                offset += width;
            }
        })
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let mut shape = inputs[0].shape.clone();
        match shape.dims.get_mut(self.axis) {
            Some(size) if self.start.saturating_add(self.size) <= *size => *size = self.size,
            _ => {
                let end = self.start.saturating_add(self.size);
                let expected = format!("axis {} to reach {end}", self.axis.saturating_add(1));
                return Err(Mismatch::new(expected, &inputs[0].shape));
            }
        }
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let input = at.type_of(at.inputs[0]).shape;
        Ok(vec![Some(at.apply(SliceGradient { slice: self.clone(), input }, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (input_row, width) = (row(&sizes.inputs[0], self.axis), row(&sizes.outputs[0], self.axis));
        let rows = sizes.outputs[0].len() / width;
        let offset = self.start * (input_row / sizes.inputs[0].inner()[self.axis]);
        Lowered::new(move |call| {
            elementwise::copy_block(
                rows,
                call.inputs[0],
                input_row,
                offset,
                call.outputs[0],
                width,
                0,
                width,
            );
        })
    }
}

impl Op for SliceGradient {
    fn name(&self) -> &'static str {
        "slice gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        Ok(vec![self.input.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(ddx) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(self.slice.clone(), &[ddx])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let axis = self.slice.axis;
        let (width, output_row) = (row(&sizes.inputs[0], axis), row(&sizes.outputs[0], axis));
        let rows = sizes.inputs[0].len() / width;
        let offset = self.slice.start * (output_row / sizes.outputs[0].inner()[axis]);
        Lowered::new(move |call| {
            call.outputs[0].fill(0.0);
            elementwise::copy_block(
                rows,
                call.inputs[0],
                width,
                0,
                call.outputs[0],
                output_row,
                offset,
                width,
            );
        })
    }
}
