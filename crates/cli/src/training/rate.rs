//! The search for a step size: it rises from step to step, until the loss goes up.

use std::ops::ControlFlow;

use anyhow::{Result, bail};
use convnet::nn::train::{Callback, Planned, Progress};
use convnet::nn::{Error, Result as NnResult};
use convnet::prelude::*;
use convnet::vision::charts::{Chart, Line, Panel, panels};
use serde::Serialize;

/// The smallest step size.
const LOWEST: f64 = 1e-7;

/// The largest one.
const HIGHEST: f64 = 10.0;

/// Steps from one to the other.
const STEPS: usize = 120;

/// The loss has gone up when it is so many times its lowest.
const TOO_HIGH: f64 = 4.0;

/// Share of the mean of losses before that is kept in each step.
const SMOOTH: f64 = 0.9;

/// What a search found. L. N. Smith, 2017, [Cyclical Learning Rates](https://arxiv.org/abs/1506.01186).
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// Where the loss fell fastest: a step size to begin with.
    pub suggested: f64,
    /// Where it was lowest, which is too much to train with.
    pub lowest: f64,
    /// (step size, loss) step by step, smoothed.
    pub losses: Vec<(f64, f64)>,
}

/// Raises the step size.
#[derive(Default)]
struct Rising {
    step: usize,
    /// Sum of the losses of the running epoch, and its samples.
    before: (f64, usize),
    mean: f64,
    losses: Vec<(f64, f64)>,
}

impl Rising {
    fn rate(&self) -> f64 {
        LOWEST * (HIGHEST / LOWEST).powf(self.step as f64 / STEPS as f64)
    }
}

impl Callback for Rising {
    fn train_begin(&mut self, model: &mut Model, _planned: &Planned) -> NnResult<()> {
        model.set_learning_rate(self.rate() as f32)
    }

    fn epoch_begin(&mut self, _model: &mut Model, _epoch: usize) -> NnResult<()> {
        self.before = (0.0, 0);
        Ok(())
    }

    fn step_end(&mut self, model: &mut Model, progress: &dyn Fn() -> Progress) -> NnResult<ControlFlow<()>> {
        let progress = progress();
        let sum = progress.loss * progress.samples as f64;
        let loss = (sum - self.before.0) / (progress.samples - self.before.1).max(1) as f64;
        self.before = (sum, progress.samples);
        self.mean = SMOOTH * self.mean + (1.0 - SMOOTH) * loss;
        // Corrected for its start at 0.
        let smooth = self.mean / (1.0 - SMOOTH.powi(self.step as i32 + 1));
        self.losses.push((self.rate(), smooth));
        let lowest = self.losses.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        self.step += 1;
        if self.step > STEPS || self.step > 10 && smooth > TOO_HIGH * lowest {
            return Ok(ControlFlow::Break(()));
        }
        model.set_learning_rate(self.rate() as f32)?;
        Ok(ControlFlow::Continue(()))
    }

    fn not_finite(&mut self, _model: &mut Model, _problem: &Error) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

/// Trains a model at ever larger step sizes; its weights are spoilt afterwards.
///
/// # Errors
/// If it cannot be trained, or its loss fell nowhere.
pub fn find(model: &mut Model, samples: &dyn Samples, batch_size: usize, seed: u64) -> Result<Found> {
    let steps = samples.len().div_ceil(batch_size).max(1);
    let epochs = STEPS.div_ceil(steps) + 1;
    let mut rising = Rising::default();
    let options = Fit::new().epochs(epochs).batch_size(batch_size).seed(seed);
    model.fit_with(samples, options, &mut [&mut rising])?;
    let losses = rising.losses;
    let Some(lowest) =
        (0..losses.len()).min_by(|&a, &b| losses[a].1.total_cmp(&losses[b].1)).filter(|&lowest| lowest > 4)
    else {
        bail!("the loss fell at no step size");
    };
    // The slope over some steps, since single ones are noise.
    let slope = |at: usize| losses[at + 2].1 - losses[at - 2].1;
    let steepest =
        (2..lowest.max(5) - 2).min_by(|&a, &b| slope(a).total_cmp(&slope(b))).unwrap_or(lowest / 2);
    Ok(Found { suggested: rounded(losses[steepest].0), lowest: losses[lowest].0, losses })
}

/// To one digit, which is all that such a search can tell.
fn rounded(rate: f64) -> f64 {
    format!("{rate:.0e}").parse().unwrap_or(rate)
}

impl Found {
    /// The losses as a picture.
    pub fn chart(&self, title: &str) -> Chart {
        let line = Line { name: "loss".into(), points: self.losses.clone() };
        panels(
            "",
            &[Panel {
                title: title.to_owned(),
                x: "learning rate".into(),
                y: "loss".into(),
                lines: vec![line],
                log_x: true,
                marks: vec![(self.suggested, format!("{:e}", self.suggested))],
                ..Panel::default()
            }],
        )
    }
}
