//! `convnet tune`: many trainings with other settings each, and which was best.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use convnet::interop::atomic;
use convnet::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::arguments::Threads;
use crate::format::{count, duration};
use crate::output::{Output, note};
use crate::training::folder::RunFolder;
use crate::training::interrupt::{self, Interrupted};
use crate::training::session::Session;
use crate::training::settings::Settings;

/// Train with many settings and tell which were best
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The file says what is tried:

  search = \"random\"          # grid: all combinations; random; halving: random, all for few epochs, the best third for three times as many, …
  trials = 20                # of random and halving
  seed = 0                   # of the draws
  metric = \"val_loss\"        # the lowest is best; of an accuracy the highest

  [settings]                 # arguments of `convnet train`
  dataset = \"fashion-mnist\"
  model = \"net.toml\"
  epochs = 9
  validation-split = 0.1

  [ranges]
  learning-rate = { from = 1e-4, to = 1e-2, log = true, steps = 5 }   # steps count in a grid
  batch-size = [32, 64, 128]
  optimizer = [\"adam\", \"sgd\"]
  \"layers.0.filters\" = [16, 32]                                       # of the model's .toml

Each trial is the folder of a run in DIR. What is there already is not done again, so that a search that was ended goes on with the same command.
The table is also DIR/trials.csv.

Example:
  convnet tune search.toml --run search1")]
pub struct Args {
    /// What is tried, a .toml file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Folder for the runs of the trials
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    #[command(flatten)]
    threads: Threads,
    /// Print an object a trial
    #[arg(long)]
    json: bool,
}

/// How trials are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Grid,
    #[default]
    Random,
    Halving,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[serde(default)]
    search: Kind,
    #[serde(default = "trials")]
    trials: usize,
    #[serde(default)]
    seed: u64,
    #[serde(default = "metric")]
    metric: String,
    #[serde(default)]
    settings: toml::Table,
    ranges: toml::map::Map<String, toml::Value>,
}

fn trials() -> usize {
    10
}

fn metric() -> String {
    "val_loss".into()
}

/// The values that an argument may have.
#[derive(Debug)]
enum Range {
    Choices(Vec<toml::Value>),
    Numbers { from: f64, to: f64, log: bool, steps: usize, whole: bool },
}

/// What a trial has otherwise than others.
type Choice = Vec<(String, toml::Value)>;

/// What came of a trial.
#[derive(Clone, Debug, Serialize)]
struct Trial {
    trial: usize,
    #[serde(flatten)]
    choice: serde_json::Map<String, Json>,
    epochs: usize,
    /// The best value of the figure in any epoch.
    best: Option<f64>,
    epoch: usize,
    seconds: f64,
    run: String,
}

/// All but one of three trials are given up at a time.
const KEPT: usize = 3;

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        self.threads.start()?;
        let stop = interrupt::listen();
        let search = Search::read(&self.file)?;
        let choices = search.choices()?;
        std::fs::create_dir_all(&self.run).with_context(|| format!("cannot make the folder {}", self.run.display()))?;
        let mut trials: Vec<Trial> = Vec::new();
        let mut left: Vec<usize> = (0..choices.len()).collect();
        let rounds = search.rounds(choices.len());
        output.line(format!("{} of {}:", count(choices.len(), "trial"), self.file.display()));
        for (round, epochs) in rounds.iter().enumerate() {
            for &number in &left {
                let settings = search.trial(&choices[number], &self.run, number)?;
                let trial = self.train(number, settings, *epochs, &choices[number], &search, stop)?;
                let Some(trial) = trial else {
                    note(format!("Interrupted. To go on:\n  convnet tune {} --run {}", self.file.display(), self.run.display()));
                    return Err(Interrupted.into());
                };
                output.result(&trial);
                trials.retain(|known| known.trial != number);
                trials.push(trial);
                atomic::write(self.run.join("trials.csv"), table(&trials).as_bytes())?;
            }
            left.sort_by(|a, b| search.order(&trials, *a, *b));
            if round + 1 < rounds.len() {
                left.truncate(left.len().div_ceil(KEPT));
            }
        }
        trials.sort_by(|a, b| search.compare(a, b));
        output.line(Ranking { trials: &trials, search: &search, folder: &self.run });
        output.finish()
    }

    /// Trains a trial up to so many epochs, or reads what came of it. `None` if somebody asked to stop.
    fn train(
        &self,
        number: usize,
        mut settings: Settings,
        epochs: usize,
        choice: &Choice,
        search: &Search,
        stop: &std::sync::atomic::AtomicBool,
    ) -> Result<Option<Trial>> {
        let path = self.run.join(format!("trial-{:03}", number + 1));
        settings.epochs = Some(epochs);
        let known = RunFolder::open(&path).ok().map(|(folder, _)| folder);
        let done = known.as_ref().and_then(|folder| folder.read_history().ok()).map_or(0, |rows| rows.len());
        let is_done = done >= epochs && known.as_ref().is_some_and(|folder| folder.outcome().is_ok_and(|outcome| outcome.finished));
        let mut seconds = 0.0;
        let folder = if is_done {
            known.context("a run that is done has a folder")?
        } else {
            let mut session = Session::open(settings, known.as_ref()).with_context(|| format!("trial {}", number + 1))?;
            let folder = match known {
                Some(folder) => folder,
                None => RunFolder::create(&path, &session.settings)?,
            };
            let file = folder.file("model.keras");
            if !file.exists() {
                save_model(&session.model, &file).context("cannot save the model")?;
            }
            let mut silent = Output::silent();
            let ended = match session.train(Some(&folder), None, &mut silent, stop) {
                Ok(ended) => ended,
                // A step size that is too large is a result as well.
                Err(problem) => {
                    note(format!("trial {}: {problem:#}", number + 1));
                    return Ok(Some(self.told(number, choice, epochs, None, 0.0, &path)));
                }
            };
            if ended.history.stopped.is_some() {
                return Ok(None);
            }
            seconds = ended.seconds;
            super::train::finish(&session, &ended, Some(&folder), &file, 0, &mut silent)?;
            folder
        };
        if is_done {
            seconds = folder.outcome()?.seconds;
        }
        let rows = folder.read_history()?;
        let value = |row: &serde_json::Map<String, Json>| row.get(&search.metric).and_then(Json::as_f64);
        let figures = rows.iter().enumerate().filter_map(|(at, row)| Some((at + 1, value(row)?)));
        let best = figures.min_by(|a, b| (search.sign() * a.1).total_cmp(&(search.sign() * b.1)));
        if best.is_none() && !rows.is_empty() {
            let known: Vec<&str> = rows[0].keys().map(String::as_str).collect();
            bail!("metric = \"{}\": the history has {}", search.metric, known.join(", "));
        }
        Ok(Some(self.told(number, choice, rows.len(), best, seconds, &path)))
    }

    fn told(&self, number: usize, choice: &Choice, epochs: usize, best: Option<(usize, f64)>, seconds: f64, path: &Path) -> Trial {
        let json = |value: &toml::Value| serde_json::to_value(value).unwrap_or(Json::Null);
        Trial {
            trial: number,
            choice: choice.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
            epochs,
            best: best.map(|best| best.1),
            epoch: best.map_or(0, |best| best.0),
            seconds,
            run: path.display().to_string(),
        }
    }
}

impl Search {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).map_err(|problem| anyhow!("{}: {}", path.display(), problem.to_string().trim_end()))
    }

    /// −1 where the highest is best, so that the smallest product is.
    fn sign(&self) -> f64 {
        let high = ["accuracy", "auc", "precision", "recall", "f1", "iou"];
        if high.iter().any(|name| self.metric.to_lowercase().contains(name)) { -1.0 } else { 1.0 }
    }

    /// The better first; those without a figure last.
    fn compare(&self, a: &Trial, b: &Trial) -> std::cmp::Ordering {
        let key = |trial: &Trial| trial.best.map_or(f64::INFINITY, |best| best * self.sign());
        key(a).total_cmp(&key(b)).then(a.trial.cmp(&b.trial))
    }

    fn order(&self, trials: &[Trial], a: usize, b: usize) -> std::cmp::Ordering {
        let of = |number: usize| trials.iter().find(|trial| trial.trial == number);
        match (of(a), of(b)) {
            (Some(a), Some(b)) => self.compare(a, b),
            _ => a.cmp(&b),
        }
    }

    /// Epochs after which trials are compared.
    fn rounds(&self, trials: usize) -> Vec<usize> {
        let all = self.settings.get("epochs").and_then(toml::Value::as_integer).map_or(5, |epochs| epochs.max(1) as usize);
        if self.search != Kind::Halving {
            return vec![all];
        }
        let mut rounds = vec![all];
        let (mut epochs, mut left) = (all, trials);
        while epochs > 1 && left >= KEPT {
            epochs = epochs.div_ceil(KEPT);
            left = left.div_ceil(KEPT);
            rounds.insert(0, epochs);
        }
        rounds.dedup();
        rounds
    }

    fn choices(&self) -> Result<Vec<Choice>> {
        let ranges: Vec<(String, Range)> = (self.ranges.iter())
            .map(|(name, value)| Ok((name.clone(), Range::read(value).with_context(|| format!("[ranges] {name}"))?)))
            .collect::<Result<_>>()?;
        if ranges.is_empty() {
            bail!("[ranges] is empty, so there is nothing to try");
        }
        if self.search == Kind::Grid {
            let mut all: Vec<Choice> = vec![Vec::new()];
            for (name, range) in &ranges {
                let values = range.values();
                let with = |choice: &Choice| {
                    let choice = choice.clone();
                    values.iter().map(move |value| [&choice[..], &[(name.clone(), value.clone())]].concat()).collect::<Vec<_>>()
                };
                all = all.iter().flat_map(with).collect();
            }
            return Ok(all);
        }
        if self.trials == 0 {
            bail!("trials = 0 tries nothing");
        }
        let draw = |trial: usize| {
            let of = |(place, (name, range)): (usize, &(String, Range))| (name.clone(), range.draw(uniform(self.seed, trial, place)));
            ranges.iter().enumerate().map(of).collect()
        };
        Ok((0..self.trials).map(draw).collect())
    }

    /// The settings of a trial. Ranges of the model's layers make a description of their own.
    fn trial(&self, choice: &Choice, folder: &Path, number: usize) -> Result<Settings> {
        let mut table = self.settings.clone();
        let mut layers: Vec<(&str, &toml::Value)> = Vec::new();
        for (name, value) in choice {
            match name.strip_prefix("layers.") {
                Some(place) => layers.push((place, value)),
                None => {
                    table.insert(name.clone(), value.clone());
                }
            }
        }
        if !layers.is_empty() {
            let model = table.get("model").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
            let text = std::fs::read_to_string(&model).with_context(|| format!("ranges of layers need a model's .toml; cannot read {model}"))?;
            let mut described: toml::Table = toml::from_str(&text).with_context(|| model.clone())?;
            for (place, value) in layers {
                set_layer(&mut described, place, value.clone()).with_context(|| format!("[ranges] layers.{place}"))?;
            }
            let file = folder.join(format!("trial-{:03}.toml", number + 1));
            atomic::write(&file, toml::to_string(&described)?.as_bytes())?;
            table.insert("model".into(), file.display().to_string().into());
        }
        table.try_into().map_err(|problem: toml::de::Error| anyhow!("[settings]: {}", problem.to_string().trim_end()))
    }
}

/// Sets an argument of a layer, given as `NUMBER.ARGUMENT`.
fn set_layer(described: &mut toml::Table, place: &str, value: toml::Value) -> Result<()> {
    let (number, argument) = place.split_once('.').context("expected layers.NUMBER.ARGUMENT")?;
    let number: usize = number.parse().context("expected layers.NUMBER.ARGUMENT")?;
    let layers = described.get_mut("layers").and_then(toml::Value::as_array_mut).context("the model has no layers")?;
    let all = layers.len();
    let layer = layers.get_mut(number).and_then(toml::Value::as_table_mut);
    layer.with_context(|| format!("the model has {all} layers, counted from 0"))?.insert(argument.to_owned(), value);
    Ok(())
}

/// A number of 0 … 1 for a trial and the place of a range.
fn uniform(seed: u64, trial: usize, place: usize) -> f64 {
    let random = convnet::kernels::random::Philox::new(seed, trial as u64);
    f64::from(random.word(place as u64)) / f64::from(u32::MAX)
}

impl Range {
    fn read(value: &toml::Value) -> Result<Self> {
        match value {
            toml::Value::Array(choices) if !choices.is_empty() => Ok(Self::Choices(choices.clone())),
            toml::Value::Table(table) => {
                let number = |key: &str| {
                    let value = table.get(key).with_context(|| format!("`{key}` is missing"))?;
                    value.as_float().or(value.as_integer().map(|number| number as f64)).with_context(|| format!("`{key}` must be a number"))
                };
                if let Some(key) = table.keys().find(|key| !["from", "to", "log", "steps"].contains(&key.as_str())) {
                    bail!("unknown key `{key}`; known are from, to, log, steps");
                }
                let (from, to) = (number("from")?, number("to")?);
                let log = table.get("log").and_then(toml::Value::as_bool).unwrap_or(false);
                let steps = table.get("steps").map_or(Ok(3), |_| number("steps").map(|steps| steps as usize))?;
                let whole = ["from", "to"].iter().all(|key| table.get(*key).is_some_and(toml::Value::is_integer));
                if from.partial_cmp(&to) != Some(std::cmp::Ordering::Less) || log && from <= 0.0 || steps < 2 {
                    bail!("`from` must be below `to`, above 0 if log = true, and steps at least 2");
                }
                Ok(Self::Numbers { from, to, log, steps, whole })
            }
            other => bail!("expected a list of values or {{ from = …, to = … }}, got {other}"),
        }
    }

    /// Values of a grid.
    fn values(&self) -> Vec<toml::Value> {
        match self {
            Self::Choices(choices) => choices.clone(),
            Self::Numbers { steps, .. } => (0..*steps).map(|step| self.at(step as f64 / (steps - 1) as f64)).collect(),
        }
    }

    /// The value at a random place of 0 … 1.
    fn draw(&self, place: f64) -> toml::Value {
        match self {
            Self::Choices(choices) => choices[((place * choices.len() as f64) as usize).min(choices.len() - 1)].clone(),
            Self::Numbers { .. } => self.at(place),
        }
    }

    fn at(&self, place: f64) -> toml::Value {
        let Self::Numbers { from, to, log, whole, .. } = *self else { return toml::Value::Boolean(false) };
        let value = if log { from * (to / from).powf(place) } else { from + place * (to - from) };
        // Three digits say enough, and can be typed again.
        let short: f64 = format!("{value:.2e}").parse().unwrap_or(value);
        if whole { toml::Value::Integer(value.round() as i64) } else { toml::Value::Float(short) }
    }
}

/// Trials as a file that any spreadsheet opens.
fn table(trials: &[Trial]) -> String {
    let names: Vec<&String> = trials.first().map(|trial| trial.choice.keys().collect()).unwrap_or_default();
    let quoted = |text: String| if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text };
    let head: Vec<String> = names.iter().map(|name| quoted((*name).clone())).collect();
    let mut csv = format!("trial,{},epochs,best,epoch,seconds,run\n", head.join(","));
    for trial in trials {
        let values: Vec<String> = names.iter().map(|name| quoted(text(&trial.choice[*name]))).collect();
        let best = trial.best.map_or_else(String::new, |best| best.to_string());
        let (number, epochs, epoch, seconds, run) = (trial.trial + 1, trial.epochs, trial.epoch, trial.seconds, &trial.run);
        csv += &format!("{number},{},{epochs},{best},{epoch},{seconds:.1},{}\n", values.join(","), quoted(run.clone()));
    }
    csv
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choice: Vec<String> = self.choice.iter().map(|(name, value)| format!("{name} {}", text(value))).collect();
        let best = self.best.map_or_else(|| "failed".to_owned(), |best| format!("{best:.4} in epoch {} of {}", self.epoch, self.epochs));
        write!(f, "trial {}: {}: {best}, {}", self.trial + 1, choice.join(", "), duration(self.seconds))
    }
}

/// The table at the end.
struct Ranking<'t> {
    trials: &'t [Trial],
    search: &'t Search,
    folder: &'t Path,
}

impl fmt::Display for Ranking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.trials.first().map(|trial| trial.choice.keys().collect()).unwrap_or_default();
        let width = |name: &String| {
            let values = self.trials.iter().map(|trial| text(&trial.choice[name]).chars().count());
            values.chain([name.chars().count()]).max().unwrap_or(0) + 2
        };
        let widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
        write!(f, "\n{:>10}  {:>6}  {:>5}", self.search.metric, "epoch", "trial")?;
        for (name, width) in names.iter().zip(&widths) {
            write!(f, "{name:>width$}")?;
        }
        for trial in self.trials {
            let best = trial.best.map_or_else(|| "failed".to_owned(), |best| format!("{best:.4}"));
            write!(f, "\n{best:>10}  {:>6}  {:>5}", format!("{}/{}", trial.epoch, trial.epochs), trial.trial + 1)?;
            for (name, width) in names.iter().zip(&widths) {
                write!(f, "{:>width$}", text(&trial.choice[*name]))?;
            }
        }
        write!(f, "\n\nAlso in {}.", self.folder.join("trials.csv").display())?;
        match self.trials.first().filter(|trial| trial.best.is_some()) {
            Some(best) => write!(f, "\n\nNext:\n  convnet report {0}\n  convnet train --resume {0} --epochs N", best.run),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(text: &str) -> Search {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_grid_has_all_combinations() {
        let search = search("search = \"grid\"\n[ranges]\nbatch-size = [8, 16]\nlearning-rate = { from = 0.001, to = 0.1, log = true }");
        let choices = search.choices().unwrap();
        assert_eq!(choices.len(), 6);
        let rates: Vec<f64> = choices.iter().filter_map(|choice| choice[1].1.as_float()).collect();
        assert_eq!(rates[..3], [0.001, 0.01, 0.1]);
        assert_eq!(search.rounds(6), [5]);
    }

    #[test]
    fn draws_are_the_same_for_the_same_seed_and_within_their_range() {
        let text = "trials = 40\nseed = 3\n[ranges]\nepochs = { from = 2, to = 4 }\nlearning-rate = { from = 1e-4, to = 1.0, log = true }";
        let (first, again) = (search(text).choices().unwrap(), search(text).choices().unwrap());
        assert_eq!(first, again);
        assert!(first.iter().all(|choice| (2..=4).contains(&choice[0].1.as_integer().unwrap())));
        let small = first.iter().filter(|choice| choice[1].1.as_float().unwrap() < 1e-2).count();
        assert!((10..30).contains(&small), "as many below as above: {small}");
        assert_ne!(search(&text.replace("seed = 3", "seed = 4")).choices().unwrap(), first);
    }

    #[test]
    fn halving_begins_with_few_epochs() {
        let search = search("search = \"halving\"\ntrials = 20\n[settings]\nepochs = 9\n[ranges]\nbatch-size = [8]");
        assert_eq!(search.rounds(20), [1, 3, 9]);
        assert_eq!(search.rounds(3), [3, 9]);
        assert_eq!(search.rounds(2), [9]);
    }

    #[test]
    fn an_argument_of_a_layer_is_set() {
        let mut net: toml::Table = toml::from_str("[[layers]]\ntype = \"Dense\"\nunits = 3").unwrap();
        set_layer(&mut net, "0.units", 7.into()).unwrap();
        assert_eq!(net["layers"][0]["units"].as_integer(), Some(7));
        assert!(set_layer(&mut net, "1.units", 7.into()).unwrap_err().to_string().contains("1 layers"));
    }

    #[test]
    fn what_cannot_be_tried_is_told() {
        let problem = |ranges: &str| format!("{:#}", search(&format!("[ranges]\n{ranges}")).choices().unwrap_err());
        assert!(problem("").contains("nothing to try"));
        assert!(problem("epochs = { from = 3, to = 2 }").contains("[ranges] epochs"));
        assert!(problem("epochs = { from = 3, to = 4, step = 2 }").contains("`step`"));
        assert!(problem("epochs = 3").contains("a list of values"));
    }
}
