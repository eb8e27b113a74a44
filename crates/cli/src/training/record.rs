//! Callbacks of a run: what is written while it trains.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use convnet::interop::tensorboard::Encoded;
use convnet::nn::train::{Batch, Callback, EpochLog, History, Visit};
use convnet::nn::{Error, Result};
use convnet::prelude::*;

use super::folder::RunFolder;
use crate::progress;

/// Curves are drawn no more often while epochs are short; the last ones are drawn when training has ended.
const DRAW_EVERY: Duration = Duration::from_secs(5);

/// Makes the model that is kept of the part that is trained.
pub type Whole<'w> = &'w dyn Fn(&Model) -> Result<Model>;

/// Writes log, history and its curves after each epoch, and the best model.
pub struct Recorder<'r> {
    folder: &'r RunFolder,
    title: String,
    noun: &'static str,
    epochs: usize,
    history: History,
    best: f64,
    /// When curves were drawn last.
    drawn: Option<Instant>,
    /// Not there if the whole model is trained.
    whole: Option<Whole<'r>>,
}

impl<'r> Recorder<'r> {
    /// For a folder, with the epochs that there are already; `noun` is what a sample is called.
    pub fn new(
        folder: &'r RunFolder,
        title: String,
        noun: &'static str,
        epochs: usize,
        history: History,
        whole: Option<Whole<'r>>,
    ) -> Self {
        let losses = history.epochs.iter().filter_map(|log| log.val_loss);
        let best = losses.fold(f64::INFINITY, f64::min);
        Self { folder, title, noun, epochs, history, best, drawn: None, whole }
    }
}

fn failed(what: &str, problem: impl std::fmt::Display) -> Error {
    Error::argument(what, problem.to_string())
}

impl Callback for Recorder<'_> {
    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> Result<ControlFlow<()>> {
        self.history.epochs.push(log.clone());
        self.folder.log(&progress::line(log, self.epochs, progress::is_scheduled(model), self.noun));
        if let Some(loss) = log.val_loss.filter(|loss| *loss < self.best) {
            self.best = loss;
            let file = self.folder.file("best.keras");
            let saved = match self.whole {
                Some(whole) => save_model(&whole(model)?, file),
                None => save_model(model, file),
            };
            saved.map_err(|problem| failed("best.keras", problem))?;
        }
        let mut written = self.folder.write_history(&self.history);
        if self.drawn.is_none_or(|drawn| drawn.elapsed() > DRAW_EVERY) {
            written = written.and_then(|()| self.folder.write_curves(&self.history, &self.title));
            self.drawn = Some(Instant::now());
        }
        written.map_err(|problem| failed("history", format!("{problem:#}")))?;
        Ok(ControlFlow::Continue(()))
    }
}

/// Pictures that TensorBoard is shown.
const PICTURES: usize = 8;

/// The first pictures for TensorBoard, as training sees them in its first epoch; none of samples that are no pictures.
///
/// # Errors
/// If one cannot be read.
pub fn pictures(samples: &dyn Samples, seed: u64) -> anyhow::Result<Vec<Encoded>> {
    let dims = samples.input_dims();
    let [dims] = &dims[..] else { return Ok(Vec::new()) };
    let &[height, width, channels @ (1 | 3)] = &dims[..] else { return Ok(Vec::new()) };
    let indices: Vec<usize> = (0..PICTURES.min(samples.len())).collect();
    let mut batch = Batch::new(samples, indices.len());
    samples.fill(Visit { seed, epoch: 1, training: true }, &indices, &mut batch)?;
    let encoded = batch.inputs[0].chunks_exact(height * width * channels).map(|pixels| {
        let white = if pixels.iter().any(|pixel| *pixel > 1.5) { 255.0 } else { 1.0 };
        let bytes: Vec<u8> =
            pixels.iter().map(|pixel| (pixel / white * 255.0).round().clamp(0.0, 255.0) as u8).collect();
        Ok(([height, width, channels], convnet::data::images::encode_png(&bytes, width, height, channels)?))
    });
    encoded.collect()
}
