//! Enlarging by repetition, or of images by interpolation.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Expand, Reshape};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::Size;
use super::config::{channels, to_map};
use super::resampling::{Interpolation, resized};
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Repeats each element along the spatial axes.
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output with axes that are `size` times as long. The layers are
/// [`UpSampling1D`], [`UpSampling2D`] and [`UpSampling3D`].
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::UpSampling2D;
///
/// assert_eq!(Symbol::input([7, 5, 16]).apply(UpSampling2D::new((2, 3)))?.shape().dims, [14, 15, 16]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpSampling<const RANK: usize> {
    /// How many times longer each axis becomes. Default 2.
    #[serde(default = "Size::two")]
    pub size: Size<RANK>,
    /// What stands between the elements of an image. Default nearest.
    #[serde(default)]
    pub interpolation: Interpolation,
}

/// Enlarges sequences. As Keras's [UpSampling1D](https://keras.io/api/layers/reshaping_layers/up_sampling1d/).
pub type UpSampling1D = UpSampling<1>;
/// Enlarges images. As Keras's [UpSampling2D](https://keras.io/api/layers/reshaping_layers/up_sampling2d/).
pub type UpSampling2D = UpSampling<2>;
/// Enlarges volumes. As Keras's [UpSampling3D](https://keras.io/api/layers/reshaping_layers/up_sampling3d/).
pub type UpSampling3D = UpSampling<3>;

impl<const RANK: usize> UpSampling<RANK> {
    /// Axes that are `size` times as long, elements repeated.
    pub fn new(size: impl Into<Size<RANK>>) -> Self {
        Self { size: size.into(), interpolation: Interpolation::Nearest }
    }

    /// Sets what stands between the elements of an image.
    pub fn interpolation(self, interpolation: Interpolation) -> Self {
        Self { interpolation, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = || vec![Size::<RANK>::of_last([2, 3, 4]).with_channels(3)];
        let mut examples = vec![(Self::new(2), input()), (Self::new(Size::of_last([1, 3, 2])), input())];
        if RANK == 2 {
            examples.push((Self::new(2).interpolation(Interpolation::Bilinear), input()));
            examples.push((Self::new(3).interpolation(Interpolation::Bicubic), input()));
            examples.push((Self::new(2).interpolation(Interpolation::Lanczos3), input()));
        }
        examples
    }
}

impl<const RANK: usize> Layer for UpSampling<RANK> {
    fn class_name(&self) -> &'static str {
        ["UpSampling1D", "UpSampling2D", "UpSampling3D"][RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        let mut map = to_map(self);
        // Keras writes, and reads, a plain number for sequences, and the kind of interpolation for images only.
        if RANK == 1 {
            map.insert("size".into(), json!(self.size.0[0]));
        }
        if RANK != 2 {
            map.shift_remove("interpolation");
        }
        map
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        channels::<RANK>(inputs)?;
        if RANK != 2 && self.interpolation != Interpolation::Nearest {
            return Err(Mismatch::new("interpolation nearest, but for images", self.interpolation));
        }
        if self.size.0.contains(&0) { Err(Mismatch::new("sizes of at least 1", 0)) } else { Ok(Vec::new()) }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let dims = at.graph.shape(inputs[0]).dims.clone();
        let (spatial, channels) = dims.split_at(RANK);
        if self.interpolation != Interpolation::Nearest {
            let size = [0, 1].map(|axis| spatial[axis].saturating_mul(self.size.0[axis]));
            return resized(at, inputs[0], size, self.interpolation);
        }
        let axes = || spatial.iter().zip(self.size.0);
        let apart: Vec<usize> =
            axes().flat_map(|(&size, _)| [size, 1]).chain(channels.iter().copied()).collect();
        let repeated: Vec<usize> =
            axes().flat_map(|(&size, times)| [size, times]).chain(channels.iter().copied()).collect();
        let joined: Vec<usize> =
            axes().map(|(&size, times)| size.saturating_mul(times)).chain(channels.iter().copied()).collect();
        let x = at.graph.apply(Reshape { dims: apart }, inputs)?;
        let x = at.graph.apply(Expand { shape: Shape::batched(repeated), shared: false }, &[x])?;
        at.graph.apply(Reshape { dims: joined }, &[x])
    }
}
