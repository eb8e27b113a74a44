//! Sizes of inputs that a configuration leaves open.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};

/// What a model's configuration says of one of its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedInput {
    /// Its name.
    pub name: String,
    /// Sizes of a sample, the batch not counted; `None` where they are open.
    pub dims: Vec<Option<usize>>,
}

/// The inputs of the model of a configuration, in its order, and the names of the layers that make its outputs.
pub fn stated_ends(json: &Json) -> (Vec<StatedInput>, Vec<String>) {
    let config = &json["config"];
    let inputs = shapes(config).into_iter().map(|(name, pointer)| {
        let sizes = config.pointer(&pointer).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let size = |size: &Json| size.as_u64().and_then(|size| usize::try_from(size).ok());
        StatedInput { name, dims: sizes.iter().skip(1).map(size).collect() }
    });
    let ends = super::config::ends_of(&config["output_layers"]);
    let mut outputs: Vec<String> = ends.into_iter().map(|(name, ..)| name).collect();
    if outputs.is_empty() {
        let last = layers(config).last().and_then(|layer| layer["config"]["name"].as_str());
        outputs.extend(last.map(str::to_owned));
    }
    (inputs.collect(), outputs)
}

/// A configuration whose inputs have these sizes, the batch not counted, one after another, where they were open.
///
/// # Errors
/// If the sizes are not as many as the inputs', or others than those that are stated.
pub fn with_input_sizes(json: &Json, sizes: &[Vec<usize>]) -> Result<Json> {
    let mut closed = json.clone();
    let config = &mut closed["config"];
    let inputs = shapes(config);
    if inputs.len() != sizes.len() {
        let problem = format!("the model has {} inputs, sizes are given for {}", inputs.len(), sizes.len());
        return Err(Error::argument("input sizes", problem));
    }
    for ((name, pointer), given) in inputs.iter().zip(sizes) {
        let stated = config.pointer_mut(pointer).and_then(Json::as_array_mut);
        let Some(stated) = stated.filter(|stated| stated.len() == given.len() + 1) else {
            let problem = format!("{given:?} are not as many sizes as it has behind the batch");
            return Err(Error::argument(format!("input `{name}`"), problem));
        };
        for (size, &given) in stated.iter_mut().skip(1).zip(given) {
            match size.as_u64() {
                None => *size = given.into(),
                Some(known) if known == given as u64 => {}
                Some(known) => {
                    let problem = format!("it has a size of {known}, not {given}");
                    return Err(Error::argument(format!("input `{name}`"), problem));
                }
            }
        }
    }
    Ok(closed)
}

/// Whether a layer is a model with inputs of open sizes.
pub(super) fn is_open(config: &Map<String, Json>) -> bool {
    config.get("layers").is_some_and(Json::is_array) && {
        let config = Json::Object(config.clone());
        let is_open =
            |shape: &Json| shape.as_array().is_some_and(|sizes| sizes.iter().skip(1).any(Json::is_null));
        shapes(&config).iter().any(|(_, pointer)| config.pointer(pointer).is_some_and(is_open))
    }
}

fn layers(config: &Json) -> &[Json] {
    config.get("layers").unwrap_or(config).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// For each input its name and where in a model's arguments its shape stands.
fn shapes(config: &Json) -> Vec<(String, String)> {
    let objects = layers(config);
    let list = if config.get("layers").is_some() { "/layers" } else { "" };
    let shape = |place: usize| {
        let keys = ["batch_shape", "batch_input_shape"].into_iter();
        let mut found = keys.filter(|key| objects[place]["config"][key].is_array());
        found.next().map(|key| format!("{list}/{place}/config/{key}"))
    };
    let ends = super::config::ends_of(&config["input_layers"]);
    if ends.is_empty() {
        let name = objects.first().and_then(|layer| layer["config"]["name"].as_str()).unwrap_or("input");
        let stated = if objects.is_empty() { None } else { shape(0) };
        let whole = config.get("build_input_shape").filter(|shape| shape.is_array());
        let pointer = stated.or_else(|| whole.map(|_| "/build_input_shape".to_owned()));
        return pointer.map(|pointer| (name.to_owned(), pointer)).into_iter().collect();
    }
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, object) in objects.iter().enumerate() {
        if let Some(name) = super::config::name_of(object) {
            places.entry(name).or_insert(place);
        }
    }
    let pointer = |name: &str| shape(*places.get(name)?);
    ends.into_iter().filter_map(|(name, ..)| pointer(&name).map(|pointer| (name, pointer))).collect()
}
