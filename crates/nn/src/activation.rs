//! Activation functions by Keras's names.

use std::fmt;
use std::str::FromStr;

use convnet_engine::ops::{self, Activate, Softmax};
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A function applied to the output of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Activation {
    /// y = x.
    #[default]
    Linear,
    /// y = max(x, 0).
    Relu,
    /// y = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// y = e^xᵢ / Σⱼ e^xⱼ over the last axis.
    Softmax,
    /// y = tanh x.
    Tanh,
}

impl Activation {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Linear, Self::Relu, Self::Sigmoid, Self::Softmax, Self::Tanh];

    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Softmax => "softmax",
            Self::Tanh => "tanh",
        }
    }

    /// The elementwise function of the engine, which can be fused into the operation before it.
    pub fn elementwise(self) -> Option<ops::Activation> {
        match self {
            Self::Linear => Some(ops::Activation::Linear),
            Self::Relu => Some(ops::Activation::Relu),
            Self::Sigmoid => Some(ops::Activation::Sigmoid),
            Self::Softmax => None,
            Self::Tanh => Some(ops::Activation::Tanh),
        }
    }

    /// Adds the function to a graph.
    ///
    /// # Errors
    /// If the value does not fit.
    pub fn apply(self, graph: &mut Graph, x: Value) -> Result<Value, EngineError> {
        match self.elementwise() {
            Some(ops::Activation::Linear) => Ok(x),
            Some(function) => graph.apply(Activate(function), &[x]),
            None => graph.apply(Softmax, &[x]),
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().find(|activation| activation.name() == name);
        found.copied().ok_or_else(|| Error::unknown("activation", name, Self::ALL.iter().map(|a| a.name())))
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> Self {
        activation.name().into()
    }
}

impl TryFrom<String> for Activation {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

/// Reads an activation; Keras writes `null` where there is none.
pub(crate) fn or_linear<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Activation, D::Error> {
    Ok(Option::<Activation>::deserialize(from)?.unwrap_or_default())
}
