//! The arguments of an operation's call.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{self, Binary, BinaryFunction, ScaleShift};
use convnet_engine::{EngineError, Value};
use serde_json::Value as Json;

use super::{KerasOperation, PLACE, TENSOR};
use crate::layer::LayerContext;
use crate::layers::config::{constants, inner_axis};

/// An operation that is called with inputs.
pub(super) struct Call<'a> {
    pub operation: &'a KerasOperation,
    pub inputs: &'a [Value],
}

/// What stands where an operation takes a tensor.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Tensor(Value),
    Number(f64),
    /// Numbers along the last axis.
    Row(Vec<f64>),
}

type Made<T> = Result<T, EngineError>;

/// More constants than these are no part of a graph.
const MAX_ROW: usize = 4096;

impl Call<'_> {
    /// The operation's class.
    pub fn class(&self) -> &'static str {
        self.operation.kind.class
    }

    /// An argument by name, or by its place in the call.
    pub fn argument(&self, name: &str, place: usize) -> Option<&Json> {
        let KerasOperation { config, named, arguments, .. } = self.operation;
        let found = config.get(name).or_else(|| named.get(name)).or_else(|| arguments.get(place));
        found.filter(|found| !found.is_null())
    }

    /// An argument that the operation was made with.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.argument(name, usize::MAX)
    }

    pub fn number(&self, name: &str, otherwise: f64) -> f64 {
        self.get(name).and_then(Json::as_f64).unwrap_or(otherwise)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// A whole number, or several.
    pub fn integers(&self, name: &str, place: usize) -> Option<Vec<i64>> {
        integers(self.argument(name, place)?)
    }

    /// The error of an argument that is not what is known here.
    pub fn refuse<T>(&self, at: &LayerContext<'_>, expected: &str, received: impl ToString) -> Made<T> {
        Err(at.mismatch(self.class(), Mismatch::new(expected, received.to_string())))
    }

    /// The only input.
    pub fn input(&self, at: &LayerContext<'_>) -> Made<Value> {
        match self.inputs.first() {
            Some(&input) => Ok(input),
            None => self.refuse(at, "a tensor", "none"),
        }
    }

    /// The inner axis of one that is counted with the batch.
    pub fn axis(&self, at: &LayerContext<'_>, axis: i64, x: Value) -> Made<usize> {
        let axis = isize::try_from(axis).unwrap_or(isize::MAX);
        inner_axis(axis, at.graph.shape(x)).map_err(|mismatch| at.mismatch(self.class(), mismatch))
    }

    /// The inner axes that `axis` tells, rising.
    pub fn axes(&self, at: &LayerContext<'_>, x: Value) -> Made<Vec<usize>> {
        let Some(axes) = self.integers("axis", 1) else {
            return self.refuse(at, "an axis that is not the batch", "none, which stands for all");
        };
        let mut axes = axes.into_iter().map(|axis| self.axis(at, axis, x)).collect::<Made<Vec<_>>>()?;
        axes.sort_unstable();
        axes.dedup();
        Ok(axes)
    }

    /// What stands at a place of the call.
    pub fn operand(&self, at: &LayerContext<'_>, place: usize) -> Made<Operand> {
        let Some(argument) = self.operation.arguments.get(place) else {
            return self.refuse(at, &format!("{} arguments", place + 1), self.operation.arguments.len());
        };
        if let Some(number) =
            argument.as_f64().or_else(|| argument.as_bool().map(|truth| f64::from(u8::from(truth))))
        {
            return Ok(Operand::Number(number));
        }
        if argument["class_name"] == TENSOR {
            let number = argument["config"][PLACE].as_u64().and_then(|number| usize::try_from(number).ok());
            let input = number.and_then(|number| self.inputs.get(number));
            return input
                .map_or_else(|| self.refuse(at, "a tensor", "none"), |&input| Ok(Operand::Tensor(input)));
        }
        let mut row = Vec::new();
        let nested = argument.pointer("/config/value").unwrap_or(argument);
        match row_of(nested, &mut row) {
            true if row.len() == 1 => Ok(Operand::Number(row[0])),
            true if (1..=MAX_ROW).contains(&row.len()) => Ok(Operand::Row(row)),
            _ => self.refuse(at, "a tensor, a number, or numbers along the last axis", argument),
        }
    }

    /// What stands at a place, as a value; numbers have one axis.
    pub fn value(&self, at: &mut LayerContext<'_>, place: usize) -> Made<Value> {
        match self.operand(at, place)? {
            Operand::Tensor(value) => Ok(value),
            Operand::Number(number) => constants(at, &[number]),
            Operand::Row(row) => constants(at, &row),
        }
    }

    /// A function of two values. Tensors have as many axes as each other, lest the batch be matched with another axis.
    pub fn pair(
        &self,
        at: &mut LayerContext<'_>,
        function: BinaryFunction,
        a: Value,
        b: Value,
    ) -> Made<Value> {
        let [left, right] = [a, b].map(|value| at.graph.shape(value).clone());
        if left.batched && right.batched && left.dims.len() != right.dims.len() {
            let expected = "tensors of as many axes as each other";
            return self.refuse(at, expected, format!("{left} and {right}"));
        }
        at.graph.apply(Binary(function), &[a, b])
    }

    /// `x · scale + shift`.
    pub fn scaled(&self, at: &mut LayerContext<'_>, x: Value, scale: f64, shift: f64) -> Made<Value> {
        at.graph.apply(ScaleShift { scale: scale as f32, shift: shift as f32 }, &[x])
    }

    /// The same numbers under other sizes.
    pub fn reshaped(&self, at: &mut LayerContext<'_>, x: Value, dims: Vec<usize>) -> Made<Value> {
        at.graph.apply(ops::Reshape { dims }, &[x])
    }
}

/// A whole number, or several, perhaps in an array of NumPy's.
pub(super) fn integers(json: &Json) -> Option<Vec<i64>> {
    let json = json.pointer("/config/value").unwrap_or(json);
    match json {
        Json::Array(items) => items.iter().map(Json::as_i64).collect(),
        one => Some(vec![one.as_i64()?]),
    }
}

/// The numbers of nested lists, of which only the innermost have more than one element.
fn row_of(json: &Json, row: &mut Vec<f64>) -> bool {
    match json {
        Json::Array(items) if items.len() == 1 => row_of(&items[0], row),
        Json::Array(items) => items.iter().all(|item| item.as_f64().map(|number| row.push(number)).is_some()),
        one => one.as_f64().map(|number| row.push(number)).is_some(),
    }
}
