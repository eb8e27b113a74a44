//! What an operator's import sees: its node, its inputs, its attributes.

use std::sync::Arc;

use convnet_nn::{LayerRef, Symbol};

use super::inputs::MIXES;
use super::{BATCH, Importer, Traced, Value};
use crate::onnx::FORMAT;
use crate::onnx::external::Beside;
use crate::onnx::proto::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use crate::onnx::tensor::{Element, MAX_RANK, Tensor};
use crate::{InteropError, Result};

/// What says sizes, axes or scales may not have more elements than this.
const MOST: usize = 1 << 16;

/// A node that is being added to a model.
pub(in crate::onnx) struct Call<'i, 'f> {
    /// The model that grows.
    pub at: &'i mut Importer<'f>,
    /// The node.
    pub node: &'f NodeProto,
    /// Its inputs; `None` for those that were left out.
    pub inputs: Vec<Option<Value>>,
}

impl<'f> Call<'_, 'f> {
    /// A problem with the node.
    pub fn malformed(&self, reason: impl std::fmt::Display) -> InteropError {
        let reason = format!("node {} ({}): {reason}", self.at.node, self.node.op_type);
        InteropError::malformed(FORMAT, reason)
    }

    /// Something about the node that cannot be read.
    pub fn unsupported(&self, reason: impl std::fmt::Display) -> InteropError {
        let reason = format!("node {} ({}): {reason}", self.at.node, self.node.op_type);
        InteropError::unsupported(FORMAT, reason)
    }

    /// A node that makes one sample depend on others.
    pub fn mixes(&self) -> InteropError {
        self.unsupported(MIXES)
    }

    /// An input, if it is there.
    pub fn optional(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index)?.as_ref()
    }

    /// An input that must be there.
    pub fn input(&self, index: usize) -> Result<&Value> {
        self.optional(index).ok_or_else(|| self.malformed(format!("input {index} is missing")))
    }

    /// An input as a symbol.
    pub fn traced(&mut self, index: usize) -> Result<Traced> {
        match self.input(index)?.clone() {
            Value::Traced(traced) => Ok(traced),
            Value::Known(tensor) => self.at.trace(&tensor),
        }
    }

    /// An input whose numbers must be known.
    pub fn known(&self, index: usize) -> Result<Option<Arc<Tensor>>> {
        match self.optional(index) {
            None => Ok(None),
            Some(Value::Known(tensor)) => Ok(Some(Arc::clone(tensor))),
            Some(Value::Traced(value)) => {
                self.at.want(value);
                let name = &self.node.input[index];
                Err(self.unsupported(format!(
                    "the input `{name}` is computed from the model's inputs; it must be constant"
                )))
            }
        }
    }

    /// A known input that must be there.
    pub fn constant(&self, index: usize) -> Result<Arc<Tensor>> {
        self.known(index)?.ok_or_else(|| self.malformed(format!("input {index} is missing")))
    }

    /// A known list of integers, if it is there.
    pub fn known_integers(&self, index: usize) -> Result<Option<Vec<i64>>> {
        Ok(self.few(index)?.map(|tensor| tensor.to_integers()))
    }

    /// A known list of integers that must be there.
    pub fn integers(&self, index: usize) -> Result<Vec<i64>> {
        self.known_integers(index)?.ok_or_else(|| self.malformed(format!("input {index} is missing")))
    }

    /// A known input of which each node takes a copy, and which therefore must not be long: sizes, axes, scales.
    pub fn few(&self, index: usize) -> Result<Option<Arc<Tensor>>> {
        let known = self.known(index)?;
        match known.as_ref().map(|tensor| tensor.len()).filter(|&len| len > MOST) {
            Some(len) => Err(self.malformed(format!("input {index} has {len} elements, {MOST} at most"))),
            None => Ok(known),
        }
    }

    /// An attribute of a type.
    fn attribute(&self, name: &str, wanted: AttributeType) -> Result<Option<&'f AttributeProto>> {
        let Some(found) = self.node.attribute.iter().find(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        // Very old files do not say which type it is.
        if found.r#type != wanted as i32 && found.r#type != 0 {
            return Err(
                self.malformed(format!("the attribute {name} is not of type {}", wanted.as_str_name()))
            );
        }
        Ok(Some(found))
    }

    /// A whole number.
    pub fn int(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.attribute(name, AttributeType::Int)?.map_or(default, |attribute| attribute.i))
    }

    /// A whole number, if it is there.
    pub fn some_int(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|attribute| attribute.i))
    }

    /// A number.
    pub fn float(&self, name: &str, default: f32) -> Result<f32> {
        Ok(self.some_float(name)?.unwrap_or(default))
    }

    /// A number, if it is there.
    pub fn some_float(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.attribute(name, AttributeType::Float)?.map(|attribute| attribute.f))
    }

    /// Whole numbers, if they are there.
    pub fn ints(&self, name: &str) -> Result<Option<&'f [i64]>> {
        Ok(self.attribute(name, AttributeType::Ints)?.map(|attribute| &attribute.ints[..]))
    }

    /// Numbers, if they are there.
    pub fn floats(&self, name: &str) -> Result<Option<&'f [f32]>> {
        Ok(self.attribute(name, AttributeType::Floats)?.map(|attribute| &attribute.floats[..]))
    }

    /// Text.
    pub fn string(&self, name: &str, default: &'static str) -> Result<&'f str> {
        match self.attribute(name, AttributeType::String)? {
            Some(attribute) => std::str::from_utf8(&attribute.s)
                .map_err(|_| self.malformed(format!("the attribute {name} is no text"))),
            None => Ok(default),
        }
    }

    /// A tensor, if it is there.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        match self.attribute(name, AttributeType::Tensor)?.and_then(|attribute| attribute.t.as_ref()) {
            Some(proto) => Ok(Some(Tensor::of_proto(proto, &mut Beside::default())?)),
            None => Ok(None),
        }
    }

    /// Whole numbers that are not negative.
    pub fn sizes(&self, name: &str, count: usize, default: usize) -> Result<Vec<usize>> {
        let Some(found) = self.ints(name)? else { return Ok(vec![default; count]) };
        let sizes: Option<Vec<usize>> = found.iter().map(|&size| usize::try_from(size).ok()).collect();
        match sizes {
            Some(sizes) if sizes.len() == count && sizes.iter().all(|&size| size < 1 << 31) => Ok(sizes),
            _ => Err(self.malformed(format!("{name} has {found:?}, not {count} sizes"))),
        }
    }

    /// An integer attribute up to one version of the operator set, an input from the next on.
    pub fn ints_or_input(&self, name: &str, index: usize) -> Result<Option<Vec<i64>>> {
        match self.ints(name)? {
            Some(found) => Ok(Some(found.to_vec())),
            None => self.known_integers(index),
        }
    }

    /// The axes that a node lists, in an attribute or an input: no more than a value may have, since each node walks its list.
    pub fn listed_axes(&self) -> Result<Option<Vec<i64>>> {
        let listed = self.ints_or_input("axes", 1)?;
        match listed.as_ref().map(Vec::len).filter(|&len| len > MAX_RANK) {
            Some(len) => Err(self.malformed(format!("a list of {len} axes, {MAX_RANK} at most"))),
            None => Ok(listed),
        }
    }

    /// The number of axes of a value in the file, the batch included.
    pub fn rank(&self, value: &Traced) -> usize {
        value.groups.len() + self.first()
    }

    /// 1 if the file's first axis is the batch, which symbols do not count.
    pub fn first(&self) -> usize {
        usize::from(self.at.batched)
    }

    /// An axis of the file, counted from the end if negative, among `rank`.
    pub fn any_axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        let inside = usize::try_from(counted).ok().filter(|&axis| axis < rank);
        inside.ok_or_else(|| self.malformed(format!("axis {axis} of a value with {rank} axes")))
    }

    /// An axis of the file as one after the batch.
    pub fn axis(&self, axis: i64, value: &Traced) -> Result<usize> {
        let counted = self.any_axis(axis, self.rank(value))?;
        counted.checked_sub(self.first()).ok_or_else(|| self.mixes())
    }

    /// The file's sizes of a value; the batch has a number of its own.
    pub fn file_dims(&self, value: &Traced) -> Vec<i64> {
        let batch = self.at.batched.then_some(BATCH);
        batch.into_iter().chain(value.dims().into_iter().map(|size| size as i64)).collect()
    }

    /// Adds a layer, named after the node.
    pub fn layer(
        &mut self,
        layer: impl Into<LayerRef>,
        inputs: &[&Symbol],
        weights: Vec<Vec<f32>>,
    ) -> Result<Symbol> {
        self.at.layer("", layer, inputs, weights)
    }
}

/// A result without elements, whose numbers are known since there are none.
pub(super) fn empty(dims: Vec<usize>, element: Element) -> Value {
    Value::Known(Arc::new(Tensor::filled(dims, element, 0.0)))
}

/// A result that is one value.
pub(super) fn one(value: Traced) -> Result<Vec<Value>> {
    Ok(vec![Value::Traced(value)])
}

/// A result that is known.
pub(super) fn known(tensor: Tensor) -> Result<Vec<Value>> {
    Ok(vec![Value::Known(Arc::new(tensor))])
}
