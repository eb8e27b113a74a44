//! What a file of Keras's says of masks, which go from layer to layer by themselves here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::config::{TensorName, collect_tensors, name_of, node_tensors, parts};
use crate::error::{Error, Result};

/// Whether a layer makes a mask of its input.
pub(super) fn makes_mask(object: &Json) -> bool {
    parts(object).is_ok_and(|(class, config)| match class {
        "Masking" => true,
        "Embedding" => config.get("mask_zero").and_then(Json::as_bool).unwrap_or(false),
        _ => false,
    })
}

/// Refuses masks that are not those which go from layer to layer by themselves.
pub(super) fn check_masks(objects: &[Cow<'_, Json>]) -> Result<()> {
    let by_name: HashMap<&str, &Json> =
        objects.iter().filter_map(|object| Some((name_of(object)?, object.as_ref()))).collect();
    let mut masked = Vec::new();
    for object in objects.iter().filter(|object| makes_mask(object)) {
        calls(object).iter().for_each(|node| node_tensors(node, &mut masked));
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
                problem_of_mask(tensors, &by_name, &masked)
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

/// Why a mask, which `tensors` are, is another than layers make by themselves: Masking and Embedding of the tensors `masked`.
fn problem_of_mask(
    mut tensors: Vec<TensorName>,
    by_name: &HashMap<&str, &Json>,
    masked: &[TensorName],
) -> Option<&'static str> {
    let (mut seen, mut sources, mut all) = (HashSet::new(), HashSet::new(), false);
    while let Some((name, ..)) = tensors.pop() {
        let Some((&name, maker)) = by_name.get_key_value(&*name) else { continue };
        if !seen.insert(name) {
            continue;
        }
        let mut inputs = Vec::new();
        calls(maker).iter().for_each(|node| node_tensors(node, &mut inputs));
        match maker.get("class_name").and_then(Json::as_str).unwrap_or_default() {
            "NotEqual" if inputs.iter().all(|input| masked.contains(input)) => sources.extend(inputs),
            "ZerosLike" => {}
            "OnesLike" => {
                let is_masked_network = |(name, ..): &TensorName| {
                    by_name.get(&**name).is_some_and(|object| {
                        let is_masked = |node: &Json| !node["kwargs"]["mask"].is_null();
                        ["Sequential", "Functional"].contains(&parts(object).map_or("", |parts| parts.0))
                            && calls(object).iter().any(is_masked)
                    })
                };
                if inputs.iter().any(is_masked_network) {
                    return Some(
                        "a mask joined with what a model in the model makes of masked steps, which Keras takes for unmasked",
                    );
                }
            }
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
    (all && sources.len() > 1)
        .then_some("a mask of steps that count in all inputs, as old versions of Keras joined masks; save the model with Keras 3.15")
}

/// The calls of a layer.
fn calls(object: &Json) -> &[Json] {
    object.get("inbound_nodes").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}
