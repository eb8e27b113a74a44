//! Layers that turn, move, resize and mirror images at random during training.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Interpolation as Between, Outside, RandomWarp};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{channels, setters, to_map};
use super::resampling::Interpolation;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// The range of a random number: one number for both sides of 0, or the least and the largest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or the least and the largest one")]
pub enum Factor {
    /// −x … x.
    Both(f64),
    /// From the one to the other.
    Range([f64; 2]),
}

impl From<f64> for Factor {
    fn from(both: f64) -> Self {
        Self::Both(both)
    }
}

impl From<(f64, f64)> for Factor {
    fn from((low, high): (f64, f64)) -> Self {
        Self::Range([low, high])
    }
}

impl Factor {
    /// The least and the largest number.
    pub(super) fn range(self) -> [f64; 2] {
        match self {
            Self::Both(both) => [-both.abs(), both.abs()],
            Self::Range([a, b]) => [a.min(b), a.max(b)],
        }
    }

    /// Refuses what is not within `least` and 1.
    pub(super) fn check(self, argument: &str, least: f64) -> Result<(), Mismatch> {
        let range = self.range();
        if range.iter().all(|factor| (least..=1.0).contains(factor)) {
            return Ok(());
        }
        Err(Mismatch::new(format!("a {argument} within {least} and 1"), format!("{range:?}")))
    }
}

/// What is shown where the image has no pixels, here of pixels a b c d.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FillMode {
    /// The image mirrored: c b a | a b c d | d c b.
    #[default]
    Reflect,
    /// The layer's `fill_value`.
    Constant,
    /// The image again: b c d | a b c d | a b c.
    Wrap,
    /// The pixel at the border: a a a | a b c d | d d d.
    Nearest,
}

impl FillMode {
    fn outside(self, value: f32) -> Outside {
        match self {
            Self::Reflect => Outside::Reflect,
            Self::Constant => Outside::Blend(value),
            Self::Wrap => Outside::Repeat,
            Self::Nearest => Outside::Nearest,
        }
    }
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

/// Which sides are exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlipMode {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
    /// Either, both or none.
    #[default]
    HorizontalAndVertical,
}

/// Mirrors images with probability ½ during training. Input and output `(batch, height, width, channels)`.
///
/// As Keras's [RandomFlip](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_flip/), but that in both directions each is decided for itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFlip {
    /// Which sides are exchanged. Default both.
    #[serde(default)]
    pub mode: FlipMode,
}

/// Turns images by random angles during training. Input and output `(batch, height, width, channels)`.
///
/// As Keras's [RandomRotation](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_rotation/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomRotation {
    /// Range of the angle as a part of a full turn, positive anticlockwise.
    pub factor: Factor,
    /// What is shown where the image has no pixels. Default reflect.
    #[serde(default)]
    pub fill_mode: FillMode,
    /// How values between pixels are found. Default bilinear.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
    /// The value of [`FillMode::Constant`]. Default 0.
    #[serde(default)]
    pub fill_value: f32,
}

/// Moves images by random distances during training. Input and output `(batch, height, width, channels)`.
///
/// As Keras's [RandomTranslation](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_translation/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomTranslation {
    /// Range of the distance as a share of the height, positive downwards.
    pub height_factor: Factor,
    /// Range of the distance as a share of the width, positive to the right.
    pub width_factor: Factor,
    /// What is shown where the image has no pixels. Default reflect.
    #[serde(default)]
    pub fill_mode: FillMode,
    /// How values between pixels are found. Default bilinear.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
    /// The value of [`FillMode::Constant`]. Default 0.
    #[serde(default)]
    pub fill_value: f32,
}

/// Shows more or less of images by random factors during training. Input and output `(batch, height, width, channels)`.
///
/// As Keras's [RandomZoom](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_zoom/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomZoom {
    /// Range of what is added to 1 to give the factor by which things become lower.
    pub height_factor: Factor,
    /// The same for the width; without it proportions stay.
    #[serde(default)]
    pub width_factor: Option<Factor>,
    /// What is shown where the image has no pixels. Default reflect.
    #[serde(default)]
    pub fill_mode: FillMode,
    /// How values between pixels are found. Default bilinear.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
    /// The value of [`FillMode::Constant`]. Default 0.
    #[serde(default)]
    pub fill_value: f32,
}

/// Adds the warp that `set` makes of one that changes nothing, in training only.
fn warp(
    at: &mut LayerContext<'_>,
    inputs: &[Value],
    set: impl FnOnce(RandomWarp) -> RandomWarp,
) -> Result<Value, EngineError> {
    if !at.training {
        return Ok(inputs[0]);
    }
    let dims = &at.graph.shape(inputs[0]).dims;
    let same = RandomWarp::new([dims[0], dims[1]], at.stream);
    at.graph.apply(set(same), inputs)
}

/// What pixels of a turned image are made of, which the wide filters cannot say.
fn between(interpolation: Interpolation) -> Result<Between, Mismatch> {
    match interpolation {
        Interpolation::Nearest => Ok(Between::Nearest),
        Interpolation::Bilinear => Ok(Between::Bilinear),
        wide => Err(Mismatch::new("interpolation nearest or bilinear", wide)),
    }
}

/// Setters of what all warps say of the pixels they show.
macro_rules! setters_of_pixels {
    () => {
        setters! {
            /// Sets what is shown where the image has no pixels.
            fill_mode: FillMode,
            /// Sets how values between pixels are found.
            interpolation: Interpolation,
            /// Sets the value of [`FillMode::Constant`].
            fill_value: f32,
        }
    };
}

impl RandomFlip {
    /// Exchanges these sides.
    pub fn new(mode: FlipMode) -> Self {
        Self { mode }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let modes = [FlipMode::Horizontal, FlipMode::Vertical, FlipMode::HorizontalAndVertical];
        modes.into_iter().map(|mode| (Self::new(mode), vec![vec![4, 5, 2]])).collect()
    }
}

impl RandomRotation {
    /// A range of angles as parts of a full turn.
    pub fn new(factor: impl Into<Factor>) -> Self {
        Self {
            factor: factor.into(),
            fill_mode: FillMode::Reflect,
            interpolation: bilinear(),
            fill_value: 0.0,
        }
    }

    setters_of_pixels!();

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let constant = Self::new((-0.1, 0.2)).fill_mode(FillMode::Constant).fill_value(0.5);
        vec![(Self::new(0.05), vec![vec![5, 6, 2]]), (constant, vec![vec![5, 5, 1]])]
    }
}

impl RandomTranslation {
    /// Ranges of distances as shares of height and width.
    pub fn new(height_factor: impl Into<Factor>, width_factor: impl Into<Factor>) -> Self {
        Self {
            height_factor: height_factor.into(),
            width_factor: width_factor.into(),
            fill_mode: FillMode::Reflect,
            interpolation: bilinear(),
            fill_value: 0.0,
        }
    }

    setters_of_pixels!();

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let wrap =
            Self::new((-0.2, 0.3), 0.1).fill_mode(FillMode::Wrap).interpolation(Interpolation::Nearest);
        vec![(Self::new(0.2, 0.1), vec![vec![5, 6, 2]]), (wrap, vec![vec![5, 5, 1]])]
    }
}

impl RandomZoom {
    /// A range of what is added to 1 to give the factor of both axes.
    pub fn new(height_factor: impl Into<Factor>) -> Self {
        Self {
            height_factor: height_factor.into(),
            width_factor: None,
            fill_mode: FillMode::Reflect,
            interpolation: bilinear(),
            fill_value: 0.0,
        }
    }

    setters! {
        /// Gives the width a factor of its own.
        width_factor: into Option<Factor>,
    }

    setters_of_pixels!();

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let nearest = Self::new((-0.3, 0.3)).width_factor(Factor::Both(0.1)).fill_mode(FillMode::Nearest);
        vec![(Self::new(0.2), vec![vec![5, 6, 2]]), (nearest, vec![vec![5, 5, 4]])]
    }
}

impl Layer for RandomFlip {
    fn class_name(&self) -> &'static str {
        "RandomFlip"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        channels::<2>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let flips = match self.mode {
            FlipMode::Horizontal => [0.0, 0.5],
            FlipMode::Vertical => [0.5, 0.0],
            FlipMode::HorizontalAndVertical => [0.5, 0.5],
        };
        warp(at, inputs, |warp| RandomWarp { flips, ..warp })
    }
}

impl Layer for RandomRotation {
    fn class_name(&self) -> &'static str {
        "RandomRotation"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        self.factor.check("factor", -1.0)?;
        between(self.interpolation)?;
        channels::<2>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let angle = self.factor.range().map(|turn| turn * std::f64::consts::TAU);
        let outside = self.fill_mode.outside(self.fill_value);
        let interpolation =
            between(self.interpolation).map_err(|mismatch| at.mismatch("random warp", mismatch))?;
        warp(at, inputs, |warp| RandomWarp { angle, outside, interpolation, ..warp })
    }
}

impl Layer for RandomTranslation {
    fn class_name(&self) -> &'static str {
        "RandomTranslation"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        self.height_factor.check("height_factor", -1.0)?;
        self.width_factor.check("width_factor", -1.0)?;
        between(self.interpolation)?;
        channels::<2>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let shift = [self.height_factor.range(), self.width_factor.range()];
        let outside = self.fill_mode.outside(self.fill_value);
        let interpolation =
            between(self.interpolation).map_err(|mismatch| at.mismatch("random warp", mismatch))?;
        warp(at, inputs, |warp| RandomWarp { shift, outside, interpolation, ..warp })
    }
}

impl Layer for RandomZoom {
    fn class_name(&self) -> &'static str {
        "RandomZoom"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        // A factor of 0 would show nothing but one row.
        self.height_factor.check("height_factor", -0.999)?;
        self.width_factor.map_or(Ok(()), |factor| factor.check("width_factor", -0.999))?;
        between(self.interpolation)?;
        channels::<2>(inputs).map(|_| Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let factors = [self.height_factor, self.width_factor.unwrap_or(self.height_factor)];
        let zoom = factors.map(|factor| factor.range().map(|more| 1.0 + more));
        let uniform_zoom = self.width_factor.is_none();
        let outside = self.fill_mode.outside(self.fill_value);
        let interpolation =
            between(self.interpolation).map_err(|mismatch| at.mismatch("random warp", mismatch))?;
        warp(at, inputs, |warp| RandomWarp { zoom, uniform_zoom, outside, interpolation, ..warp })
    }
}
