//! What the backward sweep reads of the forward sweep is kept in 16 bits.
//!
//! Two steps, with the [recomputation](super::recompute) of what is not kept between them. First such values are rounded
//! where they are made, so that both sweeps, and what is computed again, see the same numbers. Then those that are still
//! kept are stored in 16 bits, and become floats again right before the backward sweep reads them.
//!
//! Before that, convolutions become some of [pairs](PairConvolution) where the machine can do that.

use std::collections::HashMap;
use std::sync::Arc;

use convnet_kernels::conv;
use convnet_kernels::winograd::Pass;

use crate::graph::{Graph, Node, Source, Value};
use crate::op::Sharing;
use crate::ops::{Convolution, Narrow, PairConvolution, Round, Widen};
use crate::plan::Program;
use crate::shape::{Element, TensorType};

/// A value that was made a float again serves other readers that come at most so many nodes later.
const REACH: usize = 3;

/// Lets convolutions of the forward sweep whose results may be rounded multiply pairs of 16-bit numbers, where the machine has an
/// instruction for that and it is expected to be faster. The backward sweep has weights of 32 bits.
pub(crate) fn multiply_pairs(program: &mut Program, batch: usize) {
    let is_exact = exact_values(program);
    for index in 0..program.forward_nodes {
        let node = &program.graph.nodes[index];
        let Some(convolution) = node.op_as::<Convolution>() else { continue };
        let shapes: Vec<_> =
            node.inputs.iter().map(|&input| program.graph.shape(input).bind(batch)).collect();
        let has_kernel =
            || conv::PairConvolution::new(convolution.geometry(&shapes), Pass::Forward).is_some();
        if may_be_rounded(program, &is_exact, node.outputs[0]) && has_kernel() {
            let op = Arc::new(PairConvolution(convolution.clone()));
            program.graph.nodes[index].op = op;
        }
    }
}

/// Rounds what the backward sweep reads.
pub(crate) fn round(program: &mut Program) {
    let forward = program.forward_nodes;
    let is_exact = exact_values(program);
    let mut is_kept = vec![false; program.graph.values.len()];
    for &input in program.graph.nodes[forward..].iter().flat_map(|node| &node.inputs) {
        let whole = viewed(&program.graph, input);
        is_kept[whole.index()] = may_be_rounded(program, &is_exact, whole);
    }
    let graph = &mut program.graph;
    let mut rounded: HashMap<Value, Value> = HashMap::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        for input in &mut node.inputs {
            *input = rounded.get(input).copied().unwrap_or(*input);
        }
        let (output, label) = (node.outputs[0], node.label.clone());
        graph.nodes.push(node);
        if is_kept[output.index()] {
            let source = Source::Node { node: graph.nodes.len(), output: 0 };
            let value = graph.push_value(graph.type_of(output).clone(), source);
            rounded.insert(output, value);
            let (inputs, outputs) = (vec![output], vec![value]);
            graph.nodes.push(Node { op: Arc::new(Round), inputs, outputs, label });
        }
    }
    graph.renumber();
    program.forward_nodes += rounded.len();
}

/// Stores what was rounded, and is still read by the backward sweep, in 16 bits.
pub(crate) fn store(program: &mut Program) {
    let forward = program.forward_nodes;
    let graph = &mut program.graph;
    let mut halves: HashMap<Value, Value> = HashMap::new();
    // What was made a float again, and which node read it last.
    let mut widened: HashMap<Value, (Value, usize)> = HashMap::new();
    for index in forward..graph.nodes.len() {
        for input in 0..graph.nodes[index].inputs.len() {
            let value = graph.nodes[index].inputs[input];
            let whole = viewed(graph, value);
            let Some(half) = half(graph, &mut halves, forward, whole) else { continue };
            graph.set_label(&graph.nodes[index].label.clone());
            let floats = match widened.get(&whole) {
                Some(&(floats, last)) if index - last <= REACH => floats,
                _ => graph.apply(Widen, &[half]).expect("it was stored in 16 bits"),
            };
            widened.insert(whole, (floats, index));
            graph.nodes[index].inputs[input] = view_again(graph, value, whole, floats);
        }
    }
    graph.restore_order();
}

/// What a value is a view of; itself if it is none.
fn viewed(graph: &Graph, mut value: Value) -> Value {
    while let Some(node) = graph.producer(value).filter(|node| node.op.sharing() == Sharing::View) {
        value = node.inputs[0];
    }
    value
}

/// The same view of `other` as `value` is of `whole`.
fn view_again(graph: &mut Graph, value: Value, whole: Value, other: Value) -> Value {
    if value == whole {
        return other;
    }
    let node = graph.producer(value).expect("a view is made by a node").clone();
    let inner = view_again(graph, node.inputs[0], whole, other);
    graph.add_shared(node.op, &[inner]).expect("the two have one shape")[0]
}

/// For each value, whether it stays as it is: what is wanted outside of the graph, and what loss and metrics read and make.
fn exact_values(program: &Program) -> Vec<bool> {
    let mut is_exact = program.outputs();
    program.exact.iter().for_each(|value| is_exact[value.index()] = true);
    is_exact
}

fn may_be_rounded(program: &Program, is_exact: &[bool], value: Value) -> bool {
    let ty = program.graph.type_of(value);
    matches!(program.graph.source(value), Source::Node { node, output: 0 } if node < program.forward_nodes)
        && ty.shape.batched
        && ty.element == Element::F32
        && !is_exact[value.index()]
}

/// The 16 bits of a value that the forward sweep rounds.
fn half(
    graph: &mut Graph,
    halves: &mut HashMap<Value, Value>,
    forward: usize,
    value: Value,
) -> Option<Value> {
    if let Some(&half) = halves.get(&value) {
        return Some(half);
    }
    let Source::Node { node, .. } = graph.source(value) else { return None };
    if node >= forward || graph.nodes[node].op_as::<Round>().is_none() {
        return None;
    }
    let ty = TensorType { element: Element::Bf16, ..graph.type_of(value).clone() };
    let half = graph.push_value(ty, Source::Node { node, output: 1 });
    graph.nodes[node].op = Arc::new(Narrow);
    graph.nodes[node].outputs.push(half);
    halves.insert(value, half);
    Some(half)
}
