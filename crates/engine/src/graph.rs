//! The graph: nodes over operations, shapes inferred and checked as nodes are added.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{EngineError, Mismatch, Result};
use crate::op::Op;
use crate::shape::{Shape, TensorType};

/// A value of a graph: a placeholder, a variable, or an output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub(crate) u32);

impl Value {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Given to each run; counted from 0 in the order of creation.
    Input(usize),
    /// In the slab of parameters, from this offset.
    Parameter(usize),
    /// In the slab of states (moving statistics), from this offset.
    State(usize),
    /// Output `output` of node `node`.
    Node {
        /// Index of the node.
        node: usize,
        /// Which of its outputs.
        output: usize,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct ValueInfo {
    pub(crate) ty: TensorType,
    pub(crate) source: Source,
}

/// An operation at work on values.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is done.
    pub op: Arc<dyn Op>,
    /// To what.
    pub inputs: Vec<Value>,
    /// With what result.
    pub outputs: Vec<Value>,
    /// The layer that it belongs to.
    pub label: Arc<str>,
}

impl Node {
    /// The operation, if it is a `T`.
    pub fn op_as<T: Op>(&self) -> Option<&T> {
        (&*self.op as &dyn Any).downcast_ref()
    }
}

/// A list of nodes, each of which uses only values made before it.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) values: Vec<ValueInfo>,
    inputs: usize,
    label: Arc<str>,
}

impl Default for Graph {
    fn default() -> Self {
        Self { nodes: Vec::new(), values: Vec::new(), inputs: 0, label: "graph".into() }
    }
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the layer that the nodes added from now on belong to.
    pub fn set_label(&mut self, label: &str) {
        if &*self.label != label {
            self.label = label.into();
        }
    }

    /// The layer that nodes are being added for.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// A placeholder, given anew to each run.
    pub fn input(&mut self, shape: Shape) -> Value {
        self.inputs += 1;
        self.push_value(shape.into(), Source::Input(self.inputs - 1))
    }

    /// A variable in the slab of parameters.
    pub fn parameter(&mut self, shape: Shape, offset: usize) -> Value {
        self.push_value(shape.into(), Source::Parameter(offset))
    }

    /// A variable in the slab of states.
    pub fn state(&mut self, shape: Shape, offset: usize) -> Value {
        self.push_value(shape.into(), Source::State(offset))
    }

    /// Adds a node and gives all its outputs.
    ///
    /// # Errors
    /// If the inputs do not fit the operation; the error names the layer.
    pub fn add(&mut self, op: impl Op, inputs: &[Value]) -> Result<Vec<Value>> {
        self.add_shared(Arc::new(op), inputs)
    }

    pub(crate) fn add_shared(&mut self, op: Arc<dyn Op>, inputs: &[Value]) -> Result<Vec<Value>> {
        let types: Vec<TensorType> = inputs.iter().map(|&input| self.type_of(input).clone()).collect();
        let outputs = Self::infer(&*op, &types).map_err(|mismatch| EngineError::Shape {
            layer: self.label.to_string(),
            op: op.name(),
            mismatch,
        })?;
        let node = self.nodes.len();
        let outputs: Vec<Value> = (outputs.into_iter().enumerate())
            .map(|(output, ty)| self.push_value(ty, Source::Node { node, output }))
            .collect();
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            label: self.label.clone(),
        });
        Ok(outputs)
    }

    /// Types of an operation's outputs, if a graph may have them.
    fn infer(op: &dyn Op, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        inputs.iter().try_for_each(|input| input.shape.check())?;
        let outputs = op.infer(inputs)?;
        for TensorType { shape, .. } in &outputs {
            shape.check()?;
            if shape.is_empty() {
                return Err(Mismatch::new("a result that has elements", shape));
            }
        }
        Ok(outputs)
    }

    /// Adds a node and gives its first output.
    ///
    /// # Errors
    /// If the inputs do not fit the operation; the error names the layer.
    pub fn apply(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value> {
        Ok(self.add(op, inputs)?[0])
    }

    /// Type of a value.
    pub fn type_of(&self, value: Value) -> &TensorType {
        &self.values[value.index()].ty
    }

    /// Shape of a value.
    pub fn shape(&self, value: Value) -> &Shape {
        &self.type_of(value).shape
    }

    /// Where a value comes from.
    pub fn source(&self, value: Value) -> Source {
        self.values[value.index()].source
    }

    /// The parameters, with their places in the slab.
    pub fn parameters(&self) -> Vec<(Value, usize)> {
        let parameter = |(index, info): (usize, &ValueInfo)| match info.source {
            Source::Parameter(start) => Some((Value(index as u32), start)),
            _ => None,
        };
        self.values.iter().enumerate().filter_map(parameter).collect()
    }

    /// The node that makes a value, if one does.
    pub fn producer(&self, value: Value) -> Option<&Node> {
        match self.source(value) {
            Source::Node { node, .. } => Some(&self.nodes[node]),
            _ => None,
        }
    }

    /// All nodes, in an order in which they can be run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Number of placeholders.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The graph anew, before any pass, and where each value went. `rewrite` is given the new graph, an old node and the
    /// new values of its inputs, and makes its outputs; where it gives `None`, the node stays as it is.
    ///
    /// # Errors
    /// What `rewrite` says, or if what it makes does not fit the nodes behind.
    pub fn rewritten(
        &self,
        mut rewrite: impl FnMut(&mut Self, &Node, &[Value]) -> Result<Option<Vec<Value>>>,
    ) -> Result<(Self, HashMap<Value, Value>)> {
        let mut graph = Self::new();
        let mut places = HashMap::with_capacity(self.values.len());
        for (index, info) in self.values.iter().enumerate() {
            let shape = info.ty.shape.clone();
            let value = match info.source {
                Source::Input(_) => graph.input(shape),
                Source::Parameter(offset) => graph.parameter(shape, offset),
                Source::State(offset) => graph.state(shape, offset),
                Source::Node { output: 1.., .. } => continue,
                Source::Node { node, .. } => {
                    let node = &self.nodes[node];
                    let inputs: Vec<Value> = node.inputs.iter().map(|input| places[input]).collect();
                    graph.set_label(&node.label);
                    let outputs = match rewrite(&mut graph, node, &inputs)? {
                        Some(outputs) => outputs,
                        None => graph.add_shared(Arc::clone(&node.op), &inputs)?,
                    };
                    places.extend(node.outputs.iter().copied().zip(outputs));
                    continue;
                }
            };
            places.insert(Value(index as u32), value);
        }
        Ok((graph, places))
    }

    /// Drops nodes that nobody reads.
    pub(crate) fn drop_nodes(&mut self, dropped: &[usize]) {
        let mut keep = vec![true; self.nodes.len()];
        dropped.iter().for_each(|&node| keep[node] = false);
        let mut keep = keep.into_iter();
        self.nodes.retain(|_| keep.next().unwrap_or(true));
        self.renumber();
    }

    /// Puts the nodes back into an order in which they can be run, after some were added at the end for earlier ones to
    /// read; otherwise they stay as they are.
    pub(crate) fn restore_order(&mut self) {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut placed = vec![false; self.nodes.len()];
        for first in 0..self.nodes.len() {
            let mut waiting = vec![first];
            while let Some(&node) = waiting.last() {
                let missing = self.nodes[node].inputs.iter().find_map(|&input| match self.source(input) {
                    Source::Node { node: producer, .. } if !placed[producer] => Some(producer),
                    _ => None,
                });
                match missing {
                    Some(producer) if !placed[node] => waiting.push(producer),
                    _ => {
                        if !std::mem::replace(&mut placed[node], true) {
                            order.push(node);
                        }
                        waiting.pop();
                    }
                }
            }
        }
        self.nodes = order.iter().map(|&node| self.nodes[node].clone()).collect();
        self.renumber();
    }

    /// Tells values where the nodes that make them stand, after nodes have moved.
    pub(crate) fn renumber(&mut self) {
        for (index, node) in self.nodes.iter().enumerate() {
            for (output, value) in node.outputs.iter().enumerate() {
                self.values[value.index()].source = Source::Node { node: index, output };
            }
        }
    }

    pub(crate) fn push_value(&mut self, ty: TensorType, source: Source) -> Value {
        self.values.push(ValueInfo { ty, source });
        Value(u32::try_from(self.values.len() - 1).expect("a graph has fewer than 2^32 values"))
    }

    /// For each value, the nodes that read it.
    pub(crate) fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                readers[input.index()].push(index);
            }
        }
        readers
    }
}
