//! A convolution that widens, a depthwise one behind it and a 1 × 1 one that narrows again become one operation, where the wide
//! maps are too large for the caches. For programs whose weights are packed, at one batch size.

use super::{Readers, producer, replace};
use crate::ops::{BandedConvolution, Convolution, PackedConvolution};
use crate::plan::Program;

pub(crate) fn run(program: &mut Program, batch: usize) {
    let readers = Readers::of(program);
    for index in 0..program.graph.nodes.len() {
        if let Some((op, inputs)) = chain(program, &readers, index, batch) {
            replace(&mut program.graph, index, op, inputs);
        }
    }
}

/// The operation that does the work of a node and of the two before it, if there is one and it pays.
fn chain(
    program: &Program,
    readers: &Readers,
    index: usize,
    batch: usize,
) -> Option<(BandedConvolution, Vec<crate::Value>)> {
    let graph = &program.graph;
    let node = &graph.nodes[index];
    let narrow = node.op_as::<PackedConvolution>()?.clone();
    let between = node.inputs[0];
    readers.only(between)?;
    let (depthwise, depthwise_inputs) = producer::<Convolution>(graph, between)?;
    readers.only(depthwise_inputs[0])?;
    let (wide, wide_inputs) = producer::<PackedConvolution>(graph, depthwise_inputs[0])?;
    if depthwise.residual || wide.convolution.residual {
        return None;
    }
    let shapes: Vec<_> = depthwise_inputs.iter().map(|&input| graph.shape(input).bind(batch)).collect();
    let op = BandedConvolution {
        depthwise_geometry: depthwise.geometry(&shapes),
        inputs: [&wide_inputs, &depthwise_inputs, &node.inputs].map(|inputs| inputs.len() - 1),
        output: graph.shape(node.outputs[0]).clone(),
        wide,
        depthwise,
        narrow,
    };
    if !op.kernel()?.pays() {
        return None;
    }
    let inputs = [&wide_inputs[..], &depthwise_inputs[1..], &node.inputs[1..]].concat();
    Some((op, inputs))
}
