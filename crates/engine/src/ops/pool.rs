//! Maximum and average over sliding windows, and their gradients.

use convnet_kernels::geometry::PoolGeometry;
use convnet_kernels::pool;

use super::Sliding;
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Element, Shape, TensorType};

/// y = max over each window, channel by channel. Second output: for each y the tap that won, a byte.
#[derive(Clone, Debug)]
pub struct MaxPool {
    /// Sizes of the window along the spatial axes.
    pub window: Vec<usize>,
    /// Strides and padding (padding never wins).
    pub sliding: Sliding,
}

/// A [`MaxPool`] of what a rectifier made, that names no winner where y is not positive: [`MaxPoolGradient`] is then the gradient
/// of rectifier and pool in one.
#[derive(Clone, Debug)]
pub struct RectifiedMaxPool(
    /// The pool.
    pub MaxPool,
);

/// dx of a [`MaxPool`]: each dy goes to the element that won. Inputs dy, winning taps.
#[derive(Clone, Debug)]
pub struct MaxPoolGradient {
    /// The pool.
    pub pool: MaxPool,
    /// Shape of x.
    pub input: Shape,
}

/// Where the winners of a [`MaxPool`] stand among the elements of their channel, the last axis fastest. Input: the winning taps.
#[derive(Clone, Debug)]
pub struct WinnerPlaces {
    /// The pool.
    pub pool: MaxPool,
    /// Shape of what was pooled.
    pub input: Shape,
}

/// y = mean over each window, channel by channel; padding does not count.
#[derive(Clone, Debug)]
pub struct AveragePool {
    /// Sizes of the window along the spatial axes.
    pub window: Vec<usize>,
    /// Strides and padding.
    pub sliding: Sliding,
}

/// dx of an [`AveragePool`]. Input dy.
#[derive(Clone, Debug)]
pub struct AveragePoolGradient {
    /// The pool.
    pub pool: AveragePool,
    /// Shape of x.
    pub input: Shape,
}

/// Geometry for an input without its batch.
fn geometry(
    window: &[usize],
    sliding: &Sliding,
    batch: usize,
    input: &[usize],
) -> Result<PoolGeometry, Mismatch> {
    let (channels, spatial) = input.split_last().expect("checked by `infer`");
    Ok(PoolGeometry { batch, channels: *channels, window: sliding.window(spatial, window)? })
}

fn bound_geometry(window: &[usize], sliding: &Sliding, input: &Bound) -> PoolGeometry {
    geometry(window, sliding, input.batch(), input.inner())
        .expect("shapes were checked when the node was added")
}

/// Shape of the result of a pool.
fn infer(window: &[usize], sliding: &Sliding, inputs: &[TensorType]) -> Result<Shape, Mismatch> {
    super::arity(inputs, 1..=1)?;
    let x = &inputs[0].shape;
    if x.dims.len() != window.len() + 1 {
        return Err(Mismatch::new(format!("an input with {} axes and channels", window.len()), x));
    }
    let output = geometry(window, sliding, 1, &x.dims)?.window.output();
    let mut dims = output[3 - window.len()..].to_vec();
    dims.push(x.channels());
    Ok(Shape { batched: x.batched, dims })
}

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        "max pool"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let taps = self.window.iter().fold(1, |taps: usize, &size| taps.saturating_mul(size));
        if taps > 256 {
            return Err(Mismatch::new("a window of at most 256 elements", taps));
        }
        let shape = infer(&self.window, &self.sliding, inputs)?;
        Ok(vec![TensorType::f32(shape.clone()), TensorType { shape, element: Element::U8 }])
    }

    fn optional_output(&self, output: usize) -> bool {
        output == 1
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let input = at.type_of(at.inputs[0]).shape;
        let winners = at.outputs[1];
        Ok(vec![Some(at.apply(MaxPoolGradient { pool: self.clone(), input }, &[dy, winners])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let geometry = bound_geometry(&self.window, &self.sliding, &sizes.inputs[0]);
        let bytes = sizes.outputs[1].len();
        Lowered::new(move |call| {
            let [output, winners] = &mut call.outputs[..] else { unreachable!("a max pool has two outputs") };
            // The plan gives no memory to winners that nobody asks for.
            let winners = (!winners.is_empty()).then(|| &mut bytemuck::cast_slice_mut(winners)[..bytes]);
            pool::max_forward(&geometry, call.inputs[0], output, winners);
        })
    }
}

impl RectifiedMaxPool {
    /// Whether bytes can name all taps of the window, and nobody.
    pub fn fits(pool: &MaxPool) -> bool {
        pool.window.iter().product::<usize>() < usize::from(u8::MAX)
    }
}

/// Made by a pass after gradients were taken, so it has none itself.
impl Op for RectifiedMaxPool {
    fn name(&self) -> &'static str {
        "rectified max pool"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        self.0.infer(inputs)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let geometry = bound_geometry(&self.0.window, &self.0.sliding, &sizes.inputs[0]);
        let bytes = sizes.outputs[1].len();
        Lowered::new(move |call| {
            let [output, winners] = &mut call.outputs[..] else { unreachable!("a max pool has two outputs") };
            let winners = &mut bytemuck::cast_slice_mut(winners)[..bytes];
            pool::max_forward_rectified(&geometry, call.inputs[0], output, winners);
        })
    }
}

impl Op for MaxPoolGradient {
    fn name(&self) -> &'static str {
        "max pool gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        if inputs.len() != 2 || inputs[1].element != Element::U8 {
            return Err(Mismatch::new("a gradient and the winning taps", inputs.len()));
        }
        Ok(vec![self.input.clone().into()])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let geometry = bound_geometry(&self.pool.window, &self.pool.sliding, &sizes.outputs[0]);
        let bytes = sizes.inputs[1].len();
        Lowered::new(move |call| {
            let winners = &bytemuck::cast_slice(call.inputs[1])[..bytes];
            pool::max_backward(&geometry, winners, call.inputs[0], call.outputs[0]);
        })
    }
}

impl Op for WinnerPlaces {
    fn name(&self) -> &'static str {
        "places of winners"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        match inputs {
            [taps] if taps.element == Element::U8 => Ok(vec![taps.shape.clone().into()]),
            _ => Err(Mismatch::new("the winning taps", inputs.len())),
        }
    }

    /// Places do not change with the elements, almost everywhere.
    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        at.constant()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let batch = if self.input.batched { sizes.inputs[0].batch() } else { 1 };
        let geometry = geometry(&self.pool.window, &self.pool.sliding, batch, &self.input.dims)
            .expect("shapes were checked when the pool was added");
        let bytes = sizes.inputs[0].len();
        Lowered::new(move |call| {
            let winners = &bytemuck::cast_slice(call.inputs[0])[..bytes];
            pool::winner_places(&geometry, winners, call.outputs[0]);
        })
    }
}

impl Op for AveragePool {
    fn name(&self) -> &'static str {
        "average pool"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        Ok(vec![infer(&self.window, &self.sliding, inputs)?.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let input = at.type_of(at.inputs[0]).shape;
        Ok(vec![Some(at.apply(AveragePoolGradient { pool: self.clone(), input }, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let geometry = bound_geometry(&self.window, &self.sliding, &sizes.inputs[0]);
        Lowered::new(move |call| pool::average_forward(&geometry, call.inputs[0], call.outputs[0]))
    }
}

impl Op for AveragePoolGradient {
    fn name(&self) -> &'static str {
        "average pool gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        Ok(vec![self.input.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(ddx) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(self.pool.clone(), &[ddx])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let geometry = bound_geometry(&self.pool.window, &self.pool.sliding, &sizes.outputs[0]);
        Lowered::new(move |call| pool::average_backward(&geometry, call.inputs[0], call.outputs[0]))
    }
}
