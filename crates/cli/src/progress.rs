//! How training goes, told as it goes: a live line an epoch on a terminal, a plain line an epoch elsewhere, objects for programs.

use std::io::{IsTerminal, stderr, stdout};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use convnet::nn::train::{EpochLog, Planned, Progress};
use convnet::prelude::*;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::format::{duration, thousands};
use crate::output::{Output, note};

/// An epoch, as programs see it; metrics stand beside the loss under their names.
#[derive(Serialize)]
struct Epoch {
    event: &'static str,
    epoch: usize,
    epochs: usize,
    loss: f64,
    #[serde(flatten)]
    metrics: Map<String, Json>,
    seconds: f64,
    images_per_second: f64,
    /// Seconds that steps waited for their batches.
    waited: f64,
    /// The step size at its end.
    learning_rate: f64,
}

/// The callback that suits where output goes; `noun` is what a sample is called.
pub fn callback<'o>(
    output: &'o mut Output,
    epochs: usize,
    validated: bool,
    noun: &'static str,
) -> Box<dyn Callback + 'o> {
    if output.is_json() {
        Box::new(Objects { output, epochs })
    } else if !output.is_silent() && stdout().is_terminal() && stderr().is_terminal() {
        Box::new(Live::new(epochs, validated, noun))
    } else {
        Box::new(Lines { output, epochs, noun })
    }
}

/// For programs.
struct Objects<'o> {
    output: &'o mut Output,
    epochs: usize,
}

impl Callback for Objects<'_> {
    fn epoch_end(&mut self, _model: &mut Model, log: &mut EpochLog) -> convnet::nn::Result<ControlFlow<()>> {
        let metrics = log.metrics.iter().cloned();
        let val_loss = log.val_loss.map(|loss| ("val_loss".to_owned(), loss));
        let val_metrics = log.val_metrics.iter().map(|(name, value)| (format!("val_{name}"), *value));
        self.output.object(&Epoch {
            event: "epoch",
            epoch: log.epoch,
            epochs: self.epochs,
            loss: log.loss,
            metrics: metrics
                .chain(val_loss)
                .chain(val_metrics)
                .map(|(name, value)| (name, value.into()))
                .collect(),
            seconds: log.seconds,
            images_per_second: log.images_per_second,
            waited: log.waited,
            learning_rate: shortest(log.learning_rate),
        });
        Ok(ControlFlow::Continue(()))
    }
}

/// For logs.
struct Lines<'o> {
    output: &'o mut Output,
    epochs: usize,
    noun: &'static str,
}

impl Callback for Lines<'_> {
    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> convnet::nn::Result<ControlFlow<()>> {
        self.output.line(line(log, self.epochs, is_scheduled(model), self.noun));
        Ok(ControlFlow::Continue(()))
    }
}

/// Seconds of waiting that nobody notices.
const NOTICED: f64 = 0.5;

/// Share of an epoch's time in which steps waited for their batches that is worth telling.
const WAITING: f64 = 0.05;

/// Whether the step size changes as the model is trained, so that it is worth telling.
pub fn is_scheduled(model: &Model) -> bool {
    model.compiled().is_some_and(|compiled| compiled.optimizer.settings().schedule.is_some())
}

/// The shortest number that is this one, not its 17 digits as a double.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

/// A step size in few letters: `0.001`, `9.8e-5`.
fn rate(rate: f32) -> String {
    let short: f64 = format!("{rate:.1e}").parse().unwrap_or_else(|_| f64::from(rate));
    if short == 0.0 || short >= 1e-3 { short.to_string() } else { format!("{short:e}") }
}

/// An epoch as a line of text, with its step size if `rated`; `noun` is what a sample is called.
pub fn line(log: &EpochLog, epochs: usize, rated: bool, noun: &str) -> String {
    let mut line = format!(
        "epoch {}/{}: {}, {} {noun}s/s, loss {:.4}",
        log.epoch,
        epochs,
        duration(log.seconds),
        thousands(log.images_per_second as u64),
        log.loss
    );
    for (name, value) in &log.metrics {
        line += &format!(", {name} {value:.4}");
    }
    if let Some(loss) = log.val_loss {
        line += &format!(", val_loss {loss:.4}");
    }
    for (name, value) in &log.val_metrics {
        line += &format!(", val_{name} {value:.4}");
    }
    if rated {
        line += &format!(", rate {}", rate(log.learning_rate));
    }
    line + &waiting(log.waited, log.seconds)
}

/// Says that reading and decoding keep training waiting, if they do.
fn waiting(waited: f64, seconds: f64) -> String {
    match waited > (WAITING * seconds).max(NOTICED) {
        true => format!(", waited {:.0} % of the time for data", 100.0 * waited / seconds),
        false => String::new(),
    }
}

/// Shows how many of `total` samples are done, where somebody looks on.
pub fn counting(output: &Output, total: usize) -> impl FnMut(usize) + use<> {
    let bar = (!output.is_json() && !output.is_silent() && stdout().is_terminal() && stderr().is_terminal())
        .then(|| {
            let style = ProgressStyle::with_template("{bar:30.cyan/dim} {pos}/{len}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total as u64)
                .with_style(style.progress_chars("━╸─"))
                .with_finish(ProgressFinish::AndClear)
        });
    move |done| {
        if let Some(bar) = &bar {
            bar.set_position(done as u64);
        }
    }
}

/// Drawing more often than this is not seen.
const DRAW_EVERY: Duration = Duration::from_millis(60);

/// Width of what stands in a row but for the bar and the figures: epoch, step, speed, time, and the gaps.
const FIXED_WIDTH: usize = 35;

/// Width of the column of a figure.
const FIGURE_WIDTH: usize = 10;

/// For a terminal: a table that grows by a row an epoch; its last row is live.
struct Live {
    epochs: usize,
    validated: bool,
    noun: &'static str,
    /// Whether the step size is told.
    rated: bool,
    /// That of the running epoch.
    bar: Option<ProgressBar>,
    /// Whether anything was drawn.
    started: bool,
    drawn: Instant,
}

impl Live {
    fn new(epochs: usize, validated: bool, noun: &'static str) -> Self {
        Self { epochs, validated, noun, rated: false, bar: None, started: false, drawn: Instant::now() }
    }

    /// The bar of an epoch, after the table's head if it is the first.
    fn start(&self, progress: &Progress) -> ProgressBar {
        let figures =
            (1 + progress.metrics.len()) * if self.validated { 2 } else { 1 } + usize::from(self.rated);
        let columns = console::Term::stderr().size_checked().map_or(80, |(_, columns)| usize::from(columns));
        let width = columns.saturating_sub(FIXED_WIDTH + figures * FIGURE_WIDTH).clamp(4, 30);
        if !self.started {
            let mut head = format!(
                "{:<6}{:width$} {:>9}{:>10}{:>8}",
                "epoch",
                "",
                "step",
                format!("{}s/s", self.noun),
                "time"
            );
            if self.rated {
                head += &cell("rate");
            }
            let names: Vec<&str> =
                std::iter::once("loss").chain(progress.metrics.iter().map(|(name, _)| &**name)).collect();
            names.iter().for_each(|name| head += &cell(name));
            if self.validated {
                // The second half is about the validation data; `val accuracy` would make the columns too wide for 80 letters.
                names
                    .iter()
                    .for_each(|name| head += &cell(&format!("val {}", name.replace("accuracy", "acc"))));
            }
            note(head);
        }
        let template = format!("{{prefix:<6}}{{bar:{width}.cyan/dim}} {{msg}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(progress.steps as u64)
            .with_style(style.progress_chars("━╸─"))
            .with_prefix(format!("{}/{}", progress.epoch, self.epochs))
            // What was on the screen stays there when training fails.
            .with_finish(ProgressFinish::Abandon)
    }
}

/// A figure's name at the right of its column.
fn cell(text: &str) -> String {
    format!("{:>FIGURE_WIDTH$}", text.chars().take(FIGURE_WIDTH - 1).collect::<String>())
}

/// Step, speed, time, step size if it is told, figures.
fn row(
    step: &str,
    speed: f64,
    time: &str,
    rated: Option<f32>,
    figures: impl IntoIterator<Item = f64>,
) -> String {
    let mut row = format!("{step:>9}{:>10}{time:>8}", thousands(speed as u64));
    if let Some(size) = rated {
        row += &cell(&rate(size));
    }
    figures.into_iter().for_each(|figure| row += &cell(&format!("{figure:.4}")));
    row
}

impl Drop for Live {
    /// Ends the last row: drawing leaves the cursor at its end.
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
        if self.started {
            note("");
        }
    }
}

impl Callback for Live {
    fn train_begin(&mut self, model: &mut Model, _planned: &Planned) -> convnet::nn::Result<()> {
        self.rated = is_scheduled(model);
        Ok(())
    }

    fn step_end(
        &mut self,
        model: &mut Model,
        progress: &dyn Fn() -> Progress,
    ) -> convnet::nn::Result<ControlFlow<()>> {
        if self.bar.is_some() && self.drawn.elapsed() < DRAW_EVERY {
            return Ok(ControlFlow::Continue(()));
        }
        let progress = progress();
        let bar = self.bar.take().unwrap_or_else(|| self.start(&progress));
        let left = progress.seconds / progress.step as f64 * (progress.steps - progress.step) as f64;
        let figures = std::iter::once(progress.loss).chain(progress.metrics.iter().map(|(_, value)| *value));
        let speed = progress.samples as f64 / progress.seconds;
        let step = format!("{}/{}", progress.step, progress.steps);
        let rated = if self.rated { Some(model.learning_rate()?) } else { None };
        let row = row(&step, speed, &format!("-{}", duration(left)), rated, figures);
        bar.set_message(row + &waiting(progress.waited, progress.seconds));
        bar.set_position(progress.step as u64);
        self.bar = Some(bar);
        self.started = true;
        self.drawn = Instant::now();
        Ok(ControlFlow::Continue(()))
    }

    fn epoch_end(&mut self, _model: &mut Model, log: &mut EpochLog) -> convnet::nn::Result<ControlFlow<()>> {
        if let Some(bar) = self.bar.take() {
            let figures = std::iter::once(log.loss).chain(log.metrics.iter().map(|(_, value)| *value));
            let validation = log.val_loss.into_iter().chain(log.val_metrics.iter().map(|(_, value)| *value));
            let steps = bar.length().unwrap_or(0);
            let step = format!("{steps}/{steps}");
            bar.set_message(row(
                &step,
                log.images_per_second,
                &duration(log.seconds),
                self.rated.then_some(log.learning_rate),
                figures.chain(validation),
            ));
            bar.set_position(steps);
            bar.abandon();
            let hint = waiting(log.waited, log.seconds);
            if !hint.is_empty() {
                note(format!("\n      {}", hint.trim_start_matches(", ")));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_out_of_the_ordinary() {
        let log =
            EpochLog { epoch: 2, seconds: 10.0, waited: 0.4, learning_rate: 9.76e-5, ..EpochLog::default() };
        assert_eq!(line(&log, 3, false, "text"), "epoch 2/3: 10 s, 0 texts/s, loss 0.0000");
        assert!(line(&log, 3, true, "image").ends_with(", rate 9.8e-5"));
        let slow = EpochLog { waited: 4.2, ..log };
        assert!(line(&slow, 3, false, "image").ends_with(", waited 42 % of the time for data"));
        assert_eq!([0.1, 0.001, 0.0, 12.0].map(rate), ["0.1", "0.001", "0", "12"]);
    }
}
