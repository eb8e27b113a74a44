//! What depends on variables alone, where these stay the same over many runs.

use crate::graph::{Graph, Source};
use crate::op::Sizes;
use crate::plan::Program;
use crate::precision::Precision;

/// Whether each value stays the same as long as the variables do.
fn constant_values(graph: &Graph) -> Vec<bool> {
    let mut constant: Vec<bool> = (graph.values.iter())
        .map(|info| matches!(info.source, Source::Parameter(_) | Source::State(_)))
        .collect();
    for node in &graph.nodes {
        if node.inputs.iter().all(|input| constant[input.index()]) {
            node.outputs.iter().for_each(|output| constant[output.index()] = true);
        }
    }
    constant
}

/// Moves the nodes that depend on variables alone to the front, keeping the order among them and among the others;
/// returns how many they are.
pub(super) fn move_first(graph: &Graph, order: &mut Vec<usize>) -> usize {
    let constant = constant_values(graph);
    let is_constant = |node: &usize| graph.nodes[*node].outputs.iter().all(|output| constant[output.index()]);
    let (mut first, rest): (Vec<usize>, Vec<usize>) = order.iter().partition(|node| is_constant(node));
    let count = first.len();
    first.extend(rest);
    *order = first;
    count
}

/// Lets operations bring constant inputs into the form that suits them best at this batch size.
pub(super) fn prepare(program: &mut Program, batch: usize) {
    let constant = constant_values(&program.graph);
    let graph = &mut program.graph;
    for index in 0..graph.nodes.len() {
        let node = graph.nodes[index].clone();
        let bind = |values: &[crate::Value]| -> Vec<_> {
            values.iter().map(|&value| graph.shape(value).bind(batch)).collect()
        };
        let (inputs, outputs) = (bind(&node.inputs), bind(&node.outputs));
        let sizes = Sizes { inputs: &inputs, outputs: &outputs, in_place: false };
        let is_constant = node.outputs.iter().all(|output| constant[output.index()]);
        let prepared = match program.precision {
            Precision::F32 => node.op.prepared(&sizes),
            Precision::Bf16 => node.op.prepared_bf16(&sizes),
        };
        let Some(prepared) = prepared.filter(|_| !is_constant) else { continue };
        let input = node.inputs[prepared.input];
        if !constant[input.index()] {
            continue;
        }
        graph.set_label(&node.label);
        let forms =
            graph.add_shared(prepared.prepare, &[input]).expect("an operation prepares its own inputs");
        let form = forms[forms.len() - 1];
        graph.nodes[index].op = prepared.op;
        graph.nodes[index].inputs[prepared.input] = form;
    }
    graph.restore_order();
}
