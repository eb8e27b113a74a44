//! What a file of Keras's says of masks, which go from layer to layer by themselves here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::config::{TensorName, collect_tensors, name_of, node_tensors, parts};
use crate::error::{Error, Result};
use crate::layers;

/// Whether a layer makes a mask of its input.
pub(super) fn makes_mask(object: &Json) -> bool {
    parts(object).is_ok_and(|(class, config)| match class {
        "Masking" => true,
        "Embedding" => config.get("mask_zero").and_then(Json::as_bool).unwrap_or(false),
        _ => false,
    })
}

/// So many tensors are looked at on the ways of all masks of a model; networks have some hundreds.
const MOST: usize = 1 << 20;

/// Refuses masks that are not those which go from layer to layer by themselves.
pub(super) fn check_masks(objects: &[Cow<'_, Json>]) -> Result<()> {
    let mut known = Known { left: MOST, ..Known::default() };
    for object in objects.iter().map(AsRef::as_ref) {
        let Some(name) = name_of(object) else { continue };
        known.by_name.insert(name, object);
        let mut inputs = Vec::new();
        if makes_mask(object) {
            calls(object).iter().for_each(|node| node_tensors(node, &mut inputs));
        }
        known.masked.extend(inputs);
        let is_network = parts(object).is_ok_and(|(class, _)| ["Sequential", "Functional"].contains(&class));
        if is_network && calls(object).iter().any(|node| !node["kwargs"]["mask"].is_null()) {
            known.networks.insert(name);
        }
    }
    for object in objects {
        for named in calls(object).iter().filter_map(|node| node.get("kwargs")) {
            let mut tensors = Vec::new();
            collect_tensors(named.get("mask").unwrap_or(&Json::Null), &mut tensors);
            if tensors.is_empty() {
                continue;
            }
            let problem = if named.get("initial_state").is_some_and(|states| !states.is_null()) {
                Some("a mask and states at the same time, which is not supported")
            } else {
                known.problem(tensors)
            };
            if let Some(problem) = problem {
                return Err(Error::argument(
                    format!("layer `{}`", name_of(object).unwrap_or_default()),
                    problem,
                ));
            }
        }
    }
    Ok(())
}

/// What masks are made of.
#[derive(Default)]
struct Known<'a> {
    by_name: HashMap<&'a str, &'a Json>,
    /// Tensors of which Masking and Embedding make masks.
    masked: HashSet<TensorName>,
    /// Models in the model that are called with a mask.
    networks: HashSet<&'a str>,
    /// Whether layers pass masks on, as far as was asked.
    passing: HashMap<&'a str, bool>,
    /// Tensors that may still be looked at.
    left: usize,
}

impl Known<'_> {
    /// Why a mask, which `tensors` are, is another than layers make by themselves.
    fn problem(&mut self, mut tensors: Vec<TensorName>) -> Option<&'static str> {
        let (mut seen, mut sources, mut all) = (HashSet::new(), HashSet::new(), false);
        while let Some((name, ..)) = tensors.pop() {
            let Some((&name, maker)) = self.by_name.get_key_value(&*name) else { continue };
            if !seen.insert(name) {
                continue;
            }
            let mut inputs = Vec::new();
            calls(maker).iter().for_each(|node| node_tensors(node, &mut inputs));
            let Some(left) = self.left.checked_sub(inputs.len() + 1) else {
                return Some("masks of more tensors than a model has");
            };
            self.left = left;
            match maker.get("class_name").and_then(Json::as_str).unwrap_or_default() {
                "NotEqual" if inputs.iter().all(|input| self.masked.contains(input)) => {
                    sources.extend(inputs);
                }
                "ZerosLike" => {}
                "OnesLike" if self.is_masked_by_network(inputs.clone()) => {
                    return Some(
                        "a mask joined with what a model in the model makes of masked steps, which Keras takes for unmasked",
                    );
                }
                "OnesLike" => {}
                class @ ("Any" | "All" | "LogicalOr" | "ExpandDims" | "Concatenate" | "BroadcastTo") => {
                    all |= class == "All";
                    tensors.extend(inputs);
                }
                _ => {
                    return Some(
                        "a mask that was given to it by hand; only those are known that Masking and Embedding make and layers pass on",
                    );
                }
            }
        }
        (all && sources.len() > 1).then_some(
            "a mask of steps that count in all inputs, as old versions of Keras joined masks; save the model with Keras 3.15",
        )
    }

    /// Whether tensors have the mask of a model in the model, from which layers passed it on.
    fn is_masked_by_network(&mut self, mut tensors: Vec<TensorName>) -> bool {
        let mut seen = HashSet::new();
        while let Some((name, ..)) = tensors.pop() {
            let Some((&name, &maker)) = self.by_name.get_key_value(&*name) else { continue };
            if !seen.insert(name) {
                continue;
            }
            if self.networks.contains(name) || self.left == 0 {
                return true;
            }
            if *self.passing.entry(name).or_insert_with(|| passes_mask(maker)) {
                let before = tensors.len();
                calls(maker).iter().for_each(|node| node_tensors(node, &mut tensors));
                self.left = self.left.saturating_sub(tensors.len() - before + 1);
            }
        }
        false
    }
}

/// Whether the output of a layer may have the masks of its inputs.
fn passes_mask(object: &Json) -> bool {
    let Ok((class, _)) = parts(object) else { return false };
    let is_set = |config: &Json| config.get("return_sequences").and_then(Json::as_bool).unwrap_or(false);
    match class {
        "Add" | "Average" | "Concatenate" | "Functional" | "Maximum" | "Minimum" | "Multiply"
        | "Sequential" | "Subtract" => true,
        "GRU" | "LSTM" | "SimpleRNN" => is_set(&object["config"]),
        "Bidirectional" => is_set(&object["config"]["layer"]["config"]),
        _ => layer_passes_mask(object),
    }
}

/// As the layer itself says. Layers around others are not made for it: with all that is in them, which asks the same, this would double at each level.
fn layer_passes_mask(object: &Json) -> bool {
    match parts(object) {
        Ok(("TimeDistributed", _)) => true,
        Ok(("SpectralNormalization", config)) => config.get("layer").is_some_and(layer_passes_mask),
        Ok(("Bidirectional" | "Functional" | "Model" | "Sequential", _)) | Err(_) => false,
        Ok((class, config)) => {
            layers::from_config(class, config.clone()).is_ok_and(|layer| layer.passes_mask())
        }
    }
}

/// The calls of a layer.
fn calls(object: &Json) -> &[Json] {
    object.get("inbound_nodes").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}
