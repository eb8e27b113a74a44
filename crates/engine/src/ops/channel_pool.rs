//! Maximum over neighbouring channels: depthwise pooling.

use convnet_kernels::pool;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// `y[…, o] = max_i x[…, o · window + i]`: windows of so many channels, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMaxPool {
    /// Channels of a window, of which the number of channels is a multiple.
    pub window: usize,
}

/// dx of a [`ChannelMaxPool`]: each dy goes to the first channel that has the maximum. Inputs dy, x.
#[derive(Clone, Debug)]
struct ChannelMaxPoolGradient(ChannelMaxPool);

impl Op for ChannelMaxPool {
    fn name(&self) -> &'static str {
        "channel max pool"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let mut shape = inputs[0].shape.clone();
        match shape.dims.last_mut() {
            Some(channels) if self.window > 0 && channels.is_multiple_of(self.window) => {
                *channels /= self.window
            }
            _ => {
                let expected =
                    format!("a number of channels that is a multiple of the window, {}", self.window);
                return Err(Mismatch::new(expected, &inputs[0].shape));
            }
        }
        Ok(vec![shape.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let x = at.inputs[0];
        Ok(vec![Some(at.apply(ChannelMaxPoolGradient(self.clone()), &[dy, x])?)])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let window = self.window;
        Lowered::new(move |call| pool::channel_max_forward(window, call.inputs[0], call.outputs[0]))
    }
}

impl Op for ChannelMaxPoolGradient {
    fn name(&self) -> &'static str {
        "channel max pool gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        Ok(vec![inputs[1].clone()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let window = self.0.window;
        Lowered::new(move |call| {
            let [dy, x] = call.inputs[..2] else { unreachable!("checked by `infer`") };
            pool::channel_max_backward(window, x, dy, call.outputs[0]);
        })
    }
}
