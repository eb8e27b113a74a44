//! A border of zeros.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{Sides, Size, channels, to_map};
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Adds zeros before and after along the spatial axes.
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output with longer ones. The layers are [`ZeroPadding1D`],
/// [`ZeroPadding2D`] and [`ZeroPadding3D`].
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::ZeroPadding2D;
///
/// let photo = Symbol::input([224, 224, 3]);
/// assert_eq!(photo.apply(ZeroPadding2D::new(3))?.shape().dims, [230, 230, 3]);
/// assert_eq!(photo.apply(ZeroPadding2D::new([(0, 1), (2, 2)]))?.shape().dims, [225, 228, 3]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroPadding<const RANK: usize> {
    /// Zeros on each side. Default 1.
    #[serde(default = "Sides::one")]
    pub padding: Sides<RANK>,
}

/// A border of zeros around sequences. As Keras's
/// [ZeroPadding1D](https://keras.io/api/layers/reshaping_layers/zero_padding1d/).
pub type ZeroPadding1D = ZeroPadding<1>;
/// A border of zeros around images. As Keras's
/// [ZeroPadding2D](https://keras.io/api/layers/reshaping_layers/zero_padding2d/).
pub type ZeroPadding2D = ZeroPadding<2>;
/// A border of zeros around volumes. As Keras's
/// [ZeroPadding3D](https://keras.io/api/layers/reshaping_layers/zero_padding3d/).
pub type ZeroPadding3D = ZeroPadding<3>;

impl<const RANK: usize> ZeroPadding<RANK> {
    /// So many zeros on each side.
    pub fn new(padding: impl Into<Sides<RANK>>) -> Self {
        Self { padding: padding.into() }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = || vec![Size::<RANK>::of_last([2, 4, 5]).with_channels(3)];
        vec![(Self::new(1), input()), (Self::new(Sides::of_last([(1, 0), (0, 2), (3, 1)])), input())]
    }
}

impl<const RANK: usize> Layer for ZeroPadding<RANK> {
    fn class_name(&self) -> &'static str {
        ["ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"][RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        channels::<RANK>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        at.graph.apply(ops::Pad { border: self.padding.0.to_vec(), value: 0.0 }, inputs)
    }
}
