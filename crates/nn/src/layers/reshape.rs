//! The same numbers under another shape.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::layer::{Layer, LayerContext};

/// Gives each sample other sizes; the numbers and their order stay, channels fastest.
///
/// Input `(batch, …)`, output `(batch, target shape…)`. As Keras's
/// [Reshape](https://keras.io/api/layers/reshaping_layers/reshape/).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::Reshape;
///
/// assert_eq!(Symbol::input([6272]).apply(Reshape::new([7, 7, -1]))?.shape().dims, [7, 7, 128]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The new sizes, the batch not counted. One of them may be −1: what is left for it.
    pub target_shape: Vec<isize>,
}

impl Reshape {
    /// Other sizes, the batch not counted. One of them may be −1.
    pub fn new(target_shape: impl Into<Vec<isize>>) -> Self {
        Self { target_shape: target_shape.into() }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new([6, 4]), vec![vec![2, 3, 4]]), (Self::new([2, -1, 3]), vec![vec![12]])]
    }

    /// The new sizes of a sample of `len` numbers.
    fn dims(&self, len: usize) -> Option<Vec<usize>> {
        let mut known = self.target_shape.iter().filter(|&&size| size != -1);
        let known = known.try_fold(1_usize, |product, &size| product.checked_mul(size.try_into().ok()?))?;
        let open = self.target_shape.iter().filter(|&&size| size == -1).count();
        let rest = if open == 0 { 1 } else { len.checked_div(known)? };
        let dims = self.target_shape.iter().map(|&size| usize::try_from(size).unwrap_or(rest));
        (open <= 1 && known.checked_mul(rest)? == len).then(|| dims.collect())
    }
}

impl Layer for Reshape {
    fn class_name(&self) -> &'static str {
        "Reshape"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let shape = at.graph.shape(inputs[0]).clone();
        match self.dims(shape.len()) {
            Some(dims) => at.graph.apply(ops::Reshape { dims }, inputs),
            None => {
                let expected = format!("as many numbers as {:?} has", self.target_shape);
                Err(at.mismatch("reshape", Mismatch::new(expected, shape)))
            }
        }
    }
}
