//! A sequence read from both ends.

use std::fmt;

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Binary, BinaryFunction, Concatenate, ScaleShift, Sum, Unstack};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json, json};

use super::config::stack;
use super::wrapped::{Inner, finish};
use crate::error::{Error, Result as NnResult};
use crate::layer::{Layer, LayerContext, LayerRef, WeightSpec};

/// How the outputs of both directions become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeMode {
    /// Side by side along the features.
    #[default]
    Concat,
    /// Their sum.
    Sum,
    /// Their product.
    Mul,
    /// Their mean.
    Ave,
}

/// A recurrent layer that reads a sequence forwards, and another one that reads it backwards.
///
/// Input `(batch, steps, features)`, output as of the layer, of both directions merged; without a merge mode both outputs. Initial states, if given as
/// further inputs, and final states, if they are returned, are those of the forward layer, then those of the other. Weights: those of the forward layer,
/// then those of the other. As Keras's [Bidirectional](https://keras.io/api/layers/recurrent_layers/bidirectional/).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::{Bidirectional, LSTM};
///
/// let words = Symbol::input([20, 8]);
/// assert_eq!(words.apply(Bidirectional::new(LSTM::new(16))?)?.shape().dims, [32]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bidirectional {
    forward: Inner,
    backward: Inner,
    merge_mode: Option<MergeMode>,
}

impl fmt::Display for MergeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Concat => "concat",
            Self::Sum => "sum",
            Self::Mul => "mul",
            Self::Ave => "ave",
        })
    }
}

impl Bidirectional {
    /// A recurrent layer, and its like for the other direction.
    ///
    /// # Errors
    /// If the layer is not a recurrent one.
    pub fn new(layer: impl Into<LayerRef>) -> NnResult<Self> {
        Self::of(Inner::new(layer), None, Some(MergeMode::Concat))
    }

    /// Sets how the outputs of both directions become one; `None` if they stay apart.
    pub fn merge_mode(self, merge_mode: Option<MergeMode>) -> Self {
        Self { merge_mode, ..self }
    }

    /// Sets the layer that reads the sequence backwards, if it is not the like of the other. It goes where that one does not: `go_backwards`.
    ///
    /// # Errors
    /// If the layer is not a recurrent one, or reads in the direction of the other.
    pub fn backward_layer(self, layer: impl Into<LayerRef>) -> NnResult<Self> {
        let backward = Inner::new(layer);
        let direction = |inner: &Inner| inner.layer().config().get("go_backwards").and_then(Json::as_bool);
        if direction(&backward) == direction(&self.forward) {
            let problem = "the backward_layer needs another `go_backwards` than the layer";
            return Err(Error::argument("layer Bidirectional", problem));
        }
        Self::of(self.forward, Some(backward), self.merge_mode)
    }

    fn of(layer: Inner, backward: Option<Inner>, merge_mode: Option<MergeMode>) -> NnResult<Self> {
        let config = layer.layer().config();
        let flag = |key: &str| config.get(key).and_then(Json::as_bool).unwrap_or(false);
        // Steps that are passed over are zero in sequences, so that both directions can be merged.
        let zeros = ("zero_output_for_mask", json!(flag("return_sequences")));
        let forward = layer.with_arguments(std::slice::from_ref(&zeros), "forward_")?;
        let backward = match backward {
            Some(backward) => backward.with_arguments(&[zeros], "backward_")?,
            None => {
                layer.with_arguments(&[zeros, ("go_backwards", json!(!flag("go_backwards")))], "backward_")?
            }
        };
        Ok(Self { forward, backward, merge_mode })
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let made = |layer: super::SimpleRNN, mode| {
            Self::new(layer).map(|both| both.merge_mode(Some(mode))).expect("a recurrent layer")
        };
        let back = super::GRU::new(2).go_backwards(true);
        let apart =
            made(super::SimpleRNN::new(2), MergeMode::Sum).backward_layer(back).expect("another direction");
        vec![
            (made(super::SimpleRNN::new(3), MergeMode::Concat), vec![vec![4, 2]]),
            (made(super::SimpleRNN::new(2).return_sequences(true), MergeMode::Ave), vec![vec![3, 2]]),
            (apart, vec![vec![4, 2]]),
        ]
    }

    fn returns(&self, what: &str) -> bool {
        self.forward.layer().config().get(what).and_then(Json::as_bool).unwrap_or(false)
    }

    /// The inputs of both directions: the sequence, and half of the states each.
    fn halves<T: Clone>(inputs: &[T]) -> Option<[Vec<T>; 2]> {
        let (sequence, states) = inputs.split_first()?;
        let (first, second) = states.split_at(states.len() / 2);
        let with = |states: &[T]| [std::slice::from_ref(sequence), states].concat();
        states.len().is_multiple_of(2).then(|| [with(first), with(second)])
    }

    fn merge(at: &mut LayerContext<'_>, mode: MergeMode, [a, b]: [Value; 2]) -> Result<Value, EngineError> {
        match mode {
            MergeMode::Concat => {
                let axis = at.graph.shape(a).dims.len() - 1;
                at.graph.apply(Concatenate { axis }, &[a, b])
            }
            MergeMode::Sum => at.graph.apply(Sum, &[a, b]),
            MergeMode::Mul => at.graph.apply(Binary(BinaryFunction::Multiply), &[a, b]),
            MergeMode::Ave => {
                let sum = at.graph.apply(Sum, &[a, b])?;
                at.graph.apply(ScaleShift { scale: 0.5, shift: 0.0 }, &[sum])
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bidirectional {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let class = "Bidirectional";
        let mut config = Map::deserialize(from)?;
        let mode = match config.shift_remove("merge_mode") {
            None => Some(MergeMode::Concat),
            Some(mode) => serde_json::from_value(mode).map_err(serde::de::Error::custom)?,
        };
        let read = |config: &mut Map<String, Json>| {
            let layer = Inner::required(class, "layer", config)?;
            let backward = Inner::take(class, "backward_layer", config)?;
            finish(class, config, &["layer", "backward_layer", "merge_mode"])?;
            Self::of(layer, backward, mode)
        };
        read(&mut config).map_err(serde::de::Error::custom)
    }
}

impl Layer for Bidirectional {
    fn class_name(&self) -> &'static str {
        "Bidirectional"
    }

    fn config(&self) -> Map<String, Json> {
        let mut config = Map::new();
        config.insert("merge_mode".into(), json!(self.merge_mode));
        config.insert("layer".into(), self.forward.object());
        config.insert("backward_layer".into(), self.backward.object());
        config
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let Some([forward, backward]) = Self::halves(inputs) else {
            return Err(Mismatch::new("a sequence, and states for both directions", inputs.len()));
        };
        let forward =
            self.forward.layer().weights(&forward)?.into_iter().map(|w| w.in_group("forward_layer"));
        let backward =
            self.backward.layer().weights(&backward)?.into_iter().map(|w| w.in_group("backward_layer"));
        Ok(forward.chain(backward).collect())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        Ok(self.call_all(at, inputs)?[0])
    }

    fn call_all(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Vec<Value>, EngineError> {
        let halves = Self::halves(inputs).expect("checked by `weights`");
        let half = at.weights.len() / 2;
        let mut forward = at.call_part(self.forward.layer(), 0, half, &halves[0])?;
        let mut backward = at.call_part(self.backward.layer(), half, half, &halves[1])?;
        let (ahead, mut back) = (forward.remove(0), backward.remove(0));
        if self.returns("return_sequences") {
            let mut steps = at.graph.add(Unstack { axis: 0 }, &[back])?;
            steps.reverse();
            back = stack(at.graph, &steps)?;
            at.output_masks = vec![at.mask(); if self.merge_mode.is_some() { 1 } else { 2 }];
        }
        let mut outputs = match self.merge_mode {
            Some(mode) => vec![Self::merge(at, mode, [ahead, back])?],
            None => vec![ahead, back],
        };
        outputs.extend(forward);
        outputs.extend(backward);
        Ok(outputs)
    }
}
