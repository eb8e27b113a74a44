//! `convnet train`: from a data set to a saved model.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::interop::atomic;
use convnet::nn::train::{History, Scores};
use convnet::prelude::*;
use serde::Serialize;

use crate::arguments::Threads;
use crate::format::{count, duration, thousands};
use crate::output::{Output, note};
use crate::samples;
use crate::training::folder::{self, Outcome, RunFolder};
use crate::training::interrupt::{self, Interrupted};
use crate::training::rate;
use crate::training::session::{Ended, Session};
use crate::training::settings::{MACHINE, RUNS, Settings};

/// Train a model on a data set and save it
#[derive(Debug, clap::Args)]
#[command(after_long_help = long_help())]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Keep all of the training in this new folder, so that it can go on
    ///
    /// It can go on after anything that ends it; what the folder holds is said below.
    #[arg(long, value_name = "DIR", help_heading = RUNS)]
    run: Option<PathBuf>,
    /// Go on with the training in a folder that --run made
    ///
    /// It comes to the same bits as if nothing had happened; --epochs may ask for more. A file of DIR/checkpoints is where it goes on from instead of the
    /// last moment that was kept.
    #[arg(long, value_name = "DIR|FILE", conflicts_with_all = ["run", "output", "find_rate"], help_heading = RUNS)]
    resume: Option<PathBuf>,
    /// Train nothing, but search for a learning rate and draw it: .png or .svg
    ///
    /// The loss is drawn at ever larger rates; the suggestion is where it falls fastest.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "output"])]
    find_rate: Option<PathBuf>,
    /// Where to save the model, .keras or .h5
    ///
    /// By default the data set's name with .keras; with --run model.keras in its folder.
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    output: Option<PathBuf>,
    /// Print an object a line: start, each epoch, end
    #[arg(long)]
    json: bool,
    // Last, because its heading would be that of what follows.
    #[command(flatten, next_help_heading = MACHINE)]
    threads: Threads,
}

fn long_help() -> String {
    format!(
        "\
After every epoch the model is validated on the samples that --validation-split keeps back, or, when that is 0, on those for
tests. Samples per second and time count training alone; while an epoch runs, a time with a minus is what is left of it. The same seed gives the same file, byte for byte, on any number of threads.

Pictures of any size and kind (PNG, JPEG, GIF, BMP, WebP) are brought to the size that the model takes; a network of the zoo gets its own scaling of pixels as
its first layers, so that the saved model takes pictures as they are. With --weights its base is what they were trained for, and its classifier is new.
Where the base is frozen and nothing is augmented, its features are computed once and trained on at once.

Texts are files of a folder a class, or a table's column. The words that a model learns from are saved with it, so that `convnet predict MODEL --text \"…\"` and
`convnet evaluate` know them.

Schedules (--learning-rate) rise and fall with epochs: cosine:0.1,warmup=1  step:0.1,every=10,factor=0.1  step:0.1,at=30/60  exponential:0.1,factor=0.95
polynomial:0.1,end=0.001  inverse:0.1,decay=1  restarts:0.1,first=10  one-cycle:0.1

Ctrl-C finishes the step, saves, and says how to go on (exit code {}); a second one ends at once. A run goes on with --resume, also after it was killed. Its folder holds
{}

Examples:
  convnet train
  convnet train --model mnist-sequential --epochs 1 --output first.keras
  convnet train fashion-mnist --model examples/fashion-cnn.toml --optimizer adam --learning-rate 0.0005
  convnet train ./my-idx-folder --model net.toml --validation-split 0.1 --json
  convnet train photos/ --model mobilenet-v2 --weights mobilenet_v2.h5 --freeze base --augment standard --run run1
  convnet train photos/ --model run1/model.keras --unfreeze last:20 --run run2
  convnet train reviews/ --model text-cnn --sequence-length 60 --learning-rate 0.001
  convnet train --resume run1 --epochs 20
  convnet train photos/ --model run1/model.keras --find-rate rate.png",
        interrupt::EXIT_CODE,
        folder::CONTENTS
    )
}

/// What is about to happen.
#[derive(Serialize)]
struct Start<'a> {
    event: &'static str,
    dataset: &'a str,
    model: &'a str,
    parameters: usize,
    /// Of these, those that are trained; not there if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_parameters: Option<usize>,
    images: usize,
    validation_images: usize,
    epochs: usize,
    batch_size: usize,
    seed: u64,
    threads: usize,
    isa: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
}

/// What came of it.
#[derive(Serialize)]
struct End {
    event: &'static str,
    test_accuracy: Option<f64>,
    test_loss: Option<f64>,
    test_images: usize,
    images_per_second: f64,
    seconds: f64,
    output: String,
    /// Present and true if somebody asked to stop.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
    #[serde(skip)]
    dataset: String,
    #[serde(skip)]
    part: &'static str,
    #[serde(skip)]
    run: Option<String>,
    #[serde(skip)]
    pictures: bool,
    #[serde(skip)]
    noun: &'static str,
}

/// A step size that a search suggests.
#[derive(Serialize)]
struct Rate {
    event: &'static str,
    suggested: f64,
    lowest: f64,
    output: String,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        let threads = self.threads.start()?;
        if let Some(file) = &self.find_rate {
            return self.search(file, output);
        }
        let mut from = None;
        let (resumed, mut settings) = match &self.resume {
            Some(path) => {
                let (path, chosen) = RunFolder::of_checkpoint(path);
                from = chosen;
                RunFolder::open(&path).map(|(folder, settings)| (Some(folder), settings))?
            }
            None => (None, self.settings.clone()),
        };
        settings.epochs = self.settings.epochs.or(settings.epochs);
        let mut session = Session::open(settings, resumed.as_ref())?;
        let folder = match (resumed, &self.run) {
            (Some(folder), _) => Some(folder),
            (None, Some(path)) => Some(RunFolder::create(path, &session.settings)?),
            (None, None) => None,
        };
        let file = match &folder {
            Some(folder) => folder.file("model.keras"),
            None => self.output.clone().unwrap_or_else(|| format!("{}.keras", session.collection.name).into()),
        };
        check_output(&file)?;
        if folder.is_some() && !file.exists() {
            save_model(&session.model, &file).context("cannot save the model")?;
        }
        announce(&session, folder.as_ref(), threads, &mut output);
        if let Some(folder) = &folder {
            // So that it is known of a run that is killed.
            folder.write_outcome(&outcome(&session, 0.0, None, threads, false))?;
        }
        let ended = session.train(folder.as_ref(), from.as_deref(), &mut output, interrupt::listen())?;
        finish(&session, &ended, folder.as_ref(), &file, threads, &mut output)?;
        output.finish()?;
        if ended.history.stopped.is_some() { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Searches for a step size.
    fn search(&self, file: &Path, mut output: Output) -> Result<()> {
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if !matches!(ending, "png" | "svg") {
            bail!("--find-rate {}: the name must end in .png or .svg", file.display());
        }
        let mut session = Session::open(self.settings.clone(), None)?;
        let (train, settings) = (session.samples().clone(), session.settings.clone());
        let found = rate::find(&mut session.model, &train, settings.batch_size, settings.seed)?;
        let chart = found.chart(&format!("{}, batches of {}", session.model.name(), settings.batch_size));
        let bytes = if ending == "svg" { chart.to_svg().into_bytes() } else { folder::png(&chart)? };
        atomic::write(file, &bytes)?;
        let (suggested, lowest) = (found.suggested, found.lowest);
        output.result(&Rate { event: "rate", suggested, lowest, output: file.display().to_string() });
        output.finish()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The loss falls fastest at a learning rate of {:e}, and is lowest at {:.1e}.", self.suggested, self.lowest)?;
        writeln!(f, "Drawn in {}.\n\nNext:", self.output)?;
        write!(f, "  --learning-rate {:e}    with the same arguments as here", self.suggested)
    }
}

/// Tells what is about to happen.
fn announce(session: &Session, folder: Option<&RunFolder>, threads: usize, output: &mut Output) {
    let (settings, model, counts) = (&session.settings, &session.model, session.counts());
    let isa = convnet::kernels::cpu::isa().name();
    let parameters = model.count_params();
    let trained = model.trainable_weights().map(convnet::nn::Weight::len).sum::<usize>();
    let all = model.weights().filter(|weight| matches!(weight.slot, convnet::nn::model::Slot::Parameter(_)));
    let is_frozen = trained < all.map(convnet::nn::Weight::len).sum();
    output.object(&Start {
        event: "start",
        dataset: &session.collection.name,
        model: &settings.model,
        parameters,
        trained_parameters: is_frozen.then_some(trained),
        images: counts.train,
        validation_images: counts.validation,
        epochs: settings.epochs(),
        batch_size: settings.batch_size,
        seed: settings.seed,
        threads,
        isa,
        run: folder.map(|folder| folder.path().display().to_string()),
    });
    let is_cut = session.collection.test.is_none() || settings.validation_split.is_some_and(|share| share > 0.0);
    let noun = samples::noun(&session.collection);
    let validation = match (counts.validation, is_cut) {
        (0, _) => format!("no {noun}s to validate on"),
        (kept, true) => format!("validated on {} kept back", count(kept, noun)),
        (test, false) => format!("validated on {}", count(test, &format!("test {noun}"))),
    };
    let frozen = if is_frozen { format!(", {} of them trained", thousands(trained as u64)) } else { String::new() };
    let lines = [
        format!(
            "Training {} ({} parameters{frozen}) on {}:",
            settings.model,
            thousands(parameters as u64),
            session.collection.name
        ),
        format!(
            "{}, {validation}; batches of {}; {}, {isa}.",
            count(counts.train, noun),
            settings.batch_size,
            count(threads, "thread")
        ),
    ];
    for line in lines {
        if let Some(folder) = folder {
            folder.log(&line);
        }
        output.line(line);
    }
}

/// Saves what came of the training, and tells.
///
/// # Errors
/// If the loss is not finite, or a file cannot be written.
pub fn finish(
    session: &Session,
    ended: &Ended,
    folder: Option<&RunFolder>,
    file: &Path,
    threads: usize,
    output: &mut Output,
) -> Result<()> {
    let interrupted = ended.history.stopped.is_some();
    if let (true, Some(folder)) = (interrupted, folder) {
        // The model of the folder stays as it was at the beginning; the state has been kept.
        folder.write_curves(&ended.history, &session.settings.title())?;
        folder.write_outcome(&outcome(session, seconds(&ended.history), None, threads, false))?;
        let text = format!("Interrupted; all is kept. To go on:\n  convnet train --resume {}", folder.path().display());
        folder.log(&text);
        note(text);
        return Ok(());
    }
    let scores = if interrupted { None } else { session.score(&ended.history)? };
    save_model(&session.model, file).context("cannot save the model")?;
    if interrupted {
        let (settings, file) = (&session.settings, file.display());
        note(format!("Interrupted; saved {file}. To go on from these weights:\n  convnet train {} --model {file}", settings.dataset));
        return Ok(());
    }
    if let Some(folder) = folder {
        folder.write_history(&ended.history)?;
        folder.write_curves(&ended.history, &session.settings.title())?;
        folder.write_outcome(&outcome(session, seconds(&ended.history), scores.as_ref(), threads, true))?;
    }
    let end = end(session, ended, scores, folder, file);
    if let Some(folder) = folder {
        folder.log(&end.to_string());
    }
    output.result(&end);
    Ok(())
}

fn outcome(
    session: &Session,
    seconds: f64,
    scores: Option<&(Scores, usize, &'static str)>,
    threads: usize,
    finished: bool,
) -> Outcome {
    let figures = scores.map(|(scores, images, _)| {
        let metrics = scores.metrics.iter().map(|(name, value)| (name.to_string(), (*value).into()));
        [("images".to_owned(), (*images).into()), ("loss".to_owned(), scores.loss.into())].into_iter().chain(metrics).collect()
    });
    Outcome {
        finished,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        isa: convnet::kernels::cpu::isa().name().to_owned(),
        threads,
        seed: session.settings.seed,
        data: session.collection.name.clone(),
        images: session.counts().train,
        parameters: session.model.count_params(),
        seconds,
        scores: figures.unwrap_or_default(),
        part: scores.map_or("", |(_, _, part)| part).to_owned(),
    }
}

/// Seconds of training alone.
fn seconds(history: &History) -> f64 {
    history.epochs.iter().map(|log| log.seconds).sum()
}

fn end(
    session: &Session,
    ended: &Ended,
    scores: Option<(Scores, usize, &'static str)>,
    folder: Option<&RunFolder>,
    file: &Path,
) -> End {
    let images: f64 = ended.history.epochs.iter().map(|log| log.images_per_second * log.seconds).sum();
    let (test_images, part) = scores.as_ref().map_or((0, "test"), |(_, images, part)| (*images, *part));
    End {
        event: "end",
        test_accuracy: scores.as_ref().and_then(|(scores, ..)| accuracy(scores)),
        test_loss: scores.map(|(scores, ..)| scores.loss),
        test_images,
        images_per_second: images / seconds(&ended.history).max(1e-9),
        seconds: ended.seconds,
        output: file.display().to_string(),
        interrupted: false,
        dataset: session.settings.dataset.clone(),
        part,
        run: folder.map(|folder| folder.path().display().to_string()),
        pictures: samples::is_pictures(&session.collection),
        noun: samples::noun(&session.collection),
    }
}

/// The first metric that is some kind of accuracy.
pub fn accuracy(scores: &Scores) -> Option<f64> {
    scores.metrics.iter().find(|(name, _)| name.ends_with("accuracy")).map(|(_, value)| *value)
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        let what = if self.part == "test" { "Test" } else { "Validation" };
        let samples = count(self.test_images, self.noun);
        match (self.test_accuracy, self.test_loss) {
            (Some(accuracy), Some(loss)) => {
                writeln!(f, "{what} accuracy {accuracy:.4}, loss {loss:.4}, on {samples}.")?;
            }
            (None, Some(loss)) => writeln!(f, "{what} loss {loss:.4}, on {samples}.")?,
            _ => writeln!(f, "The data set has no test {}s, so there is no test accuracy.", self.noun)?,
        }
        let rate = thousands(self.images_per_second as u64);
        writeln!(f, "Trained in {}, {rate} {}s/s.", duration(self.seconds), self.noun)?;
        let (output, dataset) = (&self.output, &self.dataset);
        writeln!(f, "Saved {output}; Keras opens it too.\n\nNext:")?;
        writeln!(f, "  convnet summary {output}")?;
        writeln!(f, "  convnet evaluate {output} {dataset}")?;
        if let Some(run) = &self.run {
            writeln!(f, "  convnet report {run}")?;
        }
        let example = match (dataset.as_str(), self.noun) {
            ("mnist", _) => "digit.png",
            (_, "text") => "--text \"a few words\"",
            _ if self.pictures => "photo.jpg",
            _ => "picture.png",
        };
        write!(f, "  convnet predict {output} {example}")
    }
}

/// Finds out before the training, not after it, that a model cannot be saved there.
fn check_output(file: &Path) -> Result<()> {
    if file.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return Ok(()); // a device such as /dev/null
    }
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !matches!(extension, "keras" | "h5" | "hdf5") {
        bail!("--output {}: the name must end in .keras, or in .h5 for Keras's older format", file.display());
    }
    if file.is_dir() {
        bail!("--output {}: this is a folder", file.display());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".convnet-{}.tmp", std::process::id()));
    std::fs::File::create(&probe)
        .and_then(|_| std::fs::remove_file(&probe))
        .with_context(|| format!("cannot write to the folder of --output {}", file.display()))
}
