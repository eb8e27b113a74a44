//! Placeholders and results: which axes they have, and in which order the model takes them.

use std::collections::HashSet;

use super::value::{channels_last, groups_of};
use super::{Importer, Samples, Traced, Value, clean};
use crate::onnx::proto::{GraphProto, TypeProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use crate::onnx::tensor::{self, Element, Tensor};
use crate::onnx::{End, FORMAT, Import};
use crate::{InteropError, Result};
use convnet_nn::Symbol;

/// What errors say where a node mixes samples, which is possible only if the first axis is not taken for the batch.
pub(super) const MIXES: &str = "mixes the samples of a batch";

/// A placeholder may not have more elements than this, the batch not counted.
const MAX_INPUT: usize = 1 << 32;

/// Sizes of a graph's input; `None` where they are open.
fn sizes(options: &Import, info: &ValueInfoProto) -> Result<(Element, Vec<Option<usize>>)> {
    let name = &info.name;
    let Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), .. }) = &info.r#type else {
        return Err(InteropError::unsupported(FORMAT, format!("the input `{name}` is no tensor")));
    };
    let element = Element::of(tensor.elem_type).ok_or_else(|| {
        let reason = format!("the input `{name}` has elements that are no numbers of a common kind");
        InteropError::unsupported(FORMAT, reason)
    })?;
    let given = |all: &'_ [(String, Vec<usize>)]| -> Option<Vec<Option<usize>>> {
        let (_, sizes) = all.iter().find(|(known, _)| known == name)?;
        Some(sizes.iter().map(|&size| Some(size)).collect())
    };
    let (wanted, otherwise) = (given(&options.shapes), given(&options.open));
    let Some(shape) = &tensor.shape else {
        let sizes = wanted.or(otherwise);
        let missing = || InteropError::unsupported(FORMAT, format!("the input `{name}` has no shape"));
        return Ok((element, sizes.ok_or_else(missing)?));
    };
    let sizes = shape.dim.iter().map(|dim| match &dim.value {
        Some(dimension::Value::DimValue(size)) => usize::try_from(*size).ok(),
        Some(dimension::Value::DimParam(name)) => {
            options.dimensions.iter().find(|(known, _)| known == name).map(|&(_, size)| size)
        }
        None => None,
    });
    let mut sizes: Vec<Option<usize>> = sizes.collect();
    if let Some(other) = wanted.as_ref().or(otherwise.as_ref()).filter(|other| other.len() != sizes.len()) {
        let other: Vec<usize> = other.iter().flatten().copied().collect();
        let reason = format!("the input `{name}` has {} axes, but sizes {other:?} were given", sizes.len());
        return Err(InteropError::unsupported(FORMAT, reason));
    }
    if let Some(otherwise) = otherwise {
        sizes.iter_mut().zip(otherwise).for_each(|(size, other)| *size = size.or(other));
    }
    Ok((element, wanted.unwrap_or(sizes)))
}

/// An input's sizes as the file has them, such as `[batch, 3, height, ?]`.
fn shown(info: &ValueInfoProto) -> String {
    let shape = match info.r#type.as_ref().and_then(|known| known.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => tensor.shape.as_ref(),
        _ => None,
    };
    let sizes = shape.iter().flat_map(|shape| &shape.dim).map(|dim| match &dim.value {
        Some(dimension::Value::DimValue(size)) if *size >= 0 => size.to_string(),
        Some(dimension::Value::DimParam(name)) if !name.is_empty() => name.chars().take(40).collect(),
        _ => "?".into(),
    });
    format!("[{}]", sizes.collect::<Vec<String>>().join(", "))
}

/// A value for an input, as numbers of the kind that the file has there.
pub(super) fn as_declared(graph: &GraphProto, name: &str, tensor: &Tensor) -> Tensor {
    let info = graph.input.iter().find(|info| info.name == name).and_then(|info| info.r#type.as_ref());
    match info.and_then(|known| known.value.as_ref()) {
        Some(type_proto::Value::TensorType(known)) => match Element::of(known.elem_type) {
            Some(element) if element != tensor.element() => tensor.cast(element),
            _ => tensor.clone(),
        },
        _ => tensor.clone(),
    }
}

/// The inputs that are no initial values.
pub(super) fn open<'g>(
    options: &'g Import,
    graph: &'g GraphProto,
) -> impl Iterator<Item = &'g ValueInfoProto> {
    let initial: HashSet<&str> = graph.initializer.iter().map(|initial| &*initial.name).collect();
    graph.input.iter().filter(move |input| {
        let is_initial = initial.contains(&*input.name);
        let is_given = options.constants.iter().any(|(name, _)| *name == input.name);
        !is_initial && !is_given
    })
}

/// Whether all sizes are known, so that the graph can be read without taking an axis for the batch.
pub(super) fn may_be_whole(options: &Import, graph: &GraphProto) -> bool {
    open(options, graph)
        .all(|input| sizes(options, input).is_ok_and(|(_, sizes)| sizes.iter().all(Option::is_some)))
}

/// Whether the first axis of every input and output may be a batch of one sample: it is open or has one element, and where samples are
/// given there are as many for each input.
pub(super) fn may_be_one(options: &Import, graph: &GraphProto) -> bool {
    let mut counts: Vec<usize> = Vec::new();
    let inputs = open(options, graph).all(|input| {
        let given = options.open.iter().find(|(name, _)| *name == input.name);
        counts.extend(given.and_then(|(_, sizes)| sizes.first().copied()));
        first_size(input).is_some_and(|size| size.is_none_or(|size| size == 1))
    });
    let outputs = graph.output.iter().all(|output| first_size(output).flatten().is_none_or(|size| size == 1));
    inputs && outputs && counts.windows(2).all(|pair| pair[0] == pair[1])
}

/// What a file says of the size of a value's first axis; `None` if it tells no axes, or that there are none.
fn first_size(info: &ValueInfoProto) -> Option<Option<usize>> {
    let Some(type_proto::Value::TensorType(tensor)) = &info.r#type.as_ref()?.value else { return None };
    Some(match &tensor.shape.as_ref()?.dim.first()?.value {
        Some(dimension::Value::DimValue(size)) => usize::try_from(*size).ok(),
        _ => None,
    })
}

/// Makes the placeholders.
pub(super) fn placeholders(at: &mut Importer<'_>, graph: &GraphProto) -> Result<Vec<(String, Traced)>> {
    let mut made = Vec::new();
    for input in &graph.input {
        if let Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), .. }) = &input.r#type {
            at.kinds.insert(input.name.clone(), tensor.elem_type);
        }
    }
    let inputs: Vec<_> = open(at.options, graph).collect();
    for info in inputs {
        let (element, mut sizes) = sizes(at.options, info)?;
        if sizes.contains(&Some(0)) {
            let dims: Option<Vec<usize>> = sizes.iter().copied().collect();
            let Some(dims) = dims.filter(|dims| at.samples == Samples::None && tensor::len(dims).is_some())
            else {
                let reason = format!("the input `{}` has no elements", info.name);
                return Err(InteropError::unsupported(FORMAT, reason));
            };
            at.values.insert(info.name.clone(), super::call::empty(dims, element));
            continue;
        }
        let has_batch = at.samples != Samples::None;
        if has_batch {
            if sizes.is_empty() {
                let reason = format!("the input `{}`, a single number, {MIXES}", info.name);
                return Err(InteropError::unsupported(FORMAT, reason));
            }
            let batch = sizes.remove(0);
            let batch = if at.batched { batch } else { Some(1) };
            if let (Some(known), Some(batch)) = (at.file_batch, batch)
                && known != batch
            {
                let reason =
                    format!("the inputs have first axes of {known} and {batch} elements, which {MIXES}");
                return Err(InteropError::unsupported(FORMAT, reason));
            }
            at.file_batch = at.file_batch.or(batch);
        }
        let dims: Option<Vec<usize>> = sizes.iter().copied().collect();
        let Some(dims) = dims else {
            let reason = format!(
                "the input `{}` has open sizes beside the batch, {}; say which they shall be",
                info.name,
                shown(info)
            );
            return Err(InteropError::unsupported(FORMAT, reason));
        };
        if tensor::len(&dims).is_none_or(|len| len > MAX_INPUT) {
            return Err(InteropError::too_large(
                FORMAT,
                format!("the input `{}` has sizes {dims:?}", info.name),
            ));
        }
        let images = !at.options.keep_layout && has_batch && takes_images(at, &info.name, dims.len())?;
        let order = if images { channels_last(dims.len()) } else { (0..dims.len()).collect() };
        let arranged: Vec<usize> = order.iter().map(|&axis| dims[axis]).collect();
        let name = at.unique(&clean(&info.name));
        let symbol = Symbol::named_input(name, arranged);
        at.anchor.get_or_insert_with(|| symbol.clone());
        at.placeholders.push((info.name.clone(), symbol.clone()));
        let groups = groups_of(&order);
        let traced = Traced { symbol, groups, element, not_negative: false };
        let mut value = traced.clone();
        if at.samples == Samples::One {
            value.groups.insert(0, Vec::new());
            at.places.insert(info.name.clone(), 0);
        }
        at.values.insert(info.name.clone(), Value::Traced(value));
        made.push((info.name.clone(), traced));
    }
    Ok(made)
}

/// Operators for which the second axis of a value is the channels.
pub(super) const OF_IMAGES: &[&str] = &[
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "QLinearConv",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "BatchNormalization",
    "InstanceNormalization",
    "LRN",
    "PRelu",
    "Resize",
    "Upsample",
    "DepthToSpace",
    "SpaceToDepth",
];

/// Operators that keep the axes of a value in their places.
const KEEPING: &[&str] = &[
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Relu",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "Clip",
    "Cast",
    "Identity",
    "Pad",
    "Dropout",
    "Concat",
    "Sqrt",
    "Pow",
    "HardSwish",
    "Slice",
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
];

/// What becomes of an input is looked for among so many values and readers of theirs.
const LOOKED_AT: usize = 1 << 10;

/// To look at one takes as long as to make so many bytes; all inputs together may lead to many.
const LOOK: usize = 64;

/// Whether an input is images (or sequences, or volumes) with the channels in front, as what is done to it tells.
fn takes_images(at: &mut Importer<'_>, name: &str, rank: usize) -> Result<bool> {
    if !(2..=4).contains(&rank) {
        return Ok(false);
    }
    let mut left = LOOKED_AT;
    let found = leads_to_images(at, name, &mut left);
    at.spend((LOOKED_AT - left) * LOOK)?;
    Ok(found)
}

/// Whether an operator of images reads a value, or what keeps its axes; looks at no more readers than are left.
fn leads_to_images(at: &Importer<'_>, name: &str, left: &mut usize) -> bool {
    let (mut names, mut next) = (vec![name], 0);
    while let Some(&name) = names.get(next) {
        next += 1;
        for node in at.readers.get(name).into_iter().flatten() {
            if OF_IMAGES.contains(&node.op_type.as_str())
                && node.input.first().is_some_and(|first| first == name)
            {
                return true;
            }
            let Some(fewer) = left.checked_sub(1) else { return false };
            *left = fewer;
            if KEEPING.contains(&node.op_type.as_str()) && names.len() < 64 {
                // Outputs that are left out have no name, and there may be any number of them.
                let outputs = node.output.iter().take(64).map(String::as_str);
                let new = outputs.filter(|output| !output.is_empty() && !names.contains(output));
                names.extend(new.collect::<Vec<_>>());
            }
        }
    }
    false
}

/// The graph's outputs, in the order of axes in which the model gives them; what depends on no input as it is, if it may be.
pub(super) fn outputs(
    at: &mut Importer<'_>,
    graph: &GraphProto,
    may_be_known: bool,
) -> Result<Vec<(String, Value)>> {
    let mut made = Vec::new();
    for info in &graph.output {
        let missing = || InteropError::malformed(FORMAT, format!("nothing makes the output `{}`", info.name));
        at.node = clean(&info.name);
        let mut value = match at.values.get(&info.name).ok_or_else(missing)?.clone() {
            Value::Traced(traced) => traced,
            Value::Known(_) if at.samples != Samples::None => {
                let reason = format!("the output `{}` is the same for all samples, which {MIXES}", info.name);
                return Err(InteropError::unsupported(FORMAT, reason));
            }
            Value::Known(tensor) if may_be_known => {
                made.push((info.name.clone(), Value::Known(tensor)));
                continue;
            }
            Value::Known(tensor) => at.trace(&tensor)?,
        };
        at.spend_on_axes(&value)?;
        if at.samples == Samples::One {
            let is_first = at.places.get(&info.name).is_none_or(|&place| place == 0);
            if !is_first || value.dims().first() != Some(&1) {
                let reason = format!("the output `{}` {MIXES}", info.name);
                return Err(InteropError::unsupported(FORMAT, reason));
            }
            value.groups.remove(0);
        }
        let rank = value.groups.len();
        let last = channels_last(rank);
        let is_last = (2..=4).contains(&rank) && value.groups == groups_of(&last);
        let order = if is_last && !at.options.keep_layout && at.samples != Samples::None {
            last
        } else {
            (0..rank).collect()
        };
        made.push((info.name.clone(), Value::Traced(at.arrange(&value, &order)?)));
    }
    if made.is_empty() {
        return Err(InteropError::malformed(FORMAT, "a graph without outputs"));
    }
    Ok(made)
}

/// How an input or output is called in the file, and where its axes are.
pub(super) fn end(name: &str, value: &Traced) -> End {
    End { name: name.to_owned(), order: value.order(), element: value.element }
}
