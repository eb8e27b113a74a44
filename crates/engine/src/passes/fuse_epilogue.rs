//! A convolution followed by a bias, the other branch of a residual connection, an activation, or several of these becomes
//! one operation.

use super::{Readers, producer, replace};
use crate::graph::{Graph, Source, Value};
use crate::ops::{Activate, Activation, BiasAdd, ChannelAffine, Convolution, Sum};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    let readers = Readers::of(program);
    for index in 0..program.graph.nodes.len() {
        let node = &program.graph.nodes[index];
        if node.op_as::<Sum>().is_some() {
            fuse_residual(program, &readers, index);
            continue;
        }
        let Some(&input) = node.inputs.first() else { continue };
        if readers.only(input).is_none() {
            continue;
        }
        let activation = node.op_as::<Activate>().map(|&Activate(activation)| activation);
        if let Some((convolution, mut inputs)) = linear(&program.graph, input) {
            if node.op_as::<BiasAdd>().is_some() && inputs.len() == 2 {
                inputs.push(node.inputs[1]);
                replace(&mut program.graph, index, convolution, inputs);
            } else if let Some(activation) = activation {
                replace(&mut program.graph, index, Convolution { activation, ..convolution }, inputs);
            }
        } else if let (Some((affine, inputs)), Some(activation)) =
            (producer::<ChannelAffine>(&program.graph, input), activation)
            && affine.activation == Activation::Linear
        {
            replace(&mut program.graph, index, ChannelAffine { activation }, inputs);
        }
    }
}

/// The convolution without an activation that makes a value, and its inputs.
fn linear(graph: &Graph, value: Value) -> Option<(Convolution, Vec<Value>)> {
    producer::<Convolution>(graph, value).filter(|(op, _)| op.activation == Activation::Linear)
}

/// A sum of two values of which one comes from a convolution. Of two convolutions the later one takes the other's result.
fn fuse_residual(program: &mut Program, readers: &Readers, index: usize) {
    let graph = &program.graph;
    let &[first, second] = &graph.nodes[index].inputs[..] else { return };
    let place = |value| match graph.source(value) {
        Source::Node { node, .. } => node + 1,
        _ => 0,
    };
    let in_order = if place(first) > place(second) { [first, second] } else { [second, first] };
    let [a, b] = in_order;
    for (value, other) in [(a, b), (b, a)] {
        let alone = value != other && readers.only(value).is_some();
        let Some((op, mut inputs)) = linear(graph, value).filter(|_| alone) else { continue };
        if op.groups == 1 && !op.residual {
            inputs.insert(2, other);
            replace(&mut program.graph, index, Convolution { residual: true, ..op }, inputs);
            return;
        }
    }
}
