//! Functions of one value that are no activations.

use convnet_kernels::elementwise::{self, UnaryFunction};

use super::{Activate, Activation, Multiply, ScaleShift};
use crate::error::{Mismatch, Result};
use crate::graph::{Graph, Value};
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// y = f(x), element by element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unary(
    /// The function f.
    pub UnaryFunction,
);

/// scale · (x² + shift)^exponent.
fn power_of_square(graph: &mut Graph, x: Value, shift: f32, exponent: f32) -> Result<Value> {
    let square = graph.apply(Activate(Activation::Square), &[x])?;
    let shifted = graph.apply(ScaleShift { scale: 1.0, shift }, &[square])?;
    graph.apply(Activate(Activation::Power { exponent }), &[shifted])
}

impl Unary {
    /// f′(x); `None` where it is zero almost everywhere.
    fn derivative(&self, graph: &mut Graph, x: Value, y: Value) -> Result<Option<Value>> {
        use UnaryFunction as F;
        let scaled = |graph: &mut Graph, scale, shift, x| graph.apply(ScaleShift { scale, shift }, &[x]);
        Ok(Some(match self.0 {
            F::Floor | F::Ceil | F::Round | F::Truncate | F::Sign | F::IsNan | F::IsPositiveInfinity => {
                return Ok(None);
            }
            F::Sin => graph.apply(Self(F::Cos), &[x])?,
            F::Cos => {
                let sine = graph.apply(Self(F::Sin), &[x])?;
                scaled(graph, -1.0, 0.0, sine)?
            }
            F::Tan => {
                let square = graph.apply(Activate(Activation::Square), &[y])?;
                scaled(graph, 1.0, 1.0, square)?
            }
            F::Asin | F::Acos => {
                let square = graph.apply(Activate(Activation::Square), &[x])?;
                let rest = scaled(graph, -1.0, 1.0, square)?;
                let slope = graph.apply(Activate(Activation::Power { exponent: -0.5 }), &[rest])?;
                if self.0 == F::Asin { slope } else { scaled(graph, -1.0, 0.0, slope)? }
            }
            F::Atan => power_of_square(graph, x, 1.0, -1.0)?,
            F::Sinh => graph.apply(Self(F::Cosh), &[x])?,
            F::Cosh => graph.apply(Self(F::Sinh), &[x])?,
            F::Asinh => power_of_square(graph, x, 1.0, -0.5)?,
            F::Acosh => power_of_square(graph, x, -1.0, -0.5)?,
            F::Atanh => {
                let slope = power_of_square(graph, x, -1.0, -1.0)?;
                scaled(graph, -1.0, 0.0, slope)?
            }
            F::Erf => {
                let square = graph.apply(Activate(Activation::Square), &[x])?;
                let negative = scaled(graph, -1.0, 0.0, square)?;
                let bell = graph.apply(Activate(Activation::Exponential), &[negative])?;
                scaled(graph, std::f32::consts::FRAC_2_SQRT_PI, 0.0, bell)?
            }
        }))
    }
}

impl Op for Unary {
    fn name(&self) -> &'static str {
        "function of one"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::unary(inputs)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let (x, y) = (at.inputs[0], at.outputs[0]);
        let Some(slope) = self.derivative(at.graph, x, y)? else { return at.constant() };
        Ok(vec![Some(at.apply(Multiply, &[dy, slope])?)])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let function = self.0;
        Lowered::new(move |call| elementwise::unary(function, call.inputs[0], call.outputs[0]))
    }
}
