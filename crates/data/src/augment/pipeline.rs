//! Several changes, one after another, and how they are written down.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use convnet_nn::{Error, Result};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::{Augment, Draw, KINDS, Mix, Warp};

/// Changes that are applied in order, then perhaps kinds of mixture for whole batches.
///
/// As text, changes stand with commas between them, each a name of [`KINDS`], [`PRESETS`] or [`Mix::NAMES`], its main argument after `=`, others
/// after `:` — `flip,rotate=15:fill=reflect,blur=2:p=0.1,mixup=0.2`. Every change takes `p`, the probability with which it happens.
///
/// A TOML file has the same text, a list of them, or tables:
///
/// ```
/// use convnet_data::augment::Pipeline;
/// let pipeline = Pipeline::from_toml(r#"
///     augment = ["standard", { kind = "rotate", degrees = 30, fill = "reflect" }]
/// "#)?;
/// assert_eq!(pipeline.steps().last().unwrap().name(), "rotate");
/// assert!("rotat=3".parse::<Pipeline>().unwrap_err().to_string().contains("did you mean `rotate`?"));
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    steps: Vec<Arc<dyn Augment>>,
    mixes: Vec<Mix>,
}

/// Changes that go well together, under one name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The changes as text.
    pub text: &'static str,
}

/// The presets, from the mildest on.
pub const PRESETS: &[Preset] = &[
    Preset { name: "none", about: "nothing", text: "" },
    Preset {
        name: "light",
        about: "many pictures, or things that must be seen in detail",
        text: "flip,rotate=5:fill=reflect,shift=0.05:fill=reflect,zoom=0.05:fill=reflect,brightness=0.1",
    },
    Preset {
        name: "standard",
        about: "some hundred photos a class",
        text: "flip,rotate=15:fill=reflect,shift=0.1:fill=reflect,zoom=0.15:fill=reflect,brightness=0.2,contrast=0.2,saturation=0.2",
    },
    Preset {
        name: "strong",
        about: "few pictures or long training",
        text: "flip,resized-crop=0.35,randaugment=9:count=2,erase:p=0.25",
    },
];

impl Pipeline {
    /// Changes in this order.
    pub fn new(steps: Vec<Arc<dyn Augment>>) -> Self {
        Self { steps, mixes: Vec::new() }
    }

    /// The same with another change at the end.
    pub fn with(mut self, step: impl Augment + 'static) -> Self {
        self.steps.push(Arc::new(step));
        self
    }

    /// The same with a kind of mixture; of several one is drawn for each batch.
    pub fn with_mix(mut self, mix: Mix) -> Self {
        self.mixes.push(mix);
        self
    }

    /// One of [`PRESETS`].
    ///
    /// # Errors
    /// If none has this name; the error has the nearest.
    pub fn named(name: &str) -> Result<Self> {
        match PRESETS.iter().find(|preset| preset.name == name) {
            Some(preset) => preset.text.parse(),
            None => Err(Error::unknown("preset", name, PRESETS.iter().map(|preset| preset.name))),
        }
    }

    /// What stands under `augment` in a TOML file; nothing if it is not there.
    ///
    /// # Errors
    /// If it is not TOML, or a name or an argument is wrong.
    pub fn from_toml(text: &str) -> Result<Self> {
        let mut document: Map<String, Json> = toml::from_str(text)
            .map_err(|problem| Error::argument("augmentation in TOML", problem.to_string()))?;
        document.remove("augment").map_or_else(|| Ok(Self::default()), |given| Self::from_config(&given))
    }

    /// A text, a table with `kind`, or a list of them.
    ///
    /// # Errors
    /// If a name or an argument is wrong.
    pub fn from_config(config: &Json) -> Result<Self> {
        let mut pipeline = Self::default();
        match config {
            Json::String(text) => {
                for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
                    pipeline.push_text(item)?;
                }
            }
            Json::Array(items) => {
                for item in items {
                    pipeline.extend(Self::from_config(item)?);
                }
            }
            Json::Object(table) => {
                let mut arguments = table.clone();
                let Some(Json::String(kind)) = arguments.remove("kind") else {
                    return Err(Error::argument(
                        "augmentation",
                        "each table needs a `kind`, such as \"rotate\"",
                    ));
                };
                pipeline.push(&kind, None, arguments)?;
            }
            other => {
                let problem = format!("expected a text, a table or a list of them, received {other}");
                return Err(Error::argument("augmentation", problem));
            }
        }
        Ok(pipeline)
    }

    /// The steps as a list of tables, from which [`Self::from_config`] makes the same again.
    pub fn config(&self) -> Json {
        let table = |name: &str, mut arguments: Map<String, Json>| {
            arguments.insert("kind".into(), name.into());
            Json::Object(arguments)
        };
        let steps = self.steps.iter().map(|step| table(step.name(), step.config()));
        let mixes = self.mixes.iter().map(|mix| table(mix.name(), mix.config()));
        Json::Array(steps.chain(mixes).collect())
    }

    /// The changes.
    pub fn steps(&self) -> &[Arc<dyn Augment>] {
        &self.steps
    }

    /// The kinds of mixture.
    pub fn mixes(&self) -> &[Mix] {
        &self.mixes
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.mixes.is_empty()
    }

    /// Adds the changes of another at the end.
    pub fn extend(&mut self, other: Self) {
        self.steps.extend(other.steps);
        self.mixes.extend(other.mixes);
    }

    /// Height and width of what comes out.
    pub fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        self.steps.iter().fold(size, |size, step| step.output_size(size))
    }

    /// Changes a sample as seed, epoch and the sample's number say.
    ///
    /// Warps that follow one another and fill alike are joined, so that nothing is blurred twice and what one moves out of the picture
    /// another can move in again.
    pub fn apply(&self, seed: u64, epoch: u64, index: u64, sample: &mut Annotated) {
        let mut pending: Option<Warp> = None;
        for (number, step) in self.steps.iter().enumerate() {
            let mut random = Draw::new(seed, epoch, index, number as u64);
            let next = step.warp(&mut random, sample.size());
            pending = match (pending.take(), next) {
                (Some(warp), Some(next)) if (Warp { matrix: next.matrix, ..warp }) == next => {
                    Some(Warp { matrix: warp.matrix.then(next.matrix), ..warp })
                }
                (before, next) => {
                    if let Some(warp) = before {
                        warp.apply(sample);
                    }
                    if next.is_none() {
                        step.apply(&mut random, sample);
                    }
                    next
                }
            };
        }
        if let Some(warp) = pending {
            warp.apply(sample);
        }
    }

    /// Brings a sample that is not to be augmented to the size of the others.
    pub fn rest(&self, sample: &mut Annotated) {
        self.steps.iter().for_each(|step| step.rest(sample));
    }

    /// Adds `name`, `name=VALUE`, `name=VALUE:key=VALUE`…
    fn push_text(&mut self, item: &str) -> Result<()> {
        let mut parts = item.split(':').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let (name, value) = match first.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value_of(value))),
            None => (first, None),
        };
        let mut arguments = Map::new();
        for part in parts {
            let Some((key, value)) = part.split_once('=') else {
                return Err(Error::argument(
                    format!("augmentation {name}"),
                    format!("`{part}` must be key=value"),
                ));
            };
            arguments.insert(key.trim().to_owned(), value_of(value));
        }
        self.push(name, value, arguments)
    }

    fn push(&mut self, name: &str, value: Option<Json>, mut arguments: Map<String, Json>) -> Result<()> {
        let place = || format!("augmentation {name}");
        if let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) {
            if value.is_some() || !arguments.is_empty() {
                return Err(Error::argument(place(), "a preset takes no arguments"));
            }
            self.extend(preset.text.parse()?);
            return Ok(());
        }
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let main = match kind {
            Some(kind) => kind.main,
            None if Mix::NAMES.contains(&name) => Some("alpha"),
            None => {
                let presets = PRESETS.iter().map(|preset| preset.name);
                let known = KINDS.iter().map(|kind| kind.name).chain(Mix::NAMES).chain(presets);
                return Err(Error::unknown("augmentation", name, known));
            }
        };
        if let Some(value) = value {
            // A kind without an argument of its own: how often is all that can be said of it.
            arguments.insert(main.unwrap_or("p").to_owned(), value);
        }
        match kind {
            Some(kind) => self.steps.push(kind.make(arguments)?),
            None => self.mixes.push(Mix::from_config(name, arguments)?),
        }
        Ok(())
    }
}

/// A number, yes or no, or else text.
fn value_of(text: &str) -> Json {
    let text = text.trim();
    match serde_json::from_str::<Json>(text) {
        Ok(value @ (Json::Number(_) | Json::Bool(_))) => value,
        // JSON has no number without a digit before the point.
        _ => text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map_or_else(|| text.into(), Json::from),
    }
}

impl FromStr for Pipeline {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::from_config(&Json::String(text.to_owned()))
    }
}

/// A text from which [`Pipeline::from_str`] makes the same again, with every argument.
impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter().map(|step| (step.name(), step.config()));
        let mixes = self.mixes.iter().map(|mix| (mix.name(), mix.config()));
        for (number, (name, arguments)) in steps.chain(mixes).enumerate() {
            write!(f, "{}{name}", if number > 0 { "," } else { "" })?;
            for (key, value) in &arguments {
                match value {
                    Json::String(text) => write!(f, ":{key}={text}")?,
                    Json::Array(sides) => {
                        let sides: Vec<String> = sides.iter().map(ToString::to_string).collect();
                        write!(f, ":{key}={}", sides.join("x"))?;
                    }
                    other => write!(f, ":{key}={other}")?,
                }
            }
        }
        Ok(())
    }
}
