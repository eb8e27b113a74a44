//! Sum, mean and extremes over any axes.

use convnet_kernels::elementwise::{self, BinaryFunction};
use convnet_kernels::reduce::{Reduction, reduce_axis};

use super::{Binary, Expand, Reshape};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// What becomes of the elements along the axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceFunction {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest one.
    Max,
    /// The smallest one.
    Min,
    /// Their product, which has no gradient here.
    Product,
}

/// y is the sum (mean, largest, smallest) of the elements of x along some axes.
///
/// The gradient of an extreme is shared evenly by all elements that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// What becomes of the elements.
    pub function: ReduceFunction,
    /// Whether the batch is one of the axes; the result is then fixed.
    pub batch: bool,
    /// The other axes, 0 being the first after the batch, in rising order.
    pub axes: Vec<usize>,
    /// Whether the axes stay, with one element (but for the batch).
    pub keep_dims: bool,
}

impl Reduce {
    /// Over some axes (0 being the first after the batch, in rising order), which are then gone.
    pub fn new(function: ReduceFunction, axes: impl Into<Vec<usize>>) -> Self {
        Self { function, batch: false, axes: axes.into(), keep_dims: false }
    }

    /// The shape of the result if all axes are kept.
    fn kept(&self, input: &Shape) -> Shape {
        let size = |(axis, &size): (usize, &usize)| if self.axes.contains(&axis) { 1 } else { size };
        let dims: Vec<usize> = input.dims.iter().enumerate().map(size).collect();
        Shape { batched: input.batched && !self.batch, dims }
    }

    /// The steps, each over one axis or several neighbours: `(outer, length, inner)` of its input.
    fn steps(&self, input: &Bound) -> Vec<[usize; 3]> {
        let mut axes: Vec<(usize, bool)> = Vec::new();
        let first = usize::from(input.batched);
        for (axis, &size) in input.dims.iter().enumerate() {
            let reduced = if axis < first { self.batch } else { self.axes.contains(&(axis - first)) };
            match axes.last_mut() {
                Some((total, same)) if *same == reduced => *total *= size,
                _ => axes.push((size, reduced)),
            }
        }
        let mut steps = Vec::new();
        let mut inner = 1;
        while let Some((size, reduced)) = axes.pop() {
            if reduced && size != 1 {
                let outer = axes.iter().map(|(size, _)| size).product();
                steps.push([outer, size, inner]);
            } else {
                inner *= size;
            }
        }
        steps
    }
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let x = &inputs[0].shape;
        let rising = self.axes.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || self.axes.last().is_some_and(|&last| last >= x.dims.len()) {
            return Err(Mismatch::new(format!("axes {:?} to be those of the input, rising", self.axes), x));
        }
        if self.batch && !x.batched {
            return Err(Mismatch::new("an input with a batch", x));
        }
        let mut shape = self.kept(x);
        if !self.keep_dims {
            let kept = |(axis, &size)| (!self.axes.contains(&axis)).then_some(size);
            shape.dims = x.dims.iter().enumerate().filter_map(kept).collect();
        }
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(mut dy) = at.output_gradient() else { return at.constant() };
        let (x, mut y) = (at.inputs[0], at.outputs[0]);
        let shape = at.type_of(x).shape;
        if !self.keep_dims {
            let kept = Reshape { dims: self.kept(&shape).dims };
            dy = at.apply(kept.clone(), &[dy])?;
            y = at.apply(kept, &[y])?;
        }
        let shared = match self.function {
            ReduceFunction::Sum => false,
            ReduceFunction::Mean => true,
            ReduceFunction::Product => return at.no_gradient("product"),
            ReduceFunction::Max | ReduceFunction::Min => {
                let winners = at.apply(Binary(BinaryFunction::Equal), &[x, y])?;
                let count = Self { function: ReduceFunction::Sum, keep_dims: true, ..self.clone() };
                let count = at.apply(count, &[winners])?;
                let share = at.apply(Binary(BinaryFunction::Divide), &[dy, count])?;
                let dx = at.apply(Binary(BinaryFunction::Multiply), &[winners, share])?;
                return Ok(vec![Some(dx)]);
            }
        };
        Ok(vec![Some(at.apply(Expand { shape, shared }, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let reduction = match self.function {
            ReduceFunction::Sum | ReduceFunction::Mean => Reduction::Sum,
            ReduceFunction::Max => Reduction::Max,
            ReduceFunction::Min => Reduction::Min,
            ReduceFunction::Product => Reduction::Product,
        };
        let (x, y) = (&sizes.inputs[0], &sizes.outputs[0]);
        let count = x.len() as f32 / y.len().max(1) as f32;
        let mean = self.function == ReduceFunction::Mean && count != 1.0;
        let mut steps = self.steps(x);
        // All axes that are gone have one element.
        let last = steps.pop().unwrap_or([y.len(), 1, 1]);
        let length = |step: &[usize; 3]| step[0] * step[2];
        let scratch = steps.iter().map(length).sum();
        Lowered::with_scratch(scratch, move |call| {
            let mut input = call.inputs[0];
            let mut rest = &mut call.scratch[..scratch];
            for &step in &steps {
                let (output, left) = rest.split_at_mut(length(&step));
                reduce_axis(reduction, step, input, output);
                (input, rest) = (output, left);
            }
            let output = &mut call.outputs[0];
            reduce_axis(reduction, last, input, output);
            if mean {
                elementwise::scale_in_place(output, 1.0 / count);
            }
        })
    }
}
