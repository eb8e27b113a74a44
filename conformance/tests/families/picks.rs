//! Cases of operations that pick, mix and compare elements.

use std::sync::Arc;

use super::*;
use convnet_engine::ops::{
    Blend, Extreme, ExtremePlace, MatMul, MaxPool, PickAlong, PlaceAlong, Select, Taps, Unary, UnaryFunction,
    WinnerPlaces,
};

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
    cases.extend(along());
    cases
}

/// Places that follow from a value, 0 or 1, picked from and put to, and the places of the winners of a pool.
fn along() -> Vec<Case> {
    fn positive(graph: &mut Graph, x: Value) -> Value {
        let zero = graph.apply(Fill { value: 0.0, shape: Shape::fixed([]) }, &[]).unwrap();
        graph.apply(Binary(BinaryFunction::Greater), &[x, zero]).unwrap()
    }
    let pick = |graph: &mut Graph, x: &[Value]| {
        let places = positive(graph, x[1]);
        graph.apply(PickAlong { axis: 0 }, &[x[0], places]).unwrap()
    };
    let put = |sums: bool| {
        move |graph: &mut Graph, x: &[Value]| {
            let places = positive(graph, x[1]);
            graph.apply(PlaceAlong { axis: 0, size: 3, sums }, &[x[0], places]).unwrap()
        }
    };
    let winners = |graph: &mut Graph, x: &[Value]| {
        let sliding = sliding(2, 1, Padding::Explicit { before: 1, after: 1 });
        let pool = MaxPool { window: vec![3, 2], sliding };
        let input = graph.shape(x[0]).clone();
        let found = graph.add(pool.clone(), x).unwrap();
        let places = graph.apply(WinnerPlaces { pool, input }, &found[1..]).unwrap();
        graph.apply(Sum, &[found[0], places]).unwrap()
    };
    let at = |number: f64| usize::from(number > 0.0);
    vec![
        Case::new("pick along an axis", &[&[2, 3, 2], &[2, 4, 2]], pick, move |inputs| {
            let element = |i: usize| inputs[0][i / 8 * 6 + at(inputs[1][i]) * 2 + i % 2];
            (0..16).map(element).collect()
        })
        .given_after(1)
        .batched(),
        Case::new("place along an axis, sums", &[&[2, 4, 2], &[2, 4, 2]], put(true), move |inputs| {
            let mut y = vec![0.0; 12];
            (0..16).for_each(|i| y[i / 8 * 6 + at(inputs[1][i]) * 2 + i % 2] += inputs[0][i]);
            y
        })
        .given_after(1)
        .batched(),
        // One element for each place, so that none is replaced.
        Case::new("place along an axis", &[&[3, 1, 2], &[3, 1, 2]], put(false), move |inputs| {
            let mut y = vec![0.0; 18];
            (0..6).for_each(|i| y[i / 2 * 6 + at(inputs[1][i]) * 2 + i % 2] = inputs[0][i]);
            y
        })
        .given_after(1)
        .batched(),
        Case::new("places of winners, added", &[&[2, 5, 4, 3]], winners, |inputs| {
            let mut y = Vec::new();
            for index in 0..2 * 27 {
                let (n, oh, ow, c) = (index / 27, index / 9 % 3, index / 3 % 3, index % 3);
                let inside = |o: usize, kernel: usize, size: usize| {
                    (0..kernel).filter_map(move |tap| (o * 2 + tap).checked_sub(1)).filter(move |&i| i < size)
                };
                let places = inside(oh, 3, 5).flat_map(|h| inside(ow, 2, 4).map(move |w| h * 4 + w));
                let value = |place: usize| inputs[0][(n * 20 + place) * 3 + c];
                let best = places.reduce(|best, place| if value(place) > value(best) { place } else { best });
                let best = best.unwrap();
                y.push(value(best) + best as f64);
            }
            y
        }),
    ]
}
