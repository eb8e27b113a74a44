//! A bias before a batch normalisation has no gradient, since the mean of the batch takes it away again: what would be
//! computed, a sum over all positions, is zero but for rounding. So it is not computed.

use crate::graph::Source;
use crate::ops::{BatchNormGradient, ConvolutionWeightsGradient, Fill};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    let graph = &mut program.graph;
    for index in 0..graph.nodes.len() {
        let Some(op) = graph.nodes[index].op_as::<ConvolutionWeightsGradient>().cloned() else { continue };
        let Source::Node { node: norm, output } = graph.source(graph.nodes[index].inputs[1]) else {
            continue;
        };
        let Some(BatchNormGradient(norm)) = graph.nodes[norm].op_as() else { continue };
        let dx = if norm.residual { 3 } else { 0 };
        if !op.bias || output != dx {
            continue;
        }
        let bias = graph.nodes[index].outputs.remove(1);
        graph.nodes[index].op = std::sync::Arc::new(ConvolutionWeightsGradient { bias: false, ..op });
        let label = graph.nodes[index].label.clone();
        graph.set_label(&label);
        let zero = Fill { value: 0.0, shape: graph.shape(bias).clone() };
        graph.add(zero, &[]).expect("a fill fits any shape");
        let node = graph.nodes.len() - 1;
        graph.nodes[node].outputs = vec![bias];
        graph.values[bias.index()].source = Source::Node { node, output: 0 };
    }
    graph.restore_order();
}
