//! Images in another size, by filters of all widths that Keras has.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use convnet_engine::error::Mismatch;
use convnet_engine::kernels::reduce::Taps;
use convnet_engine::ops::{self, Blend, Resize};
use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};

use crate::layer::LayerContext;
use crate::model::spend_operations;

/// Pixels along an axis at most, as of the operation that has no list of weights.
const MOST_PIXELS: usize = 1 << 20;

/// What stands between the elements of an image that is enlarged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// The nearest element.
    #[default]
    Nearest,
    /// A mixture of the elements around, by their distances. Images only.
    Bilinear,
    /// A mixture of four elements along each axis (Keys, 1981). Images only.
    Bicubic,
    /// A mixture of six elements along each axis, by Lanczos's window of three lobes. Images only.
    Lanczos3,
    /// A mixture of ten elements along each axis, by Lanczos's window of five lobes. Images only.
    Lanczos5,
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Lanczos3 => "lanczos3",
            Self::Lanczos5 => "lanczos5",
        })
    }
}

impl Interpolation {
    /// Half the width of the filter.
    fn reach(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos3 => 3.0,
            Self::Lanczos5 => 5.0,
        }
    }

    /// How much an element counts at a distance below [`Interpolation::reach`].
    fn weight(self, distance: f64) -> f64 {
        let away = distance.abs();
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        match self {
            _ if away >= self.reach() => 0.0,
            Self::Nearest => 1.0,
            Self::Bilinear => 1.0 - away,
            Self::Bicubic if away < 1.0 => (1.5 * away - 2.5) * away * away + 1.0,
            Self::Bicubic => ((-0.5 * away + 2.5) * away - 4.0) * away + 2.0,
            Self::Lanczos3 | Self::Lanczos5 => sinc(away) * sinc(away / self.reach()),
        }
    }

    /// The elements of an axis that make each of another, with weights that sum to 1: as TensorFlow's `tf.image.resize` without `antialias`.
    fn taps(self, from: usize, to: usize) -> Taps {
        let (scale, reach) = (from as f64 / to as f64, self.reach());
        let place = |place: usize| {
            let mut centre = (place as f64 + 0.5) * scale;
            if self == Self::Bicubic {
                // TensorFlow reads its weights from a table with 1024 steps from pixel to pixel.
                centre = ((centre - 0.5) * 1024.0).round() / 1024.0 + 0.5;
            }
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from).max(first + 1);
            let weights: Vec<f64> = (first..end).map(|old| self.weight(old as f64 + 0.5 - centre)).collect();
            let sum: f64 = weights.iter().sum();
            (first..).zip(weights).map(|(old, weight)| (old, (weight / sum) as f32)).collect()
        };
        Taps::new(from, (0..to).map(place))
    }
}

/// Images `(batch, height, width, channels)` of a height and a width, pixels having their centres at halves.
pub(super) fn resized(
    at: &mut LayerContext<'_>,
    image: Value,
    size: [usize; 2],
    interpolation: Interpolation,
) -> Result<Value, EngineError> {
    let plain = match interpolation {
        Interpolation::Nearest => Some(ops::Interpolation::Nearest),
        Interpolation::Bilinear => Some(ops::Interpolation::Bilinear),
        _ => None,
    };
    if let Some(interpolation) = plain {
        return at.graph.apply(Resize { size, interpolation }, &[image]);
    }
    let from = at.graph.shape(image).dims.clone();
    if from.len() != 3 || from.contains(&0) || size.iter().any(|size| !(1..=MOST_PIXELS).contains(size)) {
        let expected = format!("images, and a height and width of 1 to {MOST_PIXELS} pixels");
        return Err(at.mismatch("resize", Mismatch::new(expected, format!("{from:?} to {size:?}"))));
    }
    let mut y = image;
    for axis in [0, 1] {
        spend_operations(size[axis].saturating_mul(10), at.graph.label(), "places")?;
        let taps = Arc::new(interpolation.taps(from[axis], size[axis]));
        y = at.graph.apply(Blend { axis, taps }, &[y])?;
    }
    Ok(y)
}
