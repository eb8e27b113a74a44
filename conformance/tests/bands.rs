//! A block whose convolutions are computed band by band gives what its operations give one by one.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use common::{assert_close, run};
use convnet_conformance::problem::numbers;
use convnet_engine::ops::{Activate, Activation, BatchNormFrozen, Convolution, Padding, Sliding, Sum};
use convnet_engine::{Plan, Program, Shape, Value};

mod common;

const RELU6: Activation = Activation::Rectifier { negative_slope: 0.0, max_value: 6.0, threshold: 0.0 };

/// A block of MobileNetV2 with normalisations and all; its variables lie in the slab of states.
struct Block {
    program: Program,
    states: Vec<f32>,
}

impl Block {
    fn variable(&mut self, dims: &[usize], shift: f32) -> Value {
        let (start, len) = (self.states.len(), dims.iter().product());
        self.states.extend(numbers(start as u64 + 1, len).iter().map(|x| 0.5 * x + shift));
        self.program.graph.state(Shape::fixed(dims), start)
    }

    fn normalised(
        &mut self,
        x: Value,
        kernel: &[usize],
        stride: usize,
        groups: usize,
        bounded: bool,
    ) -> Value {
        let channels = kernel[3];
        let weights = self.variable(kernel, 0.0);
        let statistics = [1.0, 0.0, 0.0, 1.0].map(|shift| self.variable(&[channels], shift));
        let graph = &mut self.program.graph;
        let sliding =
            Sliding { strides: [1, stride, stride], padding: [Padding::Same; 3], ..Sliding::default() };
        let y = graph.apply(Convolution::linear(sliding, groups), &[x, weights]).unwrap();
        let [gamma, beta, mean, variance] = statistics;
        let norm = BatchNormFrozen { epsilon: 1e-3, scale: true, center: true };
        let y = graph.apply(norm, &[y, mean, variance, gamma, beta]).unwrap();
        if bounded { graph.apply(Activate(RELU6), &[y]).unwrap() } else { y }
    }

    fn new(pixels: usize, stride: usize) -> Self {
        let program = Program { constant_variables: true, ..Program::default() };
        let mut block = Self { program, states: Vec::new() };
        let image = block.program.graph.input(Shape::batched([pixels, pixels, 12]));
        let x = block.normalised(image, &[1, 1, 12, 72], 1, 1, true);
        let x = block.normalised(x, &[3, 3, 1, 72], stride, 72, true);
        let x = block.normalised(x, &[1, 1, 72, 12], 1, 1, false);
        let x = if stride == 1 { block.program.graph.apply(Sum, &[image, x]).unwrap() } else { x };
        block.program.fetches.push(x);
        block
    }
}

#[test]
fn blocks_give_the_same_with_and_without_bands() {
    for (stride, batch) in [(1, 1), (2, 3)] {
        let Block { program, mut states } = Block::new(61, stride);
        let plan = Plan::new(program.clone(), batch);
        assert_eq!(plan.calls().map(|(_, op, _)| op).collect::<Vec<_>>(), ["banded convolutions"]);
        let image = numbers(99, batch * 61 * 61 * 12);
        let [with, without] =
            [true, false].map(|passes| run(program.clone(), batch, &[&image], &mut states, passes));
        assert_close(&format!("stride {stride}"), &with[0], &without[0], 1e-5);
    }
}
