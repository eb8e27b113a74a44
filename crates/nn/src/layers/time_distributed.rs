//! A layer for each step of a sequence.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::Unstack;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

use super::config::{check_steps, stack};
use super::wrapped::{Inner, finish};
use crate::layer::{Layer, LayerContext, LayerRef, WeightSpec};

/// Calls a layer, or a model, on each time step, with the same weights.
///
/// Input `(batch, steps, …)`, output `(batch, steps, …)` with what the layer makes of a step. Weights: those of the layer. The graph has the layer once for
/// each step. As Keras's [TimeDistributed](https://keras.io/api/layers/recurrent_layers/time_distributed/).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::{Conv2D, TimeDistributed};
///
/// let film = Symbol::input([10, 32, 32, 3]);
/// assert_eq!(film.apply(TimeDistributed::new(Conv2D::new(8, 3)))?.shape().dims, [10, 30, 30, 8]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeDistributed {
    layer: Inner,
}

impl TimeDistributed {
    /// A layer, or a model, for each step.
    pub fn new(layer: impl Into<LayerRef>) -> Self {
        Self { layer: Inner::new(layer) }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(super::Dense::new(3)), vec![vec![4, 2]]),
            (Self::new(super::Conv2D::new(2, 2)), vec![vec![2, 3, 4, 2]]),
        ]
    }

    /// The shape of a step.
    fn step(inputs: &[Shape]) -> Result<Shape, Mismatch> {
        match inputs {
            [shape] if shape.dims.len() > 1 && !shape.is_empty() => Ok(Shape::batched(&shape.dims[1..])),
            [shape] => Err(Mismatch::new("steps with sizes of their own", shape)),
            _ => Err(Mismatch::new("one input", inputs.len())),
        }
    }
}

impl<'de> Deserialize<'de> for TimeDistributed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut config = Map::deserialize(from)?;
        let read = |config: &mut Map<String, Json>| {
            let layer = Inner::required("TimeDistributed", "layer", config)?;
            finish("TimeDistributed", config, &["layer"])?;
            Ok(Self { layer })
        };
        read(&mut config).map_err(|problem: crate::Error| serde::de::Error::custom(problem))
    }
}

impl Layer for TimeDistributed {
    fn class_name(&self) -> &'static str {
        "TimeDistributed"
    }

    fn config(&self) -> Map<String, Json> {
        std::iter::once(("layer".to_owned(), self.layer.object())).collect()
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let weights = self.layer.layer().weights(&[Self::step(inputs)?])?;
        Ok(weights.into_iter().map(|weight| weight.in_group("layer")).collect())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let steps = at.graph.add(Unstack { axis: 0 }, &inputs[..1])?;
        // Each step finds the states as the one before left them.
        let mut weights = at.weights.to_vec();
        let mut outputs = Vec::new();
        for (index, &step) in steps.iter().enumerate() {
            check_steps(at)?;
            let mut updates = Vec::new();
            let mut inner = LayerContext {
                graph: at.graph,
                weights: &weights,
                training: at.training,
                trainable: at.trainable,
                stream: crate::layer::stream_of_part(at.stream, index as u64 + 1),
                updates: &mut updates,
                penalties: at.penalties,
                masks: Vec::new(),
                output_masks: Vec::new(),
            };
            outputs.push(self.layer.layer().call(&mut inner, &[step])?);
            for (weight, value) in updates {
                weights[weight] = value;
                at.updates.retain(|&(known, _)| known != weight);
                at.updates.push((weight, value));
            }
        }
        stack(at.graph, &outputs)
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
