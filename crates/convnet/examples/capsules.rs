//! A capsule network: layers, a loss and an algorithm of one's own, by the same traits as the built-in ones.
//!
//! Sabour, Frosst and Hinton, "Dynamic Routing Between Capsules", 2017 ([arXiv:1710.09829](https://arxiv.org/abs/1710.09829)),
//! figure 1 without the decoder. A capsule is a vector: its direction says how something looks, its length how sure it is that
//! it is there.
//!
//! `cargo run --release -p convnet --example capsules`

use convnet::engine::error::Mismatch;
use convnet::engine::ops::{
    Activate, Activation as Function, Binary, BinaryFunction, Convolution, Fill, Multiply, Reduce,
    ReduceFunction, Reshape, ScaleShift, Sliding, Softmax, Sum,
};
use convnet::engine::{EngineError, Graph, Shape, Value};
use convnet::nn::layer::{Layer, LayerContext, WeightSpec};
use convnet::nn::layers::Reshape as ReshapeLayer;
use convnet::nn::losses::Loss;
use convnet::prelude::*;
use serde_json::{Map, Value as Json, json};

type Built = Result<Value, EngineError>;

/// The sum along an axis, which stays.
fn sum_along(graph: &mut Graph, x: Value, axis: usize) -> Built {
    let (function, axes) = (ReduceFunction::Sum, vec![axis]);
    graph.apply(Reduce { function, batch: false, axes, keep_dims: true }, &[x])
}

/// Vectors along the last axis, made shorter than 1 in their direction: s |s| / (1 + |s|²).
fn squash(graph: &mut Graph, s: Value) -> Built {
    let last = graph.shape(s).dims.len() - 1;
    let square = graph.apply(Multiply, &[s, s])?;
    let square = sum_along(graph, square, last)?;
    let length = graph.apply(ScaleShift { scale: 1.0, shift: 1e-7 }, &[square])?;
    let length = graph.apply(Activate(Function::Sqrt), &[length])?;
    let divisor = graph.apply(ScaleShift { scale: 1.0, shift: 1.0 }, &[square])?;
    let factor = graph.apply(Binary(BinaryFunction::Divide), &[length, divisor])?;
    graph.apply(Binary(BinaryFunction::Multiply), &[s, factor])
}

/// [`squash`] as a layer. Input `(batch, capsules, size)`.
#[derive(Debug)]
struct Squash;

impl Layer for Squash {
    fn class_name(&self) -> &'static str {
        "Squash"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Built {
        squash(at.graph, inputs[0])
    }
}

/// Capsules each of which hears of all capsules before it what they predict for it, and listens to those that agree.
///
/// Input `(batch, capsules, size)`, output `(batch, units, unit size)`. Weight: `kernel` `(size, capsules · units · unit size)`.
#[derive(Debug)]
struct Capsules {
    units: usize,
    unit_size: usize,
    routings: usize,
}

impl Layer for Capsules {
    fn class_name(&self) -> &'static str {
        "Capsules"
    }

    fn config(&self) -> Map<String, Json> {
        let config = json!({ "units": self.units, "unit_size": self.unit_size, "routings": self.routings });
        config.as_object().cloned().unwrap_or_default()
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        match inputs {
            [Shape { dims, .. }] if dims.len() == 2 => {
                let dims = [dims[1], dims[0] * self.units * self.unit_size];
                Ok(vec![WeightSpec::trainable("kernel", dims, Initializer::HeNormal)])
            }
            _ => Err(Mismatch::new("one input (capsules, size)", format!("{inputs:?}"))),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Built {
        let (kernel, graph) = (at.weights[0], &mut *at.graph);
        let dims = graph.shape(inputs[0]).dims.clone();
        let (capsules, size) = (dims[0], dims[1]);
        // Each capsule has matrices of its own: it is a group of a convolution without spatial axes.
        let flat = graph.apply(Reshape { dims: vec![capsules * size] }, inputs)?;
        let predicted = graph.apply(Convolution::linear(Sliding::default(), capsules), &[flat, kernel])?;
        let dims = vec![capsules, self.units, self.unit_size];
        let predicted = graph.apply(Reshape { dims }, &[predicted])?;

        let even = Fill { value: 1.0 / self.units as f32, shape: Shape::batched(vec![capsules, self.units]) };
        let mut shares = graph.apply(even, &[])?;
        let mut agreements: Vec<Value> = Vec::new();
        loop {
            let dims = vec![capsules, self.units, 1];
            let weights = graph.apply(Reshape { dims }, &[shares])?;
            let heard = graph.apply(Binary(BinaryFunction::Multiply), &[predicted, weights])?;
            let heard = sum_along(graph, heard, 0)?;
            let vectors = squash(graph, heard)?;
            if agreements.len() + 1 >= self.routings {
                return graph.apply(Reshape { dims: vec![self.units, self.unit_size] }, &[vectors]);
            }
            let agreement = graph.apply(Binary(BinaryFunction::Multiply), &[predicted, vectors])?;
            let agreement = sum_along(graph, agreement, 2)?;
            agreements.push(graph.apply(Reshape { dims: vec![capsules, self.units] }, &[agreement])?);
            let logits = if let [only] = agreements[..] { only } else { graph.apply(Sum, &agreements)? };
            shares = graph.apply(Softmax, &[logits])?;
        }
    }
}

/// How long vectors are. Input `(batch, capsules, size)`, output `(batch, capsules)`.
#[derive(Debug)]
struct Length;

impl Layer for Length {
    fn class_name(&self) -> &'static str {
        "Length"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Built {
        let square = at.graph.apply(Multiply, &[inputs[0], inputs[0]])?;
        let square = at.graph.apply(Reduce::new(ReduceFunction::Sum, [1]), &[square])?;
        let square = at.graph.apply(ScaleShift { scale: 1.0, shift: 1e-7 }, &[square])?;
        at.graph.apply(Activate(Function::Sqrt), &[square])
    }
}

/// t max(0, 0.9 − y)² + ½ (1 − t) max(0, y − 0.1)², summed over the classes: equation 4.
#[derive(Debug)]
struct MarginLoss;

impl Loss for MarginLoss {
    fn class_name(&self) -> &'static str {
        "MarginLoss"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Built {
        let mut hinge = |scale: f32, shift: f32, weights: Value| {
            let x = graph.apply(ScaleShift { scale, shift }, &[predictions])?;
            let x = graph.apply(Activate(Function::Relu), &[x])?;
            let x = graph.apply(Multiply, &[x, x])?;
            graph.apply(Multiply, &[x, weights])
        };
        let present = hinge(-1.0, 0.9, targets)?;
        let absent = hinge(1.0, -0.1, targets)?;
        // ½ (1 − t) h = ½ h − ½ t h.
        let all = graph.apply(ScaleShift { scale: 1.0, shift: -0.1 }, &[predictions])?;
        let all = graph.apply(Activate(Function::Relu), &[all])?;
        let all = graph.apply(Multiply, &[all, all])?;
        let all = graph.apply(ScaleShift { scale: 0.5, shift: 0.0 }, &[all])?;
        let absent = graph.apply(ScaleShift { scale: -0.5, shift: 0.0 }, &[absent])?;
        let loss = graph.apply(Sum, &[present, all, absent])?;
        graph.apply(Reduce::new(ReduceFunction::Sum, [0]), &[loss])
    }
}

/// The network for 28 × 28 grey images and 10 classes. The paper has 256 filters and 32 maps of capsules.
pub fn capsule_network(filters: usize, maps: usize) -> convnet::nn::Result<Model> {
    let image = Symbol::input([28, 28, 1]);
    let x = image.apply(Conv2D::new(filters, 9).activation(Activation::Relu))?;
    let x = x.apply(Conv2D::new(8 * maps, 9).strides(2))?;
    let primary = x.apply(ReshapeLayer::new([-1, 8]))?.apply(Squash)?;
    let digits = primary.apply(Capsules { units: 10, unit_size: 16, routings: 3 })?;
    let mut model = Model::new(&[image], &[digits.apply(Length)?])?;
    model.compile(Adam::default(), MarginLoss, [Metric::Accuracy])?;
    Ok(model)
}

#[allow(dead_code, reason = "the test uses the function above only")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mnist = convnet::data::load("mnist")?;
    let test = mnist.test.ok_or("MNIST has test images")?;
    let mut model = capsule_network(64, 8)?;
    println!("{}", model.summary(64)?);
    let (train, test) = (OneHot::new(&mnist.train, 10)?, OneHot::new(&test, 10)?);
    model.fit(&train, Fit::new().epochs(2).batch_size(64))?;
    println!("{:?}", model.evaluate(&test)?);
    Ok(())
}
