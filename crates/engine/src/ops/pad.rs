//! A border around the inner axes, and its removal.

use convnet_kernels::elementwise::{self, Border, Borders};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, TensorType};

/// y is x with so many elements of one value before and after it, axis by axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Elements before and after along each axis, the first being that after the batch. Axes beyond the list (such as
    /// the channels, if only spatial axes are listed) stay as they are.
    pub border: Vec<(usize, usize)>,
    /// What stands in the border.
    pub value: f32,
}

/// y is x without so many elements before and after, axis by axis. It is the gradient of [`Pad`], and the other way
/// round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Elements taken off before and after along each axis, the first being that after the batch. Axes beyond the list
    /// stay as they are.
    pub border: Vec<(usize, usize)>,
}

/// No axis gets longer than this, so that products of a few sizes stay within `usize`.
const MAX_BORDER: usize = 1 << 30;

/// The borders for the kernels; `inner` is the shape of the side without them.
fn borders(border: &[(usize, usize)], inner: &Bound) -> Borders {
    let axis = |(axis, &size): (usize, &usize)| {
        let (before, after) = border.get(axis).copied().unwrap_or((0, 0));
        Border { size, before, after }
    };
    Borders::new(&inner.inner().iter().enumerate().map(axis).collect::<Vec<_>>())
}

fn check(border: &[(usize, usize)], inputs: &[TensorType]) -> Result<(), Mismatch> {
    super::arity(inputs, 1..=1)?;
    if border.len() > inputs[0].shape.dims.len() {
        let expected = format!("an input with at least {} axes after the batch", border.len());
        return Err(Mismatch::new(expected, &inputs[0].shape));
    }
    Ok(())
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        check(&self.border, inputs)?;
        let mut shape = inputs[0].shape.clone();
        for (size, &(before, after)) in shape.dims.iter_mut().zip(&self.border) {
            if before.max(after) > MAX_BORDER {
                return Err(Mismatch::new(format!("a border of at most {MAX_BORDER}"), before.max(after)));
            }
            *size += before + after;
        }
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(Crop { border: self.border.clone() }, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (borders, value) = (borders(&self.border, &sizes.inputs[0]), self.value);
        Lowered::new(move |call| elementwise::pad(&borders, value, call.inputs[0], call.outputs[0]))
    }
}

impl Op for Crop {
    fn name(&self) -> &'static str {
        "crop"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        check(&self.border, inputs)?;
        let mut shape = inputs[0].shape.clone();
        for (axis, (size, &(before, after))) in shape.dims.iter_mut().zip(&self.border).enumerate() {
            match size.checked_sub(before).and_then(|rest| rest.checked_sub(after)) {
                Some(rest) if rest > 0 => *size = rest,
                _ => {
                    let expected =
                        format!("axis {} to be longer than the {before} + {after} taken off", axis + 1);
                    return Err(Mismatch::new(expected, &inputs[0].shape));
                }
            }
        }
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(Pad { border: self.border.clone(), value: 0.0 }, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let borders = borders(&self.border, &sizes.outputs[0]);
        Lowered::new(move |call| elementwise::crop(&borders, call.inputs[0], call.outputs[0]))
    }
}
