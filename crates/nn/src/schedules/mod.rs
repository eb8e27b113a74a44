//! Schedules, by Keras's names: how the step size changes while a model is trained.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};

mod choice;
mod cosine;
mod exponential;
mod inverse_time;
mod one_cycle;
mod piecewise;
mod polynomial;
mod restarts;

pub use choice::ScheduleChoice;
pub use cosine::CosineDecay;
pub use exponential::ExponentialDecay;
pub use inverse_time::InverseTimeDecay;
pub use one_cycle::OneCycle;
pub use piecewise::PiecewiseConstantDecay;
pub use polynomial::PolynomialDecay;
pub use restarts::CosineDecayRestarts;

/// A step size that depends on the number of steps taken.
pub trait Schedule: Debug + Send + Sync + 'static {
    /// Keras's class name.
    fn class_name(&self) -> &'static str;

    /// The arguments under Keras's names, without the name.
    fn config(&self) -> Map<String, Json>;

    /// The step size after so many steps.
    fn rate(&self, steps: u64) -> f32;

    /// Whether Keras knows it, too.
    fn is_keras(&self) -> bool {
        true
    }

    /// The number of steps after which the step size stays as it is, if it does. Of a schedule that Keras does not know, its files
    /// have the piecewise constant one nearest to it ([`keras_object`]).
    fn steps(&self) -> Option<u64> {
        None
    }
}

/// A kind of schedule that can be made from its configuration.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleClass {
    /// Keras's class name.
    pub name: &'static str,
    /// Makes one from Keras's arguments.
    pub from_config: fn(&Map<String, Json>) -> Result<Arc<dyn Schedule>>,
}

/// All schedules.
pub const REGISTRY: &[ScheduleClass] = &[
    ScheduleClass { name: "CosineDecay", from_config: parse::<CosineDecay> },
    ScheduleClass { name: "CosineDecayRestarts", from_config: parse::<CosineDecayRestarts> },
    ScheduleClass { name: "ExponentialDecay", from_config: parse::<ExponentialDecay> },
    ScheduleClass { name: "InverseTimeDecay", from_config: parse::<InverseTimeDecay> },
    ScheduleClass { name: "OneCycle", from_config: parse::<OneCycle> },
    ScheduleClass { name: "PiecewiseConstantDecay", from_config: parse::<PiecewiseConstantDecay> },
    ScheduleClass { name: "PolynomialDecay", from_config: parse::<PolynomialDecay> },
];

/// The schedule of a name, with arguments.
///
/// # Errors
/// If there is none of that name, or an argument is missing, unknown or out of range.
pub fn from_config(name: &str, config: &Map<String, Json>) -> Result<Arc<dyn Schedule>> {
    match REGISTRY.iter().find(|known| known.name == name) {
        Some(known) => (known.from_config)(config),
        None => Err(Error::unknown("schedule", name, REGISTRY.iter().map(|known| known.name))),
    }
}

/// A schedule as Keras opens it: where Keras does not know it but it has an end, the piecewise constant one nearest to it.
pub fn keras_object(schedule: &dyn Schedule) -> Json {
    match schedule.steps() {
        Some(steps) if !schedule.is_keras() => object(&PiecewiseConstantDecay::nearest(schedule, steps)),
        _ => object(schedule),
    }
}

/// A schedule as Keras writes it in the place of a `learning_rate`.
pub fn object(schedule: &dyn Schedule) -> Json {
    let name = schedule.class_name();
    let (module, registered) = match schedule.is_keras() {
        true => ("keras.optimizers.schedules", Json::Null),
        false => ("convnet", format!("convnet>{name}").into()),
    };
    json!({ "module": module, "class_name": name, "config": schedule.config(), "registered_name": registered })
}

/// Takes a schedule out of an optimizer's configuration: one in the place of the learning rate, or Keras 2's argument `decay`, by
/// which the step size was divided by 1 + decay · steps.
pub(crate) fn take(
    class: &str,
    default_rate: f32,
    config: &mut Map<String, Json>,
) -> Result<Option<Arc<dyn Schedule>>> {
    if let Some(old) = config.remove("lr") {
        config.insert("learning_rate".into(), old);
    }
    let decay = config.remove("decay").and_then(|decay| decay.as_f64()).filter(|decay| *decay != 0.0);
    let rate = match config.get("learning_rate") {
        Some(Json::Object(object)) => {
            let name = object.get("class_name").and_then(Json::as_str);
            let (Some(name), Some(Json::Object(arguments))) = (name, object.get("config")) else {
                return Err(Error::argument(class, "learning_rate must be a number or a schedule"));
            };
            let schedule = from_config(name, arguments)?;
            config.remove("learning_rate");
            return Ok(Some(schedule));
        }
        Some(rate) => rate.as_f64(),
        None => Some(f64::from(default_rate)),
    };
    let inverse = |decay| InverseTimeDecay::new(rate.unwrap_or_default(), 1.0, decay);
    Ok(decay.map(|decay| Arc::new(inverse(decay)) as Arc<dyn Schedule>))
}

/// What a schedule must have beyond numbers of the right kind.
pub(crate) trait Checked {
    /// What is wrong with the arguments.
    fn problem(&self) -> Option<&'static str>;
}

fn parse<T>(config: &Map<String, Json>) -> Result<Arc<dyn Schedule>>
where
    T: Schedule + Checked + DeserializeOwned,
{
    let mut config = config.clone();
    config.remove("name");
    let schedule: T = serde_json::from_value(Json::Object(config))
        .map_err(|problem| Error::argument("schedule", problem.to_string()))?;
    match schedule.problem() {
        Some(problem) => Err(Error::argument(schedule.class_name(), problem)),
        None => Ok(Arc::new(schedule)),
    }
}

/// The arguments of a schedule as a map.
fn to_map(schedule: &impl Serialize) -> Map<String, Json> {
    match serde_json::to_value(schedule) {
        Ok(Json::Object(map)) => map,
        _ => unreachable!("schedules are structures of plain data"),
    }
}

/// Half a wave from 1 down to 0 as `part` goes from 0 to 1.
fn half_wave(part: f64) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * part).cos())
}
