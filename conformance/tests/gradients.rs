//! Every operation against an f64 reference: its output, and its symbolic gradient against central differences of the reference.
//!
//! Each case is run as it stands and after the passes.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;
mod families;

use common::{Tensor, placeholders, run};
use convnet_conformance as reference;
use convnet_engine::kernels::geometry::{Axis, ConvGeometry, PoolGeometry, Window};
use convnet_engine::ops::*;
use convnet_engine::{Graph, Memory, Plan, Program, RunContext, Shape, Value, gradients, passes};

/// An operation on inputs of given sizes, and what it means.
struct Case {
    name: &'static str,
    /// Sizes of the inputs and the range that their values are drawn from.
    inputs: Vec<(Vec<usize>, f32, f32)>,
    /// How many of them are differentiated; the others (targets, statistics) are given.
    differentiated: usize,
    /// Whether the first axis of all inputs is the batch; else only the first input has one.
    all_batched: bool,
    build: Box<dyn Fn(&mut Graph, &[Value]) -> Value>,
    reference: Box<dyn Fn(&[Vec<f64>]) -> Vec<f64>>,
}

impl Case {
    fn new(
        name: &'static str,
        inputs: &[&[usize]],
        build: impl Fn(&mut Graph, &[Value]) -> Value + 'static,
        reference: impl Fn(&[Vec<f64>]) -> Vec<f64> + 'static,
    ) -> Self {
        Self {
            name,
            inputs: inputs.iter().map(|dims| (dims.to_vec(), -1.0, 1.0)).collect(),
            differentiated: inputs.len(),
            all_batched: false,
            build: Box::new(build),
            reference: Box::new(reference),
        }
    }

    fn batched(self) -> Self {
        Self { all_batched: true, ..self }
    }

    fn given_after(self, differentiated: usize) -> Self {
        Self { differentiated, ..self }
    }

    fn range(mut self, input: usize, low: f32, high: f32) -> Self {
        (self.inputs[input].1, self.inputs[input].2) = (low, high);
        self
    }
}

/// Values in a range, no two alike, so that maxima are clear and kinks are not met.
fn values(seed: u64, dims: &[usize], low: f32, high: f32) -> Tensor {
    let count: usize = dims.iter().product();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (state >> 33) as usize % (last + 1));
    }
    let values =
        order.iter().map(|&i| low + (high - low) * (i as f32 + 0.61) / (count as f32 + 0.3)).collect();
    Tensor { dims: dims.to_vec(), values }
}

fn sliding(strides: usize, dilation: usize, padding: Padding) -> Sliding {
    Sliding { strides: [strides; 3], dilation: [dilation; 3], padding: [padding; 3] }
}

fn window(spatial: &[usize], kernel: &[usize], sliding: Sliding) -> Window {
    let mut axes = [Axis::UNIT; 3];
    let first = 3 - spatial.len();
    for (i, (&size, &kernel)) in spatial.iter().zip(kernel).enumerate() {
        let axis = first + i;
        let (stride, dilation, padding) =
            (sliding.strides[axis], sliding.dilation[axis], sliding.padding[axis]);
        axes[axis] = Axis::new(size, kernel, stride, dilation, padding).unwrap();
    }
    Window { axes }
}

fn convolution(name: &'static str, x: &'static [usize], w: &'static [usize], sliding: Sliding) -> Case {
    grouped(name, x, w, 1, sliding)
}

fn grouped(
    name: &'static str,
    x: &'static [usize],
    w: &'static [usize],
    groups: usize,
    sliding: Sliding,
) -> Case {
    let rank = w.len() - 2;
    let geometry = ConvGeometry {
        batch: x[0],
        in_channels: w[rank] * groups,
        out_channels: w[rank + 1],
        groups,
        window: window(&x[1..x.len() - 1], &w[..rank], sliding),
    };
    Case::new(
        name,
        &[x, w, &[w[rank + 1]]],
        move |graph, inputs| {
            let op = Convolution { activation: Activation::Tanh, ..Convolution::linear(sliding, groups) };
            graph.apply(op, inputs).unwrap()
        },
        move |inputs| {
            let y = reference::convolution::forward(&geometry, &inputs[0], &inputs[1], Some(&inputs[2]));
            y.into_iter().map(f64::tanh).collect()
        },
    )
}

/// With a kernel `(kernel…, channels, multiplier)`, which is reshaped to weights of the groups.
fn depthwise(name: &'static str, x: &'static [usize], kernel: &'static [usize], sliding: Sliding) -> Case {
    let (taps, last) = kernel.split_at(kernel.len() - 2);
    let (groups, out_channels) = (last[0], last[0] * last[1]);
    let window = window(&x[1..x.len() - 1], taps, sliding);
    let geometry = ConvGeometry { batch: x[0], in_channels: groups, out_channels, groups, window };
    Case::new(
        name,
        &[x, kernel],
        move |graph, inputs| {
            let dims = [taps, &[1, out_channels]].concat();
            let w = graph.apply(Reshape { dims }, &inputs[1..]).unwrap();
            let op = Convolution::linear(sliding, groups);
            graph.apply(op, &[inputs[0], w]).unwrap()
        },
        move |inputs| reference::convolution::forward(&geometry, &inputs[0], &inputs[1], None),
    )
}

/// Zeros around a picture, which a pass makes the padding of the convolution and of its gradients.
fn bordered(name: &'static str, groups: usize, sliding: Sliding) -> Case {
    let border = vec![(0, 1), (2, 1)];
    let geometry = ConvGeometry {
        batch: 2,
        in_channels: 3,
        out_channels: 3,
        groups,
        window: window(&[6, 8], &[3, 3], sliding),
    };
    let w: &[usize] = if groups == 1 { &[3, 3, 3, 3] } else { &[3, 3, 1, 3] };
    Case::new(
        name,
        &[&[2, 5, 5, 3], w],
        move |graph, inputs| {
            let x = graph.apply(Pad { border: border.clone(), value: 0.0 }, &inputs[..1]).unwrap();
            graph.apply(Convolution::linear(sliding, groups), &[x, inputs[1]]).unwrap()
        },
        move |inputs| {
            let sides = [(0, 0), (0, 1), (2, 1), (0, 0)];
            let x = reference::borders::pad(&inputs[0], [2, 5, 5, 3], sides, 0.0);
            reference::convolution::forward(&geometry, &x, &inputs[1], None)
        },
    )
}

/// With bias and activation, weights `(kernel…, filters / groups, channels)`, and the output that Keras gives.
fn transposed(
    name: &'static str,
    x: &'static [usize],
    w: &'static [usize],
    groups: usize,
    sliding: Sliding,
    output_padding: Option<usize>,
) -> Case {
    let rank = w.len() - 2;
    let filters = w[rank] * groups;
    let mut axes = [Axis::UNIT; 3];
    for (i, (&size, &kernel)) in x[1..].iter().zip(&w[..rank]).enumerate() {
        let at = 3 - rank + i;
        let (stride, dilation, padding) = (sliding.strides[at], sliding.dilation[at], sliding.padding[at]);
        axes[at] = Axis::transposed(size, kernel, stride, dilation, padding, output_padding).unwrap();
    }
    let window = Window { axes };
    let geometry =
        ConvGeometry { batch: x[0], in_channels: filters, out_channels: w[rank + 1], groups, window };
    Case::new(
        name,
        &[x, w, &[filters]],
        move |graph, inputs| {
            let (x, w) = (graph.shape(inputs[0]).clone(), graph.shape(inputs[1]).clone());
            let op =
                ConvolutionDataGradient::transposed(&x, &w, sliding, groups, [output_padding; 3]).unwrap();
            let y = graph.apply(op, &inputs[..2]).unwrap();
            let y = graph.apply(BiasAdd, &[y, inputs[2]]).unwrap();
            graph.apply(Activate(Activation::Tanh), &[y]).unwrap()
        },
        move |inputs| {
            let y = reference::convolution::backward_data(&geometry, &inputs[0], &inputs[1]);
            y.iter().enumerate().map(|(i, y)| (y + inputs[2][i % filters]).tanh()).collect()
        },
    )
}

fn pooling(
    name: &'static str,
    x: &'static [usize],
    size: &'static [usize],
    sliding: Sliding,
    max: bool,
) -> Case {
    let window = window(&x[1..x.len() - 1], size, sliding);
    let geometry = PoolGeometry { batch: x[0], channels: x[x.len() - 1], window };
    Case::new(
        name,
        &[x],
        move |graph, inputs| {
            let window = size.to_vec();
            let added = if max {
                graph.apply(MaxPool { window, sliding }, inputs)
            } else {
                graph.apply(AveragePool { window, sliding }, inputs)
            };
            added.unwrap()
        },
        move |inputs| match max {
            true => reference::pooling::max_forward(&geometry, &inputs[0]).0,
            false => reference::pooling::average_forward(&geometry, &inputs[0]),
        },
    )
}

fn activation(function: Activation) -> Case {
    let case = Case::new(
        function.name(),
        &[&[3, 7]],
        move |graph, inputs| graph.apply(Activate(function), inputs).unwrap(),
        move |inputs| inputs[0].iter().map(|&x| reference::activation::value(function, x)).collect(),
    );
    let low = if reference::activation::is_for_positive(function) { 0.2 } else { -2.5 };
    case.range(0, low, 2.5)
}

/// y = tanh(norm(x ∗ w) + shortcut) with given statistics: what a plan with constant variables folds into a convolution or
/// two. The shortcut is a convolution with a bias, or x.
fn residual_block(name: &'static str, projected: bool) -> Case {
    let (same, plain) = (sliding(1, 1, Padding::Same), Sliding::default());
    let geometry = |size: usize, how| ConvGeometry {
        batch: 2,
        in_channels: 3,
        out_channels: 3,
        groups: 1,
        window: window(&[4, 5], &[size, size], how),
    };
    let (main, shortcut) = (geometry(3, same), geometry(1, plain));
    let build = move |graph: &mut Graph, v: &[Value]| {
        let maps = graph.apply(Convolution::linear(same, 1), &[v[0], v[1]]).unwrap();
        let norm = BatchNormFrozen { epsilon: 0.01, scale: true, center: true };
        let maps = graph.apply(norm, &[maps, v[6], v[7], v[4], v[5]]).unwrap();
        let other = match projected {
            true => graph.apply(Convolution::linear(plain, 1), &[v[0], v[2], v[3]]).unwrap(),
            false => {
                // Nothing of the shortcut's weights but their place among the inputs.
                let nothing = graph.apply(ScaleShift { scale: 0.0, shift: 1.0 }, &[v[3]]).unwrap();
                let weights = graph.apply(ScaleShift { scale: 0.0, shift: 0.0 }, &[v[2]]).unwrap();
                let zero = graph.apply(Convolution::linear(plain, 1), &[v[0], weights]).unwrap();
                let x =
                    graph.apply(ChannelAffine { activation: Activation::Linear }, &[v[0], nothing]).unwrap();
                graph.apply(Sum, &[x, zero]).unwrap()
            }
        };
        let sum = graph.apply(Sum, &[maps, other]).unwrap();
        graph.apply(Activate(Activation::Tanh), &[sum]).unwrap()
    };
    Case::new(
        name,
        &[&[2, 4, 5, 3], &[3, 3, 3, 3], &[1, 1, 3, 3], &[3], &[3], &[3], &[3], &[3]],
        build,
        move |inputs| {
            let maps = reference::convolution::forward(&main, &inputs[0], &inputs[1], None);
            let maps = normalise(&maps, 3, &inputs[6], &inputs[7], &inputs[4], &inputs[5]);
            let other = match projected {
                true => reference::convolution::forward(&shortcut, &inputs[0], &inputs[2], Some(&inputs[3])),
                false => inputs[0].clone(),
            };
            maps.iter().zip(other).map(|(a, b)| (a + b).tanh()).collect()
        },
    )
    .range(7, 0.5, 2.0)
    .given_after(6)
}

/// A loss of rows of 4 columns; `dense` targets have rows too, else they are class numbers.
fn loss(
    name: &'static str,
    op: fn() -> Box<dyn Fn(&mut Graph, &[Value]) -> Value>,
    dense: bool,
    row: fn(&[f64], &[f64]) -> f64,
) -> Case {
    let targets: &[usize] = if dense { &[3, 4] } else { &[3] };
    let case = Case::new(name, &[&[3, 4], targets], op(), move |inputs| {
        let width = inputs[1].len() / 3;
        let rows = inputs[0].chunks(4).zip(inputs[1].chunks(width));
        rows.map(|(prediction, target)| row(target, prediction)).collect()
    });
    case.batched().given_after(1)
}

fn apply<O: convnet_engine::Op + Clone>(op: O) -> Box<dyn Fn(&mut Graph, &[Value]) -> Value> {
    Box::new(move |graph, inputs| graph.apply(op.clone(), inputs).unwrap())
}

/// Something of each of three columns.
fn columns(x: &[f64], f: &dyn Fn(&mut dyn Iterator<Item = f64>) -> f64) -> Vec<f64> {
    (0..3).map(|c| f(&mut x.iter().copied().skip(c).step_by(3))).collect()
}

const CUT_RELU: Activation = Activation::Rectifier { negative_slope: 0.0, max_value: 0.9, threshold: 0.0 };

/// Normalisation with the batch's statistics and what it takes in.
fn batch_norm(name: &'static str, activation: Activation, residual: bool) -> Case {
    let dims: [&[usize]; 4] = [&[4, 2, 3], &[3], &[3], &[6, 6]];
    let dims = if residual { &dims[..] } else { &dims[..3] };
    let build = move |graph: &mut Graph, v: &[Value]| {
        let mut inputs = v[..3].to_vec();
        // Only the first input has a batch: the other branch is made from it too.
        inputs.extend(residual.then(|| {
            let rows = graph.apply(Reshape { dims: vec![6] }, &[v[0]]).unwrap();
            let mixed = graph.apply(Convolution::linear(Sliding::default(), 1), &[rows, v[3]]).unwrap();
            graph.apply(Reshape { dims: vec![2, 3] }, &[mixed]).unwrap()
        }));
        let norm = BatchNorm { residual, activation, ..BatchNorm::linear(0.01, true, true) };
        graph.apply(norm, &inputs).unwrap()
    };
    Case::new(name, dims, build, move |inputs| {
        let mean = columns(&inputs[0], &|column| column.sum::<f64>() / 8.0);
        let square = columns(&inputs[0], &|column| column.map(|x| x * x).sum::<f64>() / 8.0);
        let variance: Vec<f64> = (0..3).map(|c| square[c] - mean[c] * mean[c]).collect();
        let mut z = normalise(&inputs[0], 3, &mean, &variance, &inputs[1], &inputs[2]);
        if residual {
            for (i, z) in z.iter_mut().enumerate() {
                let row = &inputs[0][i / 6 * 6..][..6];
                *z += (0..6).map(|k| row[k] * inputs[3][k * 6 + i % 6]).sum::<f64>();
            }
        }
        z.into_iter().map(|z| reference::activation::value(activation, z)).collect()
    })
}

/// Normalises columns of rows of `columns` with given or found statistics.
fn normalise(
    x: &[f64],
    columns: usize,
    mean: &[f64],
    variance: &[f64],
    gamma: &[f64],
    beta: &[f64],
) -> Vec<f64> {
    let normal = |(i, x): (usize, &f64)| {
        let c = i % columns;
        gamma[c] * (x - mean[c]) / (variance[c] + 0.01).sqrt() + beta[c]
    };
    x.iter().enumerate().map(normal).collect()
}

fn cases() -> Vec<Case> {
    let (valid, same) = (Padding::Valid, Padding::Same);
    let mut cases = vec![
        convolution("convolution", &[2, 5, 6, 2], &[3, 3, 2, 4], sliding(1, 1, valid)),
        convolution("convolution, same, stride 2", &[2, 5, 6, 3], &[3, 2, 3, 2], sliding(2, 1, same)),
        convolution("convolution, dilated", &[1, 7, 7, 1], &[3, 3, 1, 3], sliding(1, 2, same)),
        convolution(
            "convolution, padded unevenly",
            &[2, 4, 4, 1],
            &[3, 3, 1, 2],
            sliding(1, 1, Padding::Explicit { before: 2, after: 1 }),
        ),
        convolution("1-D convolution", &[2, 9, 3], &[3, 3, 2], sliding(2, 1, same)),
        convolution("3-D convolution", &[1, 4, 3, 4, 2], &[2, 2, 3, 2, 3], sliding(1, 1, same)),
        convolution("dense", &[4, 5], &[5, 3], Sliding::default()),
        grouped("grouped convolution", &[2, 5, 4, 4], &[3, 3, 2, 6], 2, sliding(1, 1, same)),
        grouped("grouped 1-D convolution", &[2, 9, 6], &[3, 2, 3], 3, sliding(2, 1, same)),
        grouped("grouped 3-D convolution", &[1, 3, 4, 3, 4], &[2, 2, 2, 2, 4], 2, sliding(1, 1, valid)),
        grouped("grouped dense", &[3, 6], &[2, 6], 3, Sliding::default()),
        depthwise("depthwise convolution", &[2, 5, 5, 3], &[3, 3, 3, 1], sliding(2, 1, same)),
        depthwise("depthwise convolution, multiplier 2", &[1, 5, 4, 3], &[3, 2, 3, 2], sliding(1, 1, valid)),
        depthwise("1-D depthwise convolution", &[2, 8, 3], &[3, 3, 2], sliding(1, 2, same)),
        depthwise("3-D depthwise convolution", &[1, 3, 4, 3, 2], &[2, 2, 2, 2, 1], sliding(1, 1, same)),
        bordered("border before a convolution", 1, Sliding { strides: [1, 2, 2], ..Sliding::default() }),
        bordered(
            "border before a depthwise convolution",
            3,
            Sliding { strides: [1, 2, 2], ..Sliding::default() },
        ),
        bordered("border before a convolution with padding", 1, sliding(1, 1, same)),
        transposed("transposed convolution", &[2, 3, 4, 2], &[3, 3, 3, 2], 1, sliding(2, 1, valid), None),
        transposed(
            "transposed convolution, same",
            &[1, 4, 3, 2],
            &[3, 2, 3, 2],
            1,
            sliding(2, 1, same),
            None,
        ),
        transposed(
            "transposed, output padding",
            &[1, 3, 3, 2],
            &[3, 4, 1, 2],
            1,
            sliding(2, 1, same),
            Some(1),
        ),
        transposed("transposed, few taps", &[1, 3, 3, 2], &[2, 2, 1, 2], 1, sliding(3, 1, valid), None),
        transposed("1-D transposed convolution", &[2, 4, 3], &[5, 2, 3], 1, sliding(3, 1, valid), Some(2)),
        transposed(
            "3-D transposed convolution",
            &[1, 2, 3, 2, 2],
            &[2, 3, 2, 1, 2],
            1,
            sliding(2, 1, same),
            None,
        ),
        transposed("transposed, dilated", &[1, 4, 4, 1], &[3, 2, 2, 1], 1, sliding(1, 2, same), None),
        transposed("transposed, grouped", &[1, 3, 3, 4], &[3, 3, 2, 4], 2, sliding(2, 1, same), None),
        transposed(
            "transposed, padded explicitly",
            &[1, 3, 3, 2],
            &[3, 3, 1, 2],
            1,
            sliding(2, 1, Padding::Explicit { before: 1, after: 1 }),
            Some(1),
        ),
        Case::new(
            "convolution data gradient",
            &[&[2, 3, 3, 2], &[3, 3, 1, 2]],
            |graph, inputs| {
                let input = Shape::batched([5, 5, 1]);
                let op = ConvolutionDataGradient { sliding: Sliding::default(), groups: 1, input };
                graph.apply(op, inputs).unwrap()
            },
            |inputs| {
                let window = window(&[5, 5], &[3, 3], Sliding::default());
                let geometry = ConvGeometry { batch: 2, in_channels: 1, out_channels: 2, groups: 1, window };
                reference::convolution::backward_data(&geometry, &inputs[0], &inputs[1])
            },
        ),
        Case::new(
            "convolution weights gradient",
            &[&[2, 5, 5, 1], &[2, 3, 3, 2]],
            |graph, inputs| {
                let weights = Shape::fixed([3, 3, 1, 2]);
                let op = ConvolutionWeightsGradient {
                    sliding: Sliding::default(),
                    groups: 1,
                    weights,
                    bias: false,
                };
                graph.apply(op, inputs).unwrap()
            },
            |inputs| {
                let window = window(&[5, 5], &[3, 3], Sliding::default());
                let geometry = ConvGeometry { batch: 2, in_channels: 1, out_channels: 2, groups: 1, window };
                reference::convolution::backward_weights(&geometry, &inputs[0], &inputs[1])
            },
        )
        .batched(),
        pooling("max pool", &[2, 6, 5, 3], &[2, 2], sliding(2, 1, valid), true),
        pooling("max pool, same, overlapping", &[1, 5, 5, 2], &[3, 3], sliding(2, 1, same), true),
        pooling("1-D max pool", &[2, 7, 2], &[3], sliding(2, 1, valid), true),
        pooling("3-D max pool", &[1, 4, 3, 5, 2], &[2, 2, 3], sliding(2, 1, same), true),
        pooling("1-D average pool", &[2, 7, 2], &[3], sliding(2, 1, same), false),
        pooling("global average pool", &[2, 3, 4, 3], &[3, 4], sliding(1, 1, valid), false),
        pooling("average pool", &[2, 6, 5, 3], &[2, 2], sliding(2, 1, valid), false),
        pooling("average pool, same, overlapping", &[1, 5, 5, 2], &[3, 3], sliding(2, 1, same), false),
        pooling("3-D average pool", &[1, 4, 3, 2, 2], &[2, 2, 2], sliding(1, 1, same), false),
        Case::new("softmax", &[&[3, 5]], apply(Softmax), |inputs| {
            inputs[0].chunks(5).flat_map(reference::activation::softmax).collect()
        }),
        Case::new("log softmax", &[&[3, 5]], apply(LogSoftmax), |inputs| {
            inputs[0].chunks(5).flat_map(reference::activation::softmax).map(f64::ln).collect()
        }),
        Case::new("sparsemax", &[&[3, 5]], apply(Sparsemax), |inputs| {
            inputs[0].chunks(5).flat_map(reference::activation::sparsemax).collect()
        }),
        Case::new("add", &[&[2, 3], &[2, 3], &[2, 3]], apply(Sum), |inputs| {
            (0..6).map(|i| inputs[0][i] + inputs[1][i] + inputs[2][i]).collect()
        })
        .batched(),
        Case::new("multiply", &[&[2, 3], &[2, 3]], apply(Multiply), |inputs| {
            (0..6).map(|i| inputs[0][i] * inputs[1][i]).collect()
        })
        .batched(),
        Case::new(
            "a value used twice",
            &[&[2, 3]],
            |graph, x| graph.apply(Multiply, &[x[0], x[0]]).unwrap(),
            |inputs| inputs[0].iter().map(|x| x * x).collect(),
        ),
        Case::new("scale", &[&[2, 3]], apply(ScaleShift { scale: -0.5, shift: 2.0 }), |inputs| {
            inputs[0].iter().map(|x| 2.0 - 0.5 * x).collect()
        }),
        Case::new("bias", &[&[2, 2, 3], &[3]], apply(BiasAdd), |inputs| {
            inputs[0].iter().enumerate().map(|(i, x)| x + inputs[1][i % 3]).collect()
        }),
        Case::new("reshape", &[&[2, 2, 3]], apply(Reshape { dims: vec![6] }), |inputs| inputs[0].clone()),
        Case::new(
            "concatenate channels",
            &[&[2, 2, 1], &[2, 2, 3]],
            apply(Concatenate { axis: 1 }),
            |inputs| {
                (0..4).flat_map(|i| [&inputs[0][i..i + 1], &inputs[1][3 * i..3 * i + 3]].concat()).collect()
            },
        )
        .batched(),
        Case::new("concatenate rows", &[&[2, 1, 3], &[2, 2, 3]], apply(Concatenate { axis: 0 }), |inputs| {
            (0..2)
                .flat_map(|i| [&inputs[0][3 * i..3 * i + 3], &inputs[1][6 * i..6 * i + 6]].concat())
                .collect()
        })
        .batched(),
        Case::new("slice", &[&[2, 5]], apply(Slice { axis: 0, start: 1, size: 3 }), |inputs| {
            inputs[0].chunks(5).flat_map(|row| row[1..4].to_vec()).collect()
        }),
        Case::new(
            "pad",
            &[&[2, 2, 3, 2]],
            apply(Pad { border: vec![(1, 0), (2, 1)], value: 0.5 }),
            |inputs| reference::borders::pad(&inputs[0], [2, 2, 3, 2], [(0, 0), (1, 0), (2, 1), (0, 0)], 0.5),
        ),
        Case::new(
            "pad of channels",
            &[&[2, 3, 2]],
            apply(Pad { border: vec![(0, 1), (1, 2)], value: 0.0 }),
            |inputs| reference::borders::pad(&inputs[0], [1, 2, 3, 2], [(0, 0), (0, 0), (0, 1), (1, 2)], 0.0),
        ),
        Case::new("permute", &[&[2, 3, 4, 5]], apply(Permute { axes: vec![2, 0, 1] }), |inputs| {
            let place = |n: usize, h: usize, w: usize, c: usize| ((n * 3 + h) * 4 + w) * 5 + c;
            let order =
                |n| (0..5).flat_map(move |c| (0..3).flat_map(move |h| (0..4).map(move |w| (n, h, w, c))));
            (0..2).flat_map(order).map(|(n, h, w, c)| inputs[0][place(n, h, w, c)]).collect()
        }),
        Case::new("crop", &[&[2, 4, 5, 2]], apply(Crop { border: vec![(1, 0), (2, 1)] }), |inputs| {
            reference::borders::crop(&inputs[0], [2, 4, 5, 2], [(0, 0), (1, 0), (2, 1), (0, 0)])
        }),
        batch_norm("batch norm", Activation::Linear, false),
        batch_norm("batch norm and relu", Activation::Relu, false),
        batch_norm("batch norm and relu with a largest value", CUT_RELU, false),
        batch_norm("batch norm and sum", Activation::Linear, true),
        batch_norm("batch norm, sum and relu", Activation::Relu, true),
        batch_norm("batch norm, sum and relu with a largest value", CUT_RELU, true),
        Case::new(
            "frozen batch norm",
            &[&[4, 3], &[3], &[3], &[3], &[3]],
            |graph, v| {
                // Order of differentiation: x, gamma, beta; the statistics are given.
                let inputs = [v[0], v[3], v[4], v[1], v[2]];
                graph.apply(BatchNormFrozen { epsilon: 0.01, scale: true, center: true }, &inputs).unwrap()
            },
            |inputs| normalise(&inputs[0], 3, &inputs[3], &inputs[4], &inputs[1], &inputs[2]),
        )
        .range(4, 0.5, 2.0)
        .given_after(3),
        residual_block("residual block", true),
        residual_block("residual block, identity", false),
        Case::new(
            "channel affine",
            &[&[4, 2, 3], &[3], &[3]],
            apply(ChannelAffine { activation: Activation::Sigmoid }),
            |inputs| {
                let y = inputs[0].iter().enumerate().map(|(i, x)| x * inputs[1][i % 3] + inputs[2][i % 3]);
                y.map(reference::activation::sigmoid).collect()
            },
        ),
        Case::new("mean", &[&[4, 3]], apply(BatchMean), |inputs| vec![inputs[0].iter().sum::<f64>() / 12.0]),
        loss(
            "softmax cross-entropy, sparse",
            || apply(SoftmaxCrossEntropy(Target::Sparse)),
            false,
            |t, x| reference::losses::sparse_from_logits(t[0] as usize, x),
        ),
        loss(
            "softmax cross-entropy, dense",
            || apply(SoftmaxCrossEntropy(Target::Dense)),
            true,
            reference::losses::categorical_from_logits,
        ),
        loss(
            "cross-entropy, sparse",
            || apply(CrossEntropy(Target::Sparse)),
            false,
            |t, p| reference::losses::sparse(t[0] as usize, p),
        )
        .range(0, 0.05, 0.95),
        loss(
            "cross-entropy, dense",
            || apply(CrossEntropy(Target::Dense)),
            true,
            reference::losses::categorical,
        )
        .range(0, 0.05, 0.95),
        loss(
            "binary cross-entropy of scores",
            || apply(BinaryCrossEntropy { from_logits: true }),
            true,
            reference::losses::binary_from_logits,
        ),
        loss(
            "binary cross-entropy",
            || apply(BinaryCrossEntropy { from_logits: false }),
            true,
            reference::losses::binary,
        )
        .range(0, 0.05, 0.95),
        loss("squared error", || apply(SquaredError), true, reference::losses::squared),
        relu_then_pool(),
    ];
    cases.extend(reference::activation::examples().into_iter().map(activation));
    cases.extend(families::broadcasts());
    cases.extend(families::reductions());
    cases.extend(families::norms());
    cases.extend(families::sizes());
    cases.extend(families::rows());
    cases.extend(families::picks());
    cases.extend(families::losses());
    cases.extend(families::warps());
    cases
}

/// What the pass that exchanges rectifier and pool acts on.
fn relu_then_pool() -> Case {
    let sliding = sliding(2, 1, Padding::Valid);
    let geometry = PoolGeometry { batch: 2, channels: 2, window: window(&[4, 4], &[2, 2], sliding) };
    Case::new(
        "relu, then max pool",
        &[&[2, 4, 4, 2]],
        move |graph, x| {
            let y = graph.apply(Activate(Activation::Relu), x).unwrap();
            graph.apply(MaxPool { window: vec![2, 2], sliding }, &[y]).unwrap()
        },
        move |inputs| {
            let y: Vec<f64> = inputs[0].iter().map(|&x| reference::activation::relu(x)).collect();
            reference::pooling::max_forward(&geometry, &y).0
        },
    )
}

/// Targets are class numbers where they are one a row, else numbers in 0 … 1.
fn inputs_of(case: &Case) -> Vec<Tensor> {
    let is_label = |dims: &[usize], i: usize| i >= case.differentiated && case.all_batched && dims.len() == 1;
    (case.inputs.iter().enumerate())
        .map(|(i, (dims, low, high))| match is_label(dims, i) {
            true => Tensor {
                dims: dims.clone(),
                values: (0..dims[0]).map(|row| ((row * 2 + 1) % 4) as f32).collect(),
            },
            false if i >= case.differentiated && case.all_batched => values(i as u64 + 5, dims, 0.0, 1.0),
            false => values(i as u64 + 1, dims, *low, *high),
        })
        .collect()
}

#[test]
fn operations_and_their_gradients_agree_with_f64_references() {
    for case in cases() {
        for passes in [false, true] {
            check(&case, passes);
        }
    }
}

fn check(case: &Case, passes: bool) {
    let name = case.name;
    let inputs = inputs_of(case);
    let wide: Vec<Vec<f64>> = inputs.iter().map(|tensor| reference::widen(&tensor.values)).collect();
    let mut program = Program::default();
    let graph = &mut program.graph;
    let x = if case.all_batched {
        placeholders(graph, &inputs, true)
    } else {
        let mut x = placeholders(graph, &inputs[..1], true);
        x.extend(placeholders(graph, &inputs[1..], false));
        x
    };
    let y = (case.build)(graph, &x);
    let expected = (case.reference)(&wide);
    let shape = graph.shape(y).clone();
    let seed_values = values(99, &shape.bind(inputs[0].dims[0]).dims, -1.0, 1.0);
    let seed = graph.input(shape);
    let found = gradients(graph, y, Some(seed), &x[..case.differentiated]).unwrap();
    program.fetches =
        std::iter::once(y).chain(found.into_iter().map(|g| g.expect("it depends on them"))).collect();
    let slices: Vec<&[f32]> = inputs.iter().chain([&seed_values]).map(|tensor| &*tensor.values).collect();
    let fetched = run(program, inputs[0].dims[0], &slices, &mut [], passes);
    reference::assert_close(name, &fetched[0], &expected, 1e-5, 1e-6);

    check_constants(case, &inputs, &expected);

    let seed = reference::widen(&seed_values.values);
    for (i, actual) in fetched[1..].iter().enumerate() {
        let scalar = |values: &[f64]| -> f64 {
            let mut wide = wide.clone();
            wide[i] = values.to_vec();
            (case.reference)(&wide).iter().zip(&seed).map(|(y, s)| y * s).sum()
        };
        let numeric = reference::numeric_gradient(scalar, &wide[i], 1e-6);
        reference::assert_close(&format!("{name}: gradient {i}"), actual, &numeric, 2e-5, 2e-6);
    }
}

/// The output once more, with all inputs but the first as variables that stay the same: what depends on them alone is computed
/// beforehand, weights are packed, statistics are folded.
fn check_constants(case: &Case, inputs: &[Tensor], expected: &[f64]) {
    let batch = inputs[0].dims[0];
    if case.all_batched || inputs.len() < 2 {
        return;
    }
    let mut program = Program { constant_variables: true, ..Program::default() };
    let x = program.graph.input(inputs[0].batched());
    let mut parameters = Vec::new();
    let mut values = vec![x];
    for tensor in &inputs[1..] {
        values.push(program.graph.parameter(Shape::fixed(tensor.dims.clone()), parameters.len()));
        parameters.extend(&tensor.values);
        parameters.resize(parameters.len().next_multiple_of(16), 0.0);
    }
    program.fetches = vec![(case.build)(&mut program.graph, &values)];
    let plan = Plan::new(program, batch);
    let (mut constants, mut arena) = (vec![f32::NAN; plan.constants_len()], vec![f32::NAN; plan.arena_len()]);
    plan.prepare(&parameters, &mut [], &mut constants);
    let (constants, arena) = (&constants[..], &mut arena[..]);
    let (inputs, parameters) = (&[&inputs[0].values[..]], &parameters[..]);
    let mut memory = Memory { inputs, parameters, gradients: &mut [], states: &mut [], constants, arena };
    for _ in 0..2 {
        plan.run(&mut memory, &RunContext::default());
        let name = format!("{}, variables constant", case.name);
        reference::assert_close(&name, plan.fetched(0, &memory), expected, 1e-5, 2e-6);
    }
}

#[test]
fn dropout_scales_what_it_keeps_and_its_gradient_drops_the_same() {
    let mut program = Program::default();
    let graph = &mut program.graph;
    let shape = Shape::batched([1000]);
    let (x, seed) = (graph.input(shape.clone()), graph.input(shape));
    let y = graph.apply(Dropout { rate: 0.3, stream: 1 }, &[x]).unwrap();
    let other = graph.apply(Dropout { rate: 0.3, stream: 2 }, &[x]).unwrap();
    let dx = gradients(graph, y, Some(seed), &[x]).unwrap()[0].unwrap();
    program.fetches = vec![y, dx, other];
    let ones = vec![1.0; 2000];
    let fetched = run(program, 2, &[&ones, &ones], &mut [], true);
    let kept = fetched[0].iter().filter(|&&y| y != 0.0).count();
    assert!((1340..1460).contains(&kept), "{kept} of 2000 were kept");
    assert!(fetched[0].iter().all(|&y| y == 0.0 || (y - 1.0 / 0.7).abs() < 1e-6));
    assert_eq!(fetched[0], fetched[1]);
    assert_ne!(fetched[0], fetched[2]);
}

/// Two branches of normalised convolutions, the first of them with a rectifier inside, their sum, a rectifier, a convolution.
fn normalised_block(graph: &mut Graph, v: &[Value], inner: Activation) -> Value {
    let linear = Convolution::linear(Sliding::default(), 1);
    let norm = BatchNorm::linear(0.01, true, true);
    let maps = graph.apply(linear.clone(), &[v[0], v[1], v[2]]).unwrap();
    let maps = graph.apply(norm.clone(), &[maps, v[3], v[4]]).unwrap();
    let maps = graph.apply(Activate(inner), &[maps]).unwrap();
    let maps = graph.apply(linear.clone(), &[maps, v[5]]).unwrap();
    let maps = graph.apply(norm.clone(), &[maps, v[3], v[4]]).unwrap();
    let other = graph.apply(linear.clone(), &[v[0], v[6], v[2]]).unwrap();
    let other = graph.apply(norm, &[other, v[4], v[3]]).unwrap();
    let sum = graph.apply(Sum, &[maps, other]).unwrap();
    let maps = graph.apply(Activate(Activation::Relu), &[sum]).unwrap();
    graph.apply(linear, &[maps, v[5]]).unwrap()
}

#[test]
fn normalisations_that_take_in_what_follows_have_the_same_gradients() {
    let dims: [&[usize]; 7] = [&[3, 4, 5, 2], &[1, 1, 2, 4], &[4], &[4], &[4], &[1, 1, 4, 4], &[1, 1, 2, 4]];
    let inputs: Vec<Tensor> = (1..).zip(dims).map(|(seed, dims)| values(seed, dims, -1.0, 1.0)).collect();
    let seed_values = values(99, &[3, 4, 5, 4], -1.0, 1.0);
    let results = |inner: Activation, fused: bool| {
        let mut program = Program::default();
        let mut x = placeholders(&mut program.graph, &inputs[..1], true);
        x.extend(placeholders(&mut program.graph, &inputs[1..], false));
        let y = normalised_block(&mut program.graph, &x, inner);
        program.fetches = vec![y];
        if fused {
            passes::before_gradients(&mut program);
        }
        let seed = program.graph.input(seed_values.batched());
        program.forward_nodes = program.graph.nodes().len();
        let found = gradients(&mut program.graph, y, Some(seed), &x).unwrap();
        program.fetches.extend(found.into_iter().map(Option::unwrap));
        let calls: Vec<&str> = Plan::new(program.clone(), 3).calls().map(|(_, op, _)| op).collect();
        let slices: Vec<&[f32]> = inputs.iter().chain([&seed_values]).map(|tensor| &*tensor.values).collect();
        (run(program, 3, &slices, &mut [], fused), calls)
    };
    for inner in [Activation::Relu, CUT_RELU, Activation::Tanh] {
        let (plain, _) = results(inner, false);
        let (fused, calls) = results(inner, true);
        assert_eq!(fused[0], plain[0], "the forward pass has the same bits");
        for (i, (fused, plain)) in fused.iter().zip(&plain).enumerate().skip(1) {
            reference::assert_close(&format!("gradient {i}"), fused, &reference::widen(plain), 2e-5, 1e-5);
        }
        let activations = calls.iter().filter(|call| call.starts_with("activation")).count();
        let left = if BatchNorm::takes(inner) { 0 } else { 2 };
        assert_eq!(activations, left, "{calls:?}");
        assert_eq!(calls.iter().filter(|&&call| call == "batch norm").count(), 3, "{calls:?}");
    }
}

/// Operations that have no case of their own, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("accuracy", "no gradient; its values are checked against Keras"),
    ("dropout", "random; it has a test of its own"),
    ("noise", "random; it has a test of its own"),
    ("batch norm, recomputed", "made by a pass; a test of bounded memory holds it to the same bits"),
    (
        "packing of weights",
        "made by a plan whose variables stay the same; the cases of convolution run so too",
    ),
    (
        "banded convolutions",
        "made by a plan whose variables stay the same; a test of bands holds it to the operations one by one",
    ),
    ("frozen batch norm factors", "made by a pass; the cases of frozen batch norm run it"),
    ("moving average", "no gradient; its values are checked against Keras"),
    ("rounding to bf16", "made by a pass; tests of precision hold it to bounds and to the same bits"),
    ("storing as bf16", "as above"),
    ("reading of bf16", "as above"),
    ("convolution of pairs", "made by a pass; its kernels have tests, and so have models of them"),
    ("packing of pairs", "as above"),
    (
        "guided activation",
        "its gradient is another one on purpose; explanations hold it to TensorFlow's numbers",
    ),
    (
        "connectionist temporal classification",
        "takes class numbers; its kernel is held to numeric gradients, the loss to Keras's",
    ),
    ("connectionist temporal classification gradient", "as above"),
    ("circle loss", "as above"),
    ("circle loss gradient", "as above"),
    ("rectified max pool", "made by a pass; the case of relu and max pool runs it"),
];

#[test]
fn every_operation_has_a_case() {
    let mut met: Vec<&str> = Vec::new();
    for case in cases() {
        let mut graph = Graph::new();
        let inputs = inputs_of(&case);
        let mut x = placeholders(&mut graph, &inputs[..1], true);
        x.extend(placeholders(&mut graph, &inputs[1..], case.all_batched));
        let y = (case.build)(&mut graph, &x);
        gradients(&mut graph, y, None, &x[..case.differentiated]).unwrap();
        met.extend(graph.nodes().iter().map(|node| node.op.name()));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/engine/src/ops");
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for part in text.split("fn name(&self) -> &'static str {").skip(1) {
            let name = part.split('"').nth(1).unwrap();
            let elsewhere = ELSEWHERE.iter().any(|(known, _)| *known == name);
            assert!(met.contains(&name) || elsewhere, "no case for the operation `{name}`");
        }
    }
}

#[test]
fn a_fused_activation_is_trained_only_where_its_gradient_follows_from_the_output() {
    let x = Tensor { dims: vec![2, 3], values: vec![0.1; 6] };
    for activation in reference::activation::examples() {
        let mut graph = Graph::new();
        let x = placeholders(&mut graph, std::slice::from_ref(&x), true)[0];
        let w = graph.input(Shape::fixed([3, 2]));
        let y = graph
            .apply(Convolution { activation, ..Convolution::linear(Sliding::default(), 1) }, &[x, w])
            .unwrap();
        let found = gradients(&mut graph, y, None, &[x, w]);
        assert_eq!(found.is_ok(), activation.gradient_from_output(), "{activation:?}");
    }
}

#[test]
fn a_gradient_can_be_differentiated_again() {
    // Σ conv(x, w)² has the second derivative 2 Σ w² on its diagonal; the gradient of the gradient is taken as an operation.
    let mut program = Program::default();
    let graph = &mut program.graph;
    let x = graph.input(Shape::batched([3, 1]));
    let w = graph.input(Shape::fixed([2, 1, 1]));
    let y = graph.apply(Convolution::linear(Sliding::default(), 1), &[x, w]).unwrap();
    let square = graph.apply(Multiply, &[y, y]).unwrap();
    let first = gradients(graph, square, None, &[x]).unwrap()[0].unwrap();
    let second = gradients(graph, first, None, &[x]).unwrap()[0].unwrap();
    program.fetches = vec![first, second];
    let (x, w) = ([1.0, 2.0, 4.0], [3.0, -1.0]);
    let fetched = run(program, 1, &[&x, &w], &mut [], true);
    // y = (1, 2); the gradient is 2 (3·1, −1 + 3·2, −2), its sum's is 2 Wᵀ W 1.
    assert_eq!(fetched[0], [6.0, 10.0, -4.0]);
    assert_eq!(fetched[1], [12.0, 8.0, -4.0]);
}
