//! Symbolic differentiation: the backward pass is more graph.

use crate::error::Result;
use crate::graph::{Graph, Source, Value};
use crate::op::GradientContext;
use crate::ops::{Fill, Sum};

/// Adds the nodes that compute the gradients of `of` (summed over its elements) by each of `by`.
///
/// Any value can be differentiated by any other: a loss by the weights to train, a class score by the
/// picture for a saliency map, or by an inner activation for Grad-CAM. `seed` replaces the ones with which the sweep starts. The
/// result has `None` where `of` does not depend on the value.
///
/// # Errors
/// If an operation on the way has no gradient.
pub fn gradients(
    graph: &mut Graph,
    of: Value,
    seed: Option<Value>,
    by: &[Value],
) -> Result<Vec<Option<Value>>> {
    let wanted = depends_on(graph, by);
    let mut found: Vec<Vec<Value>> = vec![Vec::new(); graph.values.len()];
    if wanted[of.index()] {
        let seed = match seed {
            Some(seed) => seed,
            None => graph.apply(Fill { value: 1.0, shape: graph.shape(of).clone() }, &[])?,
        };
        found[of.index()].push(seed);
        let last = if let Source::Node { node, .. } = graph.source(of) { node + 1 } else { 0 };
        for index in (0..last).rev() {
            visit(graph, index, &wanted, &mut found)?;
        }
    }
    by.iter().map(|&value| total(graph, &mut found[value.index()])).collect()
}

/// Hands the gradients by a node's outputs on to its inputs.
fn visit(graph: &mut Graph, index: usize, wanted: &[bool], found: &mut [Vec<Value>]) -> Result<()> {
    let node = graph.nodes[index].clone();
    let reached = node.outputs.iter().any(|output| !found[output.index()].is_empty());
    if !reached || !node.outputs.iter().any(|output| wanted[output.index()]) {
        return Ok(());
    }
    graph.set_label(&node.label);
    let output_gradients = (node.outputs.iter())
        .map(|output| total(graph, &mut found[output.index()]))
        .collect::<Result<Vec<_>>>()?;
    let mut context = GradientContext {
        graph,
        inputs: node.inputs.clone(),
        outputs: node.outputs.clone(),
        output_gradients,
        wanted: node.inputs.iter().map(|input| wanted[input.index()]).collect(),
    };
    let input_gradients = node.op.gradient(&mut context)?;
    debug_assert_eq!(input_gradients.len(), node.inputs.len());
    for (input, gradient) in node.inputs.iter().zip(input_gradients) {
        if wanted[input.index()] {
            found[input.index()].extend(gradient);
        }
    }
    Ok(())
}

/// The sum of the contributions, kept as a single value.
fn total(graph: &mut Graph, parts: &mut Vec<Value>) -> Result<Option<Value>> {
    if parts.len() > 1 {
        *parts = vec![graph.apply(Sum, parts)?];
    }
    Ok(parts.first().copied())
}

/// For each value, whether it depends on any of `roots`.
fn depends_on(graph: &Graph, roots: &[Value]) -> Vec<bool> {
    let mut depends = vec![false; graph.values.len()];
    for root in roots {
        depends[root.index()] = true;
    }
    for node in &graph.nodes {
        if node.inputs.iter().any(|input| depends[input.index()]) {
            for output in &node.outputs {
                depends[output.index()] = true;
            }
        }
    }
    depends
}
