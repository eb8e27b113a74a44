//! Bringing the axes of several values into one order, for operations that match elements.

use std::sync::Arc;

use convnet_nn::Symbol;
use convnet_nn::layers::{Operation, Operator};

use super::value::groups_of;
use super::{Call, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{Element, MAX_RANK, Tensor};

/// An input whose axes lie as those of the other inputs.
pub(super) enum Aligned {
    Symbol(Symbol),
    Known(Tensor),
}

/// Inputs of one operation, and where the axes of its result lie.
pub(super) struct AlignedInputs {
    pub inputs: Vec<Aligned>,
    pub groups: Vec<Vec<usize>>,
}

impl Call<'_, '_> {
    /// Brings values, of which at least one is traced, to the same order of axes. Sizes may differ where they are repeated.
    pub(super) fn align(&mut self, values: &[Value]) -> Result<AlignedInputs> {
        let first = self.first();
        let rank = values.iter().map(|value| self.rank_of(value)).max().unwrap_or(0);
        if rank > MAX_RANK {
            return Err(self.malformed(format!("values of {rank} axes, {MAX_RANK} at most")));
        }
        let mut traced = Vec::new();
        for value in values {
            if let Value::Traced(value) = value {
                let missing = rank - self.rank(value);
                if missing > 0 && self.at.batched {
                    return Err(self.mixes());
                }
                let mut value = value.clone();
                value.groups.splice(0..0, vec![Vec::new(); missing]);
                traced.push(value);
            }
        }
        if traced.is_empty() {
            return Err(self.unsupported("an operation on constants alone"));
        }
        let mut known = Vec::new();
        for value in values {
            if let Value::Known(tensor) = value {
                let mut dims = vec![1; rank - tensor.dims.len()];
                dims.extend(&tensor.dims);
                if first == 1 && dims[0] != 1 {
                    return Err(self.mixes());
                }
                known.push(self.at.copy(tensor)?.reshaped(dims.split_off(first)));
            }
        }
        // As they lie, if all lie alike and constants say nothing about axes that the symbols do not have.
        let groups = traced[0].groups.clone();
        let alike = traced.iter().all(|value| value.groups == groups && value.is_simple());
        let fits = |tensor: &Tensor| {
            groups.iter().zip(&tensor.dims).all(|(group, &size)| !group.is_empty() || size == 1)
        };
        let physical = traced[0].physical().len();
        let mut order: Vec<usize> = (0..groups.len()).filter(|&axis| !groups[axis].is_empty()).collect();
        order.sort_by_key(|&axis| groups[axis][0]);
        let whole = order.len() == physical && traced.iter().all(|value| value.physical().len() == physical);
        let (symbols, groups) = if alike && whole && known.iter().all(fits) {
            (traced.iter().map(|value| value.symbol.clone()).collect::<Vec<_>>(), groups)
        } else {
            let leader =
                traced.iter().filter(|value| value.is_simple()).max_by_key(|value| value.physical().len());
            order = leader.map_or_else(|| (0..rank - first).collect(), Traced::order);
            let symbols =
                traced.iter().map(|value| self.at.arranged(value, &order)).collect::<Result<_>>()?;
            (symbols, groups_of(&order))
        };
        let (mut symbols, mut known) = (symbols.into_iter(), known.into_iter());
        let inputs = values
            .iter()
            .map(|value| match value {
                Value::Traced(_) => Ok(Aligned::Symbol(symbols.next().expect("one for each traced value"))),
                Value::Known(_) => {
                    let tensor = known.next().expect("one for each known value");
                    let dims: Vec<usize> = order.iter().map(|&axis| tensor.dims[axis]).collect();
                    let all: Vec<usize> = order
                        .iter()
                        .copied()
                        .chain((0..tensor.dims.len()).filter(|axis| !order.contains(axis)))
                        .collect();
                    Ok(Aligned::Known(self.at.transposed(&tensor, &all)?.reshaped(dims)))
                }
            })
            .collect::<Result<_>>()?;
        Ok(AlignedInputs { inputs, groups })
    }

    fn rank_of(&self, value: &Value) -> usize {
        match value {
            Value::Traced(value) => self.rank(value),
            Value::Known(tensor) => tensor.dims.len(),
        }
    }

    /// An operation on values matched element by element, of which at least one is traced.
    pub(super) fn matched(
        &mut self,
        operator: Operator,
        values: &[Value],
        element: Element,
    ) -> Result<Traced> {
        let AlignedInputs { inputs, groups } = self.align(values)?;
        let mut layer = Operation::new(operator);
        let (mut symbols, mut weights) = (Vec::new(), Vec::new());
        for (position, input) in inputs.iter().enumerate() {
            match input {
                Aligned::Symbol(symbol) => symbols.push(symbol),
                Aligned::Known(tensor) => {
                    let trainable = tensor.element() == Element::Float
                        && tensor.len() > 1
                        && weights.len() == symbols_before(&layer);
                    layer = layer.constant(position, tensor.dims.clone(), trainable);
                    weights.push(self.at.copy_floats(tensor)?);
                }
            }
        }
        let symbol = self.layer(layer, &symbols, weights)?;
        // Axes that no input had, because they have one element in all, are still nowhere.
        Ok(Traced { symbol, groups, element, not_negative: false })
    }
}

/// Constants that are trained come first.
fn symbols_before(layer: &Operation) -> usize {
    layer.constants.iter().filter(|constant| constant.trainable).count()
}

/// What the elements of several values together are.
pub(super) fn element(values: &[Value]) -> Element {
    match &values[0] {
        Value::Traced(traced) => traced.element,
        Value::Known(tensor) => tensor.element(),
    }
}

/// A number as a value.
pub(super) fn number(value: f32) -> Value {
    Value::Known(Arc::new(Tensor::floats([], vec![value])))
}
