//! Nodes on which nothing depends that is wanted are dropped, so that what they read does not seem to have other readers.

use crate::plan::{Program, needed_nodes};

pub(super) fn run(program: &mut Program) {
    let needed = needed_nodes(program);
    let mut is_needed = vec![false; program.graph.nodes.len()];
    needed.iter().for_each(|&node| is_needed[node] = true);
    program.forward_nodes = is_needed[..program.forward_nodes].iter().filter(|needed| **needed).count();
    let dropped: Vec<usize> = (0..is_needed.len()).filter(|&node| !is_needed[node]).collect();
    program.graph.drop_nodes(&dropped);
}
