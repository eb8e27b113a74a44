//! Cases of operations that pick, mix and compare elements.

use std::sync::Arc;

use super::*;
use convnet_engine::ops::{Blend, Extreme, ExtremePlace, MatMul, Select, Taps, Unary, UnaryFunction};

fn unary() -> Vec<Case> {
    let mut cases = Vec::new();
    for function in UnaryFunction::ALL {
        let build = move |graph: &mut Graph, x: &[Value]| {
            let y = graph.apply(Unary(function), x).unwrap();
            // The sum keeps a gradient where the function's is zero everywhere.
            graph.apply(Sum, &[y, x[0]]).unwrap()
        };
        let expected = move |inputs: &[Vec<f64>]| -> Vec<f64> {
            inputs[0].iter().map(|&x| reference::picks::unary(function, x) + x).collect()
        };
        let case = Case::new(function.name(), &[&[3, 7]], build, expected);
        cases.push(match function {
            UnaryFunction::Acosh => case.range(0, 1.2, 3.0),
            UnaryFunction::Asin | UnaryFunction::Acos | UnaryFunction::Atanh => case.range(0, -0.9, 0.9),
            _ => case.range(0, -1.4, 2.3),
        });
    }
    cases
}

pub fn picks() -> Vec<Case> {
    let mut cases = unary();
    let taps = || {
        vec![vec![(2, 1.0)], vec![(0, 0.25), (1, 0.75)], vec![], vec![(2, 1.0), (0, -0.5)], vec![(1, 2.0)]]
    };
    for (axis, dims) in [(0, [2, 3, 4]), (1, [8, 3, 1])] {
        let (x, inner): (&[usize], usize) = if axis == 0 { (&[2, 3, 4], 4) } else { (&[2, 4, 3], 1) };
        let build = move |graph: &mut Graph, x: &[Value]| {
            graph.apply(Blend { axis, taps: Arc::new(Taps::new(3, taps())) }, x).unwrap()
        };
        assert_eq!(dims[2], inner);
        cases.push(Case::new("blend", &[x], build, move |inputs| {
            reference::picks::blend(&taps(), dims, &inputs[0])
        }));
    }
    cases.push(
        Case::new("matrix product", &[&[2, 3, 4, 5], &[2, 3, 5, 2]], apply(MatMul), |inputs| {
            reference::picks::mat_mul([6, 4, 5, 2], &inputs[0], &inputs[1])
        })
        .batched(),
    );
    cases.push(
        Case::new(
            "select",
            &[&[2, 3], &[2, 3]],
            |graph, x| {
                let mask = graph.apply(Binary(BinaryFunction::Greater), &[x[0], x[1]]).unwrap();
                graph.apply(Select, &[mask, x[0], x[1]]).unwrap()
            },
            |inputs| inputs[0].iter().zip(&inputs[1]).map(|(a, b)| a.max(*b)).collect(),
        )
        .range(1, -0.9, 1.4)
        .batched(),
    );
    for smallest in [false, true] {
        cases.push(Case::new(
            "place of an extreme, added",
            &[&[2, 3, 4]],
            move |graph, x| {
                let extreme = Extreme { smallest, last: false };
                let place = graph.apply(ExtremePlace { axis: 0, extreme }, x).unwrap();
                graph.apply(Binary(BinaryFunction::Add), &[x[0], place]).unwrap()
            },
            move |inputs| {
                let place = reference::picks::extreme_place(smallest, [2, 3, 4], &inputs[0]);
                reference::broadcast::binary(|a, b| a + b, (&[2, 3, 4], &inputs[0]), (&[2, 1, 4], &place))
            },
        ));
    }
    cases
}
