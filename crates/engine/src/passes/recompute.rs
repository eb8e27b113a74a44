//! Values of the forward sweep are computed again in the backward sweep instead of being kept: less memory for more work.
//!
//! Unlike the other passes this one is asked for: by [`Program::max_arena`]. (Chen et al., "Training deep nets with sublinear
//! memory cost", 2016.)

use std::collections::{HashMap, HashSet};

use crate::graph::{Graph, Node, Source, Value};
use crate::ops::{
    Activate, BatchNorm, BatchNormAgain, BatchNormFrozen, BiasAdd, ChannelAffine, Dropout, Pad, Round,
    ScaleShift,
};
use crate::plan::Program;

/// What is computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What is one pass over memory: activations, normalisations, borders. Costs a few per cent.
    Cheap,
    /// All but each so many-th node of the forward sweep. Costs about another forward sweep.
    AllBut {
        /// Every so many-th node is kept.
        each: usize,
    },
}

impl Extent {
    /// What to try in turn for a forward sweep of so many nodes, from the least work to the least memory.
    pub(crate) fn all(forward_nodes: usize) -> impl Iterator<Item = Self> {
        let root = (forward_nodes as f64).sqrt() as usize;
        let each = [root / 4, root / 2, root, 2 * root].into_iter().filter(|&each| each > 1);
        std::iter::once(Self::Cheap).chain(each.map(|each| Self::AllBut { each }))
    }

    fn includes(self, index: usize, node: &Node) -> bool {
        match self {
            Self::Cheap => {
                node.op_as::<Activate>().is_some()
                    // Blocks with a residual read each other: all of them would be computed again at once.
                    || node.op_as::<BatchNorm>().is_some_and(|norm| !norm.residual)
                    || node.op_as::<BatchNormFrozen>().is_some()
                    || node.op_as::<BiasAdd>().is_some()
                    || node.op_as::<ChannelAffine>().is_some()
                    || node.op_as::<Dropout>().is_some()
                    || node.op_as::<Pad>().is_some()
                    || node.op_as::<ScaleShift>().is_some()
            }
            Self::AllBut { each } => !index.is_multiple_of(each),
        }
    }
}

/// Lets the backward sweep compute values again.
pub(crate) fn run(program: &mut Program, extent: Extent) {
    let forward = program.forward_nodes;
    let fetched = program.fetches.iter().copied().collect();
    let graph = &mut program.graph;
    let mut again = Again { forward, extent, fetched, copies: HashMap::new() };
    for index in forward..graph.nodes.len() {
        for input in 0..graph.nodes[index].inputs.len() {
            let value = graph.nodes[index].inputs[input];
            graph.nodes[index].inputs[input] = again.value(graph, value);
        }
    }
    graph.restore_order();
}

struct Again {
    forward: usize,
    extent: Extent,
    fetched: HashSet<Value>,
    copies: HashMap<Value, Value>,
}

impl Again {
    fn includes(&self, graph: &Graph, index: usize) -> bool {
        let node = &graph.nodes[index];
        if node.op_as::<Round>().is_some()
            && let Source::Node { node: rounded, .. } = graph.source(node.inputs[0])
        {
            // To keep what is not rounded yet would take twice the memory.
            return self.includes(graph, rounded);
        }
        self.extent.includes(index, node)
    }

    /// What a node of the backward sweep reads instead of `value`.
    fn value(&mut self, graph: &mut Graph, value: Value) -> Value {
        if let Some(&copy) = self.copies.get(&value) {
            return copy;
        }
        let Source::Node { node: index, .. } = graph.source(value) else { return value };
        // What is fetched is kept anyway, and what does not grow with the batch (statistics) is small.
        let is_kept = index >= self.forward || !graph.shape(value).batched || self.fetched.contains(&value);
        if is_kept || !self.includes(graph, index) {
            return value;
        }
        let node = graph.nodes[index].clone();
        let mut inputs: Vec<Value> = node.inputs.iter().map(|&input| self.value(graph, input)).collect();
        graph.set_label(&node.label);
        let copies = if let Some(norm) = node.op_as::<BatchNorm>() {
            inputs.splice(1..1, [node.outputs[1], node.outputs[3]]);
            graph.apply(BatchNormAgain(norm.clone()), &inputs).map(|copy| vec![copy])
        } else {
            graph.add_shared(node.op.clone(), &inputs)
        };
        for (&value, copy) in node.outputs.iter().zip(copies.expect("a copy fits like its original")) {
            self.copies.insert(value, copy);
        }
        self.copies[&value]
    }
}
