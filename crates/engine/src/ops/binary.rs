//! Functions of two values, repeated along the axes that only one of them has.

use convnet_kernels::elementwise::{self, BinaryFunction};

use super::broadcast::{bound, common, reduce_to};
use super::{Activate, Activation, ReduceFunction, ScaleShift};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sharing, Sizes};
use crate::shape::TensorType;

/// y = f(a, b), element by element. Shapes are matched from the last axis on; an axis that is missing, or has one
/// element, is repeated, as in NumPy. The batch is matched with the batch only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary(
    /// The function f.
    pub BinaryFunction,
);

impl Binary {
    /// The gradients by a and b before they are summed over what was repeated.
    fn gradients(&self, at: &mut GradientContext<'_>, dy: Value) -> Result<[Option<Value>; 2]> {
        let (a, b, y) = (at.inputs[0], at.inputs[1], at.outputs[0]);
        let [for_a, for_b] = [at.wanted[0], at.wanted[1]];
        let negative = ScaleShift { scale: -1.0, shift: 0.0 };
        let mut make = |wanted: bool, function, x: Value, z: Value| {
            wanted.then(|| at.graph.apply(Self(function), &[x, z])).transpose()
        };
        use BinaryFunction::{Divide, Multiply};
        Ok(match self.0 {
            BinaryFunction::Add => [Some(dy), Some(dy)],
            BinaryFunction::Subtract => {
                [Some(dy), for_b.then(|| at.graph.apply(negative, &[dy])).transpose()?]
            }
            Multiply => [make(for_a, Multiply, dy, b)?, make(for_b, Multiply, dy, a)?],
            Divide => {
                // By b: −dy · y / b.
                let da = make(true, Divide, dy, b)?;
                let db = match make(for_b, Multiply, da.unwrap_or(dy), y)? {
                    Some(product) => Some(at.graph.apply(negative, &[product])?),
                    None => None,
                };
                [da, db]
            }
            BinaryFunction::Maximum | BinaryFunction::Minimum => {
                // Of equals, a has the gradient.
                let (large, small) = if self.0 == BinaryFunction::Maximum { (b, a) } else { (a, b) };
                let b_wins = at.graph.apply(Self(BinaryFunction::Greater), &[large, small])?;
                let a_wins = at.graph.apply(ScaleShift { scale: -1.0, shift: 1.0 }, &[b_wins])?;
                let mut mask = |wanted: bool, winner| {
                    wanted.then(|| at.graph.apply(Self(Multiply), &[dy, winner])).transpose()
                };
                [mask(for_a, a_wins)?, mask(for_b, b_wins)?]
            }
            BinaryFunction::Equal | BinaryFunction::Greater => [None, None],
            BinaryFunction::Power => {
                // By a: dy · b · a^(b − 1); by b: dy · y · ln a.
                let [mut da, mut db] = [None, None];
                if for_a {
                    let less = at.graph.apply(ScaleShift { scale: 1.0, shift: -1.0 }, &[b])?;
                    let power = at.graph.apply(Self(BinaryFunction::Power), &[a, less])?;
                    let slope = at.graph.apply(Self(Multiply), &[power, b])?;
                    da = Some(at.graph.apply(Self(Multiply), &[dy, slope])?);
                }
                if for_b {
                    let log = at.graph.apply(Activate(Activation::Log), &[a])?;
                    let slope = at.graph.apply(Self(Multiply), &[y, log])?;
                    db = Some(at.graph.apply(Self(Multiply), &[dy, slope])?);
                }
                [da, db]
            }
            BinaryFunction::Remainder | BinaryFunction::Modulo => {
                // y = a − n · b with a whole number n = (a − y) / b.
                let mut db = None;
                if for_b {
                    let whole = at.graph.apply(Self(BinaryFunction::Subtract), &[y, a])?;
                    let whole = at.graph.apply(Self(Divide), &[whole, b])?;
                    db = Some(at.graph.apply(Self(Multiply), &[dy, whole])?);
                }
                [Some(dy), db]
            }
        })
    }
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        "function of two"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        Ok(vec![common(&inputs[0].shape, &inputs[1].shape)?.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let found = self.gradients(at, dy)?;
        let mut gradients = Vec::new();
        for (side, gradient) in found.into_iter().enumerate() {
            let target = at.type_of(at.inputs[side]).shape;
            gradients.push(match gradient {
                Some(gradient) if at.wanted[side] => {
                    Some(reduce_to(at, ReduceFunction::Sum, gradient, &target)?)
                }
                _ => None,
            });
        }
        Ok(gradients)
    }

    fn sharing(&self) -> Sharing {
        Sharing::InPlace(0)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let function = self.0;
        let broadcast = bound(&sizes.inputs[0], &sizes.inputs[1], &sizes.outputs[0]);
        if sizes.in_place {
            Lowered::new(move |call| {
                elementwise::binary_in_place(function, &broadcast, call.inputs[1], call.outputs[0]);
            })
        } else {
            Lowered::new(move |call| {
                elementwise::binary(function, &broadcast, call.inputs[0], call.inputs[1], call.outputs[0]);
            })
        }
    }
}
