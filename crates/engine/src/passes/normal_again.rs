//! What comes out of a batch normalisation (and its rectifier) is read in the backward sweep by the gradient of the next weights. The gradient
//! of the normalisation, which reads x anyway, gives it once more; so it need not be kept, which saves a sixth of the
//! memory of a network of bottleneck blocks, and costs a pass of writing.

use super::Readers;
use crate::graph::{Graph, Value};
use crate::ops::{BatchNorm, BatchNormGradient, ConvolutionWeightsGradient, Y_AGAIN};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    let Readers { nodes: readers, outside } = Readers::of(program);
    let forward = program.forward_nodes;
    for index in 0..forward {
        let node = &program.graph.nodes[index];
        let Some(norm) = node.op_as::<BatchNorm>() else { continue };
        let (y, inv_std) = (node.outputs[0], node.outputs[3]);
        if norm.residual || outside[y.index()] {
            continue;
        }
        let gradient = readers[inv_std.index()].iter().find(|&&reader| {
            let node = &program.graph.nodes[reader];
            node.op_as::<BatchNormGradient>().is_some() && reader >= forward
        });
        let Some(&gradient) = gradient else { continue };
        let later: Vec<usize> =
            readers[y.index()].iter().copied().filter(|&reader| reader >= forward).collect();
        if !later.is_empty() && later.iter().all(|&reader| is_last(&program.graph, &readers, reader)) {
            let again = program.graph.nodes[gradient].outputs[Y_AGAIN];
            for reader in later {
                let inputs = &mut program.graph.nodes[reader].inputs;
                inputs.iter_mut().filter(|input| **input == y).for_each(|input| *input = again);
            }
        }
    }
    program.graph.restore_order();
}

/// Whether a node is a gradient of weights that no other node reads, so that it can wait.
fn is_last(graph: &Graph, readers: &[Vec<usize>], node: usize) -> bool {
    let node = &graph.nodes[node];
    let unread = |value: &Value| readers[value.index()].is_empty();
    node.op_as::<ConvolutionWeightsGradient>().is_some() && node.outputs.iter().all(unread)
}
