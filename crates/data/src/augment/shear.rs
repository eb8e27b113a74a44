//! Shearing by a random angle.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Augment, Draw, Fill, Interpolation, Matrix, Warp, to_map, within};

/// Slants columns by an angle of −`degrees` … `degrees`, as Keras's `shear_range`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shear {
    /// Largest angle to either side, 0 to 80.
    pub degrees: f32,
    /// What is shown where the picture has no pixels.
    pub fill: Fill,
    /// The value of [`Fill::Constant`].
    pub value: f32,
    /// How values between pixels are found.
    pub interpolation: Interpolation,
}

impl Default for Shear {
    fn default() -> Self {
        Self { degrees: 10.0, fill: Fill::Nearest, value: 0.0, interpolation: Interpolation::Bilinear }
    }
}

impl Augment for Shear {
    fn name(&self) -> &'static str {
        "shear"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("degrees", self.degrees, 0.0, 80.0)
    }

    fn warp(&self, random: &mut Draw, size: [usize; 2]) -> Option<Warp> {
        let matrix = Matrix::shear(f64::from(random.between(-self.degrees, self.degrees))).about_middle(size);
        Some(Warp { matrix, fill: self.fill, value: self.value, interpolation: self.interpolation })
    }
}
