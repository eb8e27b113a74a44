//! A convolution each of whose maps sees some of the input's maps only.

use convnet_nn::Initializer;
use convnet_nn::engine::error::Mismatch;
use convnet_nn::engine::ops::{BiasAdd, Concatenate, Convolution, Reshape, Slice, Sliding};
use convnet_nn::engine::{EngineError, Shape, Value};
use convnet_nn::layer::{Layer, LayerContext, WeightSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A valid convolution of stride 1 whose connections stand in a table.
///
/// Input `(batch, height, width, channels)`, output `(batch, height − size + 1, width − size + 1, maps)`. Weights: `kernel`
/// `(size, size, 1, connections)`, map by map and in the order of the table, and `bias` `(maps)`. LeCun, Bottou, Bengio, Haffner,
/// 1998, table I: layer C3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConvolution {
    /// Height and width of the filters.
    pub kernel_size: usize,
    /// For each map of the output, the channels of the input that it sees.
    pub table: Vec<Vec<usize>>,
}

impl TableConvolution {
    /// Filters of a size, and for each map of the output the channels of the input that it sees.
    pub fn new(kernel_size: usize, table: Vec<Vec<usize>>) -> Self {
        Self { kernel_size, table }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(3, vec![vec![0, 2], vec![1], vec![2, 0, 1]]), vec![vec![5, 4, 3]])]
    }
}

impl Layer for TableConvolution {
    fn class_name(&self) -> &'static str {
        "TableConvolution"
    }

    fn config(&self) -> Map<String, Json> {
        super::to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let channels = match inputs {
            [shape] if shape.dims.len() == 3 => shape.channels(),
            [shape] => return Err(Mismatch::new("an image (height, width, channels)", shape)),
            _ => return Err(Mismatch::new("one input", inputs.len())),
        };
        if self.table.is_empty() || self.table.iter().any(Vec::is_empty) {
            return Err(Mismatch::new("a table that connects each map", format!("{:?}", self.table)));
        }
        if let Some(channel) = self.table.iter().flatten().find(|&&channel| channel >= channels) {
            return Err(Mismatch::new(format!("channels below {channels} in the table"), channel));
        }
        let connections = self.table.iter().map(Vec::len).sum();
        let dims = [self.kernel_size, self.kernel_size, 1, connections];
        let kernel = WeightSpec::trainable("kernel", dims, Initializer::GlorotUniform);
        Ok(vec![kernel, WeightSpec::trainable("bias", [self.table.len()], Initializer::Zeros)])
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let channels = at.graph.shape(inputs[0]).channels();
        let maps: Vec<Value> = (0..channels)
            .map(|start| at.graph.apply(Slice { axis: 2, start, size: 1 }, inputs))
            .collect::<Result<_, _>>()?;
        let (mut start, mut outputs) = (0, Vec::new());
        for seen in &self.table {
            let seen: Vec<Value> = seen.iter().map(|&channel| maps[channel]).collect();
            let size = seen.len();
            let kernel = at.graph.apply(Slice { axis: 3, start, size }, &at.weights[..1])?;
            let dims = vec![self.kernel_size, self.kernel_size, size, 1];
            let kernel = at.graph.apply(Reshape { dims }, &[kernel])?;
            let x = at.graph.apply(Concatenate { axis: 2 }, &seen)?;
            outputs.push(at.graph.apply(Convolution::linear(Sliding::default(), 1), &[x, kernel])?);
            start += size;
        }
        let joined = at.graph.apply(Concatenate { axis: 2 }, &outputs)?;
        at.graph.apply(BiasAdd, &[joined, at.weights[1]])
    }
}
