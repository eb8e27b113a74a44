//! A factor and a summand for each channel: what batch normalisation with given statistics comes down to.

use convnet_kernels::elementwise::{self, Activation};
use convnet_kernels::norm;

use super::{Multiply, SumRows};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::{Shape, TensorType};

/// y = f(factor · x + summand), factor and summand being `(channels)`.
///
/// Inputs x, factor and, if there is one, summand.
#[derive(Clone, Debug)]
pub struct ChannelAffine {
    /// The function f.
    pub activation: Activation,
}

/// factor = γ / √(variance + ε) and summand = β − mean · factor: [`super::BatchNormFrozen`] as a [`ChannelAffine`].
///
/// Inputs mean, variance, then γ if `scale`, then β if `center`. Outputs factor, summand.
#[derive(Clone, Debug)]
pub struct FrozenAffine {
    /// ε, which keeps the division finite.
    pub epsilon: f32,
    /// Whether there is a γ.
    pub scale: bool,
    /// Whether there is a β.
    pub center: bool,
}

impl Op for ChannelAffine {
    fn name(&self) -> &'static str {
        "channel affine"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=3)?;
        let channels = Shape::fixed([inputs[0].shape.channels()]);
        for input in &inputs[1..] {
            super::same("factors and summands", input, &channels)?;
        }
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(mut dy) = at.output_gradient() else { return at.constant() };
        if !self.activation.gradient_from_output() {
            return at.no_gradient(self.name());
        }
        if self.activation != Activation::Linear {
            let y = at.outputs[0];
            dy = at.apply(super::ActivateGradient(self.activation), &[dy, y])?;
        }
        let (x, factor) = (at.inputs[0], at.inputs[1]);
        let mut gradients = vec![None; at.inputs.len()];
        if at.wanted[0] {
            gradients[0] = Some(at.apply(Self { activation: Activation::Linear }, &[dy, factor])?);
        }
        if at.wanted[1] {
            let product = at.apply(Multiply, &[dy, x])?;
            gradients[1] = Some(at.apply(SumRows, &[product])?);
        }
        if at.wanted.get(2) == Some(&true) {
            gradients[2] = Some(at.apply(SumRows, &[dy])?);
        }
        Ok(gradients)
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let channels = sizes.inputs[0].channels();
        let (activation, in_place) = (self.activation, sizes.in_place);
        // Without a summand, zeros in scratch stand for it.
        let scratch = if sizes.inputs.len() == 2 { channels } else { 0 };
        Lowered::with_scratch(scratch, move |call| {
            let zeros = &mut call.scratch[..scratch];
            zeros.fill(0.0);
            let (factor, summand) = (call.inputs[1], call.inputs.get(2).copied().unwrap_or(zeros));
            let y = &mut call.outputs[0];
            if in_place {
                elementwise::affine_channels_in_place(y, factor, summand, activation);
            } else {
                elementwise::affine_channels(call.inputs[0], factor, summand, activation, y);
            }
        })
    }
}

impl Op for FrozenAffine {
    fn name(&self) -> &'static str {
        "frozen batch norm factors"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let count = 2 + usize::from(self.scale) + usize::from(self.center);
        super::alike(inputs, count..=count)?;
        Ok(vec![inputs[0].clone(), inputs[0].clone()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let Self { epsilon, scale, center } = *self;
        Lowered::new(move |call| {
            let gamma = scale.then(|| call.inputs[2]);
            let beta = center.then(|| call.inputs[2 + usize::from(scale)]);
            let [factor, summand] = &mut call.outputs[..] else { unreachable!("two outputs") };
            norm::frozen_affine(gamma, beta, call.inputs[0], call.inputs[1], epsilon, factor, summand);
        })
    }
}
