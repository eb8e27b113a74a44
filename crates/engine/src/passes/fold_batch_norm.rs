//! Batch normalisation with given statistics, in a program whose variables stay the same, becomes part of the convolution
//! before it: its factors scale the filters, once for many runs. Where there is no such convolution, it becomes a factor and a
//! summand for each channel.

use super::{Readers, producer, replace};
use crate::error::Result;
use crate::ops::{Activation, BatchNormFrozen, ChannelAffine, Convolution, FrozenAffine};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    if !program.constant_variables {
        return;
    }
    let readers = Readers::of(program);
    for index in 0..program.graph.nodes.len() {
        let Some(norm) = program.graph.nodes[index].op_as::<BatchNormFrozen>().cloned() else { continue };
        let x = program.graph.nodes[index].inputs[0];
        let convolution = producer::<Convolution>(&program.graph, x).filter(|(op, _)| {
            op.activation == Activation::Linear && !op.residual && readers.only(x).is_some()
        });
        fold(program, index, &norm, convolution).expect("the parts have the shapes of the whole");
    }
    program.graph.restore_order();
}

fn fold(
    program: &mut Program,
    index: usize,
    norm: &BatchNormFrozen,
    convolution: Option<(Convolution, Vec<crate::Value>)>,
) -> Result<()> {
    let graph = &mut program.graph;
    let node = graph.nodes[index].clone();
    graph.set_label(&node.label);
    let BatchNormFrozen { epsilon, scale, center } = *norm;
    let affine = graph.add(FrozenAffine { epsilon, scale, center }, &node.inputs[1..])?;
    let (factor, summand) = (affine[0], affine[1]);
    let linear = ChannelAffine { activation: Activation::Linear };
    match convolution {
        None => replace(graph, index, linear, vec![node.inputs[0], factor, summand]),
        Some((op, inputs)) => {
            let weights = graph.apply(linear.clone(), &[inputs[1], factor])?;
            let bias = match inputs.get(2) {
                Some(&bias) => graph.apply(linear, &[bias, factor, summand])?,
                None => summand,
            };
            replace(graph, index, op, vec![inputs[0], weights, bias]);
        }
    }
    Ok(())
}
