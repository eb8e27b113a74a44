//! Reading and writing of arguments as they stand in Keras's files and in TOML descriptions.

use convnet_engine::ops;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::initializers::Initializer;

/// How a window treats the border of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Windows stay within the image: out = ⌊(in − extent) / stride⌋ + 1.
    #[default]
    Valid,
    /// Zeros around the image, an odd one at the bottom and right: out = ⌈in / stride⌉.
    Same,
}

impl Padding {
    pub(super) fn of_axes(self) -> [ops::Padding; 3] {
        match self {
            Self::Valid => [ops::Padding::Valid; 3],
            Self::Same => [ops::Padding::Same; 3],
        }
    }
}

impl std::str::FromStr for Padding {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "valid" => Ok(Self::Valid),
            "same" => Ok(Self::Same),
            _ => Err(Error::unknown("padding", name, ["same", "valid"])),
        }
    }
}

/// Height and width; one number stands for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrTwo", into = "[usize; 2]")]
pub struct Size2(
    /// Height, width.
    pub [usize; 2],
);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a whole number or two of them")]
enum OneOrTwo {
    One(usize),
    Two([usize; 2]),
}

impl From<OneOrTwo> for Size2 {
    fn from(size: OneOrTwo) -> Self {
        match size {
            OneOrTwo::One(both) => Self([both; 2]),
            OneOrTwo::Two(sizes) => Self(sizes),
        }
    }
}

impl From<Size2> for [usize; 2] {
    fn from(size: Size2) -> Self {
        size.0
    }
}

impl From<usize> for Size2 {
    fn from(both: usize) -> Self {
        Self([both; 2])
    }
}

impl From<[usize; 2]> for Size2 {
    fn from(sizes: [usize; 2]) -> Self {
        Self(sizes)
    }
}

impl From<(usize, usize)> for Size2 {
    fn from((height, width): (usize, usize)) -> Self {
        Self([height, width])
    }
}

impl Size2 {
    /// For the three axes of a window: depth 1, height, width.
    pub(super) fn of_axes(self) -> [usize; 3] {
        [1, self.0[0], self.0[1]]
    }
}

/// Makes a layer from its arguments. Arguments that Keras writes but that say nothing here are passed over, as long as they
/// have the only value that is supported.
pub(super) fn parse<T: DeserializeOwned>(class: &str, mut config: Map<String, Json>) -> Result<T> {
    let place = match config.get("name").and_then(Json::as_str) {
        Some(name) => format!("layer `{name}` ({class})"),
        None => format!("layer {class}"),
    };
    let mut refused = None;
    config.retain(|key, value| match neutral(class, key, value) {
        None => true,
        Some(true) => false,
        Some(false) => {
            refused = Some(format!("the argument {key} = {value} is not supported"));
            false
        }
    });
    if let Some(problem) = refused {
        return Err(Error::argument(place, problem));
    }
    serde_json::from_value(Json::Object(config))
        .map_err(|problem| Error::argument(place, problem.to_string()))
}

/// Whether an argument is of a kind that no layer of the class here has, and if so whether its value changes nothing.
fn neutral(class: &str, key: &str, value: &Json) -> Option<bool> {
    match key {
        "name" | "trainable" | "dtype" | "seed" | "synchronized" | "renorm_momentum"
        | "batch_input_shape" | "batch_shape" => Some(true),
        "data_format" => Some(value.is_null() || value == "channels_last"),
        // Keras 2 wrote it for all convolutions, but only these have it.
        "groups" if !matches!(class, "Conv1D" | "Conv2D" | "Conv3D") => Some(value == 1),
        "renorm" => Some(value == false),
        "keepdims" => Some(value == false),
        "noise_shape" | "renorm_clipping" | "quantization_config" | "lora_rank" => Some(value.is_null()),
        _ if key.ends_with("_regularizer") || key.ends_with("_constraint") => Some(value.is_null()),
        _ => None,
    }
}

/// Defaults that serde asks for by name.
pub(super) fn yes() -> bool {
    true
}

pub(super) fn one_group() -> usize {
    1
}

pub(super) fn zeros() -> Initializer {
    Initializer::Zeros
}

pub(super) fn ones() -> Initializer {
    Initializer::Ones
}

/// The channels.
pub(super) fn last_axis() -> isize {
    -1
}

/// The arguments of a layer as a map.
pub(super) fn to_map(layer: &impl Serialize) -> Map<String, Json> {
    match serde_json::to_value(layer) {
        Ok(Json::Object(map)) => map,
        _ => unreachable!("layers are structures of plain data"),
    }
}
