//! Batch normalisation.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{
    Activate, Activation, BatchNorm, BatchNormFrozen, Binary, BinaryFunction, Fill, MovingAverage, Reduce,
    ReduceFunction, ScaleShift,
};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, channels_last, inner_axis, to_map};
use super::masks;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// y = gamma (x − mean) / √(variance + epsilon) + beta, channel by channel.
///
/// In training mean and variance are the batch's, and moving averages of them are kept; prediction, and a layer that is not
/// trainable, uses the averages. Time steps that a mask passes over do not count in the batch's. Output as the input.
/// Weights: `gamma`, `beta`, `moving_mean`, `moving_variance`, each `(channels)`.
/// As Keras's [BatchNormalization](https://keras.io/api/layers/normalization_layers/batch_normalization/) (Ioffe, Szegedy, 2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormalization {
    /// The axis of the channels, counted with the batch; negative from the end. Default −1, the last.
    #[serde(default = "config::last_axis", deserialize_with = "axis")]
    pub axis: isize,
    /// Share of the old moving average that is kept at each step. Default 0.99.
    #[serde(default = "momentum")]
    pub momentum: f64,
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
    /// How the moving mean is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub moving_mean_initializer: Initializer,
    /// How the moving variance is filled at first. Default ones.
    #[serde(default = "config::ones")]
    pub moving_variance_initializer: Initializer,
}

fn momentum() -> f64 {
    0.99
}

/// Keras 2 writes a list with one axis.
fn axis<'de, D: serde::Deserializer<'de>>(from: D) -> Result<isize, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrList {
        One(isize),
        List([isize; 1]),
    }
    Ok(match OneOrList::deserialize(from)? {
        OneOrList::One(axis) | OneOrList::List([axis]) => axis,
    })
}

impl Default for BatchNormalization {
    fn default() -> Self {
        Self {
            axis: config::last_axis(),
            momentum: momentum(),
            epsilon: config::epsilon(),
            center: true,
            scale: true,
            beta_initializer: config::zeros(),
            gamma_initializer: config::ones(),
            moving_mean_initializer: config::zeros(),
            moving_variance_initializer: config::ones(),
        }
    }
}

impl BatchNormalization {
    /// Keras's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the axis of the channels, counted with the batch; negative from the end.
    pub fn axis(self, axis: isize) -> Self {
        Self { axis, ..self }
    }

    /// Sets the share of the old moving average that is kept at each step.
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// Sets what is added to the variance.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Says whether there is a beta.
    pub fn center(self, center: bool) -> Self {
        Self { center, ..self }
    }

    /// Says whether there is a gamma.
    pub fn scale(self, scale: bool) -> Self {
        Self { scale, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(), vec![vec![4, 3, 5]]),
            (Self::new().center(false).momentum(0.5), vec![vec![3, 2, 2]]),
            (Self::new().scale(false).epsilon(0.1), vec![vec![6]]),
            (Self::new().axis(1), vec![vec![3, 2, 4]]),
        ]
    }
}

impl Layer for BatchNormalization {
    fn class_name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let shape = match inputs {
            [shape] if !shape.dims.is_empty() => shape,
            _ => return Err(Mismatch::new("one input with channels", inputs.len())),
        };
        let channels = [shape.dims[inner_axis(self.axis, shape)?]];
        let mut weights = Vec::new();
        weights.extend(self.scale.then(|| WeightSpec::trainable("gamma", channels, self.gamma_initializer)));
        weights.extend(self.center.then(|| WeightSpec::trainable("beta", channels, self.beta_initializer)));
        weights.push(WeightSpec::state("moving_mean", channels, self.moving_mean_initializer));
        weights.push(WeightSpec::state("moving_variance", channels, self.moving_variance_initializer));
        Ok(weights)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let last = at.graph.shape(inputs[0]).dims.len();
        if at.training && at.trainable && at.mask().is_some() && ![-1, last as isize].contains(&self.axis) {
            return Err(at.mismatch("batch_norm", Mismatch::new("a masked input's last axis", self.axis)));
        }
        channels_last(at, self.axis, inputs[0], |at, x| self.normalise(at, &[x]))
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

impl BatchNormalization {
    /// The layer for an input whose channels are last.
    fn normalise(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let Self { scale, center, .. } = *self;
        let epsilon = self.epsilon as f32;
        let first_state = at.weights.len() - 2;
        let (affine, moving) = at.weights.split_at(first_state);
        if !(at.training && at.trainable) {
            let inputs: Vec<Value> = inputs.iter().chain(moving).chain(affine).copied().collect();
            return at.graph.apply(BatchNormFrozen { epsilon, scale, center }, &inputs);
        }
        let inputs: Vec<Value> = inputs.iter().chain(affine).copied().collect();
        let outputs = match at.mask() {
            Some(mask) => self.normalise_heeding(at, &inputs, mask)?,
            None => at.graph.add(BatchNorm::linear(epsilon, scale, center), &inputs)?,
        };
        let average = MovingAverage { momentum: self.momentum as f32 };
        for (i, &moving) in moving.iter().enumerate() {
            let value = at.graph.apply(average.clone(), &[moving, outputs[1 + i]])?;
            at.updates.push((first_state + i, value));
        }
        Ok(outputs[0])
    }

    /// Training where a mask passes over some steps: they do not count in mean and variance. Gives the output, the mean and the variance.
    fn normalise_heeding(
        &self,
        at: &mut LayerContext<'_>,
        inputs: &[Value],
        mask: Value,
    ) -> Result<Vec<Value>, EngineError> {
        let x = inputs[0];
        let shape = at.graph.shape(x).clone();
        let last = shape.dims.len() - 1;
        if at.graph.shape(mask).dims[..] != shape.dims[..last] {
            let found = format!("{} of an input of {shape}", at.graph.shape(mask));
            return Err(
                at.mismatch("batch_norm", Mismatch::new("a mask of one axis less than the input", found))
            );
        }
        let sum = Reduce { batch: true, ..Reduce::new(ReduceFunction::Sum, (0..last).collect::<Vec<_>>()) };
        let binary = |at: &mut LayerContext<'_>, function, a, b| at.graph.apply(Binary(function), &[a, b]);
        let nothing = at.graph.apply(Fill { value: 0.0, shape }, &[])?;
        let count = at.graph.apply(sum.clone(), &[mask])?;
        // So much is added to the count of steps in Keras.
        let count = at.graph.apply(ScaleShift { scale: 1.0, shift: 1e-7 }, &[count])?;
        let mean_of_steps = |at: &mut LayerContext<'_>, x| {
            let total = at.graph.apply(sum.clone(), &[x])?;
            binary(at, BinaryFunction::Divide, total, count)
        };
        let seen = masks::select(at, mask, x, nothing)?;
        let mean = mean_of_steps(at, seen)?;
        let rest = binary(at, BinaryFunction::Subtract, x, mean)?;
        let seen = masks::select(at, mask, rest, nothing)?;
        let squares = at.graph.apply(Activate(Activation::Square), &[seen])?;
        let variance = mean_of_steps(at, squares)?;
        let shifted = at.graph.apply(ScaleShift { scale: 1.0, shift: self.epsilon as f32 }, &[variance])?;
        let inverse = at.graph.apply(Activate(Activation::Power { exponent: -0.5 }), &[shifted])?;
        let mut y = binary(at, BinaryFunction::Multiply, rest, inverse)?;
        let functions =
            [self.scale.then_some(BinaryFunction::Multiply), self.center.then_some(BinaryFunction::Add)];
        for (function, &weight) in functions.into_iter().flatten().zip(&inputs[1..]) {
            y = binary(at, function, y, weight)?;
        }
        Ok(vec![y, mean, variance])
    }
}
