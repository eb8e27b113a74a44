//! Convolution in one to three dimensions, the dense layer (which has none), and their gradients.

use convnet_kernels::conv::{self, Epilogue};
use convnet_kernels::elementwise::Activation;
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window};

use super::{ActivateGradient, SumRows};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
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

/// y = f(x ∗ w + b): cross-correlation of x `(batch, spatial…, in channels)` with w `(kernel…, in channels, out channels)`, and
/// optionally a bias b `(out channels)` and an activation f.
///
/// Weights `(in channels, out channels)` act on each position by itself: that is the dense layer.
/// Inputs x, w and, if there is one, b.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Strides, dilation, padding.
    pub sliding: Sliding,
    /// The function f.
    pub activation: Activation,
}

/// dx of a [`Convolution`] without bias and activation. Inputs dy, w.
#[derive(Clone, Debug)]
pub struct ConvolutionDataGradient {
    /// Strides, dilation, padding.
    pub sliding: Sliding,
    /// Shape of x.
    pub input: Shape,
}

/// dw, and db if there is a bias, of a [`Convolution`] without activation. Inputs x, dy.
#[derive(Clone, Debug)]
pub struct ConvolutionWeightsGradient {
    /// Strides, dilation, padding.
    pub sliding: Sliding,
    /// Shape of w.
    pub weights: Shape,
    /// Whether to give db, the sum of dy over all positions, as a second output.
    pub bias: bool,
}

/// Splits weights `(kernel…, in, out)` into the kernel's sizes and the channels.
fn split_weights(weights: &[usize]) -> (&[usize], usize, usize) {
    let kernel = weights.len() - 2;
    (&weights[..kernel], weights[kernel], weights[kernel + 1])
}

/// Geometry for an input `(rows…, channels)` without its batch.
fn geometry(
    sliding: &Sliding,
    batch: usize,
    input: &[usize],
    weights: &[usize],
) -> Result<ConvGeometry, Mismatch> {
    let (kernel, in_channels, out_channels) = split_weights(weights);
    let spatial = &input[..input.len() - 1];
    if kernel.is_empty() {
        let rows = batch * spatial.iter().product::<usize>();
        return Ok(ConvGeometry::matrix(rows, in_channels, out_channels));
    }
    Ok(ConvGeometry { batch, in_channels, out_channels, window: sliding.window(spatial, kernel)? })
}

/// Geometry of shapes that were checked when the node was added.
fn bound_geometry(sliding: &Sliding, input: &Bound, weights: &[usize]) -> ConvGeometry {
    geometry(sliding, input.batch(), input.inner(), weights)
        .expect("shapes were checked when the node was added")
}

impl Op for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=3)?;
        let (x, w) = (&inputs[0].shape, &inputs[1].shape);
        if w.batched || !(2..=5).contains(&w.dims.len()) {
            return Err(Mismatch::new("weights (kernel…, in channels, out channels)", w));
        }
        let (kernel, in_channels, out_channels) = split_weights(&w.dims);
        if x.dims.is_empty() || !kernel.is_empty() && x.dims.len() != kernel.len() + 1 {
            return Err(Mismatch::new(format!("an input with {} axes and channels", kernel.len()), x));
        }
        if x.channels() != in_channels {
            return Err(Mismatch::new(format!("an input with {in_channels} channels (last axis)"), x));
        }
        if let Some(bias) = inputs.get(2) {
            super::same("a bias", bias, &Shape::fixed([out_channels]))?;
        }
        let mut dims = x.dims.clone();
        if !kernel.is_empty() {
            let spatial = dims.len() - 1;
            let output = geometry(&self.sliding, 1, &x.dims, &w.dims)?.window.output();
            dims[..spatial].copy_from_slice(&output[3 - spatial..]);
        }
        *dims.last_mut().expect("checked above") = out_channels;
        Ok(vec![Shape { batched: x.batched, dims }.into()])
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
        let bias = at.wanted.get(2) == Some(&true);
        if at.wanted[1] {
            let weights = at.type_of(w).shape;
            let op = ConvolutionWeightsGradient { sliding: self.sliding, weights, bias };
            let outputs = at.graph.add(op, &[x, dy])?;
            for (gradient, output) in gradients[1..].iter_mut().zip(outputs) {
                *gradient = Some(output);
            }
        } else if bias {
            gradients[2] = Some(at.apply(SumRows, &[dy])?);
        }
        if at.wanted[0] {
            let input = at.type_of(x).shape;
            let op = ConvolutionDataGradient { sliding: self.sliding, input };
            gradients[0] = Some(at.apply(op, &[dy, w])?);
        }
        Ok(gradients)
    }

    fn multiply_adds(&self, inputs: &[Bound], _outputs: &[Bound]) -> u64 {
        bound_geometry(&self.sliding, &inputs[0], &inputs[1].dims).multiply_adds()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernels =
            conv::Convolution::new(bound_geometry(&self.sliding, &sizes.inputs[0], &sizes.inputs[1].dims));
        let activation = self.activation;
        Lowered::with_scratch(kernels.forward_scratch(), move |call| {
            let epilogue = Epilogue { bias: call.inputs.get(2).copied(), activation };
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
        Ok(vec![self.input.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(ddx) = at.output_gradient() else { return at.constant() };
        let (dy, w) = (at.inputs[0], at.inputs[1]);
        let by_dy = if at.wanted[0] {
            let op = Convolution { sliding: self.sliding, activation: Activation::Linear };
            Some(at.apply(op, &[ddx, w])?)
        } else {
            None
        };
        let by_w = if at.wanted[1] {
            let weights = at.type_of(w).shape;
            let op = ConvolutionWeightsGradient { sliding: self.sliding, weights, bias: false };
            Some(at.apply(op, &[ddx, dy])?)
        } else {
            None
        };
        Ok(vec![by_dy, by_w])
    }

    fn multiply_adds(&self, inputs: &[Bound], outputs: &[Bound]) -> u64 {
        bound_geometry(&self.sliding, &outputs[0], &inputs[1].dims).multiply_adds()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernels =
            conv::Convolution::new(bound_geometry(&self.sliding, &sizes.outputs[0], &sizes.inputs[1].dims));
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
            Some(at.apply(ConvolutionDataGradient { sliding: self.sliding, input }, &[dy, ddw])?)
        } else {
            None
        };
        let by_dy = if at.wanted[1] {
            let op = Convolution { sliding: self.sliding, activation: Activation::Linear };
            Some(at.apply(op, &[x, ddw])?)
        } else {
            None
        };
        Ok(vec![by_x, by_dy])
    }

    fn multiply_adds(&self, inputs: &[Bound], outputs: &[Bound]) -> u64 {
        bound_geometry(&self.sliding, &inputs[0], &outputs[0].dims).multiply_adds()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernels =
            conv::Convolution::new(bound_geometry(&self.sliding, &sizes.inputs[0], &sizes.outputs[0].dims));
        Lowered::with_scratch(kernels.backward_weights_scratch(), move |call| {
            let (weights, bias) = call.outputs.split_first_mut().expect("a first output");
            let bias = bias.first_mut().map(|bias| &mut **bias);
            kernels.backward_weights(call.inputs[0], call.inputs[1], weights, bias, call.scratch);
        })
    }
}
