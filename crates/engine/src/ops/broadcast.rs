//! Shapes that differ in axes along which one of them is repeated, as in NumPy.

use convnet_kernels::elementwise::{self, Broadcast};

use super::{Reduce, ReduceFunction, Reshape};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// y has the elements of x, repeated along the axes that x does not have or that have one element in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expand {
    /// Shape of y.
    pub shape: Shape,
    /// Whether each element is divided by the number of its copies: the gradient of a mean.
    pub shared: bool,
}

/// The shape of the result of two values: axes are matched from the last one on, and where they differ one of them is
/// missing or has one element. The batch is matched with the batch only.
pub(super) fn common(a: &Shape, b: &Shape) -> Result<Shape, Mismatch> {
    let misfit = || Mismatch::new(format!("a shape that can be repeated to match {a}"), b);
    let (longer, shorter) = if a.dims.len() >= b.dims.len() { (a, b) } else { (b, a) };
    let missing = longer.dims.len() - shorter.dims.len();
    if shorter.batched && missing > 0 {
        return Err(misfit());
    }
    let mut dims = longer.dims.clone();
    for (size, &other) in dims[missing..].iter_mut().zip(&shorter.dims) {
        if *size != other && *size != 1 && other != 1 {
            return Err(misfit());
        }
        *size = if *size == 1 { other } else { *size };
    }
    Ok(Shape { batched: a.batched || b.batched, dims })
}

/// All sizes of a value, with ones in front for the axes that it lacks.
fn aligned(value: &Bound, rank: usize) -> Vec<usize> {
    let mut dims = vec![1; rank - value.dims.len()];
    dims.extend(&value.dims);
    dims
}

/// How the kernels walk through two values whose common shape is `output`.
pub(super) fn bound(a: &Bound, b: &Bound, output: &Bound) -> Broadcast {
    let rank = output.dims.len();
    Broadcast::new(&aligned(a, rank), &aligned(b, rank))
}

/// Sum or mean of a gradient over all axes along which a value of shape `target` was repeated.
pub(super) fn reduce_to(
    at: &mut GradientContext<'_>,
    function: ReduceFunction,
    dy: Value,
    target: &Shape,
) -> Result<Value> {
    let shape = at.type_of(dy).shape;
    if shape == *target {
        return Ok(dy);
    }
    let missing = shape.dims.len() - target.dims.len();
    let repeated = |axis: usize| axis < missing || shape.dims[axis] != target.dims[axis - missing];
    let batch = shape.batched && !target.batched;
    let axes = (0..shape.dims.len()).filter(|&axis| repeated(axis)).collect();
    let reduced = at.apply(Reduce { function, batch, axes, keep_dims: false }, &[dy])?;
    if at.type_of(reduced).shape == *target {
        return Ok(reduced);
    }
    at.apply(Reshape { dims: target.dims.clone() }, &[reduced])
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        if common(&self.shape, &inputs[0].shape)? != self.shape {
            let expected = format!("a value that can be repeated to the shape {}", self.shape);
            return Err(Mismatch::new(expected, &inputs[0].shape));
        }
        Ok(vec![self.shape.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let target = at.type_of(at.inputs[0]).shape;
        let function = if self.shared { ReduceFunction::Mean } else { ReduceFunction::Sum };
        Ok(vec![Some(reduce_to(at, function, dy, &target)?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (x, y) = (&sizes.inputs[0], &sizes.outputs[0]);
        let (broadcast, len) = (bound(x, y, y), x.len());
        if !self.shared {
            return Lowered::new(move |call| {
                elementwise::expand(&broadcast, call.inputs[0], call.outputs[0])
            });
        }
        let share = len as f32 / y.len().max(1) as f32;
        Lowered::with_scratch(len, move |call| {
            let scaled = &mut call.scratch[..len];
            elementwise::scale_shift(call.inputs[0], share, 0.0, scaled);
            elementwise::expand(&broadcast, scaled, call.outputs[0]);
        })
    }
}
