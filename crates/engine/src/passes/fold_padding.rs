//! A border of zeros around the spatial axes becomes the padding of the convolution that reads it, and of its gradients: the
//! larger copy is then neither made nor kept.
//!
//! The gradient of the border takes away what the gradient of the convolution's input has there. As the padding's own
//! gradient leaves that out, both become one.

use convnet_kernels::geometry::Padding;

use super::{Readers, producer, replace};
use crate::graph::{Graph, Value};
use crate::ops::{Convolution, ConvolutionDataGradient, ConvolutionWeightsGradient, Crop, Pad, Sliding};
use crate::plan::Program;

pub(super) fn run(program: &mut Program) {
    let readers = Readers::of(program);
    for index in 0..program.graph.nodes.len() {
        let graph = &mut program.graph;
        let node = &graph.nodes[index];
        let Some(&first) = node.inputs.first() else { continue };
        if let Some(op) = node.op_as::<Convolution>().cloned() {
            let kernel_axes = graph.shape(node.inputs[1]).dims.len() - 2;
            if let Some((sliding, inner)) = unpadded(graph, &op.sliding, first, kernel_axes) {
                let inputs = with_first(graph, index, inner);
                replace(graph, index, Convolution { sliding, ..op }, inputs);
            }
        } else if let Some(op) = node.op_as::<ConvolutionWeightsGradient>().cloned() {
            let kernel_axes = op.weights.dims.len() - 2;
            if let Some((sliding, inner)) = unpadded(graph, &op.sliding, first, kernel_axes) {
                let inputs = with_first(graph, index, inner);
                replace(graph, index, ConvolutionWeightsGradient { sliding, ..op }, inputs);
            }
        } else if let Some(Crop { border }) = node.op_as::<Crop>().cloned() {
            let outputs = graph.shape(node.outputs[0]).clone();
            let gradient = producer::<ConvolutionDataGradient>(graph, first);
            let Some((op, inputs)) = gradient.filter(|_| readers.only(first).is_some()) else { continue };
            let kernel_axes = program.graph.shape(inputs[1]).dims.len() - 2;
            if let Some(sliding) = with_border(&op.sliding, &border, kernel_axes) {
                let op = ConvolutionDataGradient { sliding, input: outputs, ..op };
                replace(&mut program.graph, index, op, inputs);
            }
        }
    }
}

/// The inputs of a node with another one in the first place.
fn with_first(graph: &Graph, node: usize, first: Value) -> Vec<Value> {
    let mut inputs = graph.nodes[node].inputs.clone();
    inputs[0] = first;
    inputs
}

/// What lies inside of a border of zeros, and the window over it that pads as much.
fn unpadded(graph: &Graph, sliding: &Sliding, value: Value, kernel_axes: usize) -> Option<(Sliding, Value)> {
    let (pad, inputs) = producer::<Pad>(graph, value)?;
    if pad.value != 0.0 {
        return None;
    }
    Some((with_border(sliding, &pad.border, kernel_axes)?, inputs[0]))
}

/// A window whose padding includes the border, if the border is one of the axes along which the window slides.
fn with_border(sliding: &Sliding, border: &[(usize, usize)], kernel_axes: usize) -> Option<Sliding> {
    let (along, others) = border.split_at(border.len().min(kernel_axes));
    if others.iter().any(|&sides| sides != (0, 0)) {
        return None;
    }
    let mut sliding = *sliding;
    let first = sliding.padding.len() - kernel_axes;
    for (padding, &(before, after)) in sliding.padding[first..].iter_mut().zip(along) {
        *padding = match *padding {
            _ if (before, after) == (0, 0) => *padding,
            Padding::Valid => Padding::Explicit { before, after },
            // How much the same padding is follows from the size with the border.
            Padding::Same | Padding::Explicit { .. } => return None,
        };
    }
    Some(sliding)
}
