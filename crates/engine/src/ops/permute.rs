//! Axes in another order.

use convnet_kernels::elementwise::{self, AxisOrder};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Shape, TensorType};

/// y has the elements of x with the axes in another order; the batch stays in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permute {
    /// For each axis of y the axis of x, 0 being the first after the batch.
    pub axes: Vec<usize>,
}

impl Permute {
    /// The order that undoes this one.
    fn inverse(&self) -> Self {
        let mut axes = vec![0; self.axes.len()];
        for (to, &from) in self.axes.iter().enumerate() {
            axes[from] = to;
        }
        Self { axes }
    }
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let Shape { batched, dims } = &inputs[0].shape;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..dims.len()) {
            let expected = format!("an order of the {} axes after the batch", dims.len());
            let named: Vec<usize> = self.axes.iter().map(|axis| axis.wrapping_add(1)).collect();
            return Err(Mismatch::new(expected, format!("{named:?}")));
        }
        let dims: Vec<usize> = self.axes.iter().map(|&axis| dims[axis]).collect();
        Ok(vec![Shape { batched: *batched, dims }.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(self.inverse(), &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let first = usize::from(sizes.inputs[0].batched);
        let axes: Vec<usize> = (0..first).chain(self.axes.iter().map(|axis| axis + first)).collect();
        let order = AxisOrder::new(&sizes.inputs[0].dims, &axes);
        Lowered::new(move |call| elementwise::permute(&order, call.inputs[0], call.outputs[0]))
    }
}
