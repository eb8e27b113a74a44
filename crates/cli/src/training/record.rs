//! Callbacks of a run: what is written while it trains.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use convnet::interop::tensorboard::EventWriter;
use convnet::nn::train::{Batch, Callback, EpochLog, History, Planned, Visit};
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
    epochs: usize,
    history: History,
    best: f64,
    /// When curves were drawn last.
    drawn: Option<Instant>,
    /// Not there if the whole model is trained.
    whole: Option<Whole<'r>>,
}

impl<'r> Recorder<'r> {
    /// For a folder, with the epochs that there are already.
    pub fn new(
        folder: &'r RunFolder,
        title: String,
        epochs: usize,
        history: History,
        whole: Option<Whole<'r>>,
    ) -> Self {
        let losses = history.epochs.iter().filter_map(|log| log.val_loss);
        let best = losses.fold(f64::INFINITY, f64::min);
        Self { folder, title, epochs, history, best, drawn: None, whole }
    }
}

fn failed(what: &str, problem: impl std::fmt::Display) -> Error {
    Error::argument(what, problem.to_string())
}

impl Callback for Recorder<'_> {
    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> Result<ControlFlow<()>> {
        self.history.epochs.push(log.clone());
        self.folder.log(&progress::line(log, self.epochs, progress::is_scheduled(model)));
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

/// Writes what TensorBoard shows.
pub struct TensorBoard<'t> {
    train: EventWriter,
    validation: Option<EventWriter>,
    folder: PathBuf,
    /// What is trained on, to show some of it.
    samples: &'t dyn Samples,
    seed: u64,
}

impl<'t> TensorBoard<'t> {
    /// Into `train` and `validation` below a folder, as Keras does.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn new(folder: &Path, samples: &'t dyn Samples, seed: u64) -> anyhow::Result<Self> {
        let train = EventWriter::new(folder.join("train"))?;
        Ok(Self { train, validation: None, folder: folder.to_owned(), samples, seed })
    }

    /// The first pictures, as training sees them in its first epoch.
    fn pictures(&mut self) -> Result<()> {
        let dims = self.samples.input_dims();
        let [dims] = &dims[..] else { return Ok(()) };
        let &[height, width, channels] = &dims[..] else { return Ok(()) };
        if channels != 1 && channels != 3 {
            return Ok(());
        }
        let indices: Vec<usize> = (0..PICTURES.min(self.samples.len())).collect();
        let mut batch = Batch::new(self.samples, indices.len());
        self.samples.fill(Visit { seed: self.seed, epoch: 1, training: true }, &indices, &mut batch)?;
        for (index, pixels) in batch.inputs[0].chunks_exact(height * width * channels).enumerate() {
            let white = if pixels.iter().any(|pixel| *pixel > 1.5) { 255.0 } else { 1.0 };
            let bytes: Vec<u8> =
                pixels.iter().map(|pixel| (pixel / white * 255.0).round().clamp(0.0, 255.0) as u8).collect();
            let png = convnet::data::images::encode_png(&bytes, width, height, channels);
            let png = png.map_err(|problem| failed("tensorboard", problem))?;
            let written = self.train.image(&format!("pictures/{index}"), 1, [height, width, channels], png);
            written.map_err(|problem| failed("tensorboard", problem))?;
        }
        Ok(())
    }

    fn epoch(&mut self, model: &Model, log: &EpochLog) -> convnet::interop::Result<()> {
        let step = log.epoch as u64;
        self.train.scalar("epoch_loss", step, log.loss)?;
        for (name, value) in &log.metrics {
            self.train.scalar(&format!("epoch_{name}"), step, *value)?;
        }
        self.train.scalar("epoch_learning_rate", step, f64::from(log.learning_rate))?;
        self.train.scalar("images_per_second", step, log.images_per_second)?;
        if let Some(loss) = log.val_loss {
            if self.validation.is_none() {
                self.validation = Some(EventWriter::new(self.folder.join("validation"))?);
            }
            if let Some(writer) = &mut self.validation {
                writer.scalar("epoch_loss", step, loss)?;
                for (name, value) in &log.val_metrics {
                    writer.scalar(&format!("epoch_{name}"), step, *value)?;
                }
            }
        }
        for weight in model.trainable_weights() {
            let values: Vec<f32> = model.weight_values(weight).iter().copied().collect();
            self.train.histogram(&weight.path, step, &values)?;
        }
        Ok(())
    }
}

impl Callback for TensorBoard<'_> {
    fn train_begin(&mut self, model: &mut Model, planned: &Planned) -> Result<()> {
        if planned.first_epoch > 1 {
            return Ok(());
        }
        self.train.graph(model).map_err(|problem| failed("tensorboard", problem))?;
        self.pictures()
    }

    fn epoch_end(&mut self, model: &mut Model, log: &mut EpochLog) -> Result<ControlFlow<()>> {
        self.epoch(model, log).map_err(|problem| failed("tensorboard", problem))?;
        Ok(ControlFlow::Continue(()))
    }
}
