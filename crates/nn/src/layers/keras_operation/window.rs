//! Operations on images, and those that a layer does as well.

use convnet_engine::ops::{self, BinaryFunction};
use convnet_engine::{EngineError, Value};
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use crate::layer::LayerContext;

type Made<T> = Result<T, EngineError>;

/// No larger blocks are turned into channels.
const MAX_BLOCK: usize = 4096;

/// More classes are not told apart by comparing with each.
const MAX_CLASSES: usize = 4096;

pub(super) fn apply(call: &Call<'_>, at: &mut LayerContext<'_>) -> Made<Vec<Value>> {
    let x = call.input(at)?;
    if call.get("data_format").is_some_and(|format| format != "channels_last") {
        return call.refuse(at, "data_format = channels_last", "channels_first");
    }
    let made = match call.class() {
        "DepthToSpace" | "SpaceToDepth" => blocks(call, at, x)?,
        "OneHot" => one_hot(call, at, x)?,
        "Resize" => {
            let sizes = call.integers("size", 1).unwrap_or_default();
            let odd = ["antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio"];
            if let Some(odd) = odd.into_iter().find(|name| call.flag(name)) {
                return call.refuse(at, &format!("{odd} = false"), true);
            }
            let (Some(height), Some(width)) = (sizes.first(), sizes.get(1)) else {
                return call.refuse(at, "a height and a width", format!("{sizes:?}"));
            };
            let interpolation = call.get("interpolation").cloned().unwrap_or(json!("bilinear"));
            let config = json!({ "height": height, "width": width, "interpolation": interpolation });
            as_layer(call, at, "Resizing", config)?
        }
        class => {
            let rank = at.graph.shape(x).dims.len().saturating_sub(1);
            let config = json!({
                "pool_size": call.get("pool_size"), "strides": call.get("strides"),
                "padding": call.get("padding").cloned().unwrap_or(json!("valid")),
            });
            as_layer(call, at, &format!("{class}ing{rank}D"), config)?
        }
    };
    Ok(vec![made])
}

/// What a layer of this class makes of the inputs.
fn as_layer(call: &Call<'_>, at: &mut LayerContext<'_>, class: &str, config: Json) -> Made<Value> {
    let config: Map<String, Json> = config.as_object().cloned().unwrap_or_default();
    match crate::layers::from_config(class, config) {
        Ok(layer) => layer.call(at, call.inputs),
        Err(problem) => call.refuse(at, "arguments of the layer that does the same", problem),
    }
}

/// Blocks of pixels into channels, or back, rows first.
fn blocks(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let block = call.integers("block_size", 1).and_then(|sizes| usize::try_from(*sizes.first()?).ok());
    let dims = at.graph.shape(x).dims.clone();
    let (Some(block @ 1..=MAX_BLOCK), &[height, width, channels]) = (block, &dims[..]) else {
        let received = format!("{dims:?} and {block:?}");
        return call.refuse(at, &format!("images and a block_size of 1 to {MAX_BLOCK}"), received);
    };
    let (apart, result) = if call.class() == "DepthToSpace" {
        let fewer = channels / (block * block);
        (vec![height, width, block, block, fewer], vec![height * block, width * block, fewer])
    } else {
        let (rows, columns) = (height / block, width / block);
        (vec![rows, block, columns, block, channels], vec![rows, columns, channels * block * block])
    };
    if apart.iter().product::<usize>() != dims.iter().product::<usize>() {
        return call.refuse(at, &format!("sizes that blocks of {block} divide"), format!("{dims:?}"));
    }
    let apart = call.reshaped(at, x, apart)?;
    let turned = at.graph.apply(ops::Permute { axes: vec![0, 2, 1, 3, 4] }, &[apart])?;
    call.reshaped(at, turned, result)
}

fn one_hot(call: &Call<'_>, at: &mut LayerContext<'_>, x: Value) -> Made<Value> {
    let classes = call.integers("num_classes", 1).and_then(|classes| usize::try_from(*classes.first()?).ok());
    let Some(classes @ 1..=MAX_CLASSES) = classes else {
        return call.refuse(at, &format!("1 to {MAX_CLASSES} classes"), format!("{classes:?}"));
    };
    if call.integers("axis", usize::MAX).is_some_and(|axis| axis != [-1]) {
        return call.refuse(at, "axis = -1", call.get("axis").cloned().unwrap_or_default());
    }
    let mut dims = at.graph.shape(x).dims.clone();
    dims.push(1);
    let x = call.reshaped(at, x, dims)?;
    let numbers: Vec<f64> = (0..classes).map(|class| class as f64).collect();
    let numbers = crate::layers::config::constants(at, &numbers)?;
    call.pair(at, BinaryFunction::Equal, x, numbers)
}
