//! Where a rectifier is followed by a max pool, their gradients become one.
//!
//! The gradient that comes out of the pool is zero but at the winners, and there the rectifier's output is the pool's. So
//! a pool that names no winner where its maximum is not positive does the rectifier's masking too, the same numbers for a pass over memory
//! less, and the rectifier's output need not be kept for the backward sweep.

use super::{Readers, replace};
use crate::graph::Source;
use crate::ops::{ActivateGradient, Activation, MaxPool, MaxPoolGradient, RectifiedMaxPool};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    let readers = Readers::of(program);
    for index in 0..program.graph.nodes.len() {
        let graph = &program.graph;
        let node = &graph.nodes[index];
        if !matches!(node.op_as(), Some(ActivateGradient(Activation::Relu))) {
            continue;
        }
        let (spread, activated) = (node.inputs[0], node.inputs[1]);
        let Some(pool_gradient) = graph.producer(spread) else { continue };
        let Some(op) = pool_gradient.op_as::<MaxPoolGradient>().cloned() else { continue };
        let inputs = pool_gradient.inputs.clone();
        let winners = inputs[1];
        let Source::Node { node: forward, .. } = graph.source(winners) else { continue };
        let forward_inputs = graph.nodes[forward].inputs.clone();
        let Some(pool) = graph.nodes[forward].op_as::<MaxPool>().cloned() else { continue };
        // Nobody else may see the changed winners, nor the gradient between pool and rectifier.
        let alone = |value| readers.only(value).is_some();
        if forward_inputs[0] == activated && alone(winners) && alone(spread) && RectifiedMaxPool::fits(&pool)
        {
            replace(&mut program.graph, forward, RectifiedMaxPool(pool), forward_inputs);
            replace(&mut program.graph, index, op, inputs);
        }
    }
}
