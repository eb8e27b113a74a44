//! Units that measure how far their input is from a point.

use convnet_nn::Initializer;
use convnet_nn::engine::error::Mismatch;
use convnet_nn::engine::ops::{Binary, BinaryFunction, Multiply, Reduce, ReduceFunction, Reshape};
use convnet_nn::engine::{EngineError, Shape, Value};
use convnet_nn::layer::{Layer, LayerContext, WeightSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// yᵢ = Σⱼ (xⱼ − wᵢⱼ)²: squared distances from a point for each unit.
///
/// Input `(batch, inputs)`, output `(batch, units)`. Weight: `centres` `(units, inputs)`, which is not trained and zero until it is
/// set. LeCun, Bottou, Bengio, Haffner, 1998, equation 7: LeNet-5's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadialBasis {
    /// Number of points.
    pub units: usize,
}

impl RadialBasis {
    /// Distances from so many points.
    pub fn new(units: usize) -> Self {
        Self { units }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(3), vec![vec![7]])]
    }
}

impl Layer for RadialBasis {
    fn class_name(&self) -> &'static str {
        "RadialBasis"
    }

    fn config(&self) -> Map<String, Json> {
        super::to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        match inputs {
            [shape] if shape.dims.len() == 1 && self.units > 0 => {
                let dims = [self.units, shape.channels()];
                Ok(vec![WeightSpec::state("centres", dims, Initializer::Zeros)])
            }
            [shape] if self.units > 0 => Err(Mismatch::new("a row of numbers", shape)),
            [_] => Err(Mismatch::new("at least 1 unit", 0)),
            _ => Err(Mismatch::new("one input", inputs.len())),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let dims = vec![1, at.graph.shape(inputs[0]).channels()];
        let x = at.graph.apply(Reshape { dims }, inputs)?;
        let difference = at.graph.apply(Binary(BinaryFunction::Subtract), &[x, at.weights[0]])?;
        let square = at.graph.apply(Multiply, &[difference, difference])?;
        at.graph.apply(Reduce::new(ReduceFunction::Sum, [1]), &[square])
    }
}
