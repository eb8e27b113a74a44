//! Nodes that do the same to the same values become one.
//!
//! Only within the forward sweep, and within what was added behind it: what the backward sweep makes again need not be kept from
//! one to the other.

use std::any::{Any, TypeId};
use std::collections::HashMap;

use crate::graph::Value;
use crate::plan::Program;

/// What a node does and to what. An operation's listing shows all that it depends on.
type Key = (bool, TypeId, String, Vec<Value>);

pub(super) fn run(program: &mut Program) {
    let mut is_stored = vec![false; program.graph.values.len()];
    program.stores.iter().for_each(|(value, _)| is_stored[value.index()] = true);
    let mut first: HashMap<Key, Vec<Value>> = HashMap::new();
    let mut same: HashMap<Value, Value> = HashMap::new();
    for index in 0..program.graph.nodes.len() {
        let node = &mut program.graph.nodes[index];
        for input in &mut node.inputs {
            *input = same.get(input).copied().unwrap_or(*input);
        }
        // What is written to a slab has a place of its own.
        if node.outputs.iter().any(|output| is_stored[output.index()]) {
            continue;
        }
        let op: &dyn Any = &*node.op;
        let key =
            (index < program.forward_nodes, op.type_id(), format!("{:?}", node.op), node.inputs.clone());
        let outputs = first.entry(key).or_insert_with(|| node.outputs.clone());
        if *outputs != node.outputs {
            same.extend(node.outputs.iter().copied().zip(outputs.iter().copied()));
        }
    }
    for value in program.fetches.iter_mut().chain(&mut program.exact) {
        *value = same.get(value).copied().unwrap_or(*value);
    }
}
