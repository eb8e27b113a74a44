//! Reading and writing of arguments as they stand in Keras's files and in TOML descriptions.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Graph, Shape, Value, ops};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::layer::LayerContext;

/// How a window treats the border of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Windows stay within the image: out = ⌊(in − extent) / stride⌋ + 1.
    #[default]
    Valid,
    /// Zeros around the image, an odd one at the bottom and right: out = ⌈in / stride⌉.
    Same,
    /// Zeros before a sequence, so that no output depends on what comes later: `Conv1D` only.
    Causal,
}

impl Padding {
    /// For the three axes of a window.
    pub(super) fn of_axes(
        self,
        at: &LayerContext<'_>,
    ) -> std::result::Result<[ops::Padding; 3], EngineError> {
        match self {
            Self::Valid => Ok([ops::Padding::Valid; 3]),
            Self::Same => Ok([ops::Padding::Same; 3]),
            Self::Causal => Err(at.mismatch("window", Mismatch::new("padding valid or same", "causal"))),
        }
    }
}

impl std::str::FromStr for Padding {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "valid" => Ok(Self::Valid),
            "same" => Ok(Self::Same),
            "causal" => Ok(Self::Causal),
            _ => Err(Error::unknown("padding", name, ["same", "valid", "causal"])),
        }
    }
}

/// A number for each spatial axis: `[length]`, `[height, width]` or `[depth, height, width]`. One number stands for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMany", into = "Vec<usize>")]
pub struct Size<const RANK: usize>(
    /// Outermost axis first.
    pub [usize; RANK],
);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a whole number or a list of them")]
enum OneOrMany {
    One(usize),
    Many(Vec<usize>),
}

impl<const RANK: usize> TryFrom<OneOrMany> for Size<RANK> {
    type Error = String;

    fn try_from(size: OneOrMany) -> std::result::Result<Self, String> {
        match size {
            OneOrMany::One(all) => Ok(Self([all; RANK])),
            OneOrMany::Many(sizes) => {
                let count = sizes.len();
                let sizes = sizes.try_into().map(Self);
                sizes.map_err(|_| format!("expected a whole number or {RANK} of them, got {count}"))
            }
        }
    }
}

impl<const RANK: usize> From<Size<RANK>> for Vec<usize> {
    fn from(size: Size<RANK>) -> Self {
        size.0.to_vec()
    }
}

impl<const RANK: usize> From<usize> for Size<RANK> {
    fn from(all: usize) -> Self {
        Self([all; RANK])
    }
}

impl<const RANK: usize> From<[usize; RANK]> for Size<RANK> {
    fn from(sizes: [usize; RANK]) -> Self {
        Self(sizes)
    }
}

impl From<(usize, usize)> for Size<2> {
    fn from((height, width): (usize, usize)) -> Self {
        Self([height, width])
    }
}

impl From<(usize, usize, usize)> for Size<3> {
    fn from((depth, height, width): (usize, usize, usize)) -> Self {
        Self([depth, height, width])
    }
}

impl<const RANK: usize> Size<RANK> {
    /// The default of strides and dilations.
    pub(super) fn one() -> Self {
        Self([1; RANK])
    }

    /// The default of pools.
    pub(super) fn two() -> Self {
        Self([2; RANK])
    }

    /// For the three axes of a window: depth, height, width, those that are not there 1.
    pub(super) fn of_axes(self) -> [usize; 3] {
        let mut axes = [1; 3];
        axes[3 - RANK..].copy_from_slice(&self.0);
        axes
    }

    /// Of depth, height and width those that this rank has.
    pub(super) fn of_last(axes: [usize; 3]) -> Self {
        Self(std::array::from_fn(|axis| axes[3 - RANK + axis]))
    }

    /// Sizes of a sample with these channels.
    pub(super) fn with_channels(self, channels: usize) -> Vec<usize> {
        self.0.into_iter().chain([channels]).collect()
    }
}

/// Elements before and after along each spatial axis, outermost axis first.
///
/// One number stands for all sides, `RANK` numbers for both sides of an axis each; of a sequence, which has one axis only,
/// two numbers are those before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SomeSides", into = "Json")]
pub struct Sides<const RANK: usize>(
    /// Before, after.
    pub [(usize, usize); RANK],
);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a whole number, a list of them, or a list of pairs")]
enum SomeSides {
    One(usize),
    Numbers(Vec<usize>),
    Pairs(Vec<(usize, usize)>),
}

impl<const RANK: usize> TryFrom<SomeSides> for Sides<RANK> {
    type Error = String;

    fn try_from(sides: SomeSides) -> std::result::Result<Self, String> {
        let pairs = match sides {
            SomeSides::One(all) => return Ok(all.into()),
            SomeSides::Numbers(ends) if RANK == 1 && ends.len() == 2 => vec![(ends[0], ends[1])],
            SomeSides::Numbers(axes) => axes.into_iter().map(|both| (both, both)).collect(),
            SomeSides::Pairs(pairs) => pairs,
        };
        let count = pairs.len();
        let pairs = pairs.try_into().map(Self);
        pairs.map_err(|_| format!("expected numbers for {RANK} axes, got them for {count}"))
    }
}

impl<const RANK: usize> From<Sides<RANK>> for Json {
    fn from(sides: Sides<RANK>) -> Self {
        match sides.0[..] {
            [ends] => json!(ends),
            _ => json!(sides.0.to_vec()),
        }
    }
}

impl<const RANK: usize> From<usize> for Sides<RANK> {
    fn from(all: usize) -> Self {
        Self([(all, all); RANK])
    }
}

impl<const RANK: usize> From<[(usize, usize); RANK]> for Sides<RANK> {
    fn from(sides: [(usize, usize); RANK]) -> Self {
        Self(sides)
    }
}

impl<const RANK: usize> Sides<RANK> {
    /// The default of zero padding.
    pub(super) fn one() -> Self {
        1.into()
    }

    /// The default of cropping, which Keras made another one for images.
    pub(super) fn default_cropping() -> Self {
        usize::from(RANK != 2).into()
    }

    /// Of depth, height and width those that this rank has.
    pub(super) fn of_last(axes: [(usize, usize); 3]) -> Self {
        Self(std::array::from_fn(|axis| axes[3 - RANK + axis]))
    }
}

/// The channels of a layer's single input with `RANK` spatial axes.
pub(super) fn channels<const RANK: usize>(inputs: &[Shape]) -> std::result::Result<usize, Mismatch> {
    match inputs {
        [Shape { dims, .. }] if dims.len() == RANK + 1 => Ok(dims[RANK]),
        [shape] => Err(Mismatch::new(sample::<RANK>(), shape)),
        _ => Err(Mismatch::new("one input", inputs.len())),
    }
}

/// What a layer with `RANK` spatial axes takes.
pub(super) fn sample<const RANK: usize>() -> &'static str {
    match RANK {
        1 => "a sequence (length, channels)",
        2 => "an image (height, width, channels)",
        _ => "a volume (depth, height, width, channels)",
    }
}

/// The place among the sizes of a sample of an axis that is counted with the batch, negative from the end.
pub(super) fn inner_axis(axis: isize, shape: &Shape) -> std::result::Result<usize, Mismatch> {
    let rank = shape.dims.len() as isize;
    let counted = if axis < 0 { axis.saturating_add(rank + 1) } else { axis };
    let inner = usize::try_from(counted.saturating_sub(1)).ok().filter(|_| counted <= rank);
    inner.ok_or_else(|| {
        Mismatch::new(
            format!("an axis of 1 to {rank} (0, the batch, is not possible) or −1 to −{rank}"),
            axis,
        )
    })
}

/// Lets `make` work on a value whose axis `axis` (counted with the batch, negative from the end) was brought to the end, and brings it back.
pub(super) fn channels_last(
    at: &mut LayerContext<'_>,
    axis: isize,
    x: Value,
    make: impl FnOnce(&mut LayerContext<'_>, Value) -> std::result::Result<Value, EngineError>,
) -> std::result::Result<Value, EngineError> {
    let shape = at.graph.shape(x).clone();
    let axis = inner_axis(axis, &shape).map_err(|mismatch| at.mismatch("axis", mismatch))?;
    let last = shape.dims.len() - 1;
    if axis == last {
        return make(at, x);
    }
    let order: Vec<usize> = (0..=last).filter(|&other| other != axis).chain([axis]).collect();
    let back = (0..axis).chain([last]).chain(axis..last).collect();
    let x = at.graph.apply(ops::Permute { axes: order }, &[x])?;
    let y = make(at, x)?;
    at.graph.apply(ops::Permute { axes: back }, &[y])
}

/// A fixed value with a number for each element.
pub(super) fn constants(
    at: &mut LayerContext<'_>,
    numbers: &[f64],
) -> std::result::Result<Value, EngineError> {
    let mut parts = Vec::new();
    for &number in numbers {
        parts.push(at.graph.apply(ops::Fill { value: number as f32, shape: Shape::fixed([1]) }, &[])?);
    }
    at.graph.apply(ops::Concatenate { axis: 0 }, &parts)
}

/// A graph that has more operations gets no further step of a sequence: layers around layers that have steps multiply them.
const MAX_OPERATIONS: usize = 1 << 21;

/// Refuses to add a further step of a sequence to a graph that is very large.
pub(super) fn check_steps(at: &LayerContext<'_>) -> std::result::Result<(), EngineError> {
    match at.graph.nodes().len() {
        0..=MAX_OPERATIONS => Ok(()),
        count => {
            let expected =
                format!("at most {MAX_OPERATIONS} operations in all steps (shorter sequences, fewer layers)");
            Err(at.mismatch("steps", Mismatch::new(expected, format!("{count} and more"))))
        }
    }
}

/// The values one after another along a new first axis.
pub(super) fn stack(graph: &mut Graph, values: &[Value]) -> std::result::Result<Value, EngineError> {
    let mut parts = Vec::new();
    for &value in values {
        let dims = [&[1], &graph.shape(value).dims[..]].concat();
        parts.push(graph.apply(ops::Reshape { dims }, &[value])?);
    }
    graph.apply(ops::Concatenate { axis: 0 }, &parts)
}

/// Refuses an argument that must not be negative.
pub(super) fn not_negative(argument: &str, value: f64) -> std::result::Result<(), Mismatch> {
    if value >= 0.0 { Ok(()) } else { Err(Mismatch::new(format!("{argument} of at least 0"), value)) }
}

/// Declares methods that set a field each, given as it is, or `into` its type.
macro_rules! setters {
    () => {};
    ($(#[$doc:meta])* $field:ident: into $kind:ty, $($rest:tt)*) => {
        $(#[$doc])*
        pub fn $field(self, $field: impl Into<$kind>) -> Self {
            Self { $field: $field.into(), ..self }
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $field:ident: $kind:ty, $($rest:tt)*) => {
        $(#[$doc])*
        pub fn $field(self, $field: $kind) -> Self {
            Self { $field, ..self }
        }
        setters! { $($rest)* }
    };
}
pub(super) use setters;

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
        | "batch_input_shape" | "batch_shape" | "input_length" | "unroll" | "implementation"
        | "use_cudnn" | "lora_alpha" | "autocast" => Some(true),
        "stateful" | "time_major" | "antialias" | "crop_to_aspect_ratio" | "pad_to_aspect_ratio" => {
            Some(value == false)
        }
        // They say how to pad to an aspect ratio.
        "fill_mode" | "fill_value" if class == "Resizing" => Some(true),
        "data_format" => Some(value.is_null() || value == "channels_last"),
        // Keras 2 wrote it for all convolutions, but only these have it.
        "groups" if !matches!(class, "Conv1D" | "Conv2D" | "Conv3D" | "GroupNormalization") => {
            Some(value == 1)
        }
        // Keras 2 writes it for a kernel that these do not have.
        "kernel_initializer" if class.starts_with("SeparableConv") => Some(true),
        "renorm" => Some(value == false),
        "noise_shape" if !matches!(class, "Dropout" | "AlphaDropout") => Some(value.is_null()),
        "renorm_clipping" | "quantization_config" | "lora_rank" => Some(value.is_null()),
        _ => None,
    }
}

/// Defaults that serde asks for by name.
pub(super) fn yes() -> bool {
    true
}

pub(super) fn one() -> usize {
    1
}

pub(super) fn zeros() -> Initializer {
    Initializer::Zeros
}

pub(super) fn ones() -> Initializer {
    Initializer::Ones
}

/// Keras's epsilon of normalisations.
pub(super) fn epsilon() -> f64 {
    0.001
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
