//! Batch normalisation (Ioffe, Szegedy, 2015): training with the batch's statistics, prediction with moving ones.

use convnet_kernels::conv::Residual;
use convnet_kernels::{elementwise, norm};

use super::{Activation, Multiply, SumRows};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::{Shape, TensorType};

/// y = f(γ (x − mean) / √(variance + ε) + β + r), with mean and (biased) variance over all axes but the last.
///
/// Inputs x, then γ if `scale`, then β if `center`, then r if `residual`. Outputs y, mean, variance, 1/√(variance + ε).
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// ε, which keeps the division finite.
    pub epsilon: f32,
    /// Whether there is a γ.
    pub scale: bool,
    /// Whether there is a β.
    pub center: bool,
    /// Whether there is an r: the other branch of a residual connection.
    pub residual: bool,
    /// The function f: linear or a rectifier, see [`BatchNorm::takes`].
    pub activation: Activation,
}

/// y of [`BatchNorm`] once more, from the statistics that it gave. Inputs x, mean, 1/√(variance + ε), then those of the
/// normalisation after x.
#[derive(Clone, Debug)]
pub struct BatchNormAgain(
    /// The normalisation.
    pub BatchNorm,
);

/// Gradients of [`BatchNorm`]. Inputs dy, x, mean, 1/√(variance + ε), then γ if `scale`, then β if `center`, outputs dx, dγ, dβ and y
/// once more.
///
/// With a residual before the function, y is an input after these, and the outputs are dr, dγ, dβ, dx.
#[derive(Clone, Debug)]
pub struct BatchNormGradient(
    /// The normalisation. A residual without a function after it counts as none.
    pub BatchNorm,
);

/// The output of a [`BatchNormGradient`] that is y again, if it has no residual.
pub(crate) const Y_AGAIN: usize = 3;

impl BatchNorm {
    /// Without residual and function.
    pub fn linear(epsilon: f32, scale: bool, center: bool) -> Self {
        Self { epsilon, scale, center, residual: false, activation: Activation::Linear }
    }

    /// Whether a function can be the one that is applied last.
    pub fn takes(activation: Activation) -> bool {
        norm::Clip::of(activation).is_some()
    }

    fn clip(&self) -> norm::Clip {
        norm::Clip::of(self.activation).expect("checked by `infer`")
    }

    fn weights(&self) -> usize {
        usize::from(self.scale) + usize::from(self.center)
    }

    /// γ and β among inputs of which the first `before` are others.
    fn affine<'a>(&self, inputs: &[&'a [f32]], before: usize) -> [Option<&'a [f32]>; 2] {
        let gamma = self.scale.then(|| inputs[before]);
        [gamma, self.center.then(|| inputs[before + usize::from(self.scale)])]
    }

    /// What a forward call reads of inputs among which γ would have place `before`.
    fn forward<'a>(&self, inputs: &[&'a [f32]], before: usize, in_place: bool) -> norm::BatchNormForward<'a> {
        let [gamma, beta] = self.affine(inputs, before);
        let residual = match (self.residual, in_place) {
            (false, _) => Residual::None,
            (true, false) => Residual::Slice(inputs[before + self.weights()]),
            (true, true) => Residual::Output,
        };
        norm::BatchNormForward { x: inputs[0], gamma, beta, residual, clip: self.clip() }
    }

    /// Checks all inputs of the forward pass, or those of its gradient (with y in the residual's place), which has `others` between x
    /// and the weights.
    fn check(&self, inputs: &[TensorType], others: usize) -> Result<Shape, Mismatch> {
        if !Self::takes(self.activation) {
            return Err(Mismatch::new("a linear activation or a rectifier", self.activation));
        }
        let count = 1 + others + self.weights();
        super::arity(inputs, count + usize::from(self.residual)..=count + usize::from(self.residual))?;
        if self.residual {
            super::same("a residual", &inputs[count], &inputs[0].shape)?;
        }
        per_channel(&inputs[..count], 1, count)
    }

    /// Where the residual is among the inputs of the forward pass, or those of its repetition.
    fn residual_sharing(&self, others: usize) -> Sharing {
        if self.residual { Sharing::InPlace(1 + others + self.weights()) } else { Sharing::None }
    }
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
        let statistics = TensorType::f32(self.check(inputs, 0)?);
        Ok(vec![inputs[0].clone(), statistics.clone(), statistics.clone(), statistics])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let is_masked = self.residual && self.activation != Activation::Linear;
        let op = BatchNormGradient(Self { residual: is_masked, ..self.clone() });
        let mut inputs = vec![dy, at.inputs[0], at.outputs[1], at.outputs[3]];
        inputs.extend(&at.inputs[1..=self.weights()]);
        inputs.extend(is_masked.then_some(at.outputs[0]));
        let all = at.graph.add(op, &inputs)?;
        let (dx, dr) = if is_masked { (all[3], all[0]) } else { (all[0], dy) };
        let mut gradients = vec![Some(dx)];
        gradients.extend(self.scale.then_some(Some(all[1])));
        gradients.extend(self.center.then_some(Some(all[2])));
        gradients.extend(self.residual.then_some(Some(dr)));
        Ok(gradients)
    }

    fn sharing(&self) -> Sharing {
        self.residual_sharing(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (op, in_place) = (self.clone(), sizes.in_place);
        let scratch = norm::batch_norm_scratch(sizes.inputs[0].channels());
        Lowered::with_scratch(scratch, move |call| {
            let from = op.forward(&call.inputs, 1, in_place);
            let [y, mean, variance, inv_std] = &mut call.outputs[..] else {
                unreachable!("batch norm has four outputs")
            };
            let statistics = norm::Statistics { mean, variance, inv_std };
            norm::batch_norm_forward(from, op.epsilon, y, statistics, call.scratch);
        })
    }
}

impl Op for BatchNormAgain {
    fn name(&self) -> &'static str {
        "batch norm, recomputed"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        self.0.check(inputs, 2)?;
        Ok(vec![inputs[0].clone()])
    }

    fn sharing(&self) -> Sharing {
        self.0.residual_sharing(2)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (op, in_place) = (self.0.clone(), sizes.in_place);
        let scratch = norm::batch_norm_scratch(sizes.inputs[0].channels());
        Lowered::with_scratch(scratch, move |call| {
            let from = op.forward(&call.inputs, 3, in_place);
            norm::batch_norm_apply(from, call.inputs[1], call.inputs[2], call.outputs[0], call.scratch);
        })
    }
}

impl Op for BatchNormGradient {
    fn name(&self) -> &'static str {
        "batch norm gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [dy, x, ..] = inputs else { return Err(Mismatch::new("a gradient and an input", inputs.len())) };
        super::same("a gradient", dy, &x.shape)?;
        let channels = self.0.check(&inputs[1..], 2)?;
        Ok(vec![x.clone(), channels.clone().into(), channels.into(), x.clone()])
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn optional_output(&self, output: usize) -> bool {
        !self.0.residual && output == Y_AGAIN
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (op, in_place) = (self.0.clone(), sizes.in_place);
        let scratch = norm::batch_norm_scratch(sizes.inputs[0].channels());
        Lowered::with_scratch(scratch, move |call| {
            let [dy, x, mean, inv_std] = call.inputs[..4] else { unreachable!("checked by `infer`") };
            let dy = (!in_place).then_some(dy);
            let [gamma, beta] = op.affine(&call.inputs, 4);
            let from = norm::BatchNormBackward { x, dy, gamma, beta, mean, inv_std, clip: op.clip() };
            let [first, dgamma, dbeta, last] = &mut call.outputs[..] else { unreachable!("four outputs") };
            let of_channels = [&mut **dgamma, &mut **dbeta];
            if op.residual {
                let y = call.inputs[4 + op.weights()];
                norm::batch_norm_residual_backward(from, y, [first, last], of_channels, call.scratch);
            } else {
                let again = (!last.is_empty()).then_some(&mut **last);
                norm::batch_norm_backward(from, first, of_channels, again, call.scratch);
            }
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
