//! Layers that compare channels: maxima over groups of them, and responses held down by their neighbours'.

use convnet_engine::ops::{ChannelMaxPool, Response, ResponseNorm};
use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{setters, to_map};
use crate::layer::{Layer, LayerContext};

/// The maximum of each group of neighbouring channels, known as depthwise max pooling and as maxout.
///
/// Input `(batch, …, channels)`, output `(batch, …, channels / pool size)`; the channels must be a multiple of the pool size. Keras has no such layer:
/// TensorFlow's `max_pool` with a kernel of `(1, 1, 1, n)` is one. (Goodfellow et al., 2013.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseMaxPooling {
    /// Channels of a group.
    pub pool_size: usize,
}

impl DepthwiseMaxPooling {
    /// Groups of so many channels.
    pub fn new(pool_size: usize) -> Self {
        Self { pool_size }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(3), vec![vec![2, 2, 6]])]
    }
}

impl Layer for DepthwiseMaxPooling {
    fn class_name(&self) -> &'static str {
        "DepthwiseMaxPooling"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        at.graph.apply(ChannelMaxPool { window: self.pool_size }, inputs)
    }
}

/// y = x / (bias + alpha Σ x²)^beta, with the sum over the `depth_radius` channels on either side and the own one. Output as the input.
///
/// As TensorFlow's `local_response_normalization`; Keras has no such layer. (Krizhevsky, Sutskever, Hinton, 2012.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalResponseNormalization {
    /// Channels on either side. Default 5.
    pub depth_radius: usize,
    /// Keeps the quotient finite. Default 1.
    pub bias: f32,
    /// The factor. Default 1.
    pub alpha: f32,
    /// The exponent. Default 0.5.
    pub beta: f32,
}

impl Default for LocalResponseNormalization {
    fn default() -> Self {
        Self { depth_radius: 5, bias: 1.0, alpha: 1.0, beta: 0.5 }
    }
}

impl LocalResponseNormalization {
    /// TensorFlow's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The arguments of AlexNet's paper, whose n = 5 is a radius of 2.
    pub fn alexnet() -> Self {
        Self { depth_radius: 2, bias: 2.0, alpha: 1e-4, beta: 0.75 }
    }

    setters! {
        /// Sets the channels on either side.
        depth_radius: usize,
        /// Sets what keeps the quotient finite.
        bias: f32,
        /// Sets the factor.
        alpha: f32,
        /// Sets the exponent.
        beta: f32,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new().depth_radius(1), vec![vec![2, 2, 5]])]
    }
}

impl Layer for LocalResponseNormalization {
    fn class_name(&self) -> &'static str {
        "LocalResponseNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let Self { depth_radius, bias, alpha, beta } = *self;
        at.graph.apply(ResponseNorm(Response { depth_radius, bias, alpha, beta }), inputs)
    }
}
