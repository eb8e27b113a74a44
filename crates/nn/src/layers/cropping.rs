//! Cutting off borders.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{Sides, Size, channels, to_map};
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Cuts elements off before and after along the spatial axes.
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output with shorter ones. The layers are [`Cropping1D`],
/// [`Cropping2D`] and [`Cropping3D`].
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::Cropping2D;
///
/// let photo = Symbol::input([224, 224, 3]);
/// assert_eq!(photo.apply(Cropping2D::new(12))?.shape().dims, [200, 200, 3]);
/// assert_eq!(photo.apply(Cropping2D::new([(0, 1), (2, 2)]))?.shape().dims, [223, 220, 3]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cropping<const RANK: usize> {
    /// Elements taken off on each side. Default 1, of images 0.
    #[serde(default = "Sides::default_cropping")]
    pub cropping: Sides<RANK>,
}

/// Cuts the ends off sequences. As Keras's
/// [Cropping1D](https://keras.io/api/layers/reshaping_layers/cropping1d/).
pub type Cropping1D = Cropping<1>;
/// Cuts borders off images. As Keras's
/// [Cropping2D](https://keras.io/api/layers/reshaping_layers/cropping2d/).
pub type Cropping2D = Cropping<2>;
/// Cuts borders off volumes. As Keras's
/// [Cropping3D](https://keras.io/api/layers/reshaping_layers/cropping3d/).
pub type Cropping3D = Cropping<3>;

impl<const RANK: usize> Cropping<RANK> {
    /// Takes so many elements off on each side.
    pub fn new(cropping: impl Into<Sides<RANK>>) -> Self {
        Self { cropping: cropping.into() }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = || vec![Size::<RANK>::of_last([3, 4, 5]).with_channels(3)];
        vec![(Self::new(1), input()), (Self::new(Sides::of_last([(1, 0), (0, 2), (3, 1)])), input())]
    }
}

impl<const RANK: usize> Layer for Cropping<RANK> {
    fn class_name(&self) -> &'static str {
        ["Cropping1D", "Cropping2D", "Cropping3D"][RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        channels::<RANK>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        at.graph.apply(ops::Crop { border: self.cropping.0.to_vec() }, inputs)
    }
}
