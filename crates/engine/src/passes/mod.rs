//! Rewrites of a program before it is planned, one file each. None changes a result by more than rounding.
//!
//! A pass replaces nodes where they stand, so that the order of the list stays one in which it can be run; what it leaves
//! unread is dropped at the end.

pub(crate) mod band;
pub(crate) mod bf16;
mod bias_before_norm;
mod common_nodes;
mod dead_nodes;
mod fold_batch_norm;
mod fold_padding;
mod fuse_batch_norm;
mod fuse_epilogue;
mod normal_again;
pub(crate) mod recompute;
mod relu_before_pool;

use crate::Op;
use crate::graph::{Graph, Node, Source, Value};
use crate::plan::Program;

/// A rewrite of a program.
pub type Pass = fn(&mut Program);

/// The passes, in the order in which they run.
pub const PASSES: &[(&str, Pass)] = &[
    ("common nodes", common_nodes::run),
    ("dead nodes", dead_nodes::run),
    ("fold padding", fold_padding::run),
    ("fold batch norm", fold_batch_norm::run),
    ("fuse epilogue", fuse_epilogue::run),
    ("relu before pool", relu_before_pool::run),
    ("bias before norm", bias_before_norm::run),
    ("normal again", normal_again::run),
    ("dead nodes", dead_nodes::run),
];

/// What is rewritten before gradients are added: operations that have a gradient of their own for what several did before.
pub fn before_gradients(program: &mut Program) {
    fuse_batch_norm::run(program);
}

/// Runs all passes.
pub fn optimize(program: &mut Program) {
    for (_, pass) in PASSES {
        pass(program);
    }
}

/// Who reads the values of a program, as it was when this was made.
struct Readers {
    /// For each value, the nodes that read it.
    nodes: Vec<Vec<usize>>,
    /// For each value, whether it is wanted outside of the graph.
    outside: Vec<bool>,
}

impl Readers {
    fn of(program: &Program) -> Self {
        Self { nodes: program.graph.readers(), outside: program.outputs() }
    }

    /// The node that alone reads `value`, unless the value is wanted outside of the graph too.
    fn only(&self, value: Value) -> Option<usize> {
        match self.nodes[value.index()][..] {
            [reader] if !self.outside[value.index()] => Some(reader),
            _ => None,
        }
    }
}

/// The operation that makes a value as its first output, if it is a `T`, and its inputs.
fn producer<T: Op + Clone>(graph: &Graph, value: Value) -> Option<(T, Vec<Value>)> {
    let Source::Node { node, output: 0 } = graph.source(value) else { return None };
    let node = &graph.nodes[node];
    Some((node.op_as::<T>()?.clone(), node.inputs.clone()))
}

/// Puts another operation in a node's place. It has the outputs of the node, which keep their types.
fn replace(graph: &mut Graph, node: usize, op: impl Op, inputs: Vec<Value>) {
    let old = &graph.nodes[node];
    graph.nodes[node] =
        Node { op: std::sync::Arc::new(op), inputs, outputs: old.outputs.clone(), label: old.label.clone() };
}
