//! The arithmetic that losses are composed of.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{
    Activate, Activation, Binary, BinaryFunction, Permute, Reduce, ReduceFunction, ScaleShift,
};
use convnet_engine::{EngineError, Graph, Shape, Value};

/// Keras's epsilon.
pub(super) const EPSILON: f32 = 1e-7;

type Result<T = Value> = std::result::Result<T, EngineError>;

/// A graph to which operations are added by short names.
pub(super) struct Maths<'g>(pub &'g mut Graph);

impl Maths<'_> {
    pub(super) fn binary(&mut self, function: BinaryFunction, a: Value, b: Value) -> Result {
        self.0.apply(Binary(function), &[a, b])
    }

    pub(super) fn add(&mut self, a: Value, b: Value) -> Result {
        self.binary(BinaryFunction::Add, a, b)
    }

    pub(super) fn subtract(&mut self, a: Value, b: Value) -> Result {
        self.binary(BinaryFunction::Subtract, a, b)
    }

    pub(super) fn multiply(&mut self, a: Value, b: Value) -> Result {
        self.binary(BinaryFunction::Multiply, a, b)
    }

    pub(super) fn divide(&mut self, a: Value, b: Value) -> Result {
        self.binary(BinaryFunction::Divide, a, b)
    }

    /// scale · x + shift.
    pub(super) fn affine(&mut self, x: Value, scale: f32, shift: f32) -> Result {
        if (scale, shift) == (1.0, 0.0) {
            return Ok(x);
        }
        self.0.apply(ScaleShift { scale, shift }, &[x])
    }

    pub(super) fn activate(&mut self, function: Activation, x: Value) -> Result {
        self.0.apply(Activate(function), &[x])
    }

    pub(super) fn log(&mut self, x: Value) -> Result {
        self.activate(Activation::Log, x)
    }

    pub(super) fn square(&mut self, x: Value) -> Result {
        self.activate(Activation::Square, x)
    }

    pub(super) fn absolute(&mut self, x: Value) -> Result {
        self.activate(Activation::Abs, x)
    }

    /// x kept between two bounds.
    pub(super) fn clip(&mut self, x: Value, low: f32, high: f32) -> Result {
        self.activate(Activation::Ramp { slope: 1.0, offset: 0.0, low, high }, x)
    }

    /// 1 where all of x has this value, else 0.
    pub(super) fn equals(&mut self, x: Value, value: f32) -> Result {
        let other = self.0.apply(convnet_engine::ops::Fill { value, shape: Shape::fixed([]) }, &[])?;
        self.binary(BinaryFunction::Equal, x, other)
    }

    pub(super) fn rank(&self, x: Value) -> usize {
        self.0.shape(x).dims.len()
    }

    /// The last axis, which a sample of one number does not have.
    pub(super) fn last_axis(&self, x: Value) -> Result<usize> {
        self.rank(x).checked_sub(1).ok_or_else(|| EngineError::Shape {
            layer: self.0.label().to_owned(),
            op: "loss",
            mismatch: Mismatch::new("an output with an axis for its classes or numbers", self.0.shape(x)),
        })
    }

    /// Over the last axis. Samples of one number are their own mean; sums and extremes, by which a loss compares numbers, need an axis.
    pub(super) fn over_last(&mut self, function: ReduceFunction, x: Value) -> Result {
        if function == ReduceFunction::Mean && self.rank(x) == 0 {
            return Ok(x);
        }
        let last = self.last_axis(x)?;
        self.0.apply(Reduce::new(function, [last]), &[x])
    }

    /// Over everything: a scalar.
    pub(super) fn over_all(&mut self, function: ReduceFunction, x: Value) -> Result {
        let Shape { batched: batch, dims } = self.0.shape(x).clone();
        let axes = (0..dims.len()).collect();
        self.0.apply(Reduce { function, batch, axes, keep_dims: false }, &[x])
    }

    /// Over Keras's axes, of which 0 is the batch; `None` are all.
    pub(super) fn over(&mut self, function: ReduceFunction, axes: Option<&[i64]>, x: Value) -> Result {
        let Some(axes) = axes else { return self.over_all(function, x) };
        let Shape { batched, dims } = self.0.shape(x).clone();
        let axes: Vec<usize> =
            axes.iter().map(|&axis| self.keras_axis(axis, dims.len())).collect::<Result<_>>()?;
        let batch = batched && axes.contains(&0);
        let mut others: Vec<usize> = axes.iter().filter(|&&axis| axis > 0).map(|axis| axis - 1).collect();
        others.sort_unstable();
        others.dedup();
        self.0.apply(Reduce { function, batch, axes: others, keep_dims: false }, &[x])
    }

    /// An axis as Keras counts, from the batch or backwards, of a value with so many axes besides the batch: counted from the batch.
    pub(super) fn keras_axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let all = rank as i64 + 1;
        let found = if axis < 0 { axis + all } else { axis };
        match usize::try_from(found) {
            Ok(found) if found <= rank => Ok(found),
            _ => Err(EngineError::Shape {
                layer: self.0.label().to_owned(),
                op: "loss",
                mismatch: Mismatch::new(format!("an axis from {} to {rank}", -all), axis),
            }),
        }
    }

    /// x with one of Keras's axes brought to the end.
    pub(super) fn axis_last(&mut self, x: Value, axis: i64) -> Result {
        let rank = self.rank(x);
        let axis = self.keras_axis(axis, rank)?;
        if axis == rank || axis == 0 {
            return Ok(x);
        }
        let mut axes: Vec<usize> = (0..rank).filter(|&other| other != axis - 1).collect();
        axes.push(axis - 1);
        self.0.apply(Permute { axes }, &[x])
    }
}

/// Shape without one of Keras's axes.
pub(super) fn without_axis(shape: &Shape, axis: i64) -> Shape {
    let rank = shape.dims.len();
    let at = if axis < 0 { axis + rank as i64 } else { axis - 1 };
    let mut dims = shape.dims.clone();
    match usize::try_from(at) {
        Ok(at) if at < rank => drop(dims.remove(at)),
        _ => {}
    }
    Shape { batched: shape.batched, dims }
}
