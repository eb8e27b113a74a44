//! Convolution in one to three dimensions, the dense layer (which has none), and their gradients.

use std::sync::Arc;

use convnet_kernels::conv::{self, Epilogue, Residual};
use convnet_kernels::elementwise::Activation;
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window};
use convnet_kernels::winograd::Pass;

use super::{
    ActivateGradient, Bf16Convolution, Narrow, PackPairs, PackWeights, PackedConvolution,
    PackedPairConvolution, SumRows,
};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Prepared, Sharing, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// How a window slides along depth, height and width. Of fewer axes the last ones count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliding {
    /// Steps between neighbouring windows.
    pub strides: [usize; 3],
    /// Steps between neighbouring taps.
    pub dilation: [usize; 3],
    /// Treatment of the borders.
    pub padding: [Padding; 3],
}

impl Default for Sliding {
    fn default() -> Self {
        Self { strides: [1; 3], dilation: [1; 3], padding: [Padding::Valid; 3] }
    }
}

impl Sliding {
    /// The window of `kernel` taps over `spatial` elements; axes beyond both are single elements.
    pub(super) fn window(&self, spatial: &[usize], kernel: &[usize]) -> Result<Window, Mismatch> {
        let mut axes = [Axis::UNIT; 3];
        let first = axes.len().saturating_sub(spatial.len());
        for (i, &size) in spatial.iter().enumerate() {
            let axis = first + i;
            axes[axis] = Axis::new(
                size,
                kernel.get(i).copied().unwrap_or(1),
                self.strides[axis],
                self.dilation[axis],
                self.padding[axis],
            )
            .map_err(|problem| Mismatch::new("a window that fits its input", problem))?;
        }
        Ok(Window { axes })
    }
}

/// y = f(x ∗ w + b + r): cross-correlation of x `(batch, spatial…, in channels)` with w
/// `(kernel…, in channels / groups, out channels)`, and optionally a bias b `(out channels)`, a residual
/// r of the shape of y, and an activation f.
///
/// Weights `(in channels, out channels)` act on each position by itself: that is the dense layer. A depthwise convolution
/// has as many groups as input channels; a kernel `(kernel…, channels, multiplier)` is a [`super::Reshape`] away from its
/// weights, `(kernel…, 1, channels · multiplier)`.
/// Inputs x, w, then r if `residual`, then b if there is one.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Strides, dilation, padding.
    pub sliding: Sliding,
    /// Parts that the channels are divided in: output channels read input channels of their own part only.
    pub groups: usize,
    /// Whether there is an r: the other branch of a residual connection. Needs a single group.
    pub residual: bool,
    /// The function f.
    pub activation: Activation,
}

/// Which input is the residual, if there is one.
const RESIDUAL_AT: usize = 2;

impl Convolution {
    /// A convolution in so many groups, without residual and activation.
    pub fn linear(sliding: Sliding, groups: usize) -> Self {
        Self { sliding, groups, residual: false, activation: Activation::Linear }
    }

    /// Geometry for inputs that were checked when the node was added.
    pub(crate) fn geometry(&self, inputs: &[Bound]) -> ConvGeometry {
        bound_geometry(&self.sliding, self.groups, &inputs[0], &inputs[1].dims)
    }

    /// Which input is the bias, if there is one.
    fn bias_at(&self) -> usize {
        RESIDUAL_AT + usize::from(self.residual)
    }

    /// Checks residual and bias against the shape of y.
    pub(super) fn check_epilogue(&self, inputs: &[TensorType], y: &Shape) -> Result<(), Mismatch> {
        if let Some(bias) = inputs.get(self.bias_at()) {
            super::same("a bias", bias, &Shape::fixed([y.channels()]))?;
        }
        if !self.residual {
            return Ok(());
        }
        if self.groups > 1 {
            return Err(Mismatch::new("a single group where there is a residual", self.groups));
        }
        super::same("a residual", &inputs[RESIDUAL_AT], y)
    }

    pub(super) fn epilogue_sharing(&self) -> Sharing {
        if self.residual { Sharing::InPlace(RESIDUAL_AT) } else { Sharing::None }
    }

    /// What a call does to the sums; `in_place` tells that the residual lies in the output.
    pub(super) fn epilogue<'a>(&self, inputs: &[&'a [f32]], in_place: bool) -> Epilogue<'a> {
        let residual = match (self.residual, in_place) {
            (false, _) => Residual::None,
            (true, false) => Residual::Slice(inputs[RESIDUAL_AT]),
            (true, true) => Residual::Output,
        };
        Epilogue { bias: inputs.get(self.bias_at()).copied(), residual, activation: self.activation }
    }
}

/// dx of a [`Convolution`] without bias and activation. Inputs dy, w.
///
/// As an operation of its own it is the transposed convolution: see [`ConvolutionDataGradient::transposed`].
#[derive(Clone, Debug)]
pub struct ConvolutionDataGradient {
    /// Strides, dilation, padding.
    pub sliding: Sliding,
    /// Parts that the channels are divided in.
    pub groups: usize,
    /// Shape of x.
    pub input: Shape,
}

/// dw, and db if there is a bias, of a [`Convolution`] without activation. Inputs x, dy.
#[derive(Clone, Debug)]
pub struct ConvolutionWeightsGradient {
    /// Strides, dilation, padding.
    pub sliding: Sliding,
    /// Parts that the channels are divided in.
    pub groups: usize,
    /// Shape of w.
    pub weights: Shape,
    /// Whether to give db, the sum of dy over all positions, as a second output.
    pub bias: bool,
}

impl ConvolutionDataGradient {
    /// The transposed convolution of x `(batch, spatial…, channels)` with w `(kernel…, filters / groups, channels)`, which
    /// has an output `(batch, new spatial…, filters)` of the sizes that [`Axis::transposed`] tells. Inputs x, w.
    ///
    /// `sliding` is that of the window which spreads x. Of fewer axes the last ones of `output_padding` count.
    ///
    /// # Errors
    /// If x or w do not have these shapes, or a window is not possible.
    pub fn transposed(
        x: &Shape,
        w: &Shape,
        mut sliding: Sliding,
        groups: usize,
        output_padding: [Option<usize>; 3],
    ) -> Result<Self, Mismatch> {
        if !(3..=5).contains(&w.dims.len()) {
            return Err(Mismatch::new("weights (kernel…, filters, channels)", w));
        }
        let (kernel, group_filters, _) = split_weights(&w.dims);
        if x.dims.len() != kernel.len() + 1 {
            return Err(Mismatch::new(format!("an input with {} axes and channels", kernel.len()), x));
        }
        let mut dims = x.dims.clone();
        for (i, (size, &kernel)) in dims.iter_mut().zip(kernel).enumerate() {
            let at = 4 - x.dims.len() + i;
            let (stride, dilation) = (sliding.strides[at], sliding.dilation[at]);
            let axis =
                Axis::transposed(*size, kernel, stride, dilation, sliding.padding[at], output_padding[at])
                    .map_err(|problem| Mismatch::new("a transposed window that is possible", problem))?;
            *size = axis.input;
            sliding.padding[at] = Padding::Explicit { before: axis.pad_before, after: axis.pad_after };
        }
        dims[kernel.len()] = (group_filters.checked_mul(groups))
            .ok_or_else(|| Mismatch::new(format!("fewer groups of {group_filters} filters"), groups))?;
        Ok(Self { sliding, groups, input: Shape { batched: x.batched, dims } })
    }
}

/// Splits weights `(kernel…, in / groups, out)` into the kernel's sizes and the channels.
fn split_weights(weights: &[usize]) -> (&[usize], usize, usize) {
    let kernel = weights.len() - 2;
    (&weights[..kernel], weights[kernel], weights[kernel + 1])
}

/// Geometry for an input `(rows…, channels)` without its batch.
fn geometry(
    sliding: &Sliding,
    groups: usize,
    batch: usize,
    input: &[usize],
    weights: &[usize],
) -> Result<ConvGeometry, Mismatch> {
    let (kernel, group_channels, out_channels) = split_weights(weights);
    let in_channels = group_channels * groups;
    let spatial = &input[..input.len() - 1];
    if kernel.is_empty() {
        let rows = batch * spatial.iter().product::<usize>();
        return Ok(ConvGeometry { groups, ..ConvGeometry::matrix(rows, in_channels, out_channels) });
    }
    Ok(ConvGeometry { batch, in_channels, out_channels, groups, window: sliding.window(spatial, kernel)? })
}

/// Geometry of shapes that were checked when the node was added.
fn bound_geometry(sliding: &Sliding, groups: usize, input: &Bound, weights: &[usize]) -> ConvGeometry {
    geometry(sliding, groups, input.batch(), input.inner(), weights)
        .expect("shapes were checked when the node was added")
}

/// The shape of x ∗ w.
pub(super) fn output_shape(
    sliding: &Sliding,
    groups: usize,
    x: &Shape,
    w: &Shape,
) -> Result<Shape, Mismatch> {
    if w.batched || !(2..=5).contains(&w.dims.len()) {
        return Err(Mismatch::new("weights (kernel…, in channels, out channels)", w));
    }
    let (kernel, group_channels, out_channels) = split_weights(&w.dims);
    if x.dims.is_empty() || !kernel.is_empty() && x.dims.len() != kernel.len() + 1 {
        return Err(Mismatch::new(format!("an input with {} axes and channels", kernel.len()), x));
    }
    if groups == 0 {
        return Err(Mismatch::new("at least 1 group", groups));
    }
    if !x.channels().is_multiple_of(groups) {
        return Err(Mismatch::new(format!("input channels that divide into {groups} groups"), x.channels()));
    }
    if !out_channels.is_multiple_of(groups) {
        return Err(Mismatch::new(format!("filters that divide into {groups} groups"), out_channels));
    }
    let channels = group_channels.saturating_mul(groups);
    if x.channels() != channels {
        return Err(Mismatch::new(format!("an input with {channels} channels (last axis)"), x));
    }
    let mut dims = x.dims.clone();
    if !kernel.is_empty() {
        let spatial = dims.len() - 1;
        let output = geometry(sliding, groups, 1, &x.dims, &w.dims)?.window.output();
        dims[..spatial].copy_from_slice(&output[3 - spatial..]);
    }
    *dims.last_mut().expect("checked above") = out_channels;
    Ok(Shape { batched: x.batched, dims })
}

impl Op for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2 + usize::from(self.residual)..=3 + usize::from(self.residual))?;
        let y = output_shape(&self.sliding, self.groups, &inputs[0].shape, &inputs[1].shape)?;
        self.check_epilogue(inputs, &y)?;
        Ok(vec![y.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(mut dy) = at.output_gradient() else { return at.constant() };
        let (x, w, y) = (at.inputs[0], at.inputs[1], at.outputs[0]);
        if !self.activation.gradient_from_output() {
            // What went into the function is not kept: a convolution that is trained has it as a node of its own.
            return at.no_gradient("convolution with an activation whose gradient needs its input");
        }
        if self.activation != Activation::Linear {
            dy = at.apply(ActivateGradient(self.activation), &[dy, y])?;
        }
        let mut gradients = vec![None; at.inputs.len()];
        let bias_at = self.bias_at();
        let bias = at.wanted.get(bias_at) == Some(&true);
        if self.residual {
            gradients[RESIDUAL_AT] = Some(dy);
        }
        if at.wanted[1] {
            let weights = at.type_of(w).shape;
            let op = ConvolutionWeightsGradient { sliding: self.sliding, groups: self.groups, weights, bias };
            let outputs = at.graph.add(op, &[x, dy])?;
            for (gradient, output) in [1, bias_at].into_iter().zip(outputs) {
                gradients[gradient] = Some(output);
            }
        } else if bias {
            gradients[bias_at] = Some(at.apply(SumRows, &[dy])?);
        }
        if at.wanted[0] {
            let input = at.type_of(x).shape;
            let op = ConvolutionDataGradient { sliding: self.sliding, groups: self.groups, input };
            gradients[0] = Some(at.apply(op, &[dy, w])?);
        }
        Ok(gradients)
    }

    fn multiply_adds(&self, inputs: &[Bound], _outputs: &[Bound]) -> u64 {
        bound_geometry(&self.sliding, self.groups, &inputs[0], &inputs[1].dims).multiply_adds()
    }

    fn sharing(&self) -> Sharing {
        self.epilogue_sharing()
    }

    fn prepared(&self, sizes: &Sizes<'_>) -> Option<Prepared> {
        let weights = &sizes.inputs[1].dims;
        let geometry = bound_geometry(&self.sliding, self.groups, &sizes.inputs[0], weights);
        let len = conv::Convolution::new(geometry).packed_weights_len()?;
        let weights = Shape::fixed(weights.clone());
        let packed = PackedConvolution { convolution: self.clone(), weights, geometry };
        Some(Prepared { input: 1, prepare: Arc::new(PackWeights { geometry, len }), op: Arc::new(packed) })
    }

    fn prepared_bf16(&self, sizes: &Sizes<'_>) -> Option<Prepared> {
        let geometry = self.geometry(sizes.inputs);
        if conv::Convolution::new(geometry).has_forward_bf16() {
            let op = Arc::new(Bf16Convolution(self.clone()));
            return Some(Prepared { input: 1, prepare: Arc::new(Narrow), op });
        }
        if conv::PairConvolution::new(geometry, Pass::ForwardPacked).is_none() {
            return self.prepared(sizes);
        }
        let weights = Shape::fixed(sizes.inputs[1].dims.clone());
        let packed = PackedConvolution { convolution: self.clone(), weights, geometry };
        let prepare = Arc::new(PackPairs { geometry });
        Some(Prepared { input: 1, prepare, op: Arc::new(PackedPairConvolution(packed)) })
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernels = conv::Convolution::new(bound_geometry(
            &self.sliding,
            self.groups,
            &sizes.inputs[0],
            &sizes.inputs[1].dims,
        ));
        let (op, in_place) = (self.clone(), sizes.in_place);
        Lowered::with_scratch(kernels.forward_scratch(), move |call| {
            let epilogue = op.epilogue(&call.inputs, in_place);
            kernels.forward(call.inputs[0], call.inputs[1], epilogue, call.outputs[0], call.scratch);
        })
    }
}

impl Op for ConvolutionDataGradient {
    fn name(&self) -> &'static str {
        "convolution data gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        let dy = output_shape(&self.sliding, self.groups, &self.input, &inputs[1].shape)?;
        super::same("a gradient", &inputs[0], &dy)?;
        Ok(vec![self.input.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(ddx) = at.output_gradient() else { return at.constant() };
        let (dy, w) = (at.inputs[0], at.inputs[1]);
        let by_dy = if at.wanted[0] {
            let op = Convolution::linear(self.sliding, self.groups);
            Some(at.apply(op, &[ddx, w])?)
        } else {
            None
        };
        let by_w = if at.wanted[1] {
            let weights = at.type_of(w).shape;
            let op = ConvolutionWeightsGradient {
                sliding: self.sliding,
                groups: self.groups,
                weights,
                bias: false,
            };
            Some(at.apply(op, &[ddx, dy])?)
        } else {
            None
        };
        Ok(vec![by_dy, by_w])
    }

    fn multiply_adds(&self, inputs: &[Bound], outputs: &[Bound]) -> u64 {
        bound_geometry(&self.sliding, self.groups, &outputs[0], &inputs[1].dims).multiply_adds()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernels = conv::Convolution::new(bound_geometry(
            &self.sliding,
            self.groups,
            &sizes.outputs[0],
            &sizes.inputs[1].dims,
        ));
        Lowered::with_scratch(kernels.backward_data_scratch(), move |call| {
            kernels.backward_data(call.inputs[0], call.inputs[1], call.outputs[0], call.scratch);
        })
    }
}

impl Op for ConvolutionWeightsGradient {
    fn name(&self) -> &'static str {
        "convolution weights gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        let dy = output_shape(&self.sliding, self.groups, &inputs[0].shape, &self.weights)?;
        super::same("a gradient", &inputs[1], &dy)?;
        let bias = self.bias.then(|| Shape::fixed([self.weights.channels()]).into());
        Ok(std::iter::once(self.weights.clone().into()).chain(bias).collect())
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        if self.bias {
            return at.no_gradient(self.name());
        }
        let Some(ddw) = at.output_gradient() else { return at.constant() };
        let (x, dy) = (at.inputs[0], at.inputs[1]);
        let by_x = if at.wanted[0] {
            let input = at.type_of(x).shape;
            Some(at.apply(
                ConvolutionDataGradient { sliding: self.sliding, groups: self.groups, input },
                &[dy, ddw],
            )?)
        } else {
            None
        };
        let by_dy = if at.wanted[1] {
            let op = Convolution::linear(self.sliding, self.groups);
            Some(at.apply(op, &[x, ddw])?)
        } else {
            None
        };
        Ok(vec![by_x, by_dy])
    }

    fn multiply_adds(&self, inputs: &[Bound], outputs: &[Bound]) -> u64 {
        bound_geometry(&self.sliding, self.groups, &inputs[0], &outputs[0].dims).multiply_adds()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernels = conv::Convolution::new(bound_geometry(
            &self.sliding,
            self.groups,
            &sizes.inputs[0],
            &sizes.outputs[0].dims,
        ));
        Lowered::with_scratch(kernels.backward_weights_scratch(), move |call| {
            let (weights, bias) = call.outputs.split_first_mut().expect("a first output");
            let bias = bias.first_mut().map(|bias| &mut **bias);
            kernels.backward_weights(call.inputs[0], call.inputs[1], weights, bias, call.scratch);
        })
    }
}
