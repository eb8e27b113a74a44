//! Group normalisation (Wu, He, 2018); with a group for each channel, instance normalisation.

use convnet_kernels::norm;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// y = γ (x − mean) / √(variance + ε) + β, with mean and (biased) variance over all positions of an image and the channels
/// of a group.
///
/// Inputs x `(batch, positions…, channels)`, then γ if `scale`, then β if `center`. Outputs y, and for each image and group the mean and
/// 1/√(variance + ε).
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNorm {
    /// Groups of neighbouring channels.
    pub groups: usize,
    /// ε, which keeps the division finite.
    pub epsilon: f32,
    /// Whether there is a γ.
    pub scale: bool,
    /// Whether there is a β.
    pub center: bool,
}

/// Gradients of [`GroupNorm`]. Inputs dy, x, mean, 1/√(variance + ε), then γ if `scale`. Outputs dx, dγ, dβ.
#[derive(Clone, Debug)]
struct GroupNormGradient(GroupNorm);

impl GroupNorm {
    fn bound(&self, x: &Bound) -> norm::GroupNorm {
        let Self { groups, epsilon, .. } = *self;
        norm::GroupNorm { batch: x.batch(), channels: x.channels(), groups, epsilon }
    }
}

impl Op for GroupNorm {
    fn name(&self) -> &'static str {
        "group norm"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let count = 1 + usize::from(self.scale) + usize::from(self.center);
        super::arity(inputs, count..=count)?;
        let x = &inputs[0].shape;
        if self.groups == 0 || x.is_empty() || !x.channels().is_multiple_of(self.groups) {
            let expected = format!("a number of channels that is a multiple of the {} groups", self.groups);
            return Err(Mismatch::new(expected, x));
        }
        for weight in &inputs[1..] {
            super::same("weights", weight, &Shape::fixed([x.channels()]))?;
        }
        let statistics = TensorType::f32(Shape { batched: x.batched, dims: vec![self.groups] });
        Ok(vec![inputs[0].clone(), statistics.clone(), statistics])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let mut inputs = vec![dy, at.inputs[0], at.outputs[1], at.outputs[2]];
        inputs.extend(self.scale.then(|| at.inputs[1]));
        let all = at.graph.add(GroupNormGradient(self.clone()), &inputs)?;
        let mut gradients = vec![Some(all[0])];
        gradients.extend(self.scale.then_some(Some(all[1])));
        gradients.extend(self.center.then_some(Some(all[2])));
        Ok(gradients)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let Self { scale, center, .. } = *self;
        let bound = self.bound(&sizes.inputs[0]);
        Lowered::with_scratch(norm::group_norm_scratch(bound.channels), move |call| {
            let gamma = scale.then(|| call.inputs[1]);
            let beta = center.then(|| call.inputs[1 + usize::from(scale)]);
            let [y, mean, inv_std] = &mut call.outputs[..] else { unreachable!("three outputs") };
            norm::group_norm_forward(bound, call.inputs[0], [gamma, beta], y, [mean, inv_std], call.scratch);
        })
    }
}

impl Op for GroupNormGradient {
    fn name(&self) -> &'static str {
        "group norm gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let count = 4 + usize::from(self.0.scale);
        super::arity(inputs, count..=count)?;
        let channels = TensorType::f32(Shape::fixed([inputs[0].shape.channels()]));
        Ok(vec![inputs[0].clone(), channels.clone(), channels])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let bound = self.0.bound(&sizes.inputs[0]);
        Lowered::with_scratch(norm::group_norm_scratch(bound.channels), move |call| {
            let [dx, dgamma, dbeta] = &mut call.outputs[..] else { unreachable!("three gradients") };
            let [dy, x, mean, inv_std] = call.inputs[..4] else { unreachable!("checked by `infer`") };
            let from = norm::GroupNormBackward { x, dy, gamma: call.inputs.get(4).copied(), mean, inv_std };
            norm::group_norm_backward(bound, from, dx, [dgamma, dbeta], call.scratch);
        })
    }
}
