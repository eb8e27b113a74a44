//! How weights are filled before training.
//!
//! Random ones come from a counter-based generator: the values follow from the model's seed and the weight's place alone.

use std::fmt;
use std::str::FromStr;

use convnet_engine::kernels::random::Philox;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::Error;

/// An initializer by Keras's name.
///
/// With a kernel `(kernel…, in, out)`, fan in = ∏kernel · in and fan out = ∏kernel · out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
}

/// Standard deviation of a normal distribution that is cut off at two standard deviations.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

impl Initializer {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::GlorotUniform, Self::GlorotNormal, Self::HeUniform, Self::HeNormal, Self::Zeros, Self::Ones];

    /// Keras's class name.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::GlorotUniform => "GlorotUniform",
            Self::GlorotNormal => "GlorotNormal",
            Self::HeUniform => "HeUniform",
            Self::HeNormal => "HeNormal",
            Self::Zeros => "Zeros",
            Self::Ones => "Ones",
        }
    }

    /// Fills a weight of sizes `dims`. Equal `seed` and `stream` give equal values.
    pub fn fill(self, dims: &[usize], seed: u64, stream: u64, weight: &mut [f32]) {
        let (fan_in, fan_out) = fans(dims);
        let random = Philox::new(seed, stream);
        match self {
            Self::Zeros => weight.fill(0.0),
            Self::Ones => weight.fill(1.0),
            Self::GlorotUniform => fill_uniform(&random, 2.0 / (fan_in + fan_out), weight),
            Self::HeUniform => fill_uniform(&random, 2.0 / fan_in, weight),
            Self::GlorotNormal => fill_truncated_normal(&random, 2.0 / (fan_in + fan_out), weight),
            Self::HeNormal => fill_truncated_normal(&random, 2.0 / fan_in, weight),
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
fn fill_truncated_normal(random: &Philox, variance: f64, weight: &mut [f32]) {
    let deviation = (variance.sqrt() / TRUNCATED_DEVIATION) as f32;
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

impl TryFrom<Json> for Initializer {
    type Error = Error;

    /// From a name, or from an object with a `class_name`, as the versions of Keras write them.
    fn try_from(json: Json) -> Result<Self, Error> {
        match json.as_str().or_else(|| json.get("class_name")?.as_str()) {
            Some(name) => name.parse(),
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
        let round_trip = Initializer::try_from(Json::from(Initializer::HeNormal));
        assert_eq!(round_trip, Ok(Initializer::HeNormal));
    }
}
