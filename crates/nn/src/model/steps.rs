//! The steps of a model as Keras counts them: calls of layers, and the operations that it makes masks with.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::symbol::{CallNode, Origin, Symbol};
use crate::layer::Layer;

/// Layers that Keras calls with the masks of their inputs. The others pass them on, or end them, without a look at them.
const CALLED_WITH_MASKS: [&str; 11] = [
    "BatchNormalization",
    "Bidirectional",
    "Functional",
    "GRU",
    "GlobalAveragePooling1D",
    "LSTM",
    "Lambda",
    "Sequential",
    "SimpleRNN",
    "Softmax",
    "TimeDistributed",
];

/// A call, or an operation on masks.
pub(super) struct Step<'a> {
    pub(super) call: Option<&'a Arc<CallNode>>,
    /// The earlier steps that it needs, by number.
    pub(super) needs: Vec<usize>,
}

/// All steps, each after those that it needs.
#[derive(Default)]
pub(super) struct Steps<'a> {
    pub(super) list: Vec<Step<'a>>,
    of_calls: HashMap<*const CallNode, usize>,
    /// The step that a tensor's mask comes from. What models in the model make has none: Keras loses it when it wires them.
    masks: HashMap<(*const CallNode, usize), usize>,
}

impl<'a> Steps<'a> {
    /// The steps of calls that stand in an order in which they can be made.
    pub(super) fn of(calls: &'a [Arc<CallNode>]) -> Self {
        let mut steps = Self::default();
        calls.iter().for_each(|call| steps.add(call));
        steps
    }

    fn add(&mut self, call: &'a Arc<CallNode>) {
        let (mut needs, mut masks) = (Vec::new(), Vec::new());
        if let Origin::Call { layer, inputs, .. } = &call.origin {
            needs = inputs.iter().map(|input| self.of_calls[&Arc::as_ptr(&input.node)]).collect();
            masks = self.output_masks(layer.layer(), inputs, &needs);
            if CALLED_WITH_MASKS.contains(&layer.layer().class_name()) {
                needs.extend(inputs.iter().filter_map(|input| self.masks.get(&input.id())));
            }
        }
        let key = Arc::as_ptr(call);
        self.masks.extend(masks.into_iter().enumerate().map(|(output, mask)| ((key, output), mask)));
        self.of_calls.insert(key, self.list.len());
        self.list.push(Step { call: Some(call), needs });
    }

    /// Adds an operation on masks.
    fn operation(&mut self, needs: Vec<usize>) -> usize {
        self.list.push(Step { call: None, needs });
        self.list.len() - 1
    }

    /// Adds the operations that make the masks of a layer's outputs, of the first of which there may be some.
    fn output_masks(&mut self, layer: &dyn Layer, inputs: &[Symbol], made_by: &[usize]) -> Vec<usize> {
        let of_inputs: Vec<Option<usize>> =
            inputs.iter().map(|input| self.masks.get(&input.id()).copied()).collect();
        let first = of_inputs.first().copied().flatten();
        match layer.class_name() {
            "Masking" => {
                let not_equal = self.operation(made_by.to_vec());
                vec![self.operation(vec![not_equal])]
            }
            "Embedding" if is_set(layer, "mask_zero") => vec![self.operation(made_by.to_vec())],
            "Add" | "Average" | "Maximum" | "Minimum" | "Multiply" | "Subtract" => {
                let all: Option<Vec<usize>> = of_inputs.into_iter().collect();
                let either = |mask, other| self.operation(vec![mask, other]);
                all.and_then(|all| all.into_iter().reduce(either)).into_iter().collect()
            }
            "Concatenate" if of_inputs.iter().any(Option::is_some) => {
                let mut parts = Vec::new();
                for (mask, &input) in of_inputs.into_iter().zip(made_by) {
                    let ones_or_zeros = self.operation(vec![input]);
                    parts.push(match mask {
                        Some(mask) => {
                            let wide = self.operation(vec![mask]);
                            self.operation(vec![wide, ones_or_zeros])
                        }
                        None => ones_or_zeros,
                    });
                }
                let joined = self.operation(parts);
                vec![self.operation(vec![joined])]
            }
            "Bidirectional" => {
                let sequences = layer
                    .config()
                    .get("layer")
                    .is_some_and(|inner| inner["config"]["return_sequences"] == true);
                let outputs = if layer.config().get("merge_mode").is_some_and(Json::is_null) { 2 } else { 1 };
                first.filter(|_| sequences).map_or_else(Vec::new, |mask| vec![mask; outputs])
            }
            "GRU" | "LSTM" | "SimpleRNN" => {
                first.filter(|_| is_set(layer, "return_sequences")).into_iter().collect()
            }
            _ => first.filter(|_| layer.passes_mask()).into_iter().collect(),
        }
    }
}

fn is_set(layer: &dyn Layer, argument: &str) -> bool {
    layer.config().get(argument).and_then(Json::as_bool).unwrap_or(false)
}
