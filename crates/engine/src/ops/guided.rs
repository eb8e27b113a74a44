//! Rectifiers of guided backpropagation.

use super::{Activate, ActivateGradient, Activation};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::TensorType;

/// y = f(x) as [`Activate`], but with max(dy, 0) · f′(x) for a gradient: only what speaks for the result goes back
/// (Springenberg and others, 2015, <https://arxiv.org/abs/1412.6806>). f is one whose derivative can be told from y.
#[derive(Clone, Debug)]
pub struct GuidedActivate(
    /// The function f.
    pub Activation,
);

impl Op for GuidedActivate {
    fn name(&self) -> &'static str {
        "guided activation"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let y = at.outputs[0];
        let speaks_for = at.apply(Activate(Activation::Relu), &[dy])?;
        Ok(vec![Some(at.apply(ActivateGradient(self.0), &[speaks_for, y])?)])
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        Activate(self.0).lower(sizes)
    }
}
