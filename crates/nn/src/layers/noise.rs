//! Layers that disturb their input during training: noise, and dropout of other kinds than [`Dropout`](super::Dropout).

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{self, Binary, BinaryFunction, Fill, Noise, NoiseFunction, ScaleShift};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{channels, not_negative, to_map};
use super::dropout::mask_dims;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Adds normal noise of mean 0 during training. Output as the input.
///
/// As Keras's [GaussianNoise](https://keras.io/api/layers/regularization_layers/gaussian_noise/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNoise {
    /// Standard deviation of the noise.
    pub stddev: f32,
}

/// Multiplies by normal noise of mean 1 and deviation √(rate / (1 − rate)) during training. Output as the input.
///
/// As Keras's [GaussianDropout](https://keras.io/api/layers/regularization_layers/gaussian_dropout/) (Srivastava et al., 2014).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianDropout {
    /// 0 ≤ rate < 1.
    pub rate: f32,
}

/// Brings a random share of the inputs to the value at which SELU saturates, and scales so that mean and variance stay, during training. Output as
/// the input.
///
/// As Keras's [AlphaDropout](https://keras.io/api/layers/regularization_layers/alpha_dropout/) (Klambauer et al., 2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlphaDropout {
    /// Share of the inputs, 0 ≤ rate < 1.
    pub rate: f32,
    /// Sizes of the mask, as of [`Dropout`](super::Dropout). By default each element is dropped by itself.
    #[serde(default)]
    pub noise_shape: Option<Vec<Option<usize>>>,
}

/// Zeroes whole channels during training, and scales the others up. Output as the input `(batch, spatial…, channels)` with `RANK` spatial axes.
///
/// As Keras's [SpatialDropout2D](https://keras.io/api/layers/regularization_layers/spatial_dropout2d/) (Tompson et al., 2014).
/// The layers are [`SpatialDropout1D`], [`SpatialDropout2D`] and [`SpatialDropout3D`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpatialDropout<const RANK: usize> {
    /// Share of the channels that become zero, 0 ≤ rate < 1.
    pub rate: f32,
}

/// Zeroes channels of sequences. As Keras's
/// [SpatialDropout1D](https://keras.io/api/layers/regularization_layers/spatial_dropout1d/).
pub type SpatialDropout1D = SpatialDropout<1>;
/// Zeroes channels of images. As Keras's
/// [SpatialDropout2D](https://keras.io/api/layers/regularization_layers/spatial_dropout2d/).
pub type SpatialDropout2D = SpatialDropout<2>;
/// Zeroes channels of volumes. As Keras's
/// [SpatialDropout3D](https://keras.io/api/layers/regularization_layers/spatial_dropout3d/).
pub type SpatialDropout3D = SpatialDropout<3>;

/// Refuses a share that would leave nothing.
pub(super) fn check_rate(rate: f32) -> Result<Vec<WeightSpec>, Mismatch> {
    if (0.0..1.0).contains(&rate) {
        Ok(Vec::new())
    } else {
        Err(Mismatch::new("a rate of at least 0 and below 1", rate))
    }
}

/// For each place of samples of sizes `dims` 0, or with probability 1 − rate 1 / (1 − rate).
pub(super) fn random_mask(
    at: &mut LayerContext<'_>,
    dims: Vec<usize>,
    rate: f32,
    stream: u64,
) -> Result<Value, EngineError> {
    let ones = at.graph.apply(Fill { value: 1.0, shape: Shape::batched(dims) }, &[])?;
    at.graph.apply(ops::Dropout { rate, stream }, &[ones])
}

impl GaussianNoise {
    /// Noise of a standard deviation.
    pub fn new(stddev: f32) -> Self {
        Self { stddev }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(0.1), vec![vec![4, 3]])]
    }
}

impl Layer for GaussianNoise {
    fn class_name(&self) -> &'static str {
        "GaussianNoise"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        not_negative("a stddev", f64::from(self.stddev))?;
        Ok(Vec::new())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if !at.training || self.stddev == 0.0 {
            return Ok(inputs[0]);
        }
        let function = NoiseFunction::Additive;
        at.graph.apply(Noise { function, deviation: self.stddev, stream: at.stream }, &inputs[..1])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl GaussianDropout {
    /// Noise as of dropout of a rate.
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(0.1), vec![vec![4, 3]]), (Self::new(0.0), vec![vec![5]])]
    }
}

impl Layer for GaussianDropout {
    fn class_name(&self) -> &'static str {
        "GaussianDropout"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        check_rate(self.rate)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if !at.training || self.rate == 0.0 {
            return Ok(inputs[0]);
        }
        let (function, deviation) = (NoiseFunction::Multiplicative, (self.rate / (1.0 - self.rate)).sqrt());
        at.graph.apply(Noise { function, deviation, stream: at.stream }, &inputs[..1])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl AlphaDropout {
    /// Drops a share of the inputs.
    pub fn new(rate: f32) -> Self {
        Self { rate, noise_shape: None }
    }

    /// Sets the sizes of the mask, the batch counted.
    pub fn noise_shape(self, noise_shape: impl Into<Vec<Option<usize>>>) -> Self {
        Self { noise_shape: Some(noise_shape.into()), ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(0.1), vec![vec![4, 3]]),
            (Self::new(0.0), vec![vec![5]]),
            (Self::new(0.4).noise_shape([None, Some(1), None]), vec![vec![4, 3]]),
        ]
    }
}

impl Layer for AlphaDropout {
    fn class_name(&self) -> &'static str {
        "AlphaDropout"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        if let [input] = inputs {
            mask_dims(self.noise_shape.as_deref(), input)?;
        }
        check_rate(self.rate)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if !at.training || self.rate == 0.0 {
            return Ok(inputs[0]);
        }
        let (rate, x) = (f64::from(self.rate), inputs[0]);
        let saturated = -1.673_263_242_354_377_2 * 1.050_700_987_355_480_5;
        let scale = ((1.0 - rate) * (1.0 + rate * saturated * saturated)).powf(-0.5);
        let shift = -scale * saturated * rate;
        let dims = mask_dims(self.noise_shape.as_deref(), at.graph.shape(x));
        let dims = dims.map_err(|mismatch| at.mismatch("alpha dropout", mismatch))?;
        let dims = dims.unwrap_or_else(|| at.graph.shape(x).dims.clone());
        let mask = random_mask(at, dims, self.rate, at.stream)?;
        // scale (x kept + saturated (1 − kept)) + shift, the mask being kept / (1 − rate).
        let graph = &mut *at.graph;
        let factor = graph.apply(ScaleShift { scale: (scale * (1.0 - rate)) as f32, shift: 0.0 }, &[mask])?;
        let rest = ScaleShift {
            scale: (-scale * saturated * (1.0 - rate)) as f32,
            shift: (scale * saturated + shift) as f32,
        };
        let rest = graph.apply(rest, &[mask])?;
        let kept = graph.apply(Binary(BinaryFunction::Multiply), &[x, factor])?;
        graph.apply(Binary(BinaryFunction::Add), &[kept, rest])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl<const RANK: usize> SpatialDropout<RANK> {
    /// Drops a share of the channels.
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = |sizes, channels| vec![super::Size::<RANK>::of_last(sizes).with_channels(channels)];
        vec![(Self::new(0.2), input([2, 3, 4], 5)), (Self::new(0.0), input([2, 2, 2], 1))]
    }
}

impl<const RANK: usize> Layer for SpatialDropout<RANK> {
    fn class_name(&self) -> &'static str {
        ["SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"][RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        channels::<RANK>(inputs)?;
        check_rate(self.rate)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if !at.training || self.rate == 0.0 {
            return Ok(inputs[0]);
        }
        let mut dims = vec![1; RANK];
        dims.push(at.graph.shape(inputs[0]).channels());
        let mask = random_mask(at, dims, self.rate, at.stream)?;
        at.graph.apply(Binary(BinaryFunction::Multiply), &[inputs[0], mask])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
