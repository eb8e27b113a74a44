//! How weights are filled before training.
//!
//! Random ones come from a counter-based generator: the values follow from the model's seed and the weight's place alone.

mod orthogonal;
mod stft;

use std::fmt;
use std::str::FromStr;

use convnet_engine::kernels::random::Philox;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::Error;

pub use stft::{Part, Scaling, Window};

/// An initializer by Keras's name. As [Keras's](https://keras.io/api/layers/initializers/).
///
/// With a kernel `(kernel…, in, out)`, fan in = ∏kernel · in and fan out = ∏kernel · out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Json", try_from = "Json")]
pub enum Initializer {
    /// Uniform within ±√(6 / (fan in + fan out)). Glorot, Bengio, 2010.
    #[default]
    GlorotUniform,
    /// Truncated normal, variance 2 / (fan in + fan out).
    GlorotNormal,
    /// Uniform within ±√(6 / fan in). He et al., 2015.
    HeUniform,
    /// Truncated normal, variance 2 / fan in.
    HeNormal,
    /// Uniform within ±√(3 / fan in). LeCun et al., 1998.
    LecunUniform,
    /// Truncated normal, variance 1 / fan in.
    LecunNormal,
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All the same.
    Constant {
        /// The number.
        value: f32,
    },
    /// Normal.
    RandomNormal {
        /// The mean; Keras's default is 0.
        mean: f32,
        /// The standard deviation; Keras's default is 0.05.
        stddev: f32,
    },
    /// Normal, those beyond two standard deviations drawn again.
    TruncatedNormal {
        /// The mean; Keras's default is 0.
        mean: f32,
        /// The standard deviation before the cut; Keras's default is 0.05.
        stddev: f32,
    },
    /// Uniform.
    RandomUniform {
        /// The least value; Keras's default is −0.05.
        minval: f32,
        /// The greatest value; Keras's default is 0.05.
        maxval: f32,
    },
    /// Variance scale / fan.
    VarianceScaling {
        /// The factor; Keras's default is 1.
        scale: f32,
        /// The fan that it is divided by.
        mode: Fan,
        /// The kind of numbers.
        distribution: Distribution,
    },
    /// A matrix `(∏ all but the last, last)` whose rows or columns, whichever are fewer, are at right angles, times a factor (Saxe et al., 2014).
    Orthogonal {
        /// The factor; Keras's default is 1.
        gain: f32,
    },
    /// A matrix with the factor in its diagonal and else 0.
    Identity {
        /// The factor; Keras's default is 1.
        gain: f32,
    },
    /// The kernel `(moments, 1, bands)` of a short-time Fourier transform, a convolution over time whose outputs are the lower half of the frequencies.
    Stft {
        /// Cosines or sines.
        part: Part,
        /// What a frame is multiplied by; Keras's default is Hann's.
        window: Option<Window>,
        /// By what the window is divided; Keras's default is the root of its sum of squares.
        scaling: Option<Scaling>,
        /// Whether the window goes on into the next frame; Keras's default is no.
        periodic: bool,
    },
    /// 1 in the second quarter and else 0: the bias of an LSTM whose forget gate starts open. It has no name in files; the
    /// layer's argument `unit_forget_bias` stands for it.
    ForgetBias,
}

/// What a variance is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// The inputs.
    In,
    /// The outputs.
    Out,
    /// The mean of both.
    Average,
}

impl Fan {
    fn of(self, (fan_in, fan_out): (f64, f64)) -> f64 {
        match self {
            Self::In => fan_in,
            Self::Out => fan_out,
            Self::Average => (fan_in + fan_out) / 2.0,
        }
    }
}

/// The kind of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Normal, those beyond two standard deviations drawn again.
    TruncatedNormal,
    /// Normal.
    UntruncatedNormal,
    /// Uniform.
    Uniform,
}

/// Standard deviation of a normal distribution that is cut off at two standard deviations.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

impl Initializer {
    /// All of them, with Keras's default arguments.
    pub const ALL: &[Self] = &[
        Self::GlorotUniform,
        Self::GlorotNormal,
        Self::HeUniform,
        Self::HeNormal,
        Self::LecunUniform,
        Self::LecunNormal,
        Self::Zeros,
        Self::Ones,
        Self::Constant { value: 0.0 },
        Self::RandomNormal { mean: 0.0, stddev: 0.05 },
        Self::TruncatedNormal { mean: 0.0, stddev: 0.05 },
        Self::RandomUniform { minval: -0.05, maxval: 0.05 },
        Self::VarianceScaling { scale: 1.0, mode: Fan::In, distribution: Distribution::TruncatedNormal },
        Self::Orthogonal { gain: 1.0 },
        Self::Identity { gain: 1.0 },
        Self::Stft {
            part: Part::Real,
            window: Some(Window::Hann),
            scaling: Some(Scaling::Density),
            periodic: false,
        },
    ];

    /// Keras's class name.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::GlorotUniform => "GlorotUniform",
            Self::GlorotNormal => "GlorotNormal",
            Self::HeUniform => "HeUniform",
            Self::HeNormal => "HeNormal",
            Self::LecunUniform => "LecunUniform",
            Self::LecunNormal => "LecunNormal",
            Self::Zeros => "Zeros",
            Self::Ones => "Ones",
            Self::Constant { .. } => "Constant",
            Self::RandomNormal { .. } => "RandomNormal",
            Self::TruncatedNormal { .. } => "TruncatedNormal",
            Self::RandomUniform { .. } => "RandomUniform",
            Self::VarianceScaling { .. } => "VarianceScaling",
            Self::Orthogonal { .. } => "Orthogonal",
            Self::Identity { .. } => "Identity",
            Self::Stft { .. } => "STFT",
            Self::ForgetBias => "ForgetBias",
        }
    }

    /// Fills a weight of sizes `dims`. Equal `seed` and `stream` give equal values.
    pub fn fill(self, dims: &[usize], seed: u64, stream: u64, weight: &mut [f32]) {
        let random = Philox::new(seed, stream);
        match self {
            Self::Zeros => weight.fill(0.0),
            Self::Ones => weight.fill(1.0),
            Self::Constant { value } => weight.fill(value),
            Self::ForgetBias => {
                let quarter = weight.len() / 4;
                weight.fill(0.0);
                weight[quarter..2 * quarter].fill(1.0);
            }
            Self::RandomNormal { mean, stddev } => random.fill_normal(mean, stddev, weight),
            Self::TruncatedNormal { mean, stddev } => {
                fill_truncated_normal(&random, stddev, weight);
                weight.iter_mut().for_each(|x| *x += mean);
            }
            Self::RandomUniform { minval, maxval } => random.fill_uniform(minval, maxval, weight),
            Self::Orthogonal { gain } => orthogonal::fill(&random, dims, gain, weight),
            Self::Identity { gain } => {
                let columns = dims.last().copied().unwrap_or(1).max(1);
                for (index, x) in weight.iter_mut().enumerate() {
                    *x = if index / columns == index % columns { gain } else { 0.0 };
                }
            }
            Self::Stft { part, window, scaling, periodic } => {
                stft::fill(part, window, scaling, periodic, dims, weight);
            }
            _ => {
                let (scale, mode, distribution) = self.scaling();
                fill_scaled(&random, f64::from(scale), mode, distribution, dims, weight);
            }
        }
    }

    /// What gives a weight of sizes `dims` the variance that it would have with these numbers of inputs and outputs.
    pub(crate) fn with_fans(self, dims: &[usize], [fan_in, fan_out]: [f64; 2]) -> Self {
        let scales = matches!(
            self,
            Self::GlorotUniform
                | Self::GlorotNormal
                | Self::HeUniform
                | Self::HeNormal
                | Self::LecunUniform
                | Self::LecunNormal
                | Self::VarianceScaling { .. }
        );
        if !scales {
            return self;
        }
        let (scale, mode, distribution) = self.scaling();
        let scale = f64::from(scale) * mode.of(fans(dims)).max(1.0) / mode.of((fan_in, fan_out)).max(1.0);
        Self::VarianceScaling { scale: scale as f32, mode, distribution }
    }

    /// The arguments of `VarianceScaling` that a name stands for.
    fn scaling(self) -> (f32, Fan, Distribution) {
        let normal = Distribution::TruncatedNormal;
        match self {
            Self::GlorotUniform => (1.0, Fan::Average, Distribution::Uniform),
            Self::GlorotNormal => (1.0, Fan::Average, normal),
            Self::HeUniform => (2.0, Fan::In, Distribution::Uniform),
            Self::HeNormal => (2.0, Fan::In, normal),
            Self::LecunUniform => (1.0, Fan::In, Distribution::Uniform),
            Self::VarianceScaling { scale, mode, distribution } => (scale, mode, distribution),
            _ => (1.0, Fan::In, normal),
        }
    }
}

fn fill_scaled(
    random: &Philox,
    scale: f64,
    mode: Fan,
    distribution: Distribution,
    dims: &[usize],
    weight: &mut [f32],
) {
    let variance = scale / mode.of(fans(dims)).max(1.0);
    match distribution {
        Distribution::Uniform => fill_uniform(random, variance, weight),
        Distribution::UntruncatedNormal => random.fill_normal(0.0, variance.sqrt() as f32, weight),
        Distribution::TruncatedNormal => {
            fill_truncated_normal(random, (variance.sqrt() / TRUNCATED_DEVIATION) as f32, weight);
        }
    }
}

/// Inputs and outputs that a unit is connected to, as Keras counts them.
fn fans(dims: &[usize]) -> (f64, f64) {
    let count = |dims: &[usize]| dims.iter().product::<usize>() as f64;
    match dims {
        [] => (1.0, 1.0),
        [units] => (*units as f64, *units as f64),
        [kernel @ .., fan_in, fan_out] => (count(kernel) * *fan_in as f64, count(kernel) * *fan_out as f64),
    }
}

fn fill_uniform(random: &Philox, variance: f64, weight: &mut [f32]) {
    let limit = (3.0 * variance).sqrt() as f32;
    random.fill_uniform(-limit, limit, weight);
}

/// Normal values of which those beyond two standard deviations are drawn again.
fn fill_truncated_normal(random: &Philox, deviation: f32, weight: &mut [f32]) {
    let mut index = 0;
    for value in weight {
        *value = loop {
            let normal = random.normal(index);
            index += 1;
            if normal.abs() <= 2.0 {
                break normal * deviation;
            }
        };
    }
}

impl fmt::Display for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class_name())
    }
}

impl FromStr for Initializer {
    type Err = Error;

    /// Takes `GlorotUniform` and `glorot_uniform`.
    fn from_str(name: &str) -> Result<Self, Error> {
        // Keras's older names, and those that its snake case does not give.
        let name = match name {
            "zeros" | "zero" => "Zeros",
            "ones" | "one" => "Ones",
            "normal" => "RandomNormal",
            "uniform" => "RandomUniform",
            "IdentityInitializer" | "eye" => "Identity",
            "OrthogonalInitializer" => "Orthogonal",
            "stft" | "STFTInitializer" => "STFT",
            "lecun_normal" => "LecunNormal",
            "lecun_uniform" => "LecunUniform",
            _ => name,
        };
        let known = |initializer: &&Self| {
            let class = initializer.class_name();
            class == name || crate::names::snake_case(class) == name
        };
        let found = Self::ALL.iter().find(known);
        found
            .copied()
            .ok_or_else(|| Error::unknown("initializer", name, Self::ALL.iter().map(|i| i.class_name())))
    }
}

impl From<Initializer> for Json {
    fn from(initializer: Initializer) -> Self {
        let config = match initializer {
            Initializer::Zeros | Initializer::Ones => json!({}),
            Initializer::Constant { value } => json!({ "value": value }),
            Initializer::Identity { gain } => json!({ "gain": gain }),
            Initializer::Orthogonal { gain } => json!({ "gain": gain, "seed": null }),
            Initializer::Stft { part, window, scaling, periodic } => {
                stft::config(part, window, scaling, periodic)
            }
            Initializer::RandomNormal { mean, stddev } | Initializer::TruncatedNormal { mean, stddev } => {
                json!({ "mean": mean, "stddev": stddev, "seed": null })
            }
            Initializer::RandomUniform { minval, maxval } => {
                json!({ "minval": minval, "maxval": maxval, "seed": null })
            }
            Initializer::VarianceScaling { scale, mode, distribution } => json!({
                "scale": scale,
                "mode": match mode {
                    Fan::In => "fan_in",
                    Fan::Out => "fan_out",
                    Fan::Average => "fan_avg",
                },
                "distribution": match distribution {
                    Distribution::TruncatedNormal => "truncated_normal",
                    Distribution::UntruncatedNormal => "untruncated_normal",
                    Distribution::Uniform => "uniform",
                },
                "seed": null,
            }),
            _ => json!({ "seed": null }),
        };
        json!({
            "module": "keras.initializers",
            "class_name": initializer.class_name(),
            "config": config,
            "registered_name": null,
        })
    }
}

impl Initializer {
    /// The same initializer with the arguments of a configuration.
    fn with_arguments(self, config: &Json) -> Result<Self, Error> {
        let number = |key: &str, default: f32| match config.get(key) {
            None => Ok(default),
            Some(value) => match value.as_f64() {
                Some(value) => Ok(value as f32),
                None => {
                    let problem = format!("{key} must be a number, got {value}");
                    Err(Error::argument(self.class_name(), problem))
                }
            },
        };
        let word = |key: &str| config.get(key).and_then(Json::as_str);
        Ok(match self {
            Self::Constant { value } => Self::Constant { value: number("value", value)? },
            Self::RandomNormal { mean, stddev } => {
                Self::RandomNormal { mean: number("mean", mean)?, stddev: number("stddev", stddev)? }
            }
            Self::TruncatedNormal { mean, stddev } => {
                Self::TruncatedNormal { mean: number("mean", mean)?, stddev: number("stddev", stddev)? }
            }
            Self::RandomUniform { minval, maxval } => {
                Self::RandomUniform { minval: number("minval", minval)?, maxval: number("maxval", maxval)? }
            }
            Self::Orthogonal { gain } => Self::Orthogonal { gain: number("gain", gain)? },
            Self::Identity { gain } => Self::Identity { gain: number("gain", gain)? },
            Self::VarianceScaling { scale, .. } => Self::VarianceScaling {
                scale: number("scale", scale)?,
                mode: match word("mode") {
                    None | Some("fan_in") => Fan::In,
                    Some("fan_out") => Fan::Out,
                    Some("fan_avg") => Fan::Average,
                    Some(other) => {
                        return Err(Error::unknown("fan", other, ["fan_in", "fan_out", "fan_avg"]));
                    }
                },
                distribution: match word("distribution") {
                    None | Some("truncated_normal" | "normal") => Distribution::TruncatedNormal,
                    Some("untruncated_normal") => Distribution::UntruncatedNormal,
                    Some("uniform") => Distribution::Uniform,
                    Some(other) => {
                        let known = ["truncated_normal", "untruncated_normal", "uniform"];
                        return Err(Error::unknown("distribution", other, known));
                    }
                },
            },
            Self::Stft { .. } => stft::arguments(config)?,
            plain => plain,
        })
    }
}

impl TryFrom<Json> for Initializer {
    type Error = Error;

    /// From a name, or from an object with a `class_name`, as the versions of Keras write them.
    fn try_from(json: Json) -> Result<Self, Error> {
        match json.as_str().or_else(|| json.get("class_name")?.as_str()) {
            Some(name) => name.parse::<Self>()?.with_arguments(json.get("config").unwrap_or(&Json::Null)),
            None => Err(Error::argument("initializer", format!("expected a name or an object, got {json}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_as_defined() {
        let dims = [3, 3, 32, 64];
        let count: usize = dims.iter().product();
        let (fan_in, fan_out) = (288.0, 576.0);
        for (initializer, variance) in [
            (Initializer::GlorotUniform, 2.0 / (fan_in + fan_out)),
            (Initializer::GlorotNormal, 2.0 / (fan_in + fan_out)),
            (Initializer::HeUniform, 2.0 / fan_in),
            (Initializer::HeNormal, 2.0 / fan_in),
            (Initializer::LecunUniform, 1.0 / fan_in),
            (Initializer::LecunNormal, 1.0 / fan_in),
            (Initializer::RandomNormal { mean: 0.0, stddev: 0.3 }, 0.09),
            (Initializer::RandomUniform { minval: -0.3, maxval: 0.3 }, 0.03),
            (
                Initializer::VarianceScaling {
                    scale: 3.0,
                    mode: Fan::Out,
                    distribution: Distribution::UntruncatedNormal,
                },
                3.0 / fan_out,
            ),
        ] {
            let mut weight = vec![0.0; count];
            initializer.fill(&dims, 7, 1, &mut weight);
            let mean = weight.iter().map(|&x| f64::from(x)).sum::<f64>() / count as f64;
            let found = weight.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count as f64;
            assert!((found / variance - 1.0).abs() < 0.05, "{initializer}: {found} instead of {variance}");
            assert!(mean.abs() < 0.05 * variance.sqrt(), "{initializer}: mean {mean}");
        }
    }

    #[test]
    fn the_forms_that_keras_writes_are_read() {
        for json in [
            json!("glorot_uniform"),
            json!("GlorotUniform"),
            json!({"class_name": "GlorotUniform", "config": {}}),
        ] {
            assert_eq!(Initializer::try_from(json), Ok(Initializer::GlorotUniform));
        }
        let others = [
            Initializer::Constant { value: 0.5 },
            Initializer::RandomUniform { minval: 0.25, maxval: 1.0 },
            Initializer::VarianceScaling { scale: 2.0, mode: Fan::Out, distribution: Distribution::Uniform },
        ];
        for &initializer in Initializer::ALL.iter().chain(&others) {
            assert_eq!(Initializer::try_from(Json::from(initializer)), Ok(initializer));
            let snake = crate::names::snake_case(initializer.class_name());
            assert!(snake.parse::<Initializer>().is_ok(), "{snake}");
        }
    }

    #[test]
    fn kernels_of_a_fourier_transform_are_those_of_keras() {
        let filled = |config: Json, moments: usize| {
            let json = json!({"class_name": "STFT", "config": config});
            let initializer = Initializer::try_from(json).expect("Keras's arguments");
            let mut weight = vec![0.0; 3 * moments];
            initializer.fill(&[moments, 1, 3], 0, 0, &mut weight);
            weight
        };
        let close = |found: &[f32], expected: &[f32], what: &str| {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 2e-6, "{what}: {found:?} instead of {expected:?}");
            }
        };
        let (a, b, c) = (0.408_248, 0.147_353, 0.337_833);
        let real = [0.0, 0.0, 0.0, a, 0.0, -a, 2.0 * a, -2.0 * a, 2.0 * a, a, 0.0, -a, 0.0, 0.0, 0.0];
        close(&filled(json!({}), 5), &real, "hann");
        let imaginary = [0.0, 0.0, 0.0, 0.0, -b, 0.0, 0.0, 0.0, 0.0, 0.0, c, 0.0, 0.0, 0.0, 0.0];
        let config = json!({"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": true});
        close(&filled(config, 5), &imaginary, "hamming");
        let plain = [1.0, 1.0, 1.0, 1.0, 0.0, -1.0, 1.0, -1.0, 1.0];
        close(&filled(json!({"window": null}), 3), &plain, "no window");
        // The first frequency is the window itself: five moments, and six of a periodic one.
        for (window, five, six) in [
            ("boxcar", [1.0; 3], [1.0; 4]),
            ("blackman", [0.0, 0.34, 1.0], [0.0, 0.13, 0.63, 1.0]),
            ("blackmanharris", [6e-5, 0.217_47, 1.0], [6e-5, 0.055_645, 0.520_575, 1.0]),
            ("nuttall", [0.000_363, 0.226_982, 1.0], [0.000_363, 0.061_334, 0.529_23, 1.0]),
            ("flattop", [-0.000_421, -0.054_737, 1.0], [-0.000_421, -0.051_263, 0.198_211, 1.0]),
            ("bartlett", [0.0, 0.5, 1.0], [0.0, 0.333_333, 0.666_667, 1.0]),
            ("triang", [0.333_333, 0.666_667, 1.0], [0.25, 0.5, 0.75, 1.0]),
            ("cosine", [0.309_017, 0.809_017, 1.0], [0.222_521, 0.623_49, 0.900_969, 1.0]),
        ] {
            for (half, periodic) in [(&five[..], false), (&six[..], true)] {
                let moments = if periodic { 6 } else { 5 };
                let config = json!({"window": window, "scaling": null, "periodic": periodic});
                let first: Vec<f32> = filled(config, moments).iter().step_by(3).copied().collect();
                close(&first[..half.len()], half, window);
            }
        }
        for wrong in [json!({"window": "kaiser"}), json!({"side": "both"}), json!({"periodic": 1})] {
            assert!(Initializer::try_from(json!({"class_name": "STFT", "config": wrong})).is_err());
        }
    }

    #[test]
    fn orthogonal_matrices_have_unit_rows_or_columns_at_right_angles() {
        for dims in [vec![5, 3], vec![3, 5], vec![2, 2, 3, 4], vec![4, 4]] {
            let columns = dims[dims.len() - 1];
            let rows = dims.iter().product::<usize>() / columns;
            let mut weight = vec![0.0; rows * columns];
            Initializer::Orthogonal { gain: 2.0 }.fill(&dims, 3, 4, &mut weight);
            let (count, length) = (rows.min(columns), rows.max(columns));
            let at = |vector: usize, i: usize| {
                if rows < columns { weight[vector * columns + i] } else { weight[i * columns + vector] }
            };
            for a in 0..count {
                for b in 0..count {
                    let product: f32 = (0..length).map(|i| at(a, i) * at(b, i)).sum();
                    let expected = if a == b { 4.0 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-5, "{dims:?}: {a} by {b} is {product}");
                }
            }
        }
    }
}
