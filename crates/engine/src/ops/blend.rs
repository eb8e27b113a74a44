//! Weighted sums of a few elements along an axis.

use std::sync::Arc;

use convnet_kernels::reduce::{Taps, blend};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// Each element of y along an axis is a weighted sum of a few elements of x along it: picked ones, repeated ones, a reflected
/// border, interpolation of any kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend {
    /// The axis, 0 being the first after the batch.
    pub axis: usize,
    /// What each element is made of.
    pub taps: Arc<Taps>,
}

impl Op for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let mut shape = inputs[0].shape.clone();
        match shape.dims.get_mut(self.axis) {
            Some(size) if *size == self.taps.input() => *size = self.taps.output(),
            _ => {
                let expected =
                    format!("an axis {} of {} elements", self.axis.saturating_add(1), self.taps.input());
                return Err(Mismatch::new(expected, &shape));
            }
        }
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let back = Self { axis: self.axis, taps: Arc::new(self.taps.transposed()) };
        Ok(vec![Some(at.apply(back, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let axis = self.axis + usize::from(sizes.inputs[0].batched);
        let inner = sizes.inputs[0].dims[axis + 1..].iter().product();
        let taps = Arc::clone(&self.taps);
        Lowered::new(move |call| blend(&taps, inner, call.inputs[0], call.outputs[0]))
    }
}
