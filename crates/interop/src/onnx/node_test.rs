//! The operator tests that the `onnx` package carries: a model of one node, with inputs and the outputs that it shall have.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use prost::Message;
use prost::bytes::Bytes;

use super::proto::{ModelProto, TensorProto, tensor_proto::DataType};
use super::tensor::{Element, Tensor};
use super::{Import, Imported};
use crate::error::file_bytes;
use crate::{InteropError, Result};

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All outputs of all sets of data are right.
    Passed,
    /// The model was read, but gives something else.
    Wrong(String),
    /// The model is not read; the reason is the error's.
    Refused(String),
}

/// Runs the test in a folder; returns its operator and what became of it.
pub fn run(folder: &Path) -> (String, Outcome) {
    let model = file_bytes(&folder.join("model.onnx")).and_then(|bytes| {
        ModelProto::decode(Bytes::from(bytes))
            .map_err(|problem| InteropError::malformed(super::FORMAT, problem.to_string()))
    });
    let graph = match model {
        Ok(ModelProto { graph: Some(graph), .. }) => graph,
        Ok(_) => return ("?".into(), Outcome::Refused("no graph".into())),
        Err(problem) => return ("?".into(), Outcome::Refused(problem.to_string())),
    };
    let operator = graph.node.last().map_or("?", |node| &node.op_type).to_owned();
    let names: Vec<String> = graph.input.iter().map(|input| input.name.clone()).collect();
    let mut set = 0;
    loop {
        let data = folder.join(format!("test_data_set_{set}"));
        if !data.exists() {
            break;
        }
        set += 1;
        match check(&folder.join("model.onnx"), &data, &names, graph.output.len()) {
            Ok(None) => {}
            Ok(Some(problem)) => return (operator, Outcome::Wrong(problem)),
            Err(problem) => return (operator, Outcome::Refused(problem.to_string())),
        }
    }
    let outcome = if set == 0 { Outcome::Refused("it has no data".into()) } else { Outcome::Passed };
    (operator, outcome)
}

/// How far a result may be off, relative to its size.
fn tolerance(data_type: i32) -> f32 {
    match DataType::try_from(data_type) {
        Ok(DataType::Bfloat16) => 1e-2,
        Ok(DataType::Float16) => 4e-3,
        _ => 1e-3,
    }
}

fn tensor(path: &Path) -> Result<(Tensor, i32)> {
    let bytes = Bytes::from(file_bytes(path)?);
    let proto = TensorProto::decode(bytes)
        .map_err(|problem| InteropError::malformed(super::FORMAT, problem.to_string()))?;
    Ok((Tensor::of_proto(&proto, None)?, proto.data_type))
}

/// Runs a set of data; gives what is wrong.
fn check(model: &Path, data: &Path, names: &[String], outputs: usize) -> Result<Option<String>> {
    let inputs: Vec<(String, Tensor)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.clone(), data.join(format!("input_{index}.pb"))))
        .filter(|(_, path)| path.exists())
        .map(|(name, path)| Ok((name, tensor(&path)?.0)))
        .collect::<Result<_>>()?;
    let imported = import(model, &inputs)?;
    let arrays: Vec<ArrayD<f32>> = imported
        .inputs
        .iter()
        .map(|end| {
            let (_, tensor) =
                inputs.iter().find(|(name, _)| *name == end.name).expect("the model has the test's inputs");
            let mut dims = tensor.dims.clone();
            if !imported.has_batch {
                dims.insert(0, 1);
            }
            ArrayD::from_shape_vec(IxDyn(&dims), tensor.to_floats()).expect("a tensor has its own sizes")
        })
        .collect();
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    let results = imported.model.predict_all(&views)?;
    for index in 0..outputs {
        let (expected, data_type) = tensor(&data.join(format!("output_{index}.pb")))?;
        let Some(result) = results.get(index) else { return Ok(Some(format!("output {index} is missing"))) };
        let dims = if imported.has_batch { result.shape() } else { &result.shape()[1..] };
        if dims != expected.dims {
            return Ok(Some(format!("output {index} has sizes {dims:?}, not {:?}", expected.dims)));
        }
        // That of onnx's own runner; narrow kinds of numbers are computed with as 32-bit ones.
        let tolerance = match expected.element() {
            Element::Float => tolerance(data_type),
            _ => 0.0,
        };
        for (place, (&actual, &wanted)) in result.iter().zip(&expected.to_floats()).enumerate() {
            let close = (actual - wanted).abs() <= tolerance * (0.01 + wanted.abs());
            let same = actual == wanted || actual.is_nan() && wanted.is_nan();
            if !close && !same {
                return Ok(Some(format!("output {index}, element {place} is {actual}, not {wanted}")));
            }
        }
    }
    Ok(None)
}

/// Reads the model with as many inputs left open as possible: what gives sizes and places must be constant.
fn import(model: &Path, inputs: &[(String, Tensor)]) -> Result<Imported> {
    let shaped = || {
        inputs.iter().fold(Import::new().keep_layout(true), |import, (name, tensor)| {
            import.shape(name, tensor.dims.clone())
        })
    };
    let constant = |which: &dyn Fn(usize, &Tensor) -> bool| {
        let chosen = inputs.iter().enumerate().filter(|(index, (_, tensor))| which(*index, tensor));
        chosen.fold(shaped(), |import, (_, (name, tensor))| import.constant(name, tensor.clone()))
    };
    let first = shaped().read(model);
    if first.is_ok() || inputs.is_empty() {
        return first;
    }
    let integers = constant(&|index, tensor| index > 0 && tensor.element() == Element::Integer).read(model);
    let rest = integers.or_else(|_| constant(&|index, _| index > 0).read(model));
    rest.or_else(|problem| match inputs.len() {
        // Of three, such as in a choice, the first may be the one to be known.
        2.. => constant(&|index, _| index + 1 != inputs.len()).read(model).map_err(|_| problem),
        _ => Err(problem),
    })
}
