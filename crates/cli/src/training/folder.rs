//! The folder of a run: all of a training, so that it can go on after anything that ended it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::interop::{atomic, checkpoint};
use convnet::nn::Error;
use convnet::nn::train::{Checkpoint, History};
use convnet::vision::charts::{self, Chart};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::settings::Settings;

/// What a folder of a run holds, for help texts.
pub const CONTENTS: &str = "\
  model.keras       the model; before training has ended, as it was at the beginning
  best.keras        the model of the epoch with the lowest validation loss
  settings.toml     the arguments; `convnet tune` and a later `--resume` read them
  checkpoint.safetensors  all of the training at the last moment that was kept
  checkpoints/      with --keep-checkpoints the last few of them
  history.csv, history.json, curves.svg, curves.png
  result.json       machine, seed, times, scores
  log.txt           what was told";

/// The last moment that was kept.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// The folder of the last few of them.
const CHECKPOINTS: &str = "checkpoints";

/// A folder of a run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// What came of a run, and where it was made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Whether training has ended, rather than been interrupted.
    pub finished: bool,
    /// Version of the program.
    pub version: String,
    /// Operating system and processor.
    pub machine: String,
    /// Instruction set that the kernels used.
    pub isa: String,
    /// Threads.
    pub threads: usize,
    /// Seed.
    pub seed: u64,
    /// What the data is, and how many samples each part has.
    pub data: String,
    /// Samples that were trained on.
    pub images: usize,
    /// Numbers of the model.
    pub parameters: usize,
    /// Seconds of training in all.
    pub seconds: f64,
    /// Loss and metrics on the images for tests, or on those for validation.
    pub scores: Map<String, Json>,
    /// Whether these are `test` or `validation`.
    pub part: String,
}

impl RunFolder {
    /// A new one, with these settings.
    ///
    /// # Errors
    /// If there is a run in it already, or it cannot be written to.
    pub fn create(path: &Path, settings: &Settings) -> Result<Self> {
        let folder = Self { path: path.to_owned() };
        if folder.file("settings.toml").exists() {
            bail!(
                "--run {0}: there is a run already; `convnet train --resume {0}` goes on with it",
                path.display()
            );
        }
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let settings = settings.clone().with_absolute_paths();
        // Last, so that a folder with settings is one that a training can begin from.
        folder.write("settings.toml", settings.to_toml()?.as_bytes())?;
        Ok(folder)
    }

    /// One that is there, with its settings.
    ///
    /// # Errors
    /// If it is no folder of a run.
    pub fn open(path: &Path) -> Result<(Self, Settings)> {
        let folder = Self { path: path.to_owned() };
        if !folder.file("settings.toml").exists() {
            bail!("{}: not the folder of a run, which `convnet train --run {0}` would make", path.display());
        }
        let settings = Settings::read(&folder.file("settings.toml"))?;
        Ok((folder, settings))
    }

    /// The folder that is meant by itself or by one of its checkpoints, and that checkpoint.
    pub fn of_checkpoint(path: &Path) -> (PathBuf, Option<PathBuf>) {
        let is_checkpoint = path.is_file() && path.extension().is_some_and(|ending| ending == "safetensors");
        let Some(inner) = path.parent().filter(|_| is_checkpoint) else { return (path.to_owned(), None) };
        let inner = if inner.as_os_str().is_empty() { Path::new(".") } else { inner };
        let is_inside = inner.file_name().is_some_and(|name| name == CHECKPOINTS);
        let folder = if is_inside { inner.parent().unwrap_or(Path::new(".")) } else { inner };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        (folder.to_owned(), Some(path.to_owned()))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The training at the last moment that was kept, or at the one of this file; `None` before there was one.
    ///
    /// # Errors
    /// If the file is there and damaged.
    pub fn checkpoint(&self, chosen: Option<&Path>) -> Result<Option<Checkpoint>> {
        let last = self.file(CHECKPOINT);
        let file = chosen.unwrap_or(&last);
        if !file.exists() {
            return Ok(None);
        }
        checkpoint::load(file).map(Some).context("cannot go on from the moment that was kept")
    }

    /// Keeps a moment of the training: in a file of its own too, if the last few of them are to be kept.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn keep(&self, checkpoint: &Checkpoint, last: Option<usize>) -> convnet::nn::Result<()> {
        let newest = self.file(CHECKPOINT);
        let Some(last) = last else { return checkpoint::keep(&newest)(checkpoint) };
        let failed = |problem: std::io::Error| {
            Error::Saving(format!("{}: {problem}", self.file(CHECKPOINTS).display()))
        };
        let folder = self.file(CHECKPOINTS);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let place = checkpoint.place;
        // The place is where training goes on: so many epochs are done, and so many steps of the next.
        let file = folder.join(format!("epoch-{:04}-step-{:07}.safetensors", place.epoch - 1, place.step));
        checkpoint::keep(&file)(checkpoint)?;
        // The same under the name of the newest, by a second name of the file where the disk can do that.
        let other = folder.join(format!(".newest-{}", std::process::id()));
        let _not_there = std::fs::remove_file(&other);
        std::fs::hard_link(&file, &other)
            .or_else(|_| std::fs::copy(&file, &other).map(drop))
            .map_err(failed)?;
        std::fs::rename(&other, &newest).map_err(failed)?;
        let mut kept = self.kept().map_err(failed)?;
        // By their names, which rise with the training. Those behind this moment are of a training that went on from an earlier one.
        kept.retain(|known| *known <= file);
        for old in kept.iter().rev().skip(last) {
            std::fs::remove_file(old).map_err(failed)?;
        }
        Ok(())
    }

    /// The moments that have files of their own, in order.
    fn kept(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut kept = Vec::new();
        for entry in std::fs::read_dir(self.file(CHECKPOINTS))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("epoch-") && name.ends_with(".safetensors") {
                kept.push(path);
            }
        }
        kept.sort();
        Ok(kept)
    }

    /// Adds a line to the log. That it cannot be written is no reason to lose a training.
    pub fn log(&self, text: &str) {
        let file = OpenOptions::new().create(true).append(true).open(self.file("log.txt"));
        let _lost = file.and_then(|mut file| writeln!(file, "{text}"));
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// If that is not possible.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(atomic::write(self.file(name), bytes)?)
    }

    /// Writes the figures of the epochs so far.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_history(&self, history: &History) -> Result<()> {
        self.write("history.csv", history.to_csv().as_bytes())?;
        let rows: Vec<Map<String, Json>> = history.epochs.iter().map(row).collect();
        self.write("history.json", serde_json::to_string_pretty(&rows)?.as_bytes())
    }

    /// Draws the curves of the epochs so far.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_curves(&self, history: &History, title: &str) -> Result<()> {
        let rows: Vec<Map<String, Json>> = history.epochs.iter().map(row).collect();
        if !rows.is_empty() {
            let chart = charts::curves(title, &columns(&rows));
            self.write("curves.svg", chart.to_svg().as_bytes())?;
            self.write("curves.png", &png(&chart)?)?;
        }
        Ok(())
    }

    /// The figures of the epochs, as [`RunFolder::write_history`] wrote them; none before the first epoch has ended.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn read_history(&self) -> Result<Vec<Map<String, Json>>> {
        let file = self.file("history.json");
        if !file.exists() {
            return Ok(Vec::new());
        }
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    /// Notes what came of the run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_outcome(&self, outcome: &Outcome) -> Result<()> {
        self.write("result.json", serde_json::to_string_pretty(outcome)?.as_bytes())
    }

    /// What came of the run, or what is known of one that was ended from outside.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn outcome_or(&self, settings: &Settings) -> Result<Outcome> {
        let mut outcome =
            self.outcome().unwrap_or_else(|_| Outcome { seed: settings.seed, ..Outcome::default() });
        if !outcome.finished
            && let Some(checkpoint) = self.checkpoint(None)?
        {
            let epochs = checkpoint.history.epochs.iter().map(|log| log.seconds).sum::<f64>();
            outcome.seconds = epochs + checkpoint.part.seconds;
            outcome.images = checkpoint.regime.samples;
        }
        Ok(outcome)
    }

    /// What came of the run.
    ///
    /// # Errors
    /// If it has not been noted.
    pub fn outcome(&self) -> Result<Outcome> {
        let file = self.file("result.json");
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }
}

/// A chart as the bytes of a PNG file.
///
/// # Errors
/// If it is too large for one.
pub fn png(chart: &Chart) -> Result<Vec<u8>> {
    let picture = chart.to_picture();
    let (height, width, channels) = picture.dim();
    let bytes: Vec<u8> = picture.into_iter().collect();
    Ok(convnet::data::images::encode_png(&bytes, width, height, channels)?)
}

/// The figures of an epoch by name.
fn row(log: &convnet::nn::train::EpochLog) -> Map<String, Json> {
    let mut row = Map::new();
    row.insert("epoch".into(), log.epoch.into());
    // JSON has no NaN; such a figure is null.
    row.extend(log.figures().into_iter().map(|(name, value)| (name, value.into())));
    row
}

/// Columns of which curves are drawn.
pub fn columns(rows: &[Map<String, Json>]) -> Vec<(String, Vec<(f64, f64)>)> {
    let mut columns: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in rows {
        let epoch = row.get("epoch").and_then(Json::as_f64).unwrap_or(0.0);
        for (name, value) in row {
            if ["epoch", "seconds", "waited", "images_per_second"].contains(&&**name) {
                continue;
            }
            let point = (epoch, value.as_f64().unwrap_or(f64::NAN));
            match columns.iter_mut().find(|(known, _)| known == name) {
                Some((_, points)) => points.push(point),
                None => columns.push((name.clone(), vec![point])),
            }
        }
    }
    columns
}
