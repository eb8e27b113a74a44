//! Activation functions by Keras's names.

use std::fmt;
use std::str::FromStr;

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{self, Activate, LogSoftmax, Multiply, Slice, Softmax, Sparsemax};
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::error::Error;

/// A function applied to the output of a layer.
///
/// In configurations it is its name; where arguments differ from those that the name stands for, the configuration of
/// the layer that Keras writes in its place (`LeakyReLU`, `ReLU`, `ELU`).
///
/// As [Keras's activations](https://keras.io/api/layers/activations/), whose pages have the formulas.
///
/// ```
/// use convnet_nn::Activation;
///
/// assert_eq!("hard_swish".parse::<Activation>().unwrap(), Activation::HardSilu);
/// let steep = Activation::LeakyRelu { negative_slope: 0.01 };
/// assert!(serde_json::to_string(&steep).unwrap().contains("LeakyReLU"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Json", try_from = "Json")]
pub enum Activation {
    /// x where it is positive, else e^x − 1.
    Celu,
    /// x where it is positive, else α (e^x − 1).
    Elu {
        /// Saturates at −α; Keras's default is 1.
        alpha: f32,
    },
    /// y = e^x.
    Exponential,
    /// y = x Φ(x), with Φ the share of a normal distribution below x.
    Gelu,
    /// a · sigmoid(b) of the two halves of the last axis.
    Glu,
    /// x where it is farther from 0 than ½, else 0.
    HardShrink,
    /// y = x / 6 + ½, cut to 0 … 1.
    HardSigmoid,
    /// x · `hard_sigmoid`(x), also known as hard swish.
    HardSilu,
    /// x, cut to −1 … 1.
    HardTanh,
    /// x where it is positive, else a multiple of it.
    LeakyRelu {
        /// The factor; Keras's default is 0.2.
        negative_slope: f32,
    },
    /// y = x.
    #[default]
    Linear,
    /// The logarithm of the sigmoid.
    LogSigmoid,
    /// The logarithm of the softmax.
    LogSoftmax,
    /// y = x · tanh(ln(1 + e^x)).
    Mish,
    /// y = max(x, 0).
    Relu,
    /// relu cut at 6.
    Relu6,
    /// relu with all its arguments.
    Rectifier {
        /// Slope below the threshold.
        negative_slope: f32,
        /// The largest value, if there is one.
        max_value: Option<f32>,
        /// Where the part of slope 1 begins.
        threshold: f32,
    },
    /// The scaled exponential linear unit.
    Selu,
    /// y = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// y = x · sigmoid(x), also known as swish.
    Silu,
    /// x moved towards 0 by ½, 0 if it would get past it.
    SoftShrink,
    /// y = e^xᵢ / Σⱼ e^xⱼ over the last axis.
    Softmax,
    /// y = ln(1 + e^x).
    Softplus,
    /// y = x / (1 + |x|).
    Softsign,
    /// 0 below −1, x above 1, (x + 1)² / 4 between.
    SparsePlus,
    /// (x + 1) / 2, cut to 0 … 1.
    SparseSigmoid,
    /// The nearest point whose elements are not negative and have the sum 1, over the last axis (Martins, Astudillo,
    /// 2016). Keras 3.15 gives other numbers, whose sum is not 1.
    Sparsemax,
    /// y = (x + √(x² + 4)) / 2.
    Squareplus,
    /// y = tanh x.
    Tanh,
    /// y = x − tanh x.
    TanhShrink,
}

impl Activation {
    /// All of them, with Keras's default arguments.
    pub const ALL: &[Self] = &[
        Self::Celu,
        Self::Elu { alpha: 1.0 },
        Self::Exponential,
        Self::Gelu,
        Self::Glu,
        Self::HardShrink,
        Self::HardSigmoid,
        Self::HardSilu,
        Self::HardTanh,
        Self::LeakyRelu { negative_slope: 0.2 },
        Self::Linear,
        Self::LogSigmoid,
        Self::LogSoftmax,
        Self::Mish,
        Self::Relu,
        Self::Relu6,
        Self::Selu,
        Self::Sigmoid,
        Self::Silu,
        Self::SoftShrink,
        Self::Softmax,
        Self::Softplus,
        Self::Softsign,
        Self::SparsePlus,
        Self::SparseSigmoid,
        Self::Sparsemax,
        Self::Squareplus,
        Self::Tanh,
        Self::TanhShrink,
    ];

    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Celu => "celu",
            Self::Elu { .. } => "elu",
            Self::Exponential => "exponential",
            Self::Gelu => "gelu",
            Self::Glu => "glu",
            Self::HardShrink => "hard_shrink",
            Self::HardSigmoid => "hard_sigmoid",
            Self::HardSilu => "hard_silu",
            Self::HardTanh => "hard_tanh",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Linear => "linear",
            Self::LogSigmoid => "log_sigmoid",
            Self::LogSoftmax => "log_softmax",
            Self::Mish => "mish",
            Self::Relu | Self::Rectifier { .. } => "relu",
            Self::Relu6 => "relu6",
            Self::Selu => "selu",
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
            Self::SoftShrink => "soft_shrink",
            Self::Softmax => "softmax",
            Self::Softplus => "softplus",
            Self::Softsign => "softsign",
            Self::SparsePlus => "sparse_plus",
            Self::SparseSigmoid => "sparse_sigmoid",
            Self::Sparsemax => "sparsemax",
            Self::Squareplus => "squareplus",
            Self::Tanh => "tanh",
            Self::TanhShrink => "tanh_shrink",
        }
    }

    /// The function of the engine, if it acts on each element alone.
    pub fn function(self) -> Option<ops::Activation> {
        Some(match self {
            Self::Celu => ops::Activation::celu(1.0),
            Self::Elu { alpha } => ops::Activation::elu(alpha),
            Self::Exponential => ops::Activation::Exponential,
            Self::Gelu => ops::Activation::Gelu { approximate: false },
            Self::HardShrink => ops::Activation::HardShrink { threshold: 0.5 },
            Self::HardSigmoid => ops::Activation::HARD_SIGMOID,
            Self::HardSilu => ops::Activation::HardSilu,
            Self::HardTanh => ops::Activation::HARD_TANH,
            Self::LeakyRelu { negative_slope } => ops::Activation::leaky_relu(negative_slope),
            Self::Linear => ops::Activation::Linear,
            Self::LogSigmoid => ops::Activation::LogSigmoid,
            Self::Mish => ops::Activation::Mish,
            Self::Relu => ops::Activation::Relu,
            Self::Relu6 => ops::Activation::RELU6,
            Self::Rectifier { negative_slope, max_value, threshold } => {
                let max_value = max_value.unwrap_or(f32::INFINITY);
                ops::Activation::Rectifier { negative_slope, max_value, threshold }
            }
            Self::Selu => ops::Activation::SELU,
            Self::Sigmoid => ops::Activation::Sigmoid,
            Self::Silu => ops::Activation::Silu,
            Self::SoftShrink => ops::Activation::SoftShrink { threshold: 0.5 },
            Self::Softplus => ops::Activation::Softplus,
            Self::Softsign => ops::Activation::Softsign,
            Self::SparsePlus => ops::Activation::SparsePlus,
            Self::SparseSigmoid => ops::Activation::SPARSE_SIGMOID,
            Self::Squareplus => ops::Activation::Squareplus { b: 4.0 },
            Self::Tanh => ops::Activation::Tanh,
            Self::TanhShrink => ops::Activation::TanhShrink,
            Self::Glu | Self::LogSoftmax | Self::Softmax | Self::Sparsemax => return None,
        })
    }

    /// The function of the engine, if it can be fused into the operation before it even where that is trained.
    pub fn elementwise(self) -> Option<ops::Activation> {
        self.function().filter(|function| function.gradient_from_output())
    }

    /// Adds the function to a graph.
    ///
    /// # Errors
    /// If the value does not fit.
    pub fn apply(self, graph: &mut Graph, x: Value) -> Result<Value, EngineError> {
        match self {
            Self::Linear => Ok(x),
            Self::Softmax => graph.apply(Softmax, &[x]),
            Self::LogSoftmax => graph.apply(LogSoftmax, &[x]),
            Self::Sparsemax => graph.apply(Sparsemax, &[x]),
            Self::Glu => gated(graph, x),
            _ => {
                let function = self.function().expect("those that act on rows are above");
                graph.apply(Activate(function), &[x])
            }
        }
    }

    /// The layer that Keras writes where a name does not say the arguments.
    fn layer(self) -> Option<(&'static str, Json)> {
        match self {
            Self::Rectifier { negative_slope, max_value, threshold } => {
                let config = json!({
                    "max_value": max_value, "negative_slope": negative_slope, "threshold": threshold,
                });
                Some(("ReLU", config))
            }
            Self::LeakyRelu { negative_slope } => {
                Some(("LeakyReLU", json!({ "negative_slope": negative_slope })))
            }
            Self::Elu { alpha } => Some(("ELU", json!({ "alpha": alpha }))),
            _ => None,
        }
    }

    /// Reads a layer that stands for a function. Its name and type are of no consequence.
    fn from_layer(layer: &Map<String, Json>) -> Result<Self, Error> {
        let name = layer.get("class_name").and_then(Json::as_str).unwrap_or_default();
        let empty = Map::new();
        let config = layer.get("config").and_then(Json::as_object).unwrap_or(&empty);
        let optional = |key: &str| match config.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                Some(value) => Ok(Some(value as f32)),
                None => Err(Error::argument(name, format!("{key} must be a number, got {value}"))),
            },
        };
        let number = |key: &str, default| Ok::<f32, Error>(optional(key)?.unwrap_or(default));
        match name {
            "ReLU" => Ok(Self::Rectifier {
                negative_slope: number("negative_slope", 0.0)?,
                max_value: optional("max_value")?,
                threshold: number("threshold", 0.0)?,
            }),
            "LeakyReLU" => Ok(Self::LeakyRelu { negative_slope: number("negative_slope", 0.3)? }),
            "ELU" => Ok(Self::Elu { alpha: number("alpha", 1.0)? }),
            "Softmax" if number("axis", -1.0)? == -1.0 => Ok(Self::Softmax),
            _ => Err(Error::unknown("activation layer", name, ["ReLU", "LeakyReLU", "ELU", "Softmax"])),
        }
    }
}

/// One half of the last axis by the sigmoid of the other.
fn gated(graph: &mut Graph, x: Value) -> Result<Value, EngineError> {
    let shape = graph.shape(x);
    if !shape.channels().is_multiple_of(2) || shape.dims.is_empty() {
        let mismatch = Mismatch::new("an even number of channels, to be halved", shape);
        return Err(EngineError::Shape {
            layer: graph.label().to_owned(),
            op: "gated linear unit",
            mismatch,
        });
    }
    let (axis, size) = (shape.dims.len() - 1, shape.channels() / 2);
    let a = graph.apply(Slice { axis, start: 0, size }, &[x])?;
    let b = graph.apply(Slice { axis, start: size, size }, &[x])?;
    let gate = graph.apply(Activate(ops::Activation::Sigmoid), &[b])?;
    graph.apply(Multiply, &[a, gate])
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let name = match name {
            "swish" => "silu",
            "hard_swish" => "hard_silu",
            _ => name,
        };
        let found = Self::ALL.iter().find(|activation| activation.name() == name);
        found.copied().ok_or_else(|| Error::unknown("activation", name, Self::ALL.iter().map(|a| a.name())))
    }
}

impl From<Activation> for Json {
    fn from(activation: Activation) -> Self {
        match activation.layer() {
            Some((class_name, config)) if !Activation::ALL.contains(&activation) => json!({
                "module": "keras.layers", "class_name": class_name, "config": config, "registered_name": null,
            }),
            _ => activation.name().into(),
        }
    }
}

impl TryFrom<Json> for Activation {
    type Error = Error;

    fn try_from(config: Json) -> Result<Self, Error> {
        match &config {
            Json::String(name) => name.parse(),
            Json::Object(layer) => Self::from_layer(layer),
            _ => Err(Error::argument("activation", format!("expected a name or a layer, got {config}"))),
        }
    }
}

/// Reads an activation; Keras writes `null` where there is none.
pub(crate) fn or_linear<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Activation, D::Error> {
    Ok(Option::<Activation>::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_round_trip_through_their_configuration() {
        let others = [
            Activation::LeakyRelu { negative_slope: 0.3 },
            Activation::Elu { alpha: 0.5 },
            Activation::Rectifier { negative_slope: 0.1, max_value: Some(6.0), threshold: 0.5 },
            Activation::Rectifier { negative_slope: 0.0, max_value: None, threshold: 0.0 },
        ];
        for activation in Activation::ALL.iter().copied().chain(others) {
            let text = serde_json::to_string(&activation).unwrap();
            assert_eq!(text.starts_with('{'), others.contains(&activation), "{text}");
            assert_eq!(serde_json::from_str::<Activation>(&text).unwrap(), activation, "{text}");
        }
    }

    #[test]
    fn what_is_no_activation_is_refused() {
        for text in [
            "3",
            "\"rely\"",
            r#"{"class_name": "PReLU", "config": {}}"#,
            r#"{"class_name": "ELU", "config": {"alpha": "x"}}"#,
        ] {
            assert!(serde_json::from_str::<Activation>(text).is_err(), "{text}");
        }
    }
}
