//! RandAugment.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::autocontrast::autocontrast;
use super::brightness::adjust_brightness;
use super::contrast::adjust_contrast;
use super::equalize::equalize;
use super::posterize::posterize;
use super::saturation::adjust_saturation;
use super::sharpness::adjust_sharpness;
use super::solarize::solarize;
use super::{Augment, Draw, Fill, Interpolation, Matrix, Warp, to_map, within};

/// Magnitudes that there are: 0 … 30.
const LARGEST: f32 = 30.0;

/// Applies `count` kinds of change, each drawn from fourteen, all of one magnitude (Cubuk et al., "RandAugment: practical automated data augmentation with
/// a reduced search space", 2019). Kinds and strengths are torchvision's, but pictures are sheared about their middle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandAugment {
    /// Strength, 0 to 30.
    pub magnitude: f32,
    /// How many changes, one after another.
    pub count: usize,
    /// What is shown where a warped picture has no pixels.
    pub fill: Fill,
    /// The value of [`Fill::Constant`].
    pub value: f32,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self { magnitude: 9.0, count: 2, fill: Fill::Constant, value: 128.0 }
    }
}

/// The kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Colour,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    Autocontrast,
    Equalize,
}

const CHANGES: [Change; 14] = [
    Change::Identity,
    Change::ShearX,
    Change::ShearY,
    Change::TranslateX,
    Change::TranslateY,
    Change::Rotate,
    Change::Brightness,
    Change::Colour,
    Change::Contrast,
    Change::Sharpness,
    Change::Posterize,
    Change::Solarize,
    Change::Autocontrast,
    Change::Equalize,
];

impl RandAugment {
    fn change(&self, change: Change, random: &mut Draw, sample: &mut Annotated) {
        let strength = self.magnitude / LARGEST;
        let sign = if random.chance(0.5) { -1.0 } else { 1.0 };
        let signed = strength * sign;
        let [height, width] = sample.size();
        let slant = f64::from(0.3 * signed);
        // The paper's pictures have 331 pixels a side and are moved by up to 150.
        let along = f64::from(150.0 / 331.0 * signed);
        let factor = 1.0 + 0.9 * signed;
        let matrix = match change {
            Change::Identity => return,
            Change::ShearX => Matrix([[1.0, 0.0, 0.0], [slant, 1.0, 0.0]]),
            Change::ShearY => Matrix([[1.0, slant, 0.0], [0.0, 1.0, 0.0]]),
            Change::TranslateX => Matrix::shift(0.0, along * width as f64),
            Change::TranslateY => Matrix::shift(along * height as f64, 0.0),
            Change::Rotate => Matrix::rotation(f64::from(30.0 * signed)),
            Change::Brightness => return adjust_brightness(sample, factor),
            Change::Colour => return adjust_saturation(sample, factor),
            Change::Contrast => return adjust_contrast(sample, factor),
            Change::Sharpness => return adjust_sharpness(sample, factor),
            Change::Posterize => return posterize(sample, 8 - (4.0 * strength).round() as u32),
            Change::Solarize => return solarize(sample, 255.0 * (1.0 - strength)),
            Change::Autocontrast => return autocontrast(sample),
            Change::Equalize => return equalize(sample),
        };
        let matrix = matrix.about_middle([height, width]);
        let interpolation = Interpolation::Bilinear;
        Warp { matrix, fill: self.fill, value: self.value, interpolation }.apply(sample);
    }
}

impl Augment for RandAugment {
    fn name(&self) -> &'static str {
        "randaugment"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("magnitude", self.magnitude, 0.0, LARGEST)?;
        within("count", self.count as f32, 1.0, CHANGES.len() as f32)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        for _ in 0..self.count {
            let change = CHANGES[random.below(CHANGES.len())];
            self.change(change, random, sample);
        }
    }
}
