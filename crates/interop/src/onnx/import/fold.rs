//! Nodes whose inputs are all known: shapes are worked out here, element by element; all else is run as a small model.

use std::sync::Arc;

use convnet_nn::{Model, Symbol};
use ndarray::{ArrayD, IxDyn};

use super::{BATCH, Call, Importer, MULTIPLICATIONS, Samples, Traced, Value, operator};
use crate::Result;
use crate::onnx::proto::NodeProto;
use crate::onnx::tensor::{self, Data, Element, Places, Tensor};

/// The outputs of a node that depends on no input of the model.
pub(super) fn node<'f>(
    at: &mut Importer<'f>,
    node: &'f NodeProto,
    inputs: &[Option<Value>],
) -> Result<Option<Vec<Value>>> {
    let mut known = Vec::with_capacity(inputs.len());
    for input in inputs {
        match input {
            None => known.push(None),
            Some(Value::Known(tensor)) => known.push(Some(Arc::clone(tensor))),
            Some(Value::Traced(_)) => return Ok(None),
        }
    }
    // Nodes without inputs make constants, which their operators know how to.
    if known.iter().all(Option::is_none) || SELF_FOLDING.contains(&node.op_type.as_str()) {
        return Ok(None);
    }
    let mut call = Call { at, node, inputs: inputs.to_vec() };
    if let Some(tensor) = evaluate(&mut call, &known)? {
        return Ok(Some(vec![Value::Known(Arc::new(tensor))]));
    }
    if let Some(tensor) = without_elements(&mut call, &known)? {
        return Ok(Some(vec![Value::Known(Arc::new(tensor))]));
    }
    run(at, node, &known).map(Some)
}

/// Operators that take care of known inputs themselves.
pub(super) const SELF_FOLDING: &[&str] = &[
    "Cast",
    "CastLike",
    "Concat",
    "ConstantOfShape",
    "DequantizeLinear",
    "Expand",
    "EyeLike",
    "Flatten",
    "Gather",
    "Identity",
    "If",
    "QuantizeLinear",
    "Range",
    "Reshape",
    "Shape",
    "Size",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "OneHot",
];

/// Operators whose result has the sizes of their first input, beside those that work element by element.
const SAME_SIZES: &[&str] = &["CumSum", "Hardmax", "LogSoftmax", "Softmax", "Trilu"];

/// The result for inputs without elements: one without elements, or what a reduction says of nothing.
fn without_elements(call: &mut Call<'_, '_>, inputs: &[Option<Arc<Tensor>>]) -> Result<Option<Tensor>> {
    let inputs: Vec<&Tensor> = inputs.iter().flatten().map(AsRef::as_ref).collect();
    let name = call.node.op_type.as_str();
    let first = inputs[0];
    if first.is_empty()
        && let Some(value) = super::reduction::of_nothing(name)
    {
        let dims = super::reduction::reduced(call, &first.dims)?;
        call.at.spend_on(&dims, first.element())?;
        return Ok(Some(Tensor::filled(dims, first.element(), value)));
    }
    if first.is_empty() && SAME_SIZES.contains(&name) {
        return Ok(Some(first.clone()));
    }
    let is_of = |family: &[super::Operator]| family.iter().any(|operator| operator.name == name);
    let logical = is_of(super::logic::OPERATORS);
    if !logical && !is_of(super::elementwise::OPERATORS) || inputs.iter().all(|tensor| !tensor.is_empty()) {
        return Ok(None);
    }
    let element = match name {
        "Where" => inputs.get(1).map_or(Element::Float, |tensor| tensor.element()),
        _ if logical => Element::Boolean,
        _ => first.element(),
    };
    let dims = common(call, &inputs)?;
    Ok(dims.contains(&0).then(|| Tensor::filled(dims, element, 0.0)))
}

/// Arithmetic on integers and truth values, for which floating point is too coarse.
fn evaluate(call: &mut Call<'_, '_>, inputs: &[Option<Arc<Tensor>>]) -> Result<Option<Tensor>> {
    let inputs: Vec<&Tensor> = inputs.iter().flatten().map(AsRef::as_ref).collect();
    let name = call.node.op_type.as_str();
    let integers = inputs.iter().all(|tensor| tensor.element() == Element::Integer);
    if let ("Where", [condition, yes, no]) = (name, &inputs[..])
        && yes.element() == Element::Integer
    {
        let dims = common(call, &inputs)?;
        if dims.contains(&0) {
            // Nothing is computed, so operands, which may be long, are not copied.
            return Ok(None);
        }
        call.at.spend_on(&dims, Element::Integer)?;
        let places = |tensor: &Tensor| Places::repeated(&dims, &tensor.dims);
        let places = places(condition).zip(places(yes).zip(places(no)));
        let (chosen, yes, no) = (condition.to_integers(), yes.to_integers(), no.to_integers());
        let values = places.map(|(c, (y, n))| if chosen[c] != 0 { yes[y] } else { no[n] }).collect();
        return Ok(Some(Tensor::integers(dims, values)));
    }
    if !integers {
        return Ok(None);
    }
    if let ("Neg" | "Abs", [x]) = (name, &inputs[..]) {
        call.at.spend_on(&x.dims, Element::Integer)?;
        let f = if name == "Neg" { i64::wrapping_neg } else { i64::wrapping_abs };
        let values = x.to_integers();
        refuse_batch(call, &values)?;
        return Ok(Some(Tensor::integers(x.dims.clone(), values.into_iter().map(f).collect())));
    }
    let f: fn(i64, i64) -> Option<i64> = match name {
        "Add" | "Sum" => |a, b| a.checked_add(b),
        "Sub" => |a, b| a.checked_sub(b),
        "Mul" => |a, b| a.checked_mul(b),
        "Div" => |a, b| a.checked_div(b),
        "Max" => |a, b| Some(a.max(b)),
        "Min" => |a, b| Some(a.min(b)),
        "Equal" => |a, b| Some(i64::from(a == b)),
        "Less" => |a, b| Some(i64::from(a < b)),
        "Greater" => |a, b| Some(i64::from(a > b)),
        "LessOrEqual" => |a, b| Some(i64::from(a <= b)),
        "GreaterOrEqual" => |a, b| Some(i64::from(a >= b)),
        _ => return Ok(None),
    };
    let [a, b] = inputs[..] else { return Ok(None) };
    let dims = common(call, &inputs)?;
    if dims.contains(&0) {
        return Ok(None);
    }
    call.at.spend_on(&dims, Element::Integer)?;
    let pairs = Places::repeated(&dims, &a.dims).zip(Places::repeated(&dims, &b.dims));
    let (left, right) = (a.to_integers(), b.to_integers());
    // The batch multiplied or divided by 1 is still the batch, and compared with a number is another one.
    let neutral =
        matches!(name, "Mul" | "Div") && right.iter().chain(&left).all(|&value| value == 1 || value == BATCH);
    let compares = matches!(name, "Equal");
    if !neutral && !compares {
        refuse_batch(call, &left)?;
        refuse_batch(call, &right)?;
    }
    let values: Option<Vec<i64>> = pairs
        .map(|(i, j)| match (left[i], right[j]) {
            (BATCH, 1) | (1, BATCH) if name == "Mul" => Some(BATCH),
            (BATCH, 1) if name == "Div" => Some(BATCH),
            (a, b) => f(a, b),
        })
        .collect();
    let values = values
        .ok_or_else(|| call.malformed("it computes with numbers beyond 64 bits, or divides by zero"))?;
    let tensor = Tensor::integers(dims, values);
    let compares = matches!(name, "Equal" | "Less" | "Greater" | "LessOrEqual" | "GreaterOrEqual");
    Ok(Some(if compares { tensor.cast(Element::Boolean) } else { tensor }))
}

fn refuse_batch(call: &Call<'_, '_>, values: &[i64]) -> Result<()> {
    if values.contains(&BATCH) { Err(call.mixes()) } else { Ok(()) }
}

/// The sizes of values repeated to match each other.
fn common(call: &Call<'_, '_>, inputs: &[&Tensor]) -> Result<Vec<usize>> {
    let dims: Vec<&[usize]> = inputs.iter().map(|tensor| &tensor.dims[..]).collect();
    broadcast(&dims).ok_or_else(|| call.malformed(format!("sizes {dims:?} do not match")))
}

/// The sizes of values repeated as in NumPy; `None` if they do not match.
pub(super) fn broadcast(all: &[&[usize]]) -> Option<Vec<usize>> {
    let rank = all.iter().map(|dims| dims.len()).max()?;
    let mut common = vec![1; rank];
    for dims in all {
        for (to, &size) in common[rank - dims.len()..].iter_mut().zip(*dims) {
            if *to != size && *to != 1 && size != 1 {
                return None;
            }
            *to = if *to == 1 { size } else { *to };
        }
    }
    tensor::len(&common)?;
    Some(common)
}

/// To make a model and to run it takes as long as to make so many bytes, however small it is.
const RUN: usize = 1 << 15;

/// Computes a node by a model that has its first input that is floating point (or else its first) for an input.
fn run<'f>(at: &mut Importer<'f>, node: &'f NodeProto, known: &[Option<Arc<Tensor>>]) -> Result<Vec<Value>> {
    at.spend(RUN)?;
    let refuse = |at: &mut Importer<'f>, reason: &str| {
        let call = Call { at, node, inputs: Vec::new() };
        Err(call.unsupported(reason))
    };
    let Some(operator) = operator(node) else { return refuse(at, "an operator that is not known") };
    let is_float =
        |input: &Option<Arc<Tensor>>| input.as_ref().is_some_and(|tensor| tensor.element() == Element::Float);
    let Some(place) = known.iter().position(is_float).or_else(|| known.iter().position(Option::is_some))
    else {
        return refuse(at, "it has no inputs");
    };
    let Some(tensor) = known[place].as_ref().filter(|tensor| !tensor.is_empty()) else {
        return refuse(at, "a value without elements");
    };
    if tensor.element() == Element::Integer && tensor.to_integers().contains(&BATCH) {
        let call = Call { at, node, inputs: Vec::new() };
        return Err(call.mixes());
    }
    let options = crate::onnx::Import::new();
    // What is worked on is copied twice.
    at.spend(tensor.len().saturating_mul(2 * size_of::<f32>()))?;
    let mut inner = Importer::new(&options, at.opset, Samples::None, at.budget);
    inner.folds = true;
    inner.node.clone_from(&at.node);
    let input = Symbol::input(tensor.dims.clone());
    inner.anchor = Some(input.clone());
    let traced = Traced::plain(input.clone(), tensor.element());
    let inputs = known
        .iter()
        .enumerate()
        .map(|(index, input)| match input {
            Some(_) if index == place => Some(Value::Traced(traced.clone())),
            other => other.clone().map(Value::Known),
        })
        .collect();
    // The node outlives the inner importer, which has a shorter life than the outer one.
    let outputs = (operator.import)(&mut Call { at: &mut inner, node, inputs });
    at.budget = inner.budget;
    let outputs = outputs?;
    let mut results = Vec::new();
    let mut traced = Vec::new();
    for (index, output) in outputs.iter().enumerate() {
        match output {
            Value::Known(tensor) => results.push(Some(Arc::clone(tensor))),
            Value::Traced(value) => {
                let symbol = inner.canonical(value)?;
                let end = Traced {
                    symbol,
                    groups: Traced::plain(value.symbol.clone(), value.element).groups,
                    ..value.clone()
                };
                traced.push((index, value.dims(), (format!("output{index}"), end)));
                results.push(None);
            }
        }
    }
    if !traced.is_empty() {
        let ends: Vec<(String, Traced)> = traced.iter().map(|(.., end)| end.clone()).collect();
        let placeholder = (String::from("input"), Traced::plain(input, tensor.element()));
        at.budget = inner.budget;
        let (model, _) = inner.finish(&[placeholder], ends)?;
        let cost = model.summary(1)?;
        // What a run takes is there for the next one again.
        at.spend(cost.prediction_memory_bytes)?;
        at.budget += cost.prediction_memory_bytes;
        at.spend(usize::try_from(cost.multiplications).unwrap_or(usize::MAX) / MULTIPLICATIONS)?;
        for (_, dims, (_, end)) in &traced {
            at.spend_on(dims, end.element)?;
        }
        let values = predict(&model, tensor)?;
        for ((index, dims, (_, end)), values) in traced.into_iter().zip(values) {
            let floats = Tensor::floats(dims, values.into_iter().collect());
            results[index] = Some(Arc::new(floats.cast(end.element)));
        }
    }
    Ok(results.into_iter().flatten().map(Value::Known).collect())
}

fn predict(model: &Model, tensor: &Tensor) -> Result<Vec<ArrayD<f32>>> {
    let dims: Vec<usize> = std::iter::once(1).chain(tensor.dims.iter().copied()).collect();
    let array = ArrayD::from_shape_vec(IxDyn(&dims), tensor.to_floats()).expect("a tensor has its own sizes");
    Ok(model.predict_all(&[array.view()])?)
}

/// Elements of known tensors one after another along an axis; `None` if they differ in more than that axis.
pub(super) fn concatenate(
    call: &mut Call<'_, '_>,
    tensors: &[Arc<Tensor>],
    axis: usize,
) -> Result<Option<Tensor>> {
    let first = &tensors[0];
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for tensor in tensors {
        let mut others = tensor.dims.clone();
        let size = others.get_mut(axis).map_or(0, std::mem::take);
        let all = dims[axis].saturating_add(size);
        dims[axis] = 0;
        if others != dims || tensor.element() != first.element() {
            return Ok(None);
        }
        dims[axis] = all;
    }
    call.at.spend_on(&dims, first.element())?;
    let mut data = match first.element() {
        Element::Float => Data::Floats(Vec::new()),
        Element::Integer => Data::Integers(Vec::new()),
        Element::Boolean => Data::Booleans(Vec::new()),
    };
    let inner: usize = dims[axis + 1..].iter().product();
    let some: Vec<_> = tensors.iter().filter(|tensor| !tensor.is_empty()).collect();
    let outer = if some.is_empty() { 0 } else { dims[..axis].iter().product() };
    for place in 0..outer {
        for tensor in &some {
            let row = tensor.dims[axis] * inner;
            let range = place * row..(place + 1) * row;
            match (&mut data, &tensor.data) {
                (Data::Floats(to), Data::Floats(from)) => to.extend(&from[range]),
                (Data::Integers(to), Data::Integers(from)) => to.extend(&from[range]),
                (Data::Booleans(to), Data::Booleans(from)) => to.extend(&from[range]),
                _ => unreachable!("all have the same kind of elements"),
            }
        }
    }
    Ok(Some(Tensor { dims, data }))
}
