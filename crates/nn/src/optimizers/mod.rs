//! Optimizers, by Keras's names: how weights follow their gradients.

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::schedules::Schedule;

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod apply;
mod averages;
mod lamb;
mod lion;
mod nadam;
mod rmsprop;
mod settings;
mod sgd;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::{Adam, AdamW};
pub use adamax::Adamax;
pub use apply::{Course, Target, apply, memory};
pub use lamb::Lamb;
pub use lion::Lion;
pub use nadam::Nadam;
pub use rmsprop::RmsProp;
pub use settings::{Settings, Tuned, WithSettings};
pub use sgd::Sgd;

/// A step that is being taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which update of the weights it is, counted from 1.
    pub number: u64,
    /// The step size.
    pub learning_rate: f32,
}

/// A rule that changes parameters by their gradients. The model keeps its memory, a slab as long as the parameters for each
/// of its [`Optimizer::slots`].
pub trait Optimizer: Debug + Send + Sync + 'static {
    /// Keras's class name.
    fn class_name(&self) -> &'static str;

    /// The arguments under Keras's names, without the name.
    fn config(&self) -> Map<String, Json>;

    /// Numbers that are kept for each parameter, by Keras's names.
    fn slots(&self) -> Vec<&'static str>;

    /// How Keras's files order the slots: of a group of so many, all of one weight come before those of the next.
    fn slot_groups(&self) -> Vec<usize> {
        vec![1; self.slots().len()]
    }

    /// What a slot has before the first step.
    fn slot_start(&self, _slot: usize) -> f32 {
        0.0
    }

    /// Single numbers that Keras's files have behind the slots, after so many updates.
    fn file_scalars(&self, _updates: u64) -> Vec<f32> {
        Vec::new()
    }

    /// What goes before and after the rule.
    fn settings(&self) -> &Settings {
        static NONE: Settings = Settings::NONE;
        &NONE
    }

    /// The same to be changed, if there is room for it.
    fn settings_mut(&mut self) -> Option<&mut Settings> {
        None
    }

    /// Share of the weights, times the step size, by which they get smaller before each step.
    fn weight_decay(&self) -> Option<f32> {
        self.settings().weight_decay
    }

    /// Whether [`Optimizer::update`] must see each weight by itself.
    fn by_weight(&self) -> bool {
        false
    }

    /// The step size; with a schedule, that of the first step.
    fn learning_rate(&self) -> f32;

    /// Changes the step size, which then follows no schedule.
    fn set_learning_rate(&mut self, learning_rate: f32);

    /// The step size after so many steps.
    fn rate_after(&self, steps: u64) -> f32 {
        self.settings().schedule.as_ref().map_or(self.learning_rate(), |schedule| schedule.rate(steps))
    }

    /// One step. All slices are of one length; slots are in the order of [`Optimizer::slots`], those of the settings left out.
    fn update(&self, at: Step, parameters: &mut [f32], gradients: &[f32], slots: &mut [&mut [f32]]);

    /// The same with room for settings; [`WithSettings`] builds on it.
    fn tuned(self) -> Tuned
    where
        Self: Sized,
    {
        Tuned::new(Box::new(self), Settings::NONE)
    }
}

/// What a rule that is plain data tells of itself: Keras's class name, its fields as arguments, and its field `learning_rate`.
macro_rules! described {
    ($class_name:literal) => {
        fn class_name(&self) -> &'static str {
            $class_name
        }

        fn config(&self) -> serde_json::Map<String, serde_json::Value> {
            super::to_map(self)
        }

        fn learning_rate(&self) -> f32 {
            self.learning_rate
        }

        fn set_learning_rate(&mut self, learning_rate: f32) {
            self.learning_rate = learning_rate;
        }
    };
}
use described;

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
    OptimizerClass {
        name: "Adadelta",
        short_name: "adadelta",
        from_config: |config| parse::<Adadelta>("Adadelta", config),
    },
    OptimizerClass {
        name: "Adagrad",
        short_name: "adagrad",
        from_config: |config| parse::<Adagrad>("Adagrad", config),
    },
    OptimizerClass { name: "Adam", short_name: "adam", from_config: |config| parse::<Adam>("Adam", config) },
    OptimizerClass {
        name: "AdamW",
        short_name: "adamw",
        from_config: |config| parse::<AdamW>("AdamW", config),
    },
    OptimizerClass {
        name: "Adamax",
        short_name: "adamax",
        from_config: |config| parse::<Adamax>("Adamax", config),
    },
    OptimizerClass { name: "Lamb", short_name: "lamb", from_config: |config| parse::<Lamb>("Lamb", config) },
    OptimizerClass { name: "Lion", short_name: "lion", from_config: |config| parse::<Lion>("Lion", config) },
    OptimizerClass {
        name: "Nadam",
        short_name: "nadam",
        from_config: |config| parse::<Nadam>("Nadam", config),
    },
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

/// The same optimizer with a step size that follows a schedule.
pub fn scheduled(mut optimizer: Box<dyn Optimizer>, schedule: Arc<dyn Schedule>) -> Box<dyn Optimizer> {
    if let Some(settings) = optimizer.settings_mut() {
        settings.schedule = Some(schedule);
        return optimizer;
    }
    Box::new(Tuned::new(optimizer, Settings { schedule: Some(schedule), ..Settings::NONE }))
}

/// Arguments of old versions that change nothing.
const IDLE: &[&str] = &["name", "jit_compile", "is_legacy_optimizer"];

fn parse<T>(class: &str, config: &Map<String, Json>) -> Result<Box<dyn Optimizer>>
where
    T: Optimizer + Default + serde::de::DeserializeOwned,
{
    let mut own = config.clone();
    own.retain(|key, _| !IDLE.contains(&key.as_str()));
    let default = T::default();
    // AdamW has the decay among its own arguments.
    let decay = default.weight_decay().and_then(|_| own.remove("weight_decay"));
    let settings = Tuned::take(class, default.learning_rate(), &mut own)?;
    own.extend(decay.filter(|decay| !decay.is_null()).map(|decay| ("weight_decay".to_owned(), decay)));
    let rule: T = serde_json::from_value(Json::Object(own))
        .map_err(|problem| Error::argument(class, problem.to_string()))?;
    Ok(match settings {
        Some(settings) => Box::new(Tuned::new(Box::new(rule), settings)),
        None => Box::new(rule),
    })
}

/// The arguments of an optimizer as a map.
fn to_map(optimizer: &impl serde::Serialize) -> Map<String, Json> {
    match serde_json::to_value(optimizer) {
        Ok(Json::Object(map)) => map,
        _ => unreachable!("optimizers are structures of plain data"),
    }
}
