//! Optimizers, by Keras's names: how weights follow their gradients.

use std::fmt::Debug;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};

mod adam;
mod rmsprop;
mod sgd;

pub use adam::Adam;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

/// A rule that changes parameters by their gradients. The model keeps its memory, a slab as long as the parameters for each
/// of its [`Optimizer::slots`].
pub trait Optimizer: Debug + Send + Sync + 'static {
    /// Keras's class name.
    fn class_name(&self) -> &'static str;

    /// The arguments under Keras's names, without the name.
    fn config(&self) -> Map<String, Json>;

    /// Numbers that are kept for each parameter, by Keras's names.
    fn slots(&self) -> Vec<&'static str>;

    /// The step size.
    fn learning_rate(&self) -> f32;

    /// Changes the step size.
    fn set_learning_rate(&mut self, learning_rate: f32);

    /// One step, the `step`-th, counted from 1. All slices are of one length; slots are in the order of [`Optimizer::slots`].
    fn update(&self, step: u64, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]);
}

/// A kind of optimizer that can be made from its configuration.
#[derive(Clone, Copy, Debug)]
pub struct OptimizerClass {
    /// Keras's class name.
    pub name: &'static str,
    /// Keras's name in lower case, as the command line has it.
    pub short_name: &'static str,
    /// Makes one from Keras's arguments.
    pub from_config: fn(&Map<String, Json>) -> Result<Box<dyn Optimizer>>,
}

/// All optimizers.
pub const REGISTRY: &[OptimizerClass] = &[
    OptimizerClass { name: "Adam", short_name: "adam", from_config: |config| parse::<Adam>("Adam", config) },
    OptimizerClass {
        name: "RMSprop",
        short_name: "rmsprop",
        from_config: |config| parse::<RmsProp>("RMSprop", config),
    },
    OptimizerClass { name: "SGD", short_name: "sgd", from_config: |config| parse::<Sgd>("SGD", config) },
];

/// The optimizer of a name, with Keras's defaults.
///
/// # Errors
/// If there is none.
pub fn from_name(name: &str) -> Result<Box<dyn Optimizer>> {
    from_config(name, &Map::new())
}

/// The optimizer of a name, with arguments.
///
/// # Errors
/// If there is none of that name, or an argument is not supported.
pub fn from_config(name: &str, config: &Map<String, Json>) -> Result<Box<dyn Optimizer>> {
    match REGISTRY.iter().find(|known| known.name == name || known.short_name == name) {
        Some(known) => (known.from_config)(config),
        None => Err(Error::unknown("optimizer", name, REGISTRY.iter().map(|known| known.short_name))),
    }
}

/// Arguments of every optimizer of Keras that change nothing at these values.
const NEUTRAL: &[&str] = &[
    "name",
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "clipvalue",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "amsgrad",
    "decay",
    "jit_compile",
    "is_legacy_optimizer",
];

/// Those of them that change nothing at any value: names, and settings of averages that are off.
const ANY_VALUE: &[&str] =
    &["name", "ema_momentum", "ema_overwrite_frequency", "jit_compile", "is_legacy_optimizer"];

fn parse<T>(class: &str, config: &Map<String, Json>) -> Result<Box<dyn Optimizer>>
where
    T: Optimizer + serde::de::DeserializeOwned,
{
    let mut config = config.clone();
    for &key in NEUTRAL {
        let harmless = |value: &Json| value.is_null() || value == false || value.as_f64() == Some(0.0);
        match config.remove(key) {
            Some(value) if !harmless(&value) && !ANY_VALUE.contains(&key) => {
                return Err(Error::argument(class, format!("the argument {key} = {value} is not supported")));
            }
            _ => {}
        }
    }
    let optimizer: T = serde_json::from_value(Json::Object(config))
        .map_err(|problem| Error::argument(class, problem.to_string()))?;
    Ok(Box::new(optimizer))
}

/// The arguments of an optimizer as a map.
fn to_map(optimizer: &impl serde::Serialize) -> Map<String, Json> {
    match serde_json::to_value(optimizer) {
        Ok(Json::Object(map)) => map,
        _ => unreachable!("optimizers are structures of plain data"),
    }
}
