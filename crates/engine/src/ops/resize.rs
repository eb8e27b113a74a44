//! Images in another size.

use std::sync::OnceLock;

use convnet_kernels::resize::{self, Interpolation};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// Pixels of y along an axis at most: each has an entry in a table.
const MOST_PIXELS: usize = 1 << 20;

/// y is x `(batch, height, width, channels)` with another height and width, pixels having their centres at halves as in TensorFlow's `tf.image.resize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resize {
    /// Height and width of y.
    pub size: [usize; 2],
    /// How values between pixels are found.
    pub interpolation: Interpolation,
}

/// dx of a [`Resize`]. Input dy.
#[derive(Clone, Debug)]
struct ResizeGradient {
    resize: Resize,
    input: Shape,
}

impl Resize {
    /// The kernel for an input.
    fn bound(&self, input: &Bound) -> resize::Resize {
        let [height, width, channels] = input.inner() else { unreachable!("checked by `infer`") };
        resize::Resize::new([*height, *width], self.size, *channels, self.interpolation)
    }
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let mut shape = inputs[0].shape.clone();
        if shape.dims.len() != 3 || shape.is_empty() {
            return Err(Mismatch::new("images (height, width, channels)", &shape));
        }
        if self.size.contains(&0) {
            return Err(Mismatch::new("a size of at least one pixel", format!("{:?}", self.size)));
        }
        if self.size.iter().any(|&size| size > MOST_PIXELS) {
            let expected = format!("a height and width of at most {MOST_PIXELS} pixels");
            return Err(Mismatch::new(expected, format!("{:?}", self.size)));
        }
        shape.dims[..2].copy_from_slice(&self.size);
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let input = at.type_of(at.inputs[0]).shape;
        Ok(vec![Some(at.apply(ResizeGradient { resize: self.clone(), input }, &[dy])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        // Tables are made at the first run: many a plan is made only to tell what it costs.
        let (resize, input, kernel) = (self.clone(), sizes.inputs[0].clone(), OnceLock::new());
        Lowered::new(move |call| {
            kernel.get_or_init(|| resize.bound(&input)).forward(call.inputs[0], call.outputs[0]);
        })
    }
}

impl Op for ResizeGradient {
    fn name(&self) -> &'static str {
        "resize gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        Ok(vec![self.input.clone().into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(ddx) = at.output_gradient() else { return at.constant() };
        Ok(vec![Some(at.apply(self.resize.clone(), &[ddx])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (resize, input, kernel) = (self.resize.clone(), sizes.outputs[0].clone(), OnceLock::new());
        Lowered::new(move |call| {
            kernel.get_or_init(|| resize.bound(&input)).backward(call.inputs[0], call.outputs[0]);
        })
    }
}
