//! Comparisons, truth values, choices, and other kinds of numbers.

use std::sync::Arc;

use convnet_nn::layers::{self, Operation};

use super::call::one;
use super::elementwise::pair;
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::Element;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "And", import: |call| boolean(call, "multiply", false, false) },
    Operator { name: "Cast", import: cast },
    Operator { name: "CastLike", import: cast_like },
    Operator { name: "Equal", import: |call| boolean(call, "equal", false, false) },
    Operator { name: "Greater", import: |call| boolean(call, "greater", false, false) },
    Operator { name: "GreaterOrEqual", import: |call| boolean(call, "greater", true, true) },
    Operator { name: "Identity", import: identity },
    Operator { name: "IsInf", import: is_infinite },
    Operator { name: "IsNaN", import: is_nan },
    Operator { name: "Less", import: |call| boolean(call, "greater", true, false) },
    Operator { name: "LessOrEqual", import: |call| boolean(call, "greater", false, true) },
    Operator { name: "Not", import: not },
    Operator { name: "Or", import: |call| boolean(call, "maximum", false, false) },
    Operator { name: "Where", import: choose },
    Operator { name: "Xor", import: |call| boolean(call, "equal", false, true) },
];

fn logical(value: Traced) -> Traced {
    Traced { element: Element::Boolean, not_negative: true, ..value }
}

/// A function of two values that is true or false, perhaps with its arguments exchanged, perhaps denied.
fn boolean(call: &mut Call<'_, '_>, function: &str, exchanged: bool, denied: bool) -> Result<Vec<Value>> {
    let mut values = [call.input(0)?.clone(), call.input(1)?.clone()];
    if exchanged {
        values.reverse();
    }
    let mut y = pair(call, function, &values)?;
    if denied {
        y = call.at.map(&y, Operation::new(layers::Operator::Scale { scale: -1.0, shift: 1.0 }))?;
    }
    one(logical(y))
}

fn not(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let y = call.at.map(&x, Operation::new(layers::Operator::Scale { scale: -1.0, shift: 1.0 }))?;
    one(logical(y))
}

fn unary(call: &mut Call<'_, '_>, value: &Traced, function: &str) -> Result<Traced> {
    call.at.map(value, Operation::new(layers::Operator::Unary { function: function.into() }))
}

fn is_nan(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    one(logical(unary(call, &x, "is_nan")?))
}

fn is_infinite(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let (positive, negative) = (call.int("detect_positive", 1)? != 0, call.int("detect_negative", 1)? != 0);
    let mut seen = x.clone();
    if negative {
        let layer = if positive {
            layers::Operator::Activation { function: "absolute".into(), arguments: Vec::new() }
        } else {
            layers::Operator::Scale { scale: -1.0, shift: 0.0 }
        };
        seen = call.at.map(&x, Operation::new(layer))?;
    } else if !positive {
        let none =
            layers::Operator::Activation { function: "ramp".into(), arguments: vec![0.0, 0.0, 0.0, 0.0] };
        return one(logical(call.at.map(&x, Operation::new(none))?));
    }
    one(logical(unary(call, &seen, "is_positive_infinity")?))
}

fn identity(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    Ok(vec![call.input(0)?.clone()])
}

/// A value as another kind of numbers.
fn to_element(call: &mut Call<'_, '_>, element: Element) -> Result<Vec<Value>> {
    let x = match call.input(0)?.clone() {
        Value::Known(tensor) => {
            call.at.spend_on(&tensor.dims, element)?;
            return Ok(vec![Value::Known(Arc::new(tensor.cast(element)))]);
        }
        Value::Traced(traced) => traced,
    };
    let y = match (x.element, element) {
        (Element::Float, Element::Integer) => unary(call, &x, "truncate")?,
        (Element::Float | Element::Integer, Element::Boolean) => {
            let zero = super::align::number(0.0);
            let equal = pair(call, "equal", &[Value::Traced(x.clone()), zero])?;
            call.at.map(&equal, Operation::new(layers::Operator::Scale { scale: -1.0, shift: 1.0 }))?
        }
        _ => x.clone(),
    };
    one(Traced { element, not_negative: x.not_negative || element == Element::Boolean, ..y })
}

fn cast(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let to = call.int("to", 0)?;
    let element = i32::try_from(to).ok().and_then(Element::of);
    let element = element.ok_or_else(|| call.unsupported(format!("a cast to the type {to}")))?;
    to_element(call, element)
}

fn cast_like(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let element = match call.input(1)? {
        Value::Known(tensor) => tensor.element(),
        Value::Traced(traced) => traced.element,
    };
    to_element(call, element)
}

fn choose(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let values = [call.input(0)?.clone(), call.input(1)?.clone(), call.input(2)?.clone()];
    let element = super::align::element(&values[1..]);
    one(call.matched(layers::Operator::Select {}, &values, element)?)
}
