//! Cases of losses that are composed of operations: predictions `(3, 4)`, then targets, of which only the former are differentiated.

use super::*;
use convnet_nn::losses;
use serde_json::{Map, Value as Json, json};

const EPSILON: f64 = 1e-7;

fn config(json: Json) -> Map<String, Json> {
    json.as_object().cloned().unwrap_or_default()
}

/// A loss that is one number a row.
fn rows(name: &'static str, arguments: Json, row: fn(&[f64], &[f64]) -> f64) -> Case {
    let reference = move |inputs: &[Vec<f64>]| -> Vec<f64> {
        inputs[0].chunks(4).zip(inputs[1].chunks(4)).map(|(y, t)| row(t, y)).collect()
    };
    whole(name, arguments, reference)
}

/// A loss of the whole batch at once.
fn whole(name: &'static str, arguments: Json, reference: impl Fn(&[Vec<f64>]) -> Vec<f64> + 'static) -> Case {
    let build = move |graph: &mut Graph, x: &[Value]| {
        losses::from_config(name, &config(arguments.clone())).unwrap().build(graph, x[0], x[1]).unwrap()
    };
    Case::new(name, &[&[3, 4], &[3, 4]], build, reference).batched().given_after(1)
}

fn mean(t: &[f64], y: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    t.iter().zip(y).map(|(&t, &y)| f(t, y)).sum::<f64>() / t.len() as f64
}

fn sum(t: &[f64], y: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    mean(t, y, f) * t.len() as f64
}

fn huber(t: f64, y: f64) -> f64 {
    let error = (t - y).abs();
    if error <= 0.4 { error * error / 2.0 } else { 0.4 * error - 0.08 }
}

fn binary_focal(t: f64, p: f64) -> f64 {
    let right = t * p + (1.0 - t) * (1.0 - p);
    let weight = t * 0.3 + (1.0 - t) * 0.7;
    -weight * (1.0 - right).powf(1.5) * (t * p.ln() + (1.0 - t) * (1.0 - p).ln())
}

fn categorical_focal(t: &[f64], p: &[f64]) -> f64 {
    let all: f64 = p.iter().sum();
    sum(t, p, |t, p| -0.25 * (1.0 - p / all).powi(2) * (0.9 * t + 0.025) * (p / all).ln())
}

fn cosine(t: &[f64], y: &[f64]) -> f64 {
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    -sum(t, y, |t, y| t * y) / (length(t) * length(y))
}

fn categorical_hinge(t: &[f64], y: &[f64]) -> f64 {
    let best = t.iter().zip(y).map(|(t, y)| (1.0 - t) * y).fold(f64::NEG_INFINITY, f64::max);
    (best - sum(t, y, |t, y| t * y) + 1.0).max(0.0)
}

pub fn losses() -> Vec<Case> {
    let none = || json!({});
    let probabilities = |case: Case| case.range(0, 0.1, 0.9).range(1, 0.05, 0.95);
    vec![
        rows("MeanAbsoluteError", none(), |t, y| mean(t, y, |t, y| (t - y).abs())).range(1, -0.9, 1.5),
        rows("MeanAbsolutePercentageError", none(), |t, y| 100.0 * mean(t, y, |t, y| ((t - y) / t).abs()))
            .range(1, 1.1, 2.0),
        rows("MeanSquaredLogarithmicError", none(), |t, y| {
            mean(t, y, |t, y| ((t + 1.0).ln() - (y + 1.0).ln()).powi(2))
        })
        .range(0, 0.2, 3.0)
        .range(1, 0.1, 2.0),
        rows("Huber", json!({ "delta": 0.4 }), |t, y| mean(t, y, huber)).range(1, -1.3, 1.1),
        rows("LogCosh", none(), |t, y| mean(t, y, |t, y| (y - t).cosh().ln())).range(1, -2.0, 3.0),
        rows("Poisson", none(), |t, y| mean(t, y, |t, y| y - t * (y + EPSILON).ln()))
            .range(0, 0.2, 3.0)
            .range(1, 0.0, 4.0),
        probabilities(rows("KLDivergence", none(), |t, p| sum(t, p, |t, p| t * (t / p).ln()))),
        rows("CosineSimilarity", none(), cosine).range(1, -0.7, 1.4),
        rows("Hinge", none(), |t, y| mean(t, y, |t, y| (1.0 - t * y).max(0.0))).range(1, -1.9, 1.6),
        rows("SquaredHinge", none(), |t, y| mean(t, y, |t, y| (1.0 - t * y).max(0.0).powi(2)))
            .range(1, -1.9, 1.6),
        rows("CategoricalHinge", none(), categorical_hinge).range(1, 0.0, 1.0),
        probabilities(rows(
            "BinaryFocalCrossentropy",
            json!({ "apply_class_balancing": true, "alpha": 0.3, "gamma": 1.5 }),
            |t, p| mean(t, p, binary_focal),
        )),
        probabilities(rows(
            "CategoricalFocalCrossentropy",
            json!({ "label_smoothing": 0.1 }),
            categorical_focal,
        )),
        probabilities(rows("Dice", json!({ "axis": -1 }), |t, p| {
            1.0 - 2.0 * sum(t, p, |t, p| t * p) / (sum(t, p, |t, p| t + p) + EPSILON)
        })),
        probabilities(whole("Tversky", json!({ "alpha": 0.3, "beta": 0.7 }), |inputs| {
            let (p, t) = (&inputs[0], &inputs[1]);
            let both = sum(t, p, |t, p| t * p);
            let missed = sum(t, p, |t, p| t * (1.0 - p));
            let wrong = sum(t, p, |t, p| (1.0 - t) * p);
            vec![1.0 - both / (both + 0.3 * missed + 0.7 * wrong + EPSILON)]
        })),
    ]
}
