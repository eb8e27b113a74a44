//! Products of two inputs along an axis of each.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{
    Binary, BinaryFunction, Permute, Reduce, ReduceFunction, Reshape, RowNorm, RowNormFunction,
};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{inner_axis, to_map};
use super::layer_normalization::Axes;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Sums the products of two inputs along an axis of each, sample by sample.
///
/// The output has the other axes of the first input, then those of the second; a single number if there are none. As Keras's
/// [Dot](https://keras.io/api/layers/merging_layers/dot/).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::Dot;
///
/// let (queries, keys) = (Symbol::input([5, 8]), Symbol::input([7, 8]));
/// assert_eq!(Symbol::merge(Dot::new(2), &[&queries, &keys])?.shape().dims, [5, 7]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dot {
    /// The axis, or one of each input, counted with the batch; negative from the end.
    pub axes: Axes,
    /// Whether each input is brought to length 1 along its axis first, so that the products are cosines. Default false.
    #[serde(default)]
    pub normalize: bool,
}

impl Dot {
    /// Along an axis, or one of each input.
    pub fn new(axes: impl Into<Axes>) -> Self {
        Self { axes: axes.into(), normalize: false }
    }

    /// Says whether each input is brought to length 1 first.
    pub fn normalize(self, normalize: bool) -> Self {
        Self { normalize, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(1), vec![vec![4], vec![4]]),
            (Self::new([2, 1]), vec![vec![3, 4], vec![4, 2]]),
            (Self::new(-1).normalize(true), vec![vec![2, 3], vec![4, 3]]),
        ]
    }

    /// The axis of each input among the sizes of a sample.
    fn axes(&self, inputs: [&Shape; 2]) -> Result<[usize; 2], Mismatch> {
        let axes = match &self.axes {
            Axes::One(both) => [*both; 2],
            Axes::Many(axes) => <[isize; 2]>::try_from(&axes[..])
                .map_err(|_| Mismatch::new("one axis or two", format!("{axes:?}")))?,
        };
        let found = [inner_axis(axes[0], inputs[0])?, inner_axis(axes[1], inputs[1])?];
        let sizes = [inputs[0].dims[found[0]], inputs[1].dims[found[1]]];
        if sizes[0] != sizes[1] {
            let received = format!("{} and {}", sizes[0], sizes[1]);
            return Err(Mismatch::new("axes of one size", received));
        }
        Ok(found)
    }
}

impl Layer for Dot {
    fn class_name(&self) -> &'static str {
        "Dot"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let [a, b] = inputs else { return Err(Mismatch::new("two inputs", inputs.len())) };
        self.axes([a, b]).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let shapes = [at.graph.shape(inputs[0]).clone(), at.graph.shape(inputs[1]).clone()];
        let axes = self.axes([&shapes[0], &shapes[1]]).map_err(|mismatch| at.mismatch("dot", mismatch))?;
        let size = shapes[0].dims[axes[0]];
        if shapes.iter().any(Shape::is_empty) {
            return Err(at.mismatch("dot", Mismatch::new("inputs that have elements", &shapes[0])));
        }
        let (mut sides, mut rest) = (Vec::new(), Vec::new());
        for (side, (shape, axis)) in shapes.iter().zip(axes).enumerate() {
            let others = (0..shape.dims.len()).filter(|&other| other != axis);
            let order: Vec<usize> = others.chain([axis]).collect();
            rest.extend(order[..order.len() - 1].iter().map(|&other| shape.dims[other]));
            let count = shape.len() / size;
            let mut x = at.graph.apply(Permute { axes: order }, &[inputs[side]])?;
            if self.normalize {
                let function = RowNormFunction::Unit { epsilon: 1e-12 };
                x = at.graph.apply(RowNorm { function, axes: 1, scale: false, center: false }, &[x])?;
            }
            let dims = if side == 0 { vec![count, 1, size] } else { vec![1, count, size] };
            sides.push(at.graph.apply(Reshape { dims }, &[x])?);
        }
        let products = at.graph.apply(Binary(BinaryFunction::Multiply), &sides)?;
        let sums = at.graph.apply(Reduce::new(ReduceFunction::Sum, [2]), &[products])?;
        let dims = if rest.is_empty() { vec![1] } else { rest };
        at.graph.apply(Reshape { dims }, &[sums])
    }
}
