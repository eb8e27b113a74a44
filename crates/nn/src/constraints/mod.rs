//! What weights are brought back to after each step.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::Error;

/// A rule that a weight is made to obey after each step of training. As [Keras's](https://keras.io/api/layers/constraints/).
///
/// Norms are taken along `axes` of the weight: `[0]` is each unit of a dense layer, `[0, 1, 2]` each filter of a `Conv2D`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Json", try_from = "Json")]
pub enum Constraint {
    /// Norms are at most `max_value`.
    MaxNorm {
        /// The largest norm; Keras's default is 2.
        max_value: f32,
        /// The axes that a norm is taken along.
        axes: Vec<usize>,
    },
    /// No element is negative.
    NonNeg,
    /// Norms are 1.
    UnitNorm {
        /// The axes that a norm is taken along.
        axes: Vec<usize>,
    },
    /// Norms are brought towards a range.
    MinMaxNorm {
        /// The smallest norm.
        min_value: f32,
        /// The largest norm.
        max_value: f32,
        /// How far towards the range, 1 being all the way.
        rate: f32,
        /// The axes that a norm is taken along.
        axes: Vec<usize>,
    },
}

/// Keeps quotients finite; Keras's.
const EPSILON: f32 = 1e-7;

impl Constraint {
    /// Norms of at most `max_value` along the first axis.
    pub fn max_norm(max_value: f32) -> Self {
        Self::MaxNorm { max_value, axes: vec![0] }
    }

    /// Norms of 1 along the first axis.
    pub fn unit_norm() -> Self {
        Self::UnitNorm { axes: vec![0] }
    }

    /// Brings a weight of sizes `dims` back.
    pub fn apply(&self, dims: &[usize], weight: &mut [f32]) {
        match self {
            Self::NonNeg => weight.iter_mut().for_each(|x| *x = x.max(0.0)),
            Self::MaxNorm { max_value, axes } => {
                rescale(dims, axes, weight, |norm| norm.clamp(0.0, *max_value) / (EPSILON + norm));
            }
            Self::UnitNorm { axes } => rescale(dims, axes, weight, |norm| 1.0 / (EPSILON + norm)),
            Self::MinMaxNorm { min_value, max_value, rate, axes } => rescale(dims, axes, weight, |norm| {
                let wanted = norm.max(*min_value).min(*max_value);
                (rate * wanted + (1.0 - rate) * norm) / (EPSILON + norm)
            }),
        }
    }

    fn class_name(&self) -> &'static str {
        match self {
            Self::MaxNorm { .. } => "MaxNorm",
            Self::NonNeg => "NonNeg",
            Self::UnitNorm { .. } => "UnitNorm",
            Self::MinMaxNorm { .. } => "MinMaxNorm",
        }
    }
}

/// Multiplies what lies along `axes` by a factor that follows from its norm.
fn rescale(dims: &[usize], axes: &[usize], weight: &mut [f32], factor: impl Fn(f32) -> f32) {
    let kept = |axis: usize| !axes.contains(&axis);
    let groups: usize =
        dims.iter().enumerate().filter(|&(axis, _)| kept(axis)).map(|(_, size)| size).product();
    // The place of an element among the norms.
    let group = |index: usize| {
        let (mut rest, mut place, mut step) = (index, 0, 1);
        for (axis, &size) in dims.iter().enumerate().rev() {
            if kept(axis) {
                place += rest % size * step;
                step *= size;
            }
            rest /= size;
        }
        place
    };
    let mut norms = vec![0.0_f32; groups];
    for (index, x) in weight.iter().enumerate() {
        norms[group(index)] += x * x;
    }
    norms.iter_mut().for_each(|norm| *norm = factor(norm.sqrt()));
    for (index, x) in weight.iter_mut().enumerate() {
        *x *= norms[group(index)];
    }
}

impl FromStr for Constraint {
    type Err = Error;

    /// Takes `MaxNorm` and `max_norm`, with Keras's defaults.
    fn from_str(name: &str) -> Result<Self, Error> {
        Json::from(name).try_into()
    }
}

fn axis_json(axes: &[usize]) -> Json {
    if let [only] = axes { json!(only) } else { json!(axes) }
}

impl From<Constraint> for Json {
    fn from(constraint: Constraint) -> Self {
        let config = match &constraint {
            Constraint::MaxNorm { max_value, axes } => {
                json!({ "max_value": max_value, "axis": axis_json(axes) })
            }
            Constraint::NonNeg => json!({}),
            Constraint::UnitNorm { axes } => json!({ "axis": axis_json(axes) }),
            Constraint::MinMaxNorm { min_value, max_value, rate, axes } => json!({
                "min_value": min_value, "max_value": max_value, "rate": rate, "axis": axis_json(axes),
            }),
        };
        json!({
            "module": "keras.constraints",
            "class_name": constraint.class_name(),
            "config": config,
            "registered_name": null,
        })
    }
}

impl TryFrom<Json> for Constraint {
    type Error = Error;

    fn try_from(json: Json) -> Result<Self, Error> {
        let name = json.as_str().or_else(|| json.get("class_name")?.as_str()).unwrap_or_default();
        let given = |key: &str| json.get("config").and_then(|config| config.get(key));
        let number = |key: &str, default: f64| match given(key) {
            None => Ok(default as f32),
            Some(value) => match value.as_f64() {
                Some(value) => Ok(value as f32),
                None => Err(Error::argument(name, format!("{key} must be a number, got {value}"))),
            },
        };
        let axes = || {
            let axis = |value: &Json| value.as_u64().map(|axis| axis as usize);
            let axes = match given("axis") {
                None => Some(vec![0]),
                Some(Json::Array(all)) => all.iter().map(axis).collect(),
                Some(one) => axis(one).map(|axis| vec![axis]),
            };
            axes.ok_or_else(|| Error::argument(name, "axis must be a whole number or a list of them"))
        };
        match name {
            "MaxNorm" | "max_norm" => {
                Ok(Self::MaxNorm { max_value: number("max_value", 2.0)?, axes: axes()? })
            }
            "NonNeg" | "non_neg" => Ok(Self::NonNeg),
            "UnitNorm" | "unit_norm" => Ok(Self::UnitNorm { axes: axes()? }),
            "MinMaxNorm" | "min_max_norm" => Ok(Self::MinMaxNorm {
                min_value: number("min_value", 0.0)?,
                max_value: number("max_value", 1.0)?,
                rate: number("rate", 1.0)?,
                axes: axes()?,
            }),
            _ => Err(Error::unknown("constraint", name, ["MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"])),
        }
    }
}
