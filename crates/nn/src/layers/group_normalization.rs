//! Group normalisation.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::GroupNorm;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, channels_last, inner_axis, setters, to_map};
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// y = gamma (x − mean) / √(variance + epsilon) + beta, with mean and variance over all positions of a sample and the channels of a group. Output as the
/// input.
///
/// Weights: `gamma`, `beta`, each `(channels)`. As Keras's
/// [GroupNormalization](https://keras.io/api/layers/normalization_layers/group_normalization/) (Wu, He, 2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNormalization {
    /// Number of groups, or −1 for one of each channel: instance normalisation. Default 32.
    #[serde(default = "groups")]
    pub groups: isize,
    /// The axis of the channels, counted with the batch; negative from the end. Default −1.
    #[serde(default = "config::last_axis")]
    pub axis: isize,
    /// Added to the variance. Default 0.001.
    #[serde(default = "config::epsilon")]
    pub epsilon: f64,
    /// Whether there is a beta. Default true.
    #[serde(default = "config::yes")]
    pub center: bool,
    /// Whether there is a gamma. Default true.
    #[serde(default = "config::yes")]
    pub scale: bool,
    /// How beta is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub beta_initializer: Initializer,
    /// How gamma is filled at first. Default ones.
    #[serde(default = "config::ones")]
    pub gamma_initializer: Initializer,
}

fn groups() -> isize {
    32
}

impl GroupNormalization {
    /// So many groups; −1 for one of each channel.
    pub fn new(groups: isize) -> Self {
        Self {
            groups,
            axis: config::last_axis(),
            epsilon: config::epsilon(),
            center: true,
            scale: true,
            beta_initializer: config::zeros(),
            gamma_initializer: config::ones(),
        }
    }

    setters! {
        /// Sets the axis of the channels, counted with the batch; negative from the end.
        axis: isize,
        /// Sets what is added to the variance.
        epsilon: f64,
        /// Says whether there is a beta.
        center: bool,
        /// Says whether there is a gamma.
        scale: bool,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(2), vec![vec![3, 2, 6]]),
            (Self::new(-1).center(false), vec![vec![3, 4, 2]]),
            (Self::new(2).axis(1).epsilon(0.1), vec![vec![4, 3]]),
        ]
    }
}

impl Layer for GroupNormalization {
    fn class_name(&self) -> &'static str {
        "GroupNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let [shape] = inputs else { return Err(Mismatch::new("one input", inputs.len())) };
        let channels = [shape.dims[inner_axis(self.axis, shape)?]];
        let gamma = self.scale.then(|| WeightSpec::trainable("gamma", channels, self.gamma_initializer));
        let beta = self.center.then(|| WeightSpec::trainable("beta", channels, self.beta_initializer));
        Ok(gamma.into_iter().chain(beta).collect())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let Self { scale, center, .. } = *self;
        let weights = at.weights.to_vec();
        channels_last(at, self.axis, inputs[0], |at, x| {
            let groups = usize::try_from(self.groups).unwrap_or_else(|_| at.graph.shape(x).channels());
            let inputs: Vec<Value> = std::iter::once(x).chain(weights).collect();
            at.graph.apply(GroupNorm { groups, epsilon: self.epsilon as f32, scale, center }, &inputs)
        })
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
