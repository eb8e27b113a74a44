//! Where the samples of a batch lie in a value while one sample stands for all of them, and which nodes would mix them.
//!
//! Networks with attention or recurrence move the batch between other axes and join it with them. They are read with a batch of one sample,
//! and the model's own batch then stands for the file's. That is right as long as no node computes along the axis of the batch, which is
//! looked for here; an axis that the batch shares with another one is not looked at.

use super::{Call, Value};
use crate::Result;
use crate::onnx::proto::NodeProto;

/// The axes of its first input that a node computes along.
fn along(call: &Call<'_, '_>, rank: usize) -> Result<Vec<usize>> {
    let axis = |default: i64| Ok(vec![call.any_axis(call.int("axis", default)?, rank)?]);
    let from = |start: usize| Ok((start..rank).collect());
    match call.node.op_type.as_str() {
        "ArgMax" | "ArgMin" | "Gather" | "GatherElements" | "Scatter" | "ScatterElements" | "Split" => {
            axis(0)
        }
        "Concat" => axis(1),
        "TopK" | "LpNormalization" => axis(-1),
        "Hardmax" | "LogSoftmax" | "Softmax" if call.at.opset >= 13 => axis(-1),
        "Hardmax" | "LogSoftmax" | "Softmax" => from(axis(1)?[0]),
        "LayerNormalization" | "RMSNormalization" => from(axis(-1)?[0]),
        "CumSum" => Ok(vec![call.any_axis(call.integers(1)?.first().copied().unwrap_or(0), rank)?]),
        // The axes that each place names, which are the first.
        "GatherND" | "ScatterND" => {
            let named = match call.input(1)? {
                Value::Known(tensor) => tensor.dims.last().copied(),
                Value::Traced(places) => places.dims().last().copied(),
            };
            Ok((0..named.unwrap_or(rank).min(rank)).collect())
        }
        "Compress" | "DynamicQuantizeLinear" => from(0),
        "MatMul" | "MatMulInteger" | "QLinearMatMul" => Ok(vec![rank - 1]),
        "Gemm" => Ok(vec![usize::from(call.int("transA", 0)? == 0)]),
        "LSTM" | "GRU" | "RNN" if call.int("layout", 0)? == 0 => Ok(vec![0, 2]),
        name if name.starts_with("Reduce") => {
            let listed = call.listed_axes()?.filter(|axes| !axes.is_empty());
            match listed {
                Some(axes) => axes.iter().map(|&axis| call.any_axis(axis, rank)).collect(),
                None if call.int("noop_with_empty_axes", 0)? != 0 => Ok(Vec::new()),
                None => from(0),
            }
        }
        name if super::inputs::OF_IMAGES.contains(&name) || matches!(name, "LSTM" | "GRU" | "RNN") => from(1),
        _ => Ok(Vec::new()),
    }
}

/// Operators that match axes of their inputs, from the last one on.
fn matches_axes(name: &str) -> bool {
    let is_of = |family: &[super::Operator]| family.iter().any(|operator| operator.name == name);
    name == "MatMul"
        || name == "Concat"
        || is_of(super::elementwise::OPERATORS)
        || is_of(super::logic::OPERATORS)
}

/// An input, its sizes, and the axis of the batch among them.
struct Place {
    input: usize,
    dims: Vec<usize>,
    place: usize,
}

impl Place {
    /// Whether nothing else is in the axis.
    fn is_pure(&self) -> bool {
        self.dims[self.place] == 1
    }
}

/// The inputs that have a batch.
fn places(call: &Call<'_, '_>) -> Vec<Place> {
    let of_input = |input: usize| {
        let Value::Traced(traced) = call.optional(input)? else { return None };
        let &place = call.at.places.get(&call.node.input[input])?;
        let dims = traced.dims();
        (place < dims.len()).then_some(Place { input, dims, place })
    };
    (0..call.inputs.len()).filter_map(of_input).collect()
}

/// Refuses a node that computes along the axis of the batch.
pub(super) fn check(call: &Call<'_, '_>) -> Result<()> {
    let name = call.node.op_type.as_str();
    let inputs = places(call);
    for from in inputs.iter().filter(|from| from.is_pure()) {
        let rank = from.dims.len();
        let axes = match (name, from.input) {
            (_, 0) | ("Concat", _) => along(call, rank)?,
            ("MatMul", 1) => vec![rank.saturating_sub(2)],
            ("Gemm", 1) => vec![0, 1],
            _ => Vec::new(),
        };
        if axes.contains(&from.place) {
            return Err(call.mixes());
        }
    }
    if matches_axes(name) {
        // What is one sample's must not meet what is another's.
        let pure = inputs.iter().filter(|from| from.is_pure());
        let from_last: Vec<usize> = pure.map(|from| from.dims.len() - from.place).collect();
        if from_last.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(call.mixes());
        }
    }
    Ok(())
}

/// The axis of a result that the batch is in, where it is at `place` of the first input that has it. `None` where it cannot be told.
fn moved(call: &Call<'_, '_>, from: &Place, result: &[usize], output: usize) -> Result<Option<usize>> {
    let Place { input, ref dims, place } = *from;
    let (old, new) = (dims.len(), result.len());
    Ok(match call.node.op_type.as_str() {
        "Transpose" => match call.ints("perm")? {
            Some(perm) => perm.iter().position(|&axis| axis == place as i64),
            None => Some(old - 1 - place),
        },
        "Squeeze" => {
            let axes = match call.listed_axes()? {
                Some(axes) => {
                    axes.iter().map(|&axis| call.any_axis(axis, old)).collect::<Result<Vec<_>>>()?
                }
                None => (0..old).filter(|&axis| dims[axis] == 1).collect(),
            };
            if axes.contains(&place) {
                return Err(call.mixes());
            }
            Some(place.saturating_sub(axes.iter().filter(|&&axis| axis < place).count()))
        }
        "Unsqueeze" => {
            let axes = call.listed_axes()?.unwrap_or_default();
            let axes = axes.iter().map(|&axis| call.any_axis(axis, new)).collect::<Result<Vec<_>>>()?;
            (0..new).filter(|axis| !axes.contains(axis)).nth(place)
        }
        "Reshape" | "Flatten" => {
            let before: usize = dims[..place].iter().product();
            (0..new).find(|&axis| result[..axis].iter().product::<usize>() == before)
        }
        "Gather" => {
            let axis = call.any_axis(call.int("axis", 0)?, old)?;
            Some(if axis < place { place + new - old } else { place }).filter(|&place| place < new)
        }
        "Einsum" => {
            let equation: String = call.string("equation", "")?.split_whitespace().collect();
            let (inputs, result) = equation.split_once("->").unwrap_or((&equation, ""));
            let letter = inputs.split(',').nth(input).and_then(|letters| letters.chars().nth(place));
            let place = result.chars().position(|other| Some(other) == letter);
            Some(place.ok_or_else(|| call.mixes())?)
        }
        "LSTM" | "GRU" | "RNN" => Some(match (output, call.int("layout", 0)?) {
            (_, 1..) => 0,
            (0, _) => 2,
            _ => 1,
        }),
        name if name.starts_with("Reduce") || name.starts_with("Arg") => {
            if call.int("keepdims", 1)? != 0 {
                Some(place)
            } else {
                let axes = along(call, old)?;
                Some(place.saturating_sub(axes.iter().filter(|&&axis| axis < place).count()))
            }
        }
        _ => (place + new).checked_sub(old),
    })
}

/// Notes where the batch is in what a node makes.
pub(super) fn follow(call: &mut Call<'_, '_>, node: &NodeProto, outputs: &[Value]) -> Result<()> {
    let Some(from) = places(call).into_iter().next() else { return Ok(()) };
    for (index, (name, value)) in node.output.iter().zip(outputs).enumerate() {
        let Value::Traced(traced) = value else { continue };
        if let Some(place) =
            moved(call, &from, &traced.dims(), index)?.filter(|&place| place < traced.groups.len())
        {
            call.at.places.insert(name.clone(), place);
        }
    }
    Ok(())
}
