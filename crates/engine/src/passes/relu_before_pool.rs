//! Where a rectifier is followed by a max pool, its gradient is taken on the pool's small side.
//!
//! The gradient that comes out of the pool is zero but at the winners, and there the rectifier's output is the
//! pool's. So masking before the gradient is spread gives the same numbers with a fraction of the memory traffic, and the
//! rectifier's output need not be kept for the backward sweep.

use super::{only_reader, replace};
use crate::graph::Source;
use crate::ops::{ActivateGradient, Activation, MaxPool, MaxPoolGradient};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    let readers = program.graph.readers();
    for index in 0..program.graph.nodes.len() {
        let node = &program.graph.nodes[index];
        if !matches!(node.op_as(), Some(ActivateGradient(Activation::Relu))) {
            continue;
        }
        let (spread, activated) = (node.inputs[0], node.inputs[1]);
        let Source::Node { node: pool_gradient, .. } = program.graph.source(spread) else { continue };
        let pool_node = &program.graph.nodes[pool_gradient];
        let Some(op) = pool_node.op_as::<MaxPoolGradient>().cloned() else { continue };
        let (dy, winners) = (pool_node.inputs[0], pool_node.inputs[1]);
        let Some(forward) = program.graph.producer(winners) else { continue };
        let pooled_here = forward.op_as::<MaxPool>().is_some() && forward.inputs[0] == activated;
        if !pooled_here || only_reader(program, &readers, spread) != Some(index) {
            continue;
        }
        let pooled = forward.outputs[0];
        // The pool's gradient gives way to the mask; the mask's node becomes the pool's gradient.
        let small = program.graph.type_of(dy).clone();
        let masked = program.graph.push_value(small, Source::Node { node: pool_gradient, output: 0 });
        replace(&mut program.graph, pool_gradient, ActivateGradient(Activation::Relu), vec![dy, pooled]);
        program.graph.nodes[pool_gradient].outputs = vec![masked];
        replace(&mut program.graph, index, op, vec![masked, winners]);
    }
}
