//! A model's graph as TensorFlow's `GraphDef`: a node an operation, named after its layer, so that TensorBoard draws layers as boxes.

use std::collections::{HashMap, HashSet};

use convnet_nn::Model;
use convnet_nn::engine::graph::Source;
use convnet_nn::engine::{Graph, Shape, Value};
use convnet_nn::model::{InferenceGraph, Slot};

use super::proto::{AttrValue, Dim, GraphDef, NodeDef, Shapes, TensorShape, VersionDef};

/// The version of `GraphDef` that is written.
const PRODUCER: i32 = 22;

/// Names of nodes, each given once.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    /// The name as TensorBoard takes it, with a number if it is taken.
    fn give(&mut self, wanted: &str) -> String {
        let safe = |letter: char| {
            if letter.is_ascii_alphanumeric() || "._-/".contains(letter) { letter } else { '_' }
        };
        let wanted: String = wanted.chars().map(safe).collect();
        let numbered = (1..).map(|number| format!("{wanted}_{number}"));
        let free = std::iter::once(wanted.clone()).chain(numbered).find(|name| !self.0.contains(name));
        let name = free.unwrap_or(wanted);
        self.0.insert(name.clone());
        name
    }
}

pub(super) fn of(made: &InferenceGraph, model: &Model) -> GraphDef {
    let graph = &made.graph;
    let mut names = Names::default();
    let mut known: HashMap<Value, String> = HashMap::new();
    let mut node = Vec::new();
    for (name, value) in &made.inputs {
        let name = names.give(name);
        node.push(NodeDef {
            name: name.clone(),
            op: "Placeholder".into(),
            input: Vec::new(),
            attr: shapes(graph, &[*value]),
        });
        known.insert(*value, name);
    }
    let weights: HashMap<Slot, &str> = model.weights().map(|weight| (weight.slot, &*weight.path)).collect();
    for operation in graph.nodes() {
        for &input in &operation.inputs {
            let slot = match graph.source(input) {
                Source::Parameter(start) => Slot::Parameter(start),
                Source::State(start) => Slot::State(start),
                Source::Input(_) | Source::Node { .. } => continue,
            };
            known.entry(input).or_insert_with(|| {
                let name = names.give(weights.get(&slot).copied().unwrap_or("variable"));
                let attr = shapes(graph, &[input]);
                node.push(NodeDef { name: name.clone(), op: "VarHandleOp".into(), input: Vec::new(), attr });
                name
            });
        }
        let name = names.give(&format!("{}/{}", operation.label, operation.op.name()));
        for (place, &output) in operation.outputs.iter().enumerate() {
            known.insert(output, if place == 0 { name.clone() } else { format!("{name}:{place}") });
        }
        let input = operation.inputs.iter().filter_map(|input| known.get(input).cloned()).collect();
        let attr = shapes(graph, &operation.outputs);
        node.push(NodeDef { name, op: operation.op.name().to_owned(), input, attr });
    }
    GraphDef { node, versions: Some(VersionDef { producer: PRODUCER }) }
}

/// The attribute that TensorBoard reads the sizes on edges from.
fn shapes(graph: &Graph, values: &[Value]) -> HashMap<String, AttrValue> {
    let shape = |&value: &Value| {
        let Shape { batched, dims } = graph.shape(value);
        let sizes = batched.then_some(-1).into_iter().chain(dims.iter().map(|&size| size as i64));
        TensorShape { dim: sizes.map(|size| Dim { size }).collect() }
    };
    let list = Shapes { shape: values.iter().map(shape).collect() };
    HashMap::from([("_output_shapes".to_owned(), AttrValue { list: Some(list) })])
}

#[cfg(test)]
mod tests {
    use convnet_nn::layers::{Conv2D, Dense, Flatten};
    use convnet_nn::{Activation, Sequential};

    use super::*;

    #[test]
    fn every_input_of_a_node_is_a_node_and_layers_are_scopes() {
        let model = Sequential::new([8, 8, 1])
            .add(Conv2D::new(2, 3).activation(Activation::Relu))
            .add(Flatten::new())
            .add(Dense::new(3).activation(Activation::Softmax))
            .build()
            .unwrap();
        let graph = of(&model.inference_graph().unwrap(), &model);
        let names: HashSet<&str> = graph.node.iter().map(|node| &*node.name).collect();
        assert_eq!(names.len(), graph.node.len(), "names are unique");
        for input in graph.node.iter().flat_map(|node| &node.input) {
            assert!(names.contains(input.split(':').next().unwrap()), "{input}");
        }
        assert!(names.contains("conv2d/kernel") && names.contains("dense/bias"), "{names:?}");
        assert!(graph.node.iter().any(|node| node.name.starts_with("conv2d/") && node.input.len() >= 2));
    }
}
