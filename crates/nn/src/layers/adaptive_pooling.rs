//! Pools whose result has a given size, whatever that of the input.

use std::marker::PhantomData;

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{AdaptiveAveragePool, AdaptiveMaxPool};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::Size;
use super::config::{channels, to_map};
use super::pooling::{Max, Mean, Reduction};
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Makes a given number of elements along each axis, each of a window; the windows cover the input.
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output `(batch, output size…, channels)`. The layers are
/// [`AdaptiveMaxPooling1D`], [`AdaptiveMaxPooling2D`], [`AdaptiveMaxPooling3D`], [`AdaptiveAveragePooling1D`], [`AdaptiveAveragePooling2D`] and
/// [`AdaptiveAveragePooling3D`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct AdaptivePooling<R: Reduction, const RANK: usize> {
    /// Sizes of the output.
    pub output_size: Size<RANK>,
    /// What is made of a window.
    #[serde(skip)]
    pub reduction: PhantomData<R>,
}

/// As Keras's [AdaptiveMaxPooling1D](https://keras.io/api/layers/pooling_layers/adaptive_max_pooling1d/).
pub type AdaptiveMaxPooling1D = AdaptivePooling<Max, 1>;
/// As Keras's [AdaptiveMaxPooling2D](https://keras.io/api/layers/pooling_layers/adaptive_max_pooling2d/).
pub type AdaptiveMaxPooling2D = AdaptivePooling<Max, 2>;
/// As Keras's [AdaptiveMaxPooling3D](https://keras.io/api/layers/pooling_layers/adaptive_max_pooling3d/).
pub type AdaptiveMaxPooling3D = AdaptivePooling<Max, 3>;
/// As Keras's [AdaptiveAveragePooling1D](https://keras.io/api/layers/pooling_layers/adaptive_average_pooling1d/).
pub type AdaptiveAveragePooling1D = AdaptivePooling<Mean, 1>;
/// As Keras's [AdaptiveAveragePooling2D](https://keras.io/api/layers/pooling_layers/adaptive_average_pooling2d/).
pub type AdaptiveAveragePooling2D = AdaptivePooling<Mean, 2>;
/// As Keras's [AdaptiveAveragePooling3D](https://keras.io/api/layers/pooling_layers/adaptive_average_pooling3d/).
pub type AdaptiveAveragePooling3D = AdaptivePooling<Mean, 3>;

impl<R: Reduction, const RANK: usize> AdaptivePooling<R, RANK> {
    /// Outputs of a size.
    pub fn new(output_size: impl Into<Size<RANK>>) -> Self {
        Self { output_size: output_size.into(), reduction: PhantomData }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(Size::of_last([2, 3, 2])), vec![Size::<RANK>::of_last([3, 5, 4]).with_channels(3)])]
    }
}

impl<R: Reduction, const RANK: usize> Layer for AdaptivePooling<R, RANK> {
    fn class_name(&self) -> &'static str {
        R::ADAPTIVE[RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        channels::<RANK>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let size = self.output_size.0.to_vec();
        match R::IS_MAX {
            true => at.graph.apply(AdaptiveMaxPool { size }, inputs),
            false => at.graph.apply(AdaptiveAveragePool { size }, inputs),
        }
    }
}
