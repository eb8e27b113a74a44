//! Normalisation of each position or image by itself: layer normalisation and its relatives.

use convnet_kernels::norm::{self, RowNorm as Function, RowNormBackward, RowStatistics};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Shape, TensorType};

/// y = γ · (x normalised over its last `axes` axes) + β. The weights have the sizes of these axes.
///
/// Inputs x, then γ if `scale`, then β if `center`. Outputs y, and for each row (whatever lies before the axes) its mean and
/// what it was multiplied by.
#[derive(Clone, Debug, PartialEq)]
pub struct RowNorm {
    /// What a row is divided by.
    pub function: Function,
    /// How many of the last axes make a row.
    pub axes: usize,
    /// Whether there is a γ.
    pub scale: bool,
    /// Whether there is a β.
    pub center: bool,
}

/// Gradients of [`RowNorm`]. Inputs dy, x, means, factors, then γ if `scale`. Outputs dx, dγ, dβ.
#[derive(Clone, Debug)]
struct RowNormGradient(RowNorm);

impl RowNorm {
    /// Shapes of the statistics and of the weights.
    fn shapes(&self, x: &Shape) -> Result<[Shape; 2], Mismatch> {
        let outer = x.dims.len().checked_sub(self.axes).filter(|_| self.axes > 0);
        let Some(outer) = outer.filter(|_| !x.is_empty()) else {
            return Err(Mismatch::new(
                format!("an input with at least {} axes to normalise over", self.axes.max(1)),
                x,
            ));
        };
        let (rows, row) = x.dims.split_at(outer);
        Ok([Shape { batched: x.batched, dims: rows.to_vec() }, Shape::fixed(row)])
    }
}

impl Op for RowNorm {
    fn name(&self) -> &'static str {
        "layer norm"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let count = 1 + usize::from(self.scale) + usize::from(self.center);
        super::arity(inputs, count..=count)?;
        let [rows, row] = self.shapes(&inputs[0].shape)?;
        for weight in &inputs[1..] {
            super::same("weights", weight, &row)?;
        }
        Ok(vec![inputs[0].clone(), rows.clone().into(), rows.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let mut inputs = vec![dy, at.inputs[0], at.outputs[1], at.outputs[2]];
        inputs.extend(self.scale.then(|| at.inputs[1]));
        let all = at.graph.add(RowNormGradient(self.clone()), &inputs)?;
        let mut gradients = vec![Some(all[0])];
        gradients.extend(self.scale.then_some(Some(all[1])));
        gradients.extend(self.center.then_some(Some(all[2])));
        Ok(gradients)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let Self { function, scale, center, .. } = *self;
        let columns = sizes.inputs[0].len() / sizes.outputs[1].len().max(1);
        Lowered::new(move |call| {
            let gamma = scale.then(|| call.inputs[1]);
            let beta = center.then(|| call.inputs[1 + usize::from(scale)]);
            let [y, mean, inv] = &mut call.outputs[..] else { unreachable!("three outputs") };
            let statistics = RowStatistics { mean, inv };
            norm::row_norm_forward(function, columns, call.inputs[0], gamma, beta, y, statistics);
        })
    }
}

impl Op for RowNormGradient {
    fn name(&self) -> &'static str {
        "layer norm gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let count = 4 + usize::from(self.0.scale);
        super::arity(inputs, count..=count)?;
        let [_, row] = self.0.shapes(&inputs[0].shape)?;
        Ok(vec![inputs[0].clone(), row.clone().into(), row.into()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let RowNorm { function, scale, center, .. } = self.0;
        Lowered::new(move |call| {
            let [dx, dgamma, dbeta] = &mut call.outputs[..] else { unreachable!("three gradients") };
            let [dy, x, mean, inv] = call.inputs[..4] else { unreachable!("checked by `infer`") };
            let from = RowNormBackward { x, dy, gamma: call.inputs.get(4).copied(), mean, inv };
            let weights: Option<[&mut [f32]; 2]> = (scale || center).then_some([dgamma, dbeta]);
            norm::row_norm_backward(function, from, dx, weights);
        })
    }
}
