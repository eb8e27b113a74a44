//! A neocognitron: the network of 1980 from which convolutional networks come.
//!
//! Fukushima, "Neocognitron: A Self-organizing Neural Network Model for a Mechanism of Pattern Recognition Unaffected by Shift in
//! Position", 1980 ([Biological Cybernetics 36](https://doi.org/10.1007/BF00344251)). S-cells look for features and are held down by
//! cells that see the same place without preference; C-cells blur where a feature was. Both are layers here; they learn by gradients
//! instead of by Fukushima's competition.
//!
//! `cargo run --release -p convnet --example neocognitron`

use convnet::engine::error::Mismatch;
use convnet::engine::ops::{
    Activate, Activation as Function, AveragePool, Binary, BinaryFunction, Convolution, Multiply,
    Padding as Border, Reduce, ReduceFunction, ScaleShift, Sliding,
};
use convnet::engine::{EngineError, Shape, Value};
use convnet::nn::layer::{Layer, LayerContext, WeightSpec};
use convnet::prelude::*;
use serde_json::{Map, Value as Json, json};

type Built = Result<Value, EngineError>;

/// Planes of S-cells: u = r max(0, (1 + Σ a x) / (1 + r / (1 + r) b v) − 1), with v = √(mean of x² in the window).
///
/// Input `(batch, height, width, planes before)`, output `(batch, height, width, planes)`. Weights, of which the magnitude counts:
/// `excitation` a `(size, size, planes before, planes)`, `inhibition` b `(planes)`.
#[derive(Debug)]
struct SCells {
    planes: usize,
    size: usize,
    /// How much of the pattern must be there: r.
    selectivity: f32,
}

impl Layer for SCells {
    fn class_name(&self) -> &'static str {
        "SCells"
    }

    fn config(&self) -> Map<String, Json> {
        let config = json!({ "planes": self.planes, "size": self.size, "selectivity": self.selectivity });
        config.as_object().cloned().unwrap_or_default()
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        match inputs {
            [shape] if shape.dims.len() == 3 => {
                let dims = [self.size, self.size, shape.channels(), self.planes];
                Ok(vec![
                    WeightSpec::trainable("excitation", dims, Initializer::HeNormal),
                    WeightSpec::trainable("inhibition", [self.planes], Initializer::Ones),
                ])
            }
            _ => Err(Mismatch::new("one image (height, width, planes)", format!("{inputs:?}"))),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Built {
        let (x, r, graph) = (inputs[0], self.selectivity, &mut *at.graph);
        let add_one =
            |graph: &mut convnet::engine::Graph, x| graph.apply(ScaleShift { scale: 1.0, shift: 1.0 }, &[x]);
        let sliding = Sliding { padding: [Border::Same; 3], ..Sliding::default() };
        let kernel = graph.apply(Activate(Function::Abs), &at.weights[..1])?;
        let excitation = graph.apply(Convolution::linear(sliding, 1), &[x, kernel])?;
        let excitation = add_one(graph, excitation)?;

        let square = graph.apply(Multiply, &[x, x])?;
        let (function, axes) = (ReduceFunction::Mean, vec![2]);
        let mean = graph.apply(Reduce { function, batch: false, axes, keep_dims: true }, &[square])?;
        let mean = graph.apply(AveragePool { window: vec![self.size; 2], sliding }, &[mean])?;
        let mean = graph.apply(ScaleShift { scale: 1.0, shift: 1e-6 }, &[mean])?;
        let seen = graph.apply(Activate(Function::Sqrt), &[mean])?;
        let weights = graph.apply(Activate(Function::Abs), &at.weights[1..])?;
        let inhibition = graph.apply(Binary(BinaryFunction::Multiply), &[seen, weights])?;
        let inhibition = graph.apply(ScaleShift { scale: r / (1.0 + r), shift: 1.0 }, &[inhibition])?;

        let ratio = graph.apply(Binary(BinaryFunction::Divide), &[excitation, inhibition])?;
        let above = graph.apply(ScaleShift { scale: r, shift: -r }, &[ratio])?;
        graph.apply(Activate(Function::Relu), &[above])
    }
}

/// Planes of C-cells: the mean of a window of S-cells, saturated: x / (1 + x). Half the height and width.
#[derive(Debug)]
struct CCells {
    size: usize,
}

impl Layer for CCells {
    fn class_name(&self) -> &'static str {
        "CCells"
    }

    fn config(&self) -> Map<String, Json> {
        Map::from_iter([("size".to_owned(), json!(self.size))])
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Built {
        let sliding = Sliding { strides: [1, 2, 2], padding: [Border::Same; 3], ..Sliding::default() };
        let mean = at.graph.apply(AveragePool { window: vec![self.size; 2], sliding }, inputs)?;
        at.graph.apply(Activate(Function::Softsign), &[mean])
    }
}

/// Three stages of S- and C-cells for 28 × 28 grey images, and a dense layer that tells 10 classes apart.
pub fn neocognitron() -> convnet::nn::Result<Model> {
    let image = Symbol::input([28, 28, 1]);
    let mut x = image.clone();
    for planes in [12, 24, 40] {
        x = x.apply(SCells { planes, size: 5, selectivity: 1.5 })?.apply(CCells { size: 3 })?;
    }
    let classes = x.apply(Flatten::new())?.apply(Dense::new(10).activation(Activation::Softmax))?;
    let mut model = Model::new(&[image], &[classes])?;
    model.compile(Adam::new(0.01), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    Ok(model)
}

#[allow(dead_code, reason = "the test uses the function above only")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mnist = convnet::data::load("mnist")?;
    let test = mnist.test.ok_or("MNIST has test images")?;
    let mut model = neocognitron()?;
    println!("{}", model.summary(64)?);
    model.fit(&mnist.train, Fit::new().epochs(2).batch_size(64))?;
    println!("{:?}", model.evaluate(&test)?);
    Ok(())
}
