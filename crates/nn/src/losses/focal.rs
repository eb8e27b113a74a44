//! Focal losses: cross-entropies in which what is right already counts for little.

use convnet_engine::ops::{Activation, ReduceFunction, Softmax};
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::maths::{EPSILON, Maths};
use super::{Loss, last_axis, smoothed, to_map};

/// loss = mean of (1 − pₜ)^gamma times the binary cross-entropy, with pₜ the probability of what is true. Lin et al., 2018.
///
/// As Keras's [BinaryFocalCrossentropy](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BinaryFocalCrossentropy {
    /// Whether the two classes are weighted by alpha. Default false.
    pub apply_class_balancing: bool,
    /// Weight of class 1; that of class 0 is what is left of 1. Default 0.25.
    pub alpha: f32,
    /// How fast what is right loses weight. Default 2.
    pub gamma: f32,
    /// Whether predictions are scores before a sigmoid. Default false: they are probabilities.
    pub from_logits: bool,
    /// By how much targets are drawn to ½. Default 0.
    pub label_smoothing: f32,
    /// The axis of the mean, counted from the batch or backwards. Default −1.
    pub axis: i64,
}

impl Default for BinaryFocalCrossentropy {
    fn default() -> Self {
        Self {
            apply_class_balancing: false,
            alpha: 0.25,
            gamma: 2.0,
            from_logits: false,
            label_smoothing: 0.0,
            axis: last_axis(),
        }
    }
}

impl Loss for BinaryFocalCrossentropy {
    fn class_name(&self) -> &'static str {
        "BinaryFocalCrossentropy"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let t = maths.affine(targets, 1.0 - self.label_smoothing, 0.5 * self.label_smoothing)?;
        let p =
            if self.from_logits { maths.activate(Activation::Sigmoid, predictions)? } else { predictions };
        let (not_t, not_p) = (maths.affine(t, -1.0, 1.0)?, maths.affine(p, -1.0, 1.0)?);
        let clipped = maths.clip(p, EPSILON, 1.0 - EPSILON)?;
        let rest = maths.affine(clipped, -1.0, 1.0)?;
        let (yes, no) = (maths.log(clipped)?, maths.log(rest)?);
        let (yes, no) = (maths.multiply(t, yes)?, maths.multiply(not_t, no)?);
        let gain = maths.add(yes, no)?;
        let (hit, miss) = (maths.multiply(t, p)?, maths.multiply(not_t, not_p)?);
        let right = maths.add(hit, miss)?;
        let wrong = maths.affine(right, -1.0, 1.0)?;
        let focus = maths.activate(Activation::Power { exponent: self.gamma }, wrong)?;
        let mut terms = maths.multiply(focus, gain)?;
        if self.apply_class_balancing {
            let weight = maths.affine(t, 2.0 * self.alpha - 1.0, 1.0 - self.alpha)?;
            terms = maths.multiply(weight, terms)?;
        }
        let terms = maths.axis_last(terms, self.axis)?;
        let gain = maths.over_last(ReduceFunction::Mean, terms)?;
        maths.affine(gain, -1.0, 0.0)
    }
}

/// loss = −Σᵢ alpha (1 − pᵢ)^gamma tᵢ log pᵢ. Lin et al., 2018.
///
/// As Keras's [CategoricalFocalCrossentropy](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CategoricalFocalCrossentropy {
    /// Weight of the whole. Default 0.25.
    pub alpha: f32,
    /// How fast what is right loses weight. Default 2.
    pub gamma: f32,
    /// Whether predictions are scores before a softmax. Default false: they are probabilities.
    pub from_logits: bool,
    /// The share of each target that is given to all classes alike. Default 0.
    pub label_smoothing: f32,
    /// The axis of the classes, counted from the batch or backwards. Default −1.
    pub axis: i64,
}

impl Default for CategoricalFocalCrossentropy {
    fn default() -> Self {
        Self { alpha: 0.25, gamma: 2.0, from_logits: false, label_smoothing: 0.0, axis: last_axis() }
    }
}

impl Loss for CategoricalFocalCrossentropy {
    fn class_name(&self) -> &'static str {
        "CategoricalFocalCrossentropy"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError> {
        let mut maths = Maths(graph);
        let targets = smoothed(&mut maths, targets, self.label_smoothing)?;
        let targets = maths.axis_last(targets, self.axis)?;
        let mut p = maths.axis_last(predictions, self.axis)?;
        if self.from_logits {
            p = maths.0.apply(Softmax, &[p])?;
        }
        let p = super::normalized(&mut maths, p)?;
        let p = maths.clip(p, EPSILON, 1.0 - EPSILON)?;
        let (log, wrong) = (maths.log(p)?, maths.affine(p, -1.0, 1.0)?);
        let focus = maths.activate(Activation::Power { exponent: self.gamma }, wrong)?;
        let terms = maths.multiply(targets, log)?;
        let terms = maths.multiply(focus, terms)?;
        let gain = maths.over_last(ReduceFunction::Sum, terms)?;
        maths.affine(gain, -self.alpha, 0.0)
    }
}
