//! The order of a model's layers, which is Keras's, since weights in files are found by it.

use std::collections::HashMap;
use std::sync::Arc;

use super::steps::Steps;
use super::symbol::{CallNode, Origin, Symbol};
use crate::error::{Error, Result};
use crate::layer::Instance;

/// What makes a tensor: the same pointer for all calls of a shared layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    Input(*const CallNode),
    Layer(*const Instance),
}

pub(super) fn maker(node: &Arc<CallNode>) -> Maker {
    match &node.origin {
        Origin::Input { .. } => Maker::Input(Arc::as_ptr(node)),
        Origin::Call { layer, .. } => Maker::Layer(Arc::as_ptr(&layer.0)),
    }
}

/// Calls in an order in which they can be made, and the layers in Keras's.
pub(super) struct Order {
    pub(super) calls: Vec<Arc<CallNode>>,
    pub(super) makers: Vec<Maker>,
}

/// Orders all that `outputs` need.
///
/// Layers are sorted by their distance from the outputs, those farthest away first, and among equals by the order in which a
/// walk from the outputs back to the inputs meets them. What makes masks counts where a layer is called with them.
pub(super) fn order(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Order> {
    let mut walk = Walk::of(outputs);
    let spare: Vec<Symbol> =
        inputs.iter().filter(|input| !walk.met.contains_key(&maker(&input.node))).cloned().collect();
    if !spare.is_empty() {
        // Inputs that no output depends on are as near to the outputs as these, and come before them.
        walk = Walk::of(spare.iter().chain(outputs));
    }
    for node in &walk.finished {
        let is_input = matches!(node.origin, Origin::Input { .. });
        if is_input && !inputs.iter().any(|input| Arc::ptr_eq(&input.node, node)) {
            return Err(Error::argument(
                "Model",
                "an output depends on an input that is not among the inputs",
            ));
        }
    }
    for input in inputs {
        if !matches!(input.node.origin, Origin::Input { .. }) {
            return Err(Error::argument("Model", "inputs must be placeholders made by Symbol::input"));
        }
    }
    let steps = Steps::of(&walk.finished).list;
    let mut depths: Vec<Option<usize>> = vec![None; steps.len()];
    let mut maker_depth: HashMap<Maker, usize> = HashMap::new();
    for (index, step) in steps.iter().enumerate().rev() {
        let depth = match (step.call, depths[index]) {
            (Some(node), own) => {
                let depth = maker_depth.entry(maker(node)).or_default();
                *depth = (*depth).max(own.unwrap_or(0));
                *depth
            }
            (None, Some(own)) => own,
            // A mask that nothing heeds.
            (None, None) => continue,
        };
        for &needed in &step.needs {
            depths[needed] = depths[needed].max(Some(depth + 1));
        }
    }
    let mut makers: Vec<Maker> = maker_depth.keys().copied().collect();
    makers.sort_by_key(|maker| (std::cmp::Reverse(maker_depth[maker]), walk.met[maker]));
    Ok(Order { calls: walk.finished, makers })
}

/// A walk from the outputs back to the inputs.
#[derive(Default)]
struct Walk {
    seen: std::collections::HashSet<*const CallNode>,
    met: HashMap<Maker, usize>,
    finished: Vec<Arc<CallNode>>,
}

impl Walk {
    fn of<'s>(ends: impl IntoIterator<Item = &'s Symbol>) -> Self {
        let mut walk = Self::default();
        for end in ends {
            walk.visit(&end.node);
        }
        walk
    }

    /// Visits a call after all that it needs. Without recursion, since networks can be thousands of layers deep.
    fn visit(&mut self, output: &Arc<CallNode>) {
        let mut stack = vec![(Arc::clone(output), false)];
        while let Some((node, done)) = stack.pop() {
            if done {
                self.finished.push(node);
                continue;
            }
            if !self.seen.insert(Arc::as_ptr(&node)) {
                continue;
            }
            let next = self.met.len();
            self.met.entry(maker(&node)).or_insert(next);
            stack.push((Arc::clone(&node), true));
            if let Origin::Call { inputs, .. } = &node.origin {
                stack.extend(inputs.iter().rev().map(|input| (Arc::clone(&input.node), false)));
            }
        }
    }
}
