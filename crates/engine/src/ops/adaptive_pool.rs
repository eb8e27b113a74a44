//! Pools whose result has a given size, whatever that of the input.

use convnet_kernels::pool::{self, AdaptiveGeometry};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// y = mean over windows of x that cover it: along each axis window o covers `floor(o · in / out) .. ceil((o + 1) · in / out)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptiveAveragePool {
    /// Sizes of the result along the spatial axes.
    pub size: Vec<usize>,
}

/// dx of an [`AdaptiveAveragePool`]. Input dy.
#[derive(Clone, Debug)]
struct AdaptiveAveragePoolGradient {
    size: Vec<usize>,
    input: Shape,
}

/// y = maximum over the windows of an [`AdaptiveAveragePool`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptiveMaxPool {
    /// Sizes of the result along the spatial axes.
    pub size: Vec<usize>,
}

/// dx of an [`AdaptiveMaxPool`]. Inputs dy, x.
#[derive(Clone, Debug)]
struct AdaptiveMaxPoolGradient {
    size: Vec<usize>,
    input: Shape,
}

fn infer(size: &[usize], inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    super::arity(inputs, 1..=1)?;
    let mut shape = inputs[0].shape.clone();
    if !(1..=3).contains(&size.len()) || shape.dims.len() != size.len() + 1 || shape.is_empty() {
        return Err(Mismatch::new(
            format!("an input with {} axes (1 to 3) and channels", size.len()),
            &shape,
        ));
    }
    if size.contains(&0) {
        return Err(Mismatch::new("a size of at least 1 along each axis", format!("{size:?}")));
    }
    shape.dims[..size.len()].copy_from_slice(size);
    Ok(vec![shape.into()])
}

/// Geometry for an input that was checked by [`infer`].
fn geometry(input: &Bound, size: &[usize]) -> AdaptiveGeometry {
    let volume = |sizes: &[usize]| {
        let mut volume = [1; 3];
        volume[3 - sizes.len()..].copy_from_slice(sizes);
        volume
    };
    AdaptiveGeometry {
        batch: input.batch(),
        channels: input.channels(),
        input: volume(&input.inner()[..size.len()]),
        output: volume(size),
    }
}

impl Op for AdaptiveAveragePool {
    fn name(&self) -> &'static str {
        "adaptive average pool"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer(&self.size, inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let x = at.inputs[0];
        let input = at.type_of(x).shape;
        let op = AdaptiveAveragePoolGradient { size: self.size.clone(), input };
        Ok(vec![Some(at.apply(op, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let g = geometry(&sizes.inputs[0], &self.size);
        Lowered::new(move |call| pool::adaptive_average_forward(&g, call.inputs[0], call.outputs[0]))
    }
}

impl Op for AdaptiveMaxPool {
    fn name(&self) -> &'static str {
        "adaptive max pool"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer(&self.size, inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let x = at.inputs[0];
        let input = at.type_of(x).shape;
        let op = AdaptiveMaxPoolGradient { size: self.size.clone(), input };
        Ok(vec![Some(at.apply(op, &[dy, x])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let g = geometry(&sizes.inputs[0], &self.size);
        Lowered::new(move |call| pool::adaptive_max_forward(&g, call.inputs[0], call.outputs[0]))
    }
}

impl Op for AdaptiveAveragePoolGradient {
    fn name(&self) -> &'static str {
        "adaptive average pool gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        Ok(vec![self.input.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(ddx) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(AdaptiveAveragePool { size: self.size.clone() }, &[ddx])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let g = geometry(&sizes.outputs[0], &self.size);
        Lowered::new(move |call| pool::adaptive_average_backward(&g, call.inputs[0], call.outputs[0]))
    }
}

impl Op for AdaptiveMaxPoolGradient {
    fn name(&self) -> &'static str {
        "adaptive max pool gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        Ok(vec![self.input.clone().into()])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let g = geometry(&sizes.outputs[0], &self.size);
        Lowered::new(move |call| {
            let [dy, x] = call.inputs[..2] else { unreachable!("checked by `infer`") };
            pool::adaptive_max_backward(&g, x, dy, call.outputs[0]);
        })
    }
}
