//! Batch normalisation (Ioffe, Szegedy, 2015): training with the batch's statistics, prediction with moving ones.

use convnet_kernels::{elementwise, norm};

use super::{Activation, Multiply, SumRows};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::{Shape, TensorType};

/// y = γ (x − mean) / √(variance + ε) + β, with mean and (biased) variance over all axes but the last.
///
/// Inputs x, then γ if `scale`, then β if `center`. Outputs y, mean, variance, 1/√(variance + ε).
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// ε, which keeps the division finite.
    pub epsilon: f32,
    /// Whether there is a γ.
    pub scale: bool,
    /// Whether there is a β.
    pub center: bool,
}

/// y of [`BatchNorm`] once more, from the statistics that it gave. Inputs x, mean, 1/√(variance + ε), then γ if `scale`, then β
/// if `center`.
#[derive(Clone, Debug)]
pub struct BatchNormAgain {
    /// Whether there is a γ.
    pub scale: bool,
    /// Whether there is a β.
    pub center: bool,
}

/// Gradients of [`BatchNorm`]. Inputs dy, x, mean, 1/√(variance + ε), then γ if `scale`. Outputs dx, dγ, dβ.
#[derive(Clone, Debug)]
pub struct BatchNormGradient {
    /// Whether there is a γ.
    pub scale: bool,
}

/// y = γ (x − mean) / √(variance + ε) + β with a given mean and variance.
///
/// Inputs x, mean, variance, then γ if `scale`, then β if `center`.
#[derive(Clone, Debug)]
pub struct BatchNormFrozen {
    /// ε, which keeps the division finite.
    pub epsilon: f32,
    /// Whether there is a γ.
    pub scale: bool,
    /// Whether there is a β.
    pub center: bool,
}

/// dx of [`BatchNormFrozen`]: dy γ / √(variance + ε). Inputs dy, variance, then γ if `scale`.
#[derive(Clone, Debug)]
struct BatchNormFrozenGradient {
    epsilon: f32,
    scale: bool,
}

/// new = momentum · moving + (1 − momentum) · value. Inputs moving, value.
#[derive(Clone, Debug)]
pub struct MovingAverage {
    /// Share of the old average that is kept.
    pub momentum: f32,
}

/// Checks that all inputs from `first` on have a number for each channel.
fn per_channel(inputs: &[TensorType], first: usize, count: usize) -> Result<Shape, Mismatch> {
    super::arity(inputs, count..=count)?;
    let channels = Shape::fixed([inputs[0].shape.channels()]);
    for input in &inputs[first..] {
        super::same("statistics and weights", input, &channels)?;
    }
    Ok(channels)
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let count = 1 + usize::from(self.scale) + usize::from(self.center);
        let channels = per_channel(inputs, 1, count)?;
        let statistics = TensorType::f32(channels);
        Ok(vec![inputs[0].clone(), statistics.clone(), statistics.clone(), statistics])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let mut inputs = vec![dy, at.inputs[0], at.outputs[1], at.outputs[3]];
        if self.scale {
            inputs.push(at.inputs[1]);
        }
        let all = at.graph.add(BatchNormGradient { scale: self.scale }, &inputs)?;
        let mut gradients = vec![Some(all[0])];
        gradients.extend(self.scale.then_some(Some(all[1])));
        gradients.extend(self.center.then_some(Some(all[2])));
        Ok(gradients)
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let Self { epsilon, scale, center } = *self;
        Lowered::new(move |call| {
            let gamma = scale.then(|| call.inputs[1]);
            let beta = center.then(|| call.inputs[1 + usize::from(scale)]);
            let [y, mean, variance, inv_std] = &mut call.outputs[..] else {
                unreachable!("batch norm has four outputs")
            };
            let statistics = norm::Statistics { mean, variance, inv_std };
            norm::batch_norm_forward(call.inputs[0], gamma, beta, epsilon, y, statistics);
        })
    }
}

impl Op for BatchNormAgain {
    fn name(&self) -> &'static str {
        "batch norm, recomputed"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        per_channel(inputs, 1, 3 + usize::from(self.scale) + usize::from(self.center))?;
        Ok(vec![inputs[0].clone()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let Self { scale, center } = *self;
        Lowered::new(move |call| {
            let gamma = scale.then(|| call.inputs[3]);
            let beta = center.then(|| call.inputs[3 + usize::from(scale)]);
            let [x, mean, inv_std] = call.inputs[..3] else { unreachable!("checked by `infer`") };
            norm::batch_norm_apply(x, gamma, beta, mean, inv_std, call.outputs[0]);
        })
    }
}

impl Op for BatchNormGradient {
    fn name(&self) -> &'static str {
        "batch norm gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let channels = per_channel(inputs, 2, 4 + usize::from(self.scale))?;
        Ok(vec![inputs[0].clone(), channels.clone().into(), channels.into()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        Lowered::new(|call| {
            let gamma = call.inputs.get(4).copied();
            let [dx, dgamma, dbeta] = &mut call.outputs[..] else { unreachable!("three gradients") };
            let [dy, x, mean, inv_std] = call.inputs[..4] else { unreachable!("checked by `infer`") };
            let from = norm::BatchNormBackward { x, dy, gamma, mean, inv_std };
            norm::batch_norm_backward(from, dx, dgamma, dbeta);
        })
    }
}

impl Op for BatchNormFrozen {
    fn name(&self) -> &'static str {
        "frozen batch norm"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        per_channel(inputs, 1, 3 + usize::from(self.scale) + usize::from(self.center))?;
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let mut gradients = vec![None; at.inputs.len()];
        if at.wanted[0] {
            let op = BatchNormFrozenGradient { epsilon: self.epsilon, scale: self.scale };
            let mut inputs = vec![dy, at.inputs[2]];
            inputs.extend(self.scale.then(|| at.inputs[3]));
            gradients[0] = Some(at.apply(op, &inputs)?);
        }
        if self.scale && at.wanted[3] {
            let (x, mean, variance) = (at.inputs[0], at.inputs[1], at.inputs[2]);
            let plain = Self { epsilon: self.epsilon, scale: false, center: false };
            let normal = at.apply(plain, &[x, mean, variance])?;
            let product = at.apply(Multiply, &[dy, normal])?;
            gradients[3] = Some(at.apply(SumRows, &[product])?);
        }
        let beta = 3 + usize::from(self.scale);
        if self.center && at.wanted[beta] {
            gradients[beta] = Some(at.apply(SumRows, &[dy])?);
        }
        Ok(gradients)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let Self { epsilon, scale, center } = *self;
        Lowered::with_scratch(2 * columns, move |call| {
            let gamma = scale.then(|| call.inputs[3]);
            let beta = center.then(|| call.inputs[3 + usize::from(scale)]);
            let (factor, shift) = call.scratch[..2 * columns].split_at_mut(columns);
            norm::frozen_affine(gamma, beta, call.inputs[1], call.inputs[2], epsilon, factor, shift);
            elementwise::affine_channels(call.inputs[0], factor, shift, Activation::Linear, call.outputs[0]);
        })
    }
}

impl Op for BatchNormFrozenGradient {
    fn name(&self) -> &'static str {
        "frozen batch norm gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        per_channel(inputs, 1, 2 + usize::from(self.scale))?;
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(ddx) = at.output_gradient() else { return at.constant() };
        let mut inputs = at.inputs.clone();
        inputs[0] = ddx;
        let mut gradients = vec![None; inputs.len()];
        gradients[0] = Some(at.apply(self.clone(), &inputs)?);
        Ok(gradients)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let epsilon = self.epsilon;
        Lowered::with_scratch(2 * columns, move |call| {
            let gamma = call.inputs.get(2).copied();
            let (factor, shift) = call.scratch[..2 * columns].split_at_mut(columns);
            for c in 0..columns {
                factor[c] = gamma.map_or(1.0, |g| g[c]) / (call.inputs[1][c] + epsilon).sqrt();
            }
            shift.fill(0.0);
            elementwise::affine_channels(call.inputs[0], factor, shift, Activation::Linear, call.outputs[0]);
        })
    }
}

impl Op for MovingAverage {
    fn name(&self) -> &'static str {
        "moving average"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 2..=2)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        at.constant()
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let momentum = self.momentum;
        let in_place = sizes.in_place;
        Lowered::new(move |call| {
            if !in_place {
                call.outputs[0].copy_from_slice(call.inputs[0]);
            }
            norm::moving_average(call.outputs[0], call.inputs[1], momentum);
        })
    }
}
