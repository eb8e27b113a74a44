//! Normalisation by statistics of the data.

use convnet_engine::error::Mismatch;
use convnet_engine::kernels::elementwise::Activation;
use convnet_engine::ops::{Activate, Binary, BinaryFunction, Reshape};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{constants, to_map};
use super::layer_normalization::Axes;
use super::rescaling::PerChannel;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// y = (x − mean) / √variance, with a mean and a variance for each place along some axes. Output as the input.
///
/// They are arguments, or else weights that are not trained: `mean`, `variance` (of the sizes of the axes) and Keras's `count`, to be set with
/// `Model::set_weight`. As Keras's [Normalization](https://keras.io/api/layers/preprocessing_layers/numerical/normalization/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// The axes that have statistics of their own; `None` for one mean and variance of all. Default −1, the channels.
    #[serde(default = "last")]
    pub axis: Option<Axes>,
    /// The means.
    #[serde(default, deserialize_with = "numbers")]
    pub mean: Option<PerChannel>,
    /// The variances.
    #[serde(default, deserialize_with = "numbers")]
    pub variance: Option<PerChannel>,
    /// Whether it is undone instead: y = x √variance + mean. Default false.
    #[serde(default)]
    pub invert: bool,
}

fn last() -> Option<Axes> {
    Some(Axes::default())
}

/// Numbers, perhaps in nested lists of one element, as Keras writes arrays.
fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PerChannel>, D::Error> {
    let mut json = Json::deserialize(from)?;
    while let Json::Array(items) = &mut json {
        match &mut items[..] {
            [Json::Array(_)] => json = items.remove(0),
            _ => break,
        }
    }
    serde_json::from_value(json).map_err(serde::de::Error::custom)
}

/// Keeps the quotient finite; Keras's.
const EPSILON: f64 = 1e-7;

impl Default for Normalization {
    fn default() -> Self {
        Self { axis: last(), mean: None, variance: None, invert: false }
    }
}

impl Normalization {
    /// Of each channel, by statistics that are weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of each channel, by given means and variances.
    pub fn with_statistics(mean: impl Into<PerChannel>, variance: impl Into<PerChannel>) -> Self {
        Self { mean: Some(mean.into()), variance: Some(variance.into()), ..Self::default() }
    }

    /// Sets the axes that have statistics of their own.
    pub fn axis(self, axis: Option<Axes>) -> Self {
        Self { axis, ..self }
    }

    /// Says whether normalisation is undone.
    pub fn invert(self, invert: bool) -> Self {
        Self { invert, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(), vec![vec![4, 3]]),
            (Self::with_statistics([0.5, -1.0], [4.0, 0.5]), vec![vec![3, 2]]),
            (Self::with_statistics(0.5, 4.0).invert(true), vec![vec![3]]),
        ]
    }

    /// Places among the sizes of a sample that have statistics of their own.
    fn kept(&self, shape: &Shape) -> Result<Vec<usize>, Mismatch> {
        self.axis.as_ref().map_or_else(|| Ok(Vec::new()), |axis| axis.inner(shape))
    }
}

impl Layer for Normalization {
    fn class_name(&self) -> &'static str {
        "Normalization"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let [shape] = inputs else { return Err(Mismatch::new("one input", inputs.len())) };
        let kept = self.kept(shape)?;
        match (&self.mean, &self.variance) {
            (Some(mean), Some(variance)) => {
                let last = kept.last().map_or(1, |&axis| shape.dims[axis]);
                mean.check(last)?;
                variance.check(last)?;
                Ok(Vec::new())
            }
            (None, None) => {
                let dims: Vec<usize> = kept.iter().map(|&axis| shape.dims[axis]).collect();
                Ok(vec![
                    WeightSpec::state("mean", dims.clone(), Initializer::Zeros),
                    WeightSpec::state("variance", dims, Initializer::Ones),
                    WeightSpec::state("count", [], Initializer::Zeros),
                ])
            }
            _ => Err(Mismatch::new("both mean and variance, or none of them", "one")),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let x = inputs[0];
        let shape = at.graph.shape(x).clone();
        let kept = self.kept(&shape).map_err(|mismatch| at.mismatch("normalisation", mismatch))?;
        let size = |(axis, &size): (usize, &usize)| if kept.contains(&axis) { size } else { 1 };
        let dims: Vec<usize> = shape.dims.iter().enumerate().map(size).collect();
        let [mean, variance] = match (&self.mean, &self.variance) {
            (Some(mean), Some(variance)) => {
                let mut values = Vec::new();
                for numbers in [mean, variance] {
                    let numbers = match numbers {
                        PerChannel::All(number) => std::slice::from_ref(number),
                        PerChannel::Each(numbers) => numbers,
                    };
                    // Numbers belong to the last axis that has some of its own.
                    let mut dims = vec![1; dims.len()];
                    if let (Some(&axis), 2..) = (kept.last(), numbers.len()) {
                        dims[axis] = numbers.len();
                    }
                    let value = constants(at, numbers)?;
                    values.push(at.graph.apply(Reshape { dims }, &[value])?);
                }
                [values[0], values[1]]
            }
            _ => {
                let mean = at.graph.apply(Reshape { dims: dims.clone() }, &at.weights[..1])?;
                [mean, at.graph.apply(Reshape { dims }, &at.weights[1..2])?]
            }
        };
        let graph = &mut *at.graph;
        let root = graph.apply(Activate(Activation::Sqrt), &[variance])?;
        let least =
            graph.apply(convnet_engine::ops::Fill { value: EPSILON as f32, shape: Shape::fixed([]) }, &[])?;
        let deviation = graph.apply(Binary(BinaryFunction::Maximum), &[root, least])?;
        if self.invert {
            let scaled = graph.apply(Binary(BinaryFunction::Multiply), &[x, deviation])?;
            return graph.apply(Binary(BinaryFunction::Add), &[scaled, mean]);
        }
        let centred = graph.apply(Binary(BinaryFunction::Subtract), &[x, mean])?;
        graph.apply(Binary(BinaryFunction::Divide), &[centred, deviation])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
