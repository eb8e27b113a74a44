//! Cases of families of operations, each over many shapes.

use super::*;
use convnet_engine::kernels::pool::AdaptiveGeometry;

mod losses;
mod picks;
mod warps;

pub use losses::losses;
pub use picks::picks;
pub use warps::warps;

fn binary(function: BinaryFunction) -> fn(f64, f64) -> f64 {
    match function {
        BinaryFunction::Add => |a, b| a + b,
        BinaryFunction::Subtract => |a, b| a - b,
        BinaryFunction::Multiply => |a, b| a * b,
        BinaryFunction::Divide => |a, b| a / b,
        BinaryFunction::Maximum => f64::max,
        BinaryFunction::Minimum => f64::min,
        BinaryFunction::Equal => |a, b| f64::from(a == b),
        BinaryFunction::Greater => |a, b| f64::from(a > b),
        BinaryFunction::Power => f64::powf,
        BinaryFunction::Remainder => |a, b| a % b,
        BinaryFunction::Modulo => |a, b| a - b * (a / b).floor(),
    }
}

/// Functions of two values of equal and of unlike shapes. Sizes of the second are those of the first or 1, from the last one on.
pub fn broadcasts() -> Vec<Case> {
    let mut cases = Vec::new();
    for function in BinaryFunction::ALL {
        if matches!(function, BinaryFunction::Equal | BinaryFunction::Greater) {
            continue;
        }
        let shapes: [(&[usize], &[usize], bool); 7] = [
            (&[2, 3], &[2, 3], true),
            (&[2, 3, 4, 2], &[2, 1, 1, 2], true),
            (&[2, 3, 4, 2], &[2, 3, 4, 1], true),
            (&[2, 3, 2], &[2], false),
            (&[2, 3, 2], &[3, 1], false),
            (&[2, 3], &[], false),
            (&[2, 1, 3], &[2, 4, 1], true),
        ];
        for (a, b, batched) in shapes {
            let f = binary(function);
            let case = Case::new(function.name(), &[a, b], apply(Binary(function)), move |inputs| {
                reference::broadcast::binary(f, (a, &inputs[0]), (b, &inputs[1]))
            });
            let case = case.range(1, 0.3, 1.7);
            let case = if function == BinaryFunction::Power { case.range(0, 0.4, 1.9) } else { case };
            cases.push(if batched { case.batched() } else { case });
        }
    }
    cases.push(Case::new(
        "expand",
        &[&[2, 1, 3]],
        apply(Expand { shape: Shape::batched([4, 3]), shared: false }),
        |inputs| reference::broadcast::binary(|x, _| x, (&[2, 1, 3], &inputs[0]), (&[2, 4, 3], &[0.0; 24])),
    ));
    cases.push(Case::new(
        "expand, shared",
        &[&[2, 1, 3]],
        apply(Expand { shape: Shape::batched([4, 3]), shared: true }),
        |inputs| {
            reference::broadcast::binary(|x, _| x / 4.0, (&[2, 1, 3], &inputs[0]), (&[2, 4, 3], &[0.0; 24]))
        },
    ));
    cases.push(
        Case::new(
            "which of two is larger, next to them",
            &[&[2, 3], &[2, 3]],
            |graph, x| {
                let mask = graph.apply(Binary(BinaryFunction::Greater), x).unwrap();
                graph.apply(Sum, &[mask, x[0], x[1]]).unwrap()
            },
            |inputs| {
                let mask = |(a, b): (&f64, &f64)| f64::from(a > b) + a + b;
                inputs[0].iter().zip(&inputs[1]).map(mask).collect()
            },
        )
        .range(1, -0.9, 1.4)
        .batched(),
    );
    cases.push(Case::new(
        "stop gradient",
        &[&[2, 3]],
        |graph, x| {
            let constant = graph.apply(StopGradient, x).unwrap();
            let zero = graph.apply(Binary(BinaryFunction::Subtract), &[constant, constant]).unwrap();
            graph.apply(Sum, &[zero, x[0]]).unwrap()
        },
        |inputs| inputs[0].clone(),
    ));
    for axis in 0..3 {
        let softmax = move |inputs: &[Vec<f64>]| {
            reference::activation::softmax_along(&inputs[0], [2, 3, 4, 2], axis + 1)
        };
        let build = move |graph: &mut Graph, x: &[Value]| softmax_along(graph, x[0], axis).unwrap();
        cases.push(Case::new("softmax over an axis", &[&[2, 3, 4, 2]], build, softmax));
        let build = move |graph: &mut Graph, x: &[Value]| log_softmax_along(graph, x[0], axis).unwrap();
        let log = move |inputs: &[Vec<f64>]| softmax(inputs).into_iter().map(f64::ln).collect();
        cases.push(Case::new("log softmax over an axis", &[&[2, 3, 4, 2]], build, log));
    }
    cases
}

pub fn reductions() -> Vec<Case> {
    let fold: [(ReduceFunction, fn(&[f64]) -> f64); 4] = [
        (ReduceFunction::Sum, |x| x.iter().sum()),
        (ReduceFunction::Mean, |x| x.iter().sum::<f64>() / x.len() as f64),
        (ReduceFunction::Max, |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        (ReduceFunction::Min, |x| x.iter().copied().fold(f64::INFINITY, f64::min)),
    ];
    let axes: [(bool, &[usize]); 7] = [
        (false, &[0]),
        (false, &[1]),
        (false, &[2]),
        (false, &[0, 1]),
        (false, &[0, 2]),
        (true, &[1]),
        (true, &[0, 1, 2]),
    ];
    let mut cases = Vec::new();
    for (function, fold) in fold {
        for (batch, axes) in axes {
            for keep_dims in [false, true] {
                let op = Reduce { function, batch, axes: axes.to_vec(), keep_dims };
                cases.push(Case::new("reduce", &[&[2, 3, 4, 2]], apply(op), move |inputs| {
                    let reduced = [batch, axes.contains(&0), axes.contains(&1), axes.contains(&2)];
                    reference::broadcast::reduce(fold, &inputs[0], [2, 3, 4, 2], reduced)
                }));
            }
        }
    }
    cases
}

pub fn norms() -> Vec<Case> {
    let mut cases = Vec::new();
    for function in [
        RowNormFunction::Layer { epsilon: 0.01 },
        RowNormFunction::Variance { epsilon: 0.01 },
        RowNormFunction::RootMeanSquare { epsilon: 0.01 },
        RowNormFunction::Unit { epsilon: 1e-12 },
        RowNormFunction::Unit { epsilon: 3.0 },
    ] {
        let whole = |dims: &'static [usize], axes: usize| {
            let weights = &dims[dims.len() - axes..];
            let op = RowNorm { function, axes, scale: true, center: true };
            Case::new("layer norm", &[dims, weights, weights], apply(op), move |inputs| {
                reference::norms::rows(function, &inputs[0], &inputs[1], &inputs[2])
            })
        };
        cases.extend([
            whole(&[3, 7], 1),
            whole(&[2, 3, 5], 1),
            whole(&[2, 2, 3, 5], 2),
            whole(&[2, 2, 3, 5], 3),
        ]);
        let scaled = RowNorm { function, axes: 1, scale: true, center: false };
        cases.push(Case::new("layer norm, scale only", &[&[2, 3, 5], &[5]], apply(scaled), move |inputs| {
            reference::norms::rows(function, &inputs[0], &inputs[1], &[0.0; 5])
        }));
        let bare = RowNorm { function, axes: 2, scale: false, center: false };
        cases.push(Case::new("layer norm, bare", &[&[2, 3, 5]], apply(bare), move |inputs| {
            reference::norms::rows(function, &inputs[0], &[1.0; 15], &[0.0; 15])
        }));
    }
    let shapes: [(&'static [usize], usize); 5] =
        [(&[2, 3, 2, 6], 2), (&[2, 3, 2, 6], 6), (&[2, 3, 2, 6], 1), (&[3, 8], 2), (&[2, 5, 4], 4)];
    for (dims, groups) in shapes {
        let channels = &dims[dims.len() - 1..];
        let op = GroupNorm { groups, epsilon: 0.01, scale: true, center: true };
        cases.push(Case::new("group norm", &[dims, channels, channels], apply(op), move |inputs| {
            reference::norms::groups(dims[0], groups, f64::from(0.01_f32), &inputs[0], &inputs[1], &inputs[2])
        }));
    }
    let bare = GroupNorm { groups: 2, epsilon: 0.01, scale: false, center: false };
    cases.push(Case::new("group norm, bare", &[&[2, 5, 4]], apply(bare), |inputs| {
        reference::norms::groups(2, 2, f64::from(0.01_f32), &inputs[0], &[1.0; 4], &[0.0; 4])
    }));
    for (depth_radius, beta) in [(0, 0.5), (2, 0.75), (9, 1.0)] {
        let response = Response { depth_radius, bias: 1.5, alpha: 0.3, beta };
        cases.push(Case::new(
            "local response norm",
            &[&[2, 3, 7]],
            apply(ResponseNorm(response)),
            move |inputs| reference::norms::response(response, 7, &inputs[0]),
        ));
    }
    cases
}

/// Operations that change the sizes of images.
pub fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
        for size in [[6, 8], [3, 4], [2, 3], [7, 5], [1, 1]] {
            cases.push(Case::new(
                "resize",
                &[&[2, 3, 4, 2]],
                apply(Resize { size, interpolation }),
                move |inputs| reference::resize::resize(&inputs[0], [3, 4, 2], size, interpolation),
            ));
        }
    }
    let shapes: [(&'static [usize], &'static [usize]); 5] = [
        (&[2, 7, 2], &[3]),
        (&[2, 5, 7, 3], &[2, 3]),
        (&[2, 5, 4, 2], &[1, 1]),
        (&[1, 3, 2, 2], &[4, 5]),
        (&[1, 3, 4, 5, 2], &[2, 2, 3]),
    ];
    for (dims, size) in shapes {
        let volume = |sizes: &[usize]| {
            let mut volume = [1; 3];
            volume[3 - sizes.len()..].copy_from_slice(sizes);
            volume
        };
        let (batch, channels) = (dims[0], dims[dims.len() - 1]);
        let (input, output) = (volume(&dims[1..dims.len() - 1]), volume(size));
        let g = AdaptiveGeometry { batch, channels, input, output };
        let average = AdaptiveAveragePool { size: size.to_vec() };
        cases.push(Case::new("adaptive average pool", &[dims], apply(average), move |inputs| {
            reference::adaptive::average(&g, &inputs[0])
        }));
        let max = AdaptiveMaxPool { size: size.to_vec() };
        cases.push(Case::new("adaptive max pool", &[dims], apply(max), move |inputs| {
            reference::adaptive::max(&g, &inputs[0])
        }));
    }
    cases.push(Case::new("channel max pool", &[&[2, 3, 6]], apply(ChannelMaxPool { window: 3 }), |inputs| {
        reference::adaptive::channel_max(3, &inputs[0])
    }));
    cases
}

/// Rows of a table by numbers that follow from the first input, and a value taken apart.
pub fn rows() -> Vec<Case> {
    let gather = |graph: &mut Graph, inputs: &[Value]| {
        let zero = graph.apply(Fill { value: 0.0, shape: Shape::fixed([]) }, &[]).unwrap();
        let indices = graph.apply(Binary(BinaryFunction::Greater), &[inputs[0], zero]).unwrap();
        let rows = graph.apply(Gather, &[indices, inputs[1]]).unwrap();
        let x = graph.apply(Reshape { dims: vec![3, 1] }, &inputs[..1]).unwrap();
        graph.apply(Binary(BinaryFunction::Add), &[rows, x]).unwrap()
    };
    let unstack = |axis: usize| {
        move |graph: &mut Graph, inputs: &[Value]| {
            let parts = graph.add(Unstack { axis }, inputs).unwrap();
            graph.apply(Multiply, &[parts[0], parts[2]]).unwrap()
        }
    };
    vec![
        Case::new("gather", &[&[2, 3], &[4, 5]], gather, |inputs| {
            let row = |x: &f64| {
                let start = if *x > 0.0 { 5 } else { 0 };
                inputs[1][start..start + 5].iter().map(|y| y + x).collect::<Vec<_>>()
            };
            inputs[0].iter().flat_map(row).collect()
        }),
        Case::new("unstack", &[&[2, 3, 4]], unstack(0), |inputs| {
            inputs[0].chunks(12).flat_map(|x| (0..4).map(|i| x[i] * x[8 + i])).collect()
        }),
        Case::new("unstack, last axis", &[&[2, 4, 3]], unstack(1), |inputs| {
            inputs[0].chunks(3).map(|x| x[0] * x[2]).collect()
        }),
    ]
}
