//! Shifts by random distances.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Augment, Draw, Fill, Interpolation, Matrix, Warp, to_map, within};

/// Moves pictures up or down and to a side, each by up to a share of the height or width, as Keras's `height_shift_range` and `width_shift_range`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shift {
    /// Largest share of both sides, 0 to 1, where the two below do not say otherwise.
    pub share: f32,
    /// Largest share of the height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<f32>,
    /// Largest share of the width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<f32>,
    /// What is shown where the picture has no pixels.
    pub fill: Fill,
    /// The value of [`Fill::Constant`].
    pub value: f32,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
}

impl Default for Shift {
    fn default() -> Self {
        Self {
            share: 0.1,
            height: None,
            width: None,
            fill: Fill::Nearest,
            value: 0.0,
            interpolation: Interpolation::Bilinear,
        }
    }
}

impl Augment for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("share", self.share, 0.0, 1.0)?;
        within("height", self.height.unwrap_or(0.0), 0.0, 1.0)?;
        within("width", self.width.unwrap_or(0.0), 0.0, 1.0)
    }

    fn warp(&self, random: &mut Draw, [height, width]: [usize; 2]) -> Option<Warp> {
        let mut pixels = |share: Option<f32>, side: usize| {
            let share = share.unwrap_or(self.share);
            f64::from(random.between(-share, share)) * side as f64
        };
        let matrix = Matrix::shift(pixels(self.height, height), pixels(self.width, width));
        Some(Warp { matrix, fill: self.fill, value: self.value, interpolation: self.interpolation })
    }
}
