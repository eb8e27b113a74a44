//! Errors of building, configuring and training models.

use convnet_engine::EngineError;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes do not fit while a model is built; names the layer, what it wanted and what it got.
    #[error(transparent)]
    Shape(#[from] EngineError),
    /// An argument of a layer, loss, optimizer or call is not acceptable.
    #[error("{place}: {problem}")]
    Argument {
        /// The layer, or the function and its argument.
        place: String,
        /// What is wrong with it, and how to mend it.
        problem: String,
    },
    /// A name stands for nothing that is known here.
    #[error("unknown {kind} `{name}`{}; known are {known}", nearest_hint(.nearest))]
    Unknown {
        /// `layer`, `loss`, …
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The known name that is most like it.
        nearest: Option<String>,
        /// All known names.
        known: String,
    },
    /// Data does not fit the model.
    #[error("the {what} of the data: the model wants {expected}, but the data has {received}")]
    Data {
        /// `inputs` or `targets`.
        what: &'static str,
        /// What the model wants.
        expected: String,
        /// What was given.
        received: String,
    },
    /// Samples could not be read or made; tells which and why.
    #[error("{0}")]
    Samples(String),
    /// What training was to write could not be written; tells which file and why.
    #[error("{0}")]
    Saving(String),
    /// The model was not compiled.
    #[error("{0} needs a compiled model; call `compile` with an optimizer, a loss and metrics first")]
    NotCompiled(&'static str),
    /// The loss is not a finite number any more.
    #[error(
        "the loss became {loss} at step {step} of epoch {epoch}: {origin}. A lower learning rate often helps"
    )]
    NotFinite {
        /// The loss.
        loss: f32,
        /// Epoch, counted from 1.
        epoch: usize,
        /// Step of the epoch, counted from 1.
        step: usize,
        /// The first place that was not finite.
        origin: String,
    },
}

/// Result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An argument that is not acceptable.
    pub fn argument(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Argument { place: place.into(), problem: problem.into() }
    }

    /// A name that is not among the `known`.
    pub fn unknown<'a>(kind: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let nearest = crate::names::nearest(name, known.iter().copied()).map(str::to_owned);
        Self::Unknown { kind, name: crate::names::cut(name), nearest, known: known.join(", ") }
    }
}

fn nearest_hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"))
}
