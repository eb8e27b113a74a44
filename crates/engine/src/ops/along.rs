//! Elements picked from places along an axis, and put to such places: each is the other's gradient.

use convnet_kernels::elementwise;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Bound, TensorType};

/// y has, for each number of the places, the element of x that stands there along an axis. Inputs x, places: as x but for the axis.
///
/// A number that is no place gives an element that is not a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickAlong {
    /// The axis, 0 being the first after the batch.
    pub axis: usize,
}

/// y has each element of x at its place along an axis, and zeros elsewhere. Inputs x, places: of one shape. Numbers that are no places
/// are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceAlong {
    /// The axis, 0 being the first after the batch.
    pub axis: usize,
    /// Elements of y along the axis.
    pub size: usize,
    /// Whether what is put to the same place is summed up; else the last one stays.
    pub sums: bool,
}

/// Axes before, the axis, axes behind.
fn parts(dims: &[usize], axis: usize) -> [usize; 3] {
    [dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product()]
}

/// Outer and inner axes and both sizes of the axis of values, of which one has all elements and one the places.
fn extents(all: &Bound, places: &Bound, axis: usize) -> [usize; 4] {
    let axis = axis + usize::from(all.batched);
    let [outer, size, inner] = parts(&all.dims, axis);
    [outer, size, places.dims[axis], inner]
}

impl Op for PickAlong {
    fn name(&self) -> &'static str {
        "pick along an axis"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        let (mut x, places) = (inputs[0].shape.clone(), inputs[1].shape.clone());
        match (x.dims.get_mut(self.axis), places.dims.get(self.axis)) {
            (Some(size), Some(&count)) if *size > 0 => *size = count,
            _ => {
                return Err(Mismatch::new(
                    format!("an axis {} that has elements", self.axis.saturating_add(1)),
                    &inputs[0].shape,
                ));
            }
        }
        super::same("places", &inputs[1], &x)?;
        Ok(vec![places.into()])
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let size = at.type_of(at.inputs[0]).shape.dims[self.axis];
        let places = at.inputs[1];
        let dx = at.apply(PlaceAlong { axis: self.axis, size, sums: true }, &[dy, places])?;
        Ok(vec![Some(dx), None])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let extents = extents(&sizes.inputs[0], &sizes.inputs[1], self.axis);
        Lowered::new(move |call| {
            elementwise::pick_along(extents, call.inputs[0], call.inputs[1], call.outputs[0]);
        })
    }
}

impl Op for PlaceAlong {
    fn name(&self) -> &'static str {
        "place along an axis"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 2..=2)?;
        super::same("places", &inputs[1], &inputs[0].shape)?;
        let mut shape = inputs[0].shape.clone();
        match shape.dims.get_mut(self.axis) {
            Some(size) if *size > 0 && self.size > 0 => *size = self.size,
            _ => {
                return Err(Mismatch::new(
                    format!("an axis {} that has elements", self.axis.saturating_add(1)),
                    &shape,
                ));
            }
        }
        Ok(vec![shape.into()])
    }

    /// Elements that another one replaced get a gradient too, as they do elsewhere: who comes last is a matter of the order.
    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        let Some(dy) = at.output_gradient() else { return at.constant() };
        let places = at.inputs[1];
        Ok(vec![Some(at.apply(PickAlong { axis: self.axis }, &[dy, places])?), None])
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let extents = extents(&sizes.outputs[0], &sizes.inputs[1], self.axis);
        let sums = self.sums;
        Lowered::new(move |call| {
            elementwise::place_along(sums, extents, call.inputs[0], call.inputs[1], call.outputs[0]);
        })
    }
}
