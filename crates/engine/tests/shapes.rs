//! Shape rules of convolutions: what is refused, and in which words.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_engine::ops::{Activation, Convolution, ConvolutionDataGradient, Padding, Sliding};
use convnet_engine::{Graph, Shape};

fn refusal(x: &[usize], w: &[usize], groups: usize) -> String {
    let mut graph = Graph::new();
    let x = graph.input(Shape::batched(x.to_vec()));
    let w = graph.input(Shape::fixed(w.to_vec()));
    let op = Convolution { sliding: Sliding::default(), groups, activation: Activation::Linear };
    graph.apply(op, &[x, w]).unwrap_err().to_string()
}

#[test]
fn groups_that_do_not_divide_the_channels_are_refused() {
    let text = refusal(&[5, 5, 4], &[3, 3, 1, 6], 3);
    assert!(text.contains("input channels that divide into 3 groups"), "{text}");
    let text = refusal(&[5, 5, 6], &[3, 3, 2, 4], 3);
    assert!(text.contains("filters that divide into 3 groups"), "{text}");
    let text = refusal(&[5, 5, 6], &[3, 3, 6, 6], 3);
    assert!(text.contains("an input with 18 channels"), "{text}");
    let text = refusal(&[5, 5, 6], &[3, 3, 6, 6], 0);
    assert!(text.contains("at least 1 group"), "{text}");
}

#[test]
fn a_transposed_convolution_has_the_shape_that_keras_gives() {
    let sliding = Sliding { strides: [2; 3], padding: [Padding::Same; 3], ..Sliding::default() };
    let (x, w) = (Shape::batched([4, 5, 8]), Shape::fixed([3, 3, 6, 8]));
    let op = ConvolutionDataGradient::transposed(&x, &w, sliding, 1, [None; 3]).unwrap();
    let mut graph = Graph::new();
    let (x, w) = (graph.input(x), graph.input(w));
    let y = graph.apply(op, &[x, w]).unwrap();
    assert_eq!(*graph.shape(y), Shape::batched([8, 10, 6]));
}

#[test]
fn a_gradient_of_another_shape_is_refused() {
    let op =
        ConvolutionDataGradient { sliding: Sliding::default(), groups: 1, input: Shape::batched([5, 5, 2]) };
    let mut graph = Graph::new();
    let dy = graph.input(Shape::batched([4, 3, 6]));
    let w = graph.input(Shape::fixed([3, 3, 2, 6]));
    let text = graph.apply(op, &[dy, w]).unwrap_err().to_string();
    assert!(text.contains("a gradient of shape"), "{text}");
}
