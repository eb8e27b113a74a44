//! Batch normalisation with the batch's statistics takes in the sum with another branch and the rectifier that follow it.
//!
//! This saves passes over memory in both sweeps, and keeps neither what goes into the rectifier nor, without another branch, what comes
//! out of it: the gradient works it out again.

use super::Readers;
use crate::graph::{Graph, Value};
use crate::ops::{Activate, Activation, BatchNorm, Sum};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    let readers = Readers::of(program);
    let mut is_taken = vec![false; program.graph.nodes.len()];
    for index in (0..program.graph.nodes.len()).rev() {
        let Some(op) = program.graph.nodes[index].op_as::<BatchNorm>().cloned() else { continue };
        if op.residual || op.activation != Activation::Linear {
            continue;
        }
        let mut end = program.graph.nodes[index].outputs[0];
        let next = |value: Value| readers.only(value).filter(|&node| !is_taken[node]);
        let mut followers = Vec::new();
        let sum = next(end).and_then(|node| Some((node, other_branch(&program.graph, node, end)?)));
        if let Some((node, _)) = sum {
            followers.push(node);
            end = program.graph.nodes[node].outputs[0];
        }
        let activation = next(end).and_then(|node| {
            let &Activate(activation) = program.graph.nodes[node].op_as()?;
            BatchNorm::takes(activation).then_some((node, activation))
        });
        if let Some((node, _)) = activation {
            followers.push(node);
            end = program.graph.nodes[node].outputs[0];
        }
        if followers.is_empty() {
            continue;
        }
        let node = &mut program.graph.nodes[index];
        node.op = std::sync::Arc::new(BatchNorm {
            residual: sum.is_some(),
            activation: activation.map_or(Activation::Linear, |(_, activation)| activation),
            ..op
        });
        node.inputs.extend(sum.map(|(_, other)| other));
        node.outputs[0] = end;
        followers.into_iter().for_each(|node| is_taken[node] = true);
    }
    let taken: Vec<usize> = (0..is_taken.len()).filter(|&node| is_taken[node]).collect();
    program.graph.drop_nodes(&taken);
    program.graph.restore_order();
}

/// What `node` adds to `value`, if it is a sum of two. Of two normalisations the later one takes the sum.
fn other_branch(graph: &Graph, node: usize, value: Value) -> Option<Value> {
    graph.nodes[node].op_as::<Sum>()?;
    match graph.nodes[node].inputs[..] {
        [first, second] if first != second => Some(if first == value { second } else { first }),
        _ => None,
    }
}
