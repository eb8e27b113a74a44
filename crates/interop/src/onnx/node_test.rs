//! The operator tests that the `onnx` package carries: a model of one node, with inputs and the outputs that it shall have.

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use super::File;
use super::external::Beside;
use super::proto::{TensorProto, tensor_proto::DataType};
use super::tensor::{Element, Tensor};
use crate::error::file_bytes;
use crate::{InteropError, Result};

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All outputs of all sets of data are right.
    Passed {
        /// The inputs whose values had to be known before the model was made, as those that say sizes.
        known: Vec<String>,
    },
    /// The model was read, but gives something else.
    Wrong(String),
    /// The model is not read; the reason is the error's.
    Refused(String),
}

/// Runs the test in a folder; returns its operator and what became of it.
pub fn run(folder: &Path) -> (String, Outcome) {
    let file = match File::open(folder.join("model.onnx")) {
        Ok(file) => file,
        Err(problem) => return ("?".into(), Outcome::Refused(problem.to_string())),
    };
    let operator = file.graph.node.last().map_or("?", |node| &node.op_type).to_owned();
    let sets: Vec<_> = (0..)
        .map(|set| folder.join(format!("test_data_set_{set}")))
        .take_while(|data| data.exists())
        .collect();
    if sets.is_empty() {
        return (operator, Outcome::Refused("it has no data".into()));
    }
    let mut known = Vec::new();
    for data in &sets {
        match check(&file, data) {
            Ok(Ok(inputs)) => known = inputs,
            Ok(Err(problem)) => return (operator, Outcome::Wrong(problem)),
            Err(problem) => return (operator, Outcome::Refused(problem.to_string())),
        }
    }
    (operator, Outcome::Passed { known })
}

/// How far a result may be off, relative to its size. That of onnx's own runner; narrow kinds of numbers are computed with as 32-bit ones.
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
    Ok((Tensor::of_proto(&proto, &mut Beside::default())?, proto.data_type))
}

/// Runs a set of data; gives the inputs that had to be known, or what is wrong.
fn check(file: &File, data: &Path) -> Result<std::result::Result<Vec<String>, String>> {
    let inputs = (file.inputs().into_iter().enumerate())
        .map(|(index, port)| Ok((port.name, tensor(&data.join(format!("input_{index}.pb")))?.0)))
        .collect::<Result<Vec<_>>>()?;
    let evaluation = file.with_values(inputs)?;
    let results = evaluation.run()?;
    for (index, result) in results.iter().enumerate() {
        let (expected, data_type) = tensor(&data.join(format!("output_{index}.pb")))?;
        if let Some(problem) = difference(result, &expected, data_type) {
            return Ok(Err(format!("output {index} {problem}")));
        }
    }
    Ok(Ok(evaluation.known().to_vec()))
}

/// How a result differs from what it should be.
fn difference(result: &Tensor, expected: &Tensor, data_type: i32) -> Option<String> {
    if result.dims != expected.dims {
        return Some(format!("has sizes {:?}, not {:?}", result.dims, expected.dims));
    }
    if result.element() != expected.element() {
        return Some(format!("is {:?}, not {:?}", result.element(), expected.element()));
    }
    let tolerance = if expected.element() == Element::Float { tolerance(data_type) } else { 0.0 };
    let pairs = result.to_floats().into_iter().zip(expected.to_floats());
    for (place, (actual, wanted)) in pairs.enumerate() {
        let close = (actual - wanted).abs() <= tolerance * (0.01 + wanted.abs());
        let same = actual == wanted || actual.is_nan() && wanted.is_nan();
        if !close && !same {
            return Some(format!("has element {place} {actual}, not {wanted}"));
        }
    }
    None
}
