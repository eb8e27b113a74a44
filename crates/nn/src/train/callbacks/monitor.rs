//! Which of an epoch's figures is watched, and what counts as better.

use crate::error::{Error, Result};
use crate::train::EpochLog;

/// Which way a figure ought to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Down for losses and errors, up for accuracies and their like.
    #[default]
    Auto,
    /// Down.
    Min,
    /// Up.
    Max,
}

/// Ends of names whose figures ought to go down, and up.
const DOWN: &[&str] =
    &["loss", "error", "mse", "mae", "mape", "msle", "rmse", "crossentropy", "divergence", "hinge"];
const UP: &[&str] = &[
    "accuracy",
    "acc",
    "auc",
    "precision",
    "recall",
    "f1_score",
    "fbeta_score",
    "iou",
    "io_u",
    "similarity",
    "positives",
    "negatives",
    "score",
    "dice",
    "at_precision",
    "at_recall",
    "at_sensitivity",
    "at_specificity",
];

/// A watched figure.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) min_delta: f64,
    pub(super) best: Option<f64>,
}

impl Monitor {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), mode: Mode::Auto, min_delta: 0.0, best: None }
    }

    /// The figure's value in this epoch.
    pub(super) fn value(&self, log: &EpochLog) -> Result<f64> {
        self.find(&log.figures())
    }

    /// The figure's value among those of a name.
    pub(super) fn find(&self, figures: &[(String, f64)]) -> Result<f64> {
        let found = figures.iter().find(|(name, _)| *name == self.name);
        found.map(|&(_, value)| value).ok_or_else(|| {
            let known = figures.iter().map(|(name, _)| &**name);
            Error::unknown("figure to monitor", &self.name, known)
        })
    }

    /// Whether it may be watched without being told which way it ought to go.
    pub(super) fn check(&self) -> Result<()> {
        self.falls().map(|_| ())
    }

    /// Whether less is better.
    fn falls(&self) -> Result<bool> {
        let known = |ends: &[&str]| ends.iter().any(|end| self.name.ends_with(end));
        match self.mode {
            Mode::Min => Ok(true),
            Mode::Max => Ok(false),
            Mode::Auto if known(DOWN) => Ok(true),
            Mode::Auto if known(UP) || self.name.contains("top_k") => Ok(false),
            Mode::Auto => {
                let problem =
                    "it is not known whether it ought to go up or down; set mode to Mode::Min or Mode::Max";
                Err(Error::argument(format!("monitor `{}`", self.name), problem))
            }
        }
    }

    /// Whether `value` is better than a reference by more than `min_delta`. Anything is better than none; NaN is better than nothing.
    pub(super) fn improves(&self, value: f64, reference: Option<f64>) -> Result<bool> {
        let Some(reference) = reference else { return Ok(true) };
        let delta = self.min_delta.abs();
        Ok(if self.falls()? { value + delta < reference } else { value - delta > reference })
    }
}
