//! What the passes and the plan make of a small network. That results stay the same is checked in `conformance`.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_engine::ops::{
    Activate, Activation, BatchMean, BiasAdd, Convolution, MaxPool, Pad, Padding, Reshape, Sliding,
    SoftmaxCrossEntropy, Sum, Target,
};
use convnet_engine::{Graph, Plan, Precision, Program, Shape, gradients};

/// Convolution, bias, rectifier and pool, each an operation of its own, then a dense layer and a loss; with gradients or without.
fn program(training: bool) -> Program {
    let mut program = Program::default();
    let graph = &mut program.graph;
    let image = graph.input(Shape::batched([8, 8, 1]));
    let labels = graph.input(Shape::batched([]));
    let weights = [
        graph.parameter(Shape::fixed([3, 3, 1, 16]), 0),
        graph.parameter(Shape::fixed([16]), 144),
        graph.parameter(Shape::fixed([144, 10]), 160),
    ];
    let linear = Convolution::linear(Sliding::default(), 1);
    let maps = graph.apply(linear.clone(), &[image, weights[0]]).unwrap();
    let maps = graph.apply(BiasAdd, &[maps, weights[1]]).unwrap();
    let maps = graph.apply(Activate(Activation::Relu), &[maps]).unwrap();
    let sliding = Sliding { strides: [1, 2, 2], ..Sliding::default() };
    let maps = graph.apply(MaxPool { window: vec![2, 2], sliding }, &[maps]).unwrap();
    let row = graph.apply(Reshape { dims: vec![144] }, &[maps]).unwrap();
    let scores = graph.apply(linear, &[row, weights[2]]).unwrap();
    let losses = graph.apply(SoftmaxCrossEntropy(Target::Sparse), &[scores, labels]).unwrap();
    let loss = graph.apply(BatchMean, &[losses]).unwrap();
    program.fetches.push(loss);
    if training {
        program.forward_nodes = graph.nodes().len();
        let found = gradients(graph, loss, None, &weights).unwrap();
        program.fetches.extend(found.into_iter().flatten());
    }
    program
}

fn calls(plan: &Plan) -> Vec<&'static str> {
    plan.calls().map(|(_, op, _)| op).collect()
}

#[test]
fn bias_and_rectifier_join_the_convolution_and_views_cost_nothing() {
    let plan = Plan::new(program(false), 4);
    assert_eq!(calls(&plan), ["convolution", "max pool", "convolution", "softmax cross-entropy", "mean"]);
    assert_eq!(Plan::without_passes(program(false), 4).calls().len(), 7);
}

#[test]
fn rectifier_and_pool_have_one_gradient() {
    let plan = Plan::new(program(true), 4);
    let calls = calls(&plan);
    assert!(calls.contains(&"rectified max pool") && calls.contains(&"max pool gradient"), "{calls:?}");
    assert!(!calls.contains(&"activation gradient"), "{calls:?}");
}

/// A strided convolution over a picture with a border that the window does or does not slide along, and its gradients.
fn bordered(border: &[(usize, usize)], value: f32, padding: Padding) -> Plan {
    let mut program = Program::default();
    let graph = &mut program.graph;
    let image = graph.input(Shape::batched([8, 8, 2]));
    let channels = 2 + border.get(2).map_or(0, |(before, after)| before + after);
    let weights = graph.parameter(Shape::fixed([3, 3, channels, 4]), 0);
    let sliding = Sliding { strides: [1, 2, 2], padding: [padding; 3], ..Sliding::default() };
    let padded = graph.apply(Pad { border: border.to_vec(), value }, &[image]).unwrap();
    let maps = graph.apply(Convolution::linear(sliding, 1), &[padded, weights]).unwrap();
    let seed = graph.input(graph.shape(maps).clone());
    let found = gradients(graph, maps, Some(seed), &[image, weights]).unwrap();
    program.fetches = std::iter::once(maps).chain(found.into_iter().flatten()).collect();
    Plan::new(program, 2)
}

#[test]
fn a_border_of_zeros_becomes_padding_of_the_convolution_and_its_gradients() {
    let plan = bordered(&[(0, 1), (3, 1)], 0.0, Padding::Valid);
    let mut calls = calls(&plan);
    calls.sort_unstable();
    assert_eq!(calls, ["convolution", "convolution data gradient", "convolution weights gradient"]);
}

#[test]
fn other_borders_stay() {
    for (border, value, padding) in [
        (&[(0, 1), (0, 1)][..], 1.0, Padding::Valid),
        (&[(0, 1), (0, 1)], 0.0, Padding::Same),
        (&[(0, 1), (0, 1), (1, 0)], 0.0, Padding::Valid),
    ] {
        let plan = bordered(border, value, padding);
        let calls = calls(&plan);
        // The gradient of the inside does not ask what was outside.
        let crops = value == 0.0;
        assert!(
            calls.contains(&"pad") && calls.contains(&"crop") == crops,
            "{border:?}, {value}, {padding:?}: {calls:?}"
        );
    }
}

#[test]
fn in_bf16_what_the_backward_sweep_reads_is_stored_once_and_the_rest_is_left_alone() {
    let mut rounded = Program { precision: Precision::Bf16, ..program(true) };
    let loss = rounded.graph.nodes().iter().find(|node| node.op_as::<SoftmaxCrossEntropy>().is_some());
    rounded.exact = loss.unwrap().inputs.clone();
    let (exact, rounded) = (Plan::new(program(true), 64), Plan::new(rounded, 64));
    let count = |plan: &Plan, op: &str| calls(plan).iter().filter(|call| **call == op).count();
    assert_eq!((count(&exact, "storing as bf16"), count(&exact, "reading of bf16")), (0, 0));
    // The pool's output, which the dense layer's gradient reads through a view. The scores are for the loss, the image is given.
    assert_eq!(
        (count(&rounded, "storing as bf16"), count(&rounded, "reading of bf16")),
        (1, 1),
        "{rounded:?}"
    );
    assert_eq!(count(&rounded, "rounding to bf16"), 0, "{rounded:?}");
}

#[test]
fn memory_is_shared_by_what_does_not_live_together() {
    let plan = Plan::new(program(false), 64);
    let maps = 64 * 6 * 6 * 16;
    assert!(plan.arena_len() >= maps);
    assert!(plan.arena_len() < 2 * maps, "{} floats for maps of {maps}", plan.arena_len());
    assert!(Plan::new(program(false), 128).arena_len() > plan.arena_len());
}

#[test]
fn what_is_computed_twice_is_computed_once() {
    let mut program = Program::default();
    let graph = &mut program.graph;
    let x = graph.input(Shape::batched([8]));
    let weights = graph.parameter(Shape::fixed([8, 8]), 0);
    let dense = |graph: &mut Graph| {
        let y = graph.apply(Convolution::linear(Sliding::default(), 1), &[x, weights]).unwrap();
        graph.apply(Activate(Activation::Relu), &[y]).unwrap()
    };
    let (a, b) = (dense(graph), dense(graph));
    let other = graph.apply(Activate(Activation::Tanh), &[b]).unwrap();
    let sum = graph.apply(Sum, &[a, b, other]).unwrap();
    program.fetches = vec![sum, b];
    assert_eq!(calls(&Plan::new(program.clone(), 4)), ["convolution", "activation", "add"]);
    assert_eq!(Plan::without_passes(program, 4).calls().len(), 6);
}

#[test]
fn what_nobody_wants_is_dropped_and_is_no_reader() {
    let mut program = program(false);
    let wanted = calls(&Plan::new(program.clone(), 4)).len();
    let maps = program.graph.nodes()[0].outputs[0];
    program.graph.apply(Activate(Activation::Tanh), &[maps]).unwrap();
    // As another reader it would keep bias and rectifier out of the convolution.
    assert_eq!(calls(&Plan::new(program, 4)).len(), wanted);
}

/// A block of a network for small machines, for prediction: widening, depthwise and narrowing convolutions with rectifiers and the
/// block's input added, or read once more.
fn inverted_block(pixels: usize, reads_wide: bool) -> Program {
    let mut program = Program { constant_variables: true, ..Program::default() };
    let graph = &mut program.graph;
    let image = graph.input(Shape::batched([pixels, pixels, 16]));
    let weights = [[1, 1, 16, 64], [3, 3, 1, 64], [1, 1, 64, 16]].map(|dims| {
        let start = graph
            .parameters()
            .iter()
            .map(|&(value, _)| graph.shape(value).dims.iter().product::<usize>())
            .sum();
        graph.parameter(Shape::fixed(dims), start)
    });
    let linear =
        |groups| Convolution::linear(Sliding { padding: [Padding::Same; 3], ..Sliding::default() }, groups);
    let wide = graph.apply(linear(1), &[image, weights[0]]).unwrap();
    let wide = graph.apply(Activate(Activation::Relu), &[wide]).unwrap();
    let maps = graph.apply(linear(64), &[wide, weights[1]]).unwrap();
    let maps = graph.apply(Activate(Activation::Relu), &[maps]).unwrap();
    let maps = graph.apply(linear(1), &[maps, weights[2]]).unwrap();
    let sum = graph.apply(Sum, &[maps, image]).unwrap();
    program.fetches.push(sum);
    program.fetches.extend(reads_wide.then_some(wide));
    program
}

#[test]
fn a_block_with_large_maps_is_computed_in_bands() {
    assert_eq!(calls(&Plan::new(inverted_block(64, false), 1)), ["banded convolutions"]);
    // Maps that stay in the caches, and those that others want too, are left alone.
    assert_eq!(calls(&Plan::new(inverted_block(16, false), 1)), ["convolution"; 3]);
    assert_eq!(calls(&Plan::new(inverted_block(64, true), 1)), ["convolution"; 3]);
}

#[test]
fn multiply_adds_are_counted() {
    let forward = 36 * 9 * 16 + 144 * 10;
    assert_eq!(Plan::new(program(false), 3).multiply_adds(), 3 * forward);
    // The picture needs no gradient, so the first layer counts twice, the second three times.
    assert_eq!(Plan::new(program(true), 3).multiply_adds(), 3 * (2 * 36 * 9 * 16 + 3 * 144 * 10));
}
