//! Pooling over everything: one number a channel.

use std::marker::PhantomData;

use convnet_engine::ops::{Binary, BinaryFunction, Reduce, ReduceFunction, Reshape};
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::Size;
use super::config::{channels, setters, to_map};
use super::pooling::{Max, Mean, Reduction};
use crate::layer::{Layer, LayerContext};

/// Makes one number of each channel.
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output `(batch, channels)`, or with `keepdims`
/// `(batch, 1…, channels)`. The layers are [`GlobalMaxPooling1D`], [`GlobalMaxPooling2D`], [`GlobalMaxPooling3D`],
/// [`GlobalAveragePooling1D`], [`GlobalAveragePooling2D`] and [`GlobalAveragePooling3D`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct GlobalPooling<R: Reduction, const RANK: usize> {
    /// Whether the spatial axes stay, with one element each. Default false.
    #[serde(default)]
    pub keepdims: bool,
    /// What is made of a channel.
    #[serde(skip)]
    pub reduction: PhantomData<R>,
}

/// The maximum of each channel of a sequence. As Keras's
/// [GlobalMaxPooling1D](https://keras.io/api/layers/pooling_layers/global_max_pooling1d/).
pub type GlobalMaxPooling1D = GlobalPooling<Max, 1>;
/// The maximum of each channel of an image. As Keras's
/// [GlobalMaxPooling2D](https://keras.io/api/layers/pooling_layers/global_max_pooling2d/).
pub type GlobalMaxPooling2D = GlobalPooling<Max, 2>;
/// The maximum of each channel of a volume. As Keras's
/// [GlobalMaxPooling3D](https://keras.io/api/layers/pooling_layers/global_max_pooling3d/).
pub type GlobalMaxPooling3D = GlobalPooling<Max, 3>;
/// The mean of each channel of a sequence. As Keras's
/// [GlobalAveragePooling1D](https://keras.io/api/layers/pooling_layers/global_average_pooling1d/).
pub type GlobalAveragePooling1D = GlobalPooling<Mean, 1>;
/// The mean of each channel of an image. As Keras's
/// [GlobalAveragePooling2D](https://keras.io/api/layers/pooling_layers/global_average_pooling2d/).
pub type GlobalAveragePooling2D = GlobalPooling<Mean, 2>;
/// The mean of each channel of a volume. As Keras's
/// [GlobalAveragePooling3D](https://keras.io/api/layers/pooling_layers/global_average_pooling3d/).
pub type GlobalAveragePooling3D = GlobalPooling<Mean, 3>;

impl<R: Reduction, const RANK: usize> Default for GlobalPooling<R, RANK> {
    fn default() -> Self {
        Self { keepdims: false, reduction: PhantomData }
    }
}

impl<R: Reduction, const RANK: usize> GlobalPooling<R, RANK> {
    /// Spatial axes go.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Says whether the spatial axes stay, with one element each.
        keepdims: bool,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = || vec![Size::<RANK>::of_last([3, 5, 4]).with_channels(3)];
        vec![(Self::new(), input()), (Self::new().keepdims(true), input())]
    }
}

impl<R: Reduction, const RANK: usize> Layer for GlobalPooling<R, RANK> {
    fn class_name(&self) -> &'static str {
        R::GLOBAL[RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let shape = at.graph.shape(inputs[0]).clone();
        let channels = channels::<RANK>(std::slice::from_ref(&shape))
            .map_err(|mismatch| at.mismatch("global pool", mismatch))?;
        let pooled = match at.mask() {
            Some(mask) if RANK == 1 && !R::IS_MAX => masked_mean(at.graph, inputs[0], mask)?,
            _ => R::pool_all(at.graph, inputs[0], &shape.dims[..RANK])?,
        };
        if self.keepdims { Ok(pooled) } else { at.graph.apply(Reshape { dims: vec![channels] }, &[pooled]) }
    }
}

/// The mean of the steps of a sequence that are not passed over.
fn masked_mean(graph: &mut Graph, x: Value, mask: Value) -> Result<Value, EngineError> {
    let steps = graph.shape(mask).len();
    let mask = graph.apply(Reshape { dims: vec![steps, 1] }, &[mask])?;
    let kept = graph.apply(Binary(BinaryFunction::Multiply), &[x, mask])?;
    let sum = Reduce { keep_dims: true, ..Reduce::new(ReduceFunction::Sum, [0]) };
    let total = graph.apply(sum.clone(), &[kept])?;
    let count = graph.apply(sum, &[mask])?;
    graph.apply(Binary(BinaryFunction::Divide), &[total, count])
}
