//! Zooms by random factors.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Augment, Draw, Fill, Interpolation, Matrix, Warp, to_map, within};

/// Makes things smaller by a factor of 1 − `share` … 1 + `share`, each axis by its own, as Keras's `zoom_range`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Zoom {
    /// How far the factor may be from 1, at least 0 and below 1.
    pub share: f32,
    /// Whether both axes have the same factor, so that proportions stay.
    pub uniform: bool,
    /// What is shown where the picture has no pixels.
    pub fill: Fill,
    /// The value of [`Fill::Constant`].
    pub value: f32,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
}

impl Default for Zoom {
    fn default() -> Self {
        Self {
            share: 0.2,
            uniform: false,
            fill: Fill::Nearest,
            value: 0.0,
            interpolation: Interpolation::Bilinear,
        }
    }
}

impl Augment for Zoom {
    fn name(&self) -> &'static str {
        "zoom"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("share", self.share, 0.0, 0.99)
    }

    fn warp(&self, random: &mut Draw, size: [usize; 2]) -> Option<Warp> {
        let rows = f64::from(random.between(1.0 - self.share, 1.0 + self.share));
        let other = f64::from(random.between(1.0 - self.share, 1.0 + self.share));
        let columns = if self.uniform { rows } else { other };
        let matrix = Matrix::zoom(rows, columns).about_middle(size);
        Some(Warp { matrix, fill: self.fill, value: self.value, interpolation: self.interpolation })
    }
}
