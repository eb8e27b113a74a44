//! A convolution followed by a bias, an activation, or both becomes one operation.

use super::{only_reader, replace};
use crate::graph::{Graph, Source, Value};
use crate::ops::{Activate, Activation, BiasAdd, Convolution};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    let readers = program.graph.readers();
    for index in 0..program.graph.nodes.len() {
        let node = &program.graph.nodes[index];
        let Some(&input) = node.inputs.first() else { continue };
        let fusable = only_reader(program, &readers, input).is_some();
        let Some((convolution, mut inputs)) = producer(&program.graph, input).filter(|_| fusable) else {
            continue;
        };
        if convolution.activation != Activation::Linear {
            continue;
        }
        if node.op_as::<BiasAdd>().is_some() && inputs.len() == 2 {
            inputs.push(node.inputs[1]);
            replace(&mut program.graph, index, convolution, inputs);
        } else if let Some(&Activate(activation)) = node.op_as::<Activate>() {
            replace(&mut program.graph, index, Convolution { activation, ..convolution }, inputs);
        }
    }
}

/// The convolution that makes a value, and its inputs.
fn producer(graph: &Graph, value: Value) -> Option<(Convolution, Vec<Value>)> {
    let Source::Node { node, .. } = graph.source(value) else { return None };
    let node = &graph.nodes[node];
    Some((node.op_as::<Convolution>()?.clone(), node.inputs.clone()))
}
