//! Local response normalisation, as in AlexNet.

use convnet_kernels::norm::{self, Response};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// `y_c = x_c / (bias + alpha · Σ_j x_j²)^beta`, where j runs over the channels next to c.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseNorm(
    /// Radius, bias, alpha and beta, with TensorFlow's meanings.
    pub Response,
);

/// dx of a [`ResponseNorm`]. Inputs dy, x.
#[derive(Clone, Debug)]
struct ResponseNormGradient(Response);

/// No more channels on each side than there are, lest their number overflow.
fn within(response: Response, channels: usize) -> Response {
    Response { depth_radius: response.depth_radius.min(channels), ..response }
}

impl Op for ResponseNorm {
    fn name(&self) -> &'static str {
        "local response norm"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let x = at.inputs[0];
        Ok(vec![Some(at.apply(ResponseNormGradient(self.0), &[dy, x])?)])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let channels = sizes.inputs[0].channels();
        let response = within(self.0, channels);
        Lowered::new(move |call| {
            norm::response_norm_forward(response, channels, call.inputs[0], call.outputs[0]);
        })
    }
}

impl Op for ResponseNormGradient {
    fn name(&self) -> &'static str {
        "local response norm gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 2..=2)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let (channels, len) = (sizes.inputs[0].channels(), sizes.inputs[0].len());
        let response = within(self.0, channels);
        Lowered::with_scratch(len, move |call| {
            let [dy, x] = call.inputs[..2] else { unreachable!("checked by `infer`") };
            let scratch = &mut call.scratch[..len];
            norm::response_norm_backward(response, channels, x, dy, call.outputs[0], scratch);
        })
    }
}
