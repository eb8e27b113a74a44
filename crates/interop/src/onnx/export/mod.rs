//! From a model to a file: the operations of its graph become nodes, whatever layers they come from.
//!
//! Values have their axes in the model's order, channels last. Convolutions and pools want channels first, so a value may be
//! in the file in both orders; what acts on each element takes whichever is there, and a transposition is written only where the
//! other one is missing.

use std::collections::{HashMap, HashSet};

use convnet_nn::Model;
use convnet_nn::engine::graph::Source;
use convnet_nn::engine::op::Op;
use convnet_nn::engine::{Graph, Shape, Value};
use convnet_nn::model::{InferenceGraph, Slot};
use prost::Message;
use prost::bytes::Bytes;

mod attribute;
mod elementwise;
mod norm;
mod pick;
mod shape;
mod window;

pub(super) use attribute::Attribute;

use super::FORMAT;
use super::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};
use crate::{InteropError, Result};

/// The operator set that files are written in.
pub(super) const OPSET: i64 = 17;
/// The version of the format that goes with it.
const IR_VERSION: i64 = 8;
/// Messages of protobuf may not be longer.
const MAX_BYTES: usize = (1 << 31) - 1;

/// In which order the axes of a value lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Order {
    /// As in the model: channels last.
    Model,
    /// Channels right after the batch.
    ChannelsFirst,
}

/// A graph that is being written.
pub(super) struct Exporter<'m> {
    model: &'m Model,
    pub graph: &'m Graph,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    names: HashMap<(Value, Order), String>,
    /// Variables by their places in the slabs.
    variables: HashMap<Slot, (String, usize)>,
    weights: Vec<convnet_nn::model::Weight>,
    inputs: &'m [(String, Value)],
    label: String,
    count: usize,
}

impl Exporter<'_> {
    /// A name that nothing else has.
    pub fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{}/{what}_{}", self.label, self.count)
    }

    /// Adds a node, of whose outputs the first is returned.
    pub fn node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        // These have two, which must both have names.
        let count = if operator == "TopK" { 2 } else { 1 };
        self.node_of(operator, inputs, attributes, count).swap_remove(0)
    }

    /// Adds a node with two outputs, of which the second is returned.
    pub fn second(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        self.node_of(operator, inputs, attributes, 2).swap_remove(1)
    }

    fn node_of(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
        outputs: usize,
    ) -> Vec<String> {
        let outputs: Vec<String> = (0..outputs).map(|_| self.fresh(operator)).collect();
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: outputs.clone(),
            name: outputs[0].clone(),
            op_type: operator.to_owned(),
            attribute: attributes.into_iter().map(Attribute::into_proto).collect(),
            ..NodeProto::default()
        });
        outputs
    }

    /// Adds floating point numbers of these sizes.
    pub fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let name = self.fresh("constant");
        self.initializer(name.clone(), dims, values);
        name
    }

    /// Adds a single number.
    pub fn number(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    /// Adds a list of integers.
    pub fn integers(&mut self, values: &[i64]) -> String {
        self.integers_of(vec![values.len() as i64], values)
    }

    /// Adds a single integer.
    pub fn integer(&mut self, value: i64) -> String {
        self.integers_of(Vec::new(), &[value])
    }

    fn integers_of(&mut self, dims: Vec<i64>, values: &[i64]) -> String {
        let name = self.fresh("constant");
        self.initializers.push(TensorProto {
            dims,
            data_type: DataType::Int64 as i32,
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into(),
            name: name.clone(),
            ..TensorProto::default()
        });
        name
    }

    fn initializer(&mut self, name: String, dims: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializers.push(TensorProto {
            dims: dims.iter().map(|&size| size as i64).collect(),
            data_type: DataType::Float as i32,
            raw_data: Bytes::from(bytes),
            name,
            ..TensorProto::default()
        });
    }

    /// The numbers of a variable, and its name; `None` for what is computed.
    pub fn variable(&self, value: Value) -> Option<(String, Vec<usize>, Vec<f32>)> {
        let slot = match self.graph.source(value) {
            Source::Parameter(start) => Slot::Parameter(start),
            Source::State(start) => Slot::State(start),
            _ => return None,
        };
        let (name, weight) = self.variables.get(&slot)?;
        let values = self.model.weight_values(&self.weights[*weight]);
        let dims = self.graph.shape(value).dims.clone();
        Some((name.clone(), dims, values.iter().copied().collect()))
    }

    /// Adds a variable in another form.
    pub fn variable_as(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let known = |name: &str| self.initializers.iter().any(|tensor| tensor.name == name);
        let name = if known(name) { self.fresh("weights") } else { name.to_owned() };
        self.initializer(name.clone(), dims, values);
        name
    }

    /// The shape of a value.
    pub fn shape(&self, value: Value) -> Shape {
        self.graph.shape(value).clone()
    }

    /// Whether a value is there with its channels first and not otherwise.
    pub fn is_channels_first(&self, value: Value) -> bool {
        self.names.contains_key(&(value, Order::ChannelsFirst))
            && !self.names.contains_key(&(value, Order::Model))
    }

    /// The name of a value in an order; a transposition is added if it is there in the other one only.
    pub fn input(&mut self, value: Value, order: Order) -> Result<String> {
        if let Some(name) = self.names.get(&(value, order)) {
            return Ok(name.clone());
        }
        if let Some((name, dims, values)) = self.variable(value) {
            let name = match order {
                Order::Model => self.variable_as(&name, &dims, &values),
                Order::ChannelsFirst => {
                    let mut axes: Vec<usize> = (0..dims.len()).collect();
                    axes.rotate_right(1);
                    let tensor = super::Tensor::floats(dims, values).transposed(&axes);
                    self.variable_as(&name, &tensor.dims.clone(), &tensor.to_floats())
                }
            };
            self.names.insert((value, order), name.clone());
            return Ok(name);
        }
        let other = if order == Order::Model { Order::ChannelsFirst } else { Order::Model };
        let from = self.names.get(&(value, other)).cloned();
        let from = from.ok_or_else(|| {
            InteropError::unsupported(FORMAT, format!("layer `{}`: it reads what is not written", self.label))
        })?;
        let shape = self.shape(value);
        let name = if shape.dims.len() < 2 {
            from
        } else {
            let first = usize::from(shape.batched);
            let mut axes: Vec<i64> = (0..(first + shape.dims.len()) as i64).collect();
            match order {
                Order::Model => axes[first..].rotate_left(1),
                Order::ChannelsFirst => axes[first..].rotate_right(1),
            }
            self.node("Transpose", &[&from], vec![Attribute::ints("perm", axes)])
        };
        self.names.insert((value, order), name.clone());
        Ok(name)
    }

    /// Says what a value is called in an order.
    pub fn output(&mut self, value: Value, order: Order, name: String) {
        self.names.insert((value, order), name);
    }

    /// The order that suits operations on each element of a value.
    pub fn order_of(&self, value: Value) -> Order {
        if self.is_channels_first(value) { Order::ChannelsFirst } else { Order::Model }
    }

    /// An axis of a value (0 being the first after the batch) in an order, in the file.
    pub fn axis(&self, value: Value, axis: usize, order: Order) -> i64 {
        let shape = self.graph.shape(value);
        let rank = shape.dims.len();
        let place = match order {
            Order::Model => axis,
            Order::ChannelsFirst => (axis + 1) % rank.max(1),
        };
        (place + usize::from(shape.batched)) as i64
    }

    /// Sizes for a reshape, the batch first if there is one.
    pub fn reshape_to(&mut self, shape: &Shape) -> String {
        let batch = shape.batched.then_some(0);
        let sizes: Vec<i64> = batch.into_iter().chain(shape.dims.iter().map(|&size| size as i64)).collect();
        self.integers(&sizes)
    }

    /// The size of the batch, as a list of one integer.
    pub fn batch(&mut self) -> Option<String> {
        let (name, _) = self.inputs.first()?;
        let name = name.clone();
        let sizes = self.node("Shape", &[&name], vec![Attribute::int("start", 0), Attribute::int("end", 1)]);
        Some(sizes)
    }

    /// A value of one number everywhere, for each sample if it has a batch.
    pub fn filled(&mut self, value: f32, shape: &Shape) -> Result<String> {
        if !shape.batched {
            return Ok(self.floats(&shape.dims, &vec![value; shape.len()]));
        }
        let number = self.number(value);
        self.repeated(&number, &shape.dims)
    }

    /// A value without a batch repeated to sizes for each sample.
    pub fn repeated(&mut self, name: &str, dims: &[usize]) -> Result<String> {
        let batch = self.batch().ok_or_else(|| self.refuse("a constant for each sample"))?;
        let sizes: Vec<i64> = dims.iter().map(|&size| size as i64).collect();
        let rest = self.integers(&sizes);
        let all = self.node("Concat", &[&batch, &rest], vec![Attribute::int("axis", 0)]);
        Ok(self.node("Expand", &[name, &all], Vec::new()))
    }

    /// The refusal of an operation.
    pub fn refuse(&self, what: impl std::fmt::Display) -> InteropError {
        InteropError::unsupported(FORMAT, format!("layer `{}`: {what} cannot be written", self.label))
    }
}

/// An operation at work: its inputs and outputs.
pub(super) struct At<'n> {
    pub inputs: &'n [Value],
    pub outputs: &'n [Value],
}

/// Writes an operation if it is one of a family; tells whether it was.
type Family = fn(&mut Exporter<'_>, &dyn Op, &At<'_>) -> Result<bool>;

const FAMILIES: &[Family] = &[window::export, elementwise::export, shape::export, norm::export, pick::export];

/// The bytes of the file of a model.
pub(super) fn to_bytes(model: &Model) -> Result<Vec<u8>> {
    let InferenceGraph { graph, inputs, outputs } = model.inference_graph()?;
    let weights: Vec<_> = model.weights().cloned().collect();
    let variables = weights
        .iter()
        .enumerate()
        .map(|(index, weight)| (weight.slot, (weight.path.clone(), index)))
        .collect();
    let mut exporter = Exporter {
        model,
        graph: &graph,
        nodes: Vec::new(),
        initializers: Vec::new(),
        names: HashMap::new(),
        variables,
        weights,
        inputs: &inputs,
        label: String::new(),
        count: 0,
    };
    let mut input_infos = Vec::new();
    for (name, value) in &inputs {
        exporter.output(*value, Order::Model, name.clone());
        input_infos.push(info(name, graph.shape(*value)));
    }
    let wanted = wanted(&graph, outputs.iter().map(|(_, value)| *value));
    for (node, _) in graph.nodes().iter().zip(wanted).filter(|(_, wanted)| *wanted) {
        exporter.label = node.label.to_string();
        let at = At { inputs: &node.inputs, outputs: &node.outputs };
        let mut is_written = false;
        for family in FAMILIES {
            if family(&mut exporter, &*node.op, &at)? {
                is_written = true;
                break;
            }
        }
        if !is_written {
            return Err(exporter.refuse(format!("the operation {}", node.op.name())));
        }
    }
    let mut output_infos = Vec::new();
    for (index, (name, value)) in outputs.iter().enumerate() {
        exporter.label = "output".into();
        let from = exporter.input(*value, Order::Model)?;
        let taken = inputs.iter().any(|(input, _)| input == name)
            || output_infos.iter().any(|info: &ValueInfoProto| info.name == *name);
        let name = if taken { format!("{name}_{index}") } else { name.clone() };
        exporter.nodes.push(NodeProto {
            input: vec![from],
            output: vec![name.clone()],
            name: format!("output/{name}"),
            op_type: "Identity".into(),
            ..NodeProto::default()
        });
        output_infos.push(info(&name, graph.shape(*value)));
    }
    let nodes = std::mem::take(&mut exporter.nodes);
    // Weights that were written under another shape for nobody.
    let read: HashSet<&str> = nodes.iter().flat_map(|node| &node.input).map(String::as_str).collect();
    exporter.initializers.retain(|tensor| read.contains(tensor.name.as_str()));
    let proto = ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        producer_name: "convnet".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(GraphProto {
            node: nodes,
            name: model.name().to_owned(),
            initializer: std::mem::take(&mut exporter.initializers),
            input: input_infos,
            output: output_infos,
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    };
    if proto.encoded_len() > MAX_BYTES {
        return Err(InteropError::unsupported(
            FORMAT,
            "a model of more than 2 GB; ONNX files cannot be longer",
        ));
    }
    Ok(proto.encode_to_vec())
}

/// For each node, whether one of these values comes from it: what else there is, such as a penalty of training, is not written.
fn wanted(graph: &Graph, outputs: impl Iterator<Item = Value>) -> Vec<bool> {
    let mut values: HashSet<Value> = outputs.collect();
    let mut wanted = vec![false; graph.nodes().len()];
    for (node, wanted) in graph.nodes().iter().zip(&mut wanted).rev() {
        *wanted = node.outputs.iter().any(|output| values.contains(output));
        if *wanted {
            values.extend(&node.inputs);
        }
    }
    wanted
}

/// An input or output of the file.
fn info(name: &str, shape: &Shape) -> ValueInfoProto {
    let batch = shape.batched.then(|| dimension::Value::DimParam("batch".into()));
    let sizes = shape.dims.iter().map(|&size| dimension::Value::DimValue(size as i64));
    let dim = batch
        .into_iter()
        .chain(sizes)
        .map(|value| Dimension { value: Some(value), ..Dimension::default() })
        .collect();
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(TensorShapeProto { dim }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
