//! Activation functions and their gradients.

use convnet_kernels::elementwise::{self, Activation};

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::TensorType;

/// y = f(x), elementwise.
#[derive(Clone, Debug)]
pub struct Activate(
    /// The function f.
    pub Activation,
);

/// dx = dy · f′(x), with the derivative worked out from the output y = f(x) where that is possible
/// ([`Activation::gradient_from_output`]), so that x need not be kept. Inputs dy, and y or x.
#[derive(Clone, Debug)]
pub struct ActivateGradient(
    /// The function f.
    pub Activation,
);

impl Op for Activate {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        if self.0 == Activation::Linear {
            return Ok(vec![Some(dy)]);
        }
        let seen = if self.0.gradient_from_output() { at.outputs[0] } else { at.inputs[0] };
        Ok(vec![Some(at.apply(ActivateGradient(self.0), &[dy, seen])?)])
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let activation = self.0;
        if sizes.in_place {
            Lowered::new(move |call| elementwise::activate_in_place(activation, call.outputs[0]))
        } else {
            Lowered::new(move |call| elementwise::activate(activation, call.inputs[0], call.outputs[0]))
        }
    }
}

impl Op for ActivateGradient {
    fn name(&self) -> &'static str {
        "activation gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::alike(inputs, 2..=2)
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let activation = self.0;
        if sizes.in_place {
            Lowered::new(move |call| {
                elementwise::activation_gradient_in_place(activation, call.inputs[1], call.outputs[0]);
            })
        } else {
            Lowered::new(move |call| {
                elementwise::activation_gradient(activation, call.inputs[1], call.inputs[0], call.outputs[0]);
            })
        }
    }
}
