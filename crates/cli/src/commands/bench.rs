//! `convnet bench`: how fast a model runs here, and how fast anything could.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;
use convnet::engine::run::CallTime;
use convnet::kernels::{cpu, peak};
use convnet::nn::train::EpochLog;
use convnet::prelude::*;
use serde::Serialize;

use crate::arguments::{PrecisionChoice, Threads, image_size, memory_size, positive};
use crate::format::{bytes, count, thousands};
use crate::models;
use crate::output::Output;
use crate::random::{RandomBatch, random_inputs};

/// Measure how fast a model runs on this machine
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The model trains or predicts on random images, through the same code as `train` and `predict`, for a few seconds after a warm-up; the
median of the rounds counts. A multiply-add counts as two operations. Per cent are of the multiply-add peak that is measured on
the same threads, which `convnet bench peak` prints alone. Of networks of the zoo, images are 224x224x3 and classes 1000 unless told
otherwise.

Examples:
  convnet bench mnist-functional --mode train --batch 64
  convnet bench net.toml --mode infer --batch 1 --threads 1 --json
  convnet bench mnist-sequential --profile
  convnet bench resnet18 --input 112x112x3 --batch 16
  convnet bench peak")]
pub struct Args {
    #[arg(value_name = "NAME", help = format!("`peak`, or a model. {}", models::help()), long_help = format!("`peak`, or a model. {}", models::long_help()))]
    model: String,
    /// What to do with the model
    #[arg(long, value_enum, default_value_t = Mode::Train)]
    mode: Mode,
    /// Images in a step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = positive)]
    batch: usize,
    /// Size of the images, for a network of the zoo
    #[arg(long, value_name = "HxWxC", value_parser = image_size)]
    input: Option<[usize; 3]>,
    /// Classes to tell apart, for a network of the zoo
    #[arg(long, value_name = "N", value_parser = positive)]
    classes: Option<usize>,
    /// Most memory for weights and activations in training, such as 1.5GB; activations are computed again to stay below
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    max_memory: Option<usize>,
    #[command(flatten)]
    precision: PrecisionChoice,
    #[command(flatten)]
    threads: Threads,
    /// Also tell the time of each kernel call
    #[arg(long)]
    profile: bool,
    /// Take so many steps and tell nothing, for tools that count instructions or watch memory
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with_all = ["profile", "json"])]
    steps: Option<usize>,
    /// Print an object; with --profile one a call before it
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Forward pass, backward pass and update
    Train,
    /// Forward pass alone
    Infer,
}

#[derive(Serialize)]
struct Report {
    model: String,
    mode: Mode,
    batch: usize,
    threads: usize,
    isa: &'static str,
    images_per_second: f64,
    #[serde(skip)]
    noun: &'static str,
    step_milliseconds: f64,
    /// Of the whole process; `None` where the system does not tell.
    peak_memory_bytes: Option<u64>,
    gflops: f64,
    percent_of_peak: f64,
}

#[derive(Serialize)]
struct Peak {
    isa: &'static str,
    threads: usize,
    gflops: f64,
}

/// A kernel call.
#[derive(Serialize)]
struct Call {
    layer: String,
    operation: &'static str,
    microseconds: f64,
    percent_of_time: f64,
    gflops: Option<f64>,
    percent_of_peak: Option<f64>,
}

/// Seconds of a round; a round of a large model may be a single step, and longer.
const ROUND_SECONDS: f64 = 0.4;
/// Rounds whose median counts.
const ROUNDS: usize = 9;
/// Steps before them, the fastest of which tells how many make a round.
const WARM_UP: usize = 4;
/// Steps whose calls are timed.
const PROFILES: usize = 31;
/// So long at most for the rounds, and for the profile, of which there are then fewer, but at least `LEAST`.
const PATIENCE: Duration = Duration::from_secs(15);
/// As few steps or rounds as a median can do with.
const LEAST: usize = 3;
/// So slow that weights stay about what they were: the speed of training must not hang on how well it goes with random labels.
const LEARNING_RATE: f32 = 1e-7;

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        let threads = self.threads.start()?;
        if self.model == "peak" {
            let own = (threads > 1).then_some(threads);
            for threads in [Some(1), own].into_iter().flatten() {
                let isa = cpu::isa();
                output.result(&Peak { isa: isa.name(), threads, gflops: peak::measure(isa, threads) });
            }
            return output.finish();
        }
        let mut model = self.open()?;
        model.set_max_memory(self.max_memory);
        self.precision.apply(&mut model);
        if let Some(steps) = self.steps {
            return self.take(&mut model, steps);
        }
        let (images_per_second, multiply_adds) = match self.mode {
            Mode::Train => self.train(&mut model)?,
            Mode::Infer => self.infer(&model)?,
        };
        // Before the peak is measured, so that it is the memory of the model's run.
        let peak_memory_bytes = peak_memory();
        let gflops = 2e-9 * multiply_adds * images_per_second;
        let peak = peak::measure(cpu::isa(), threads);
        if self.profile {
            self.tell_calls(&mut model, peak, &mut output)?;
        }
        let noun = if models::image_shape(&model).is_ok() { "image" } else { "sample" };
        output.result(&Report {
            noun,
            model: self.model,
            mode: self.mode,
            batch: self.batch,
            threads,
            isa: cpu::isa().name(),
            images_per_second,
            step_milliseconds: 1e3 * self.batch as f64 / images_per_second,
            peak_memory_bytes,
            gflops,
            percent_of_peak: 100.0 * gflops / peak,
        });
        output.finish()
    }

    fn open(&self) -> Result<Model> {
        let Some(mut network) = models::zoo_network(&self.model) else {
            if self.input.is_some() || self.classes.is_some() {
                bail!("--input and --classes are for networks of the zoo; {} has its own sizes", self.model);
            }
            return Ok(models::open(&self.model)?.model);
        };
        network.input_shape = self.input.unwrap_or(network.input_shape);
        network.classes = self.classes.unwrap_or(network.classes);
        Ok(models::of_zoo(&network)?.model)
    }

    /// Takes `steps` steps without a clock.
    fn take(&self, model: &mut Model, steps: usize) -> Result<()> {
        if self.mode == Mode::Train {
            let batch = self.batch_to_train_on(model)?.repeated(steps);
            model.fit_with(&batch, self.fit().epochs(1), &mut [&mut Rates::new()])?;
            return Ok(());
        }
        let inputs = random_inputs(model, self.batch)?;
        let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
        for _ in 0..steps {
            model.predict_all(&views)?;
        }
        Ok(())
    }

    /// A batch for `model`, which is made ready to be trained on it.
    fn batch_to_train_on(&self, model: &mut Model) -> Result<RandomBatch> {
        if model.compiled().is_none() {
            models::compile_default(model)?;
        }
        model.set_learning_rate(LEARNING_RATE)?;
        RandomBatch::new(model, self.batch)
    }

    fn fit(&self) -> Fit<'_> {
        Fit::new().batch_size(self.batch).shuffle(false)
    }

    /// Images in a second, and multiply-adds an image.
    fn train(&self, model: &mut Model) -> Result<(f64, f64)> {
        let batch = self.batch_to_train_on(model)?;
        let mut rates = Rates::new();
        model.fit_with(&batch, self.fit().epochs(WARM_UP), &mut [&mut rates])?;
        let batch = batch.repeated(self.steps_of_a_round(&rates.rates));
        let mut rates = Rates::new();
        model.fit_with(&batch, self.fit().epochs(ROUNDS), &mut [&mut rates])?;
        let multiply_adds = model.training_multiply_adds(self.batch)?;
        Ok((median(rates.rates), multiply_adds as f64 / self.batch as f64))
    }

    /// Images in a second, and multiply-adds an image.
    fn infer(&self, model: &Model) -> Result<(f64, f64)> {
        let inputs = random_inputs(model, self.batch)?;
        let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
        let rounds = |rounds: usize, calls: usize| -> Result<Vec<f64>> {
            let mut rates = Rates::new();
            while rates.rates.len() < rounds {
                let start = Instant::now();
                for _ in 0..calls {
                    model.predict_all(&views)?;
                }
                if rates.add((calls * self.batch) as f64 / start.elapsed().as_secs_f64()).is_break() {
                    break;
                }
            }
            Ok(rates.rates)
        };
        let calls = self.steps_of_a_round(&rounds(WARM_UP, 1)?);
        let rates = rounds(ROUNDS, calls)?;
        let multiply_adds = model.prediction_multiply_adds(self.batch)?;
        Ok((median(rates), multiply_adds as f64 / self.batch as f64))
    }

    /// As many steps as fill a round, at the best of these speeds in images a second.
    fn steps_of_a_round(&self, rates: &[f64]) -> usize {
        let best = rates.iter().copied().fold(0.0, f64::max);
        ((best * ROUND_SECONDS / self.batch as f64) as usize).max(1)
    }

    /// A table of the calls of a step, in their order, each with the median of its times.
    fn tell_calls(&self, model: &mut Model, peak: f64, output: &mut Output) -> Result<()> {
        let mut profile: Box<dyn FnMut() -> Result<Vec<CallTime>>> = match self.mode {
            Mode::Train => {
                let batch = RandomBatch::new(model, self.batch)?;
                Box::new(move || Ok(model.profile_training(&batch, self.batch)?))
            }
            Mode::Infer => {
                let inputs = random_inputs(model, self.batch)?;
                Box::new(move || {
                    let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
                    Ok(model.profile_prediction(&views)?)
                })
            }
        };
        let start = Instant::now();
        let mut profiles = Vec::new();
        while profiles.len() < PROFILES && (profiles.len() < LEAST || start.elapsed() < PATIENCE) {
            profiles.push(profile()?);
        }
        let times: Vec<f64> = (0..profiles[0].len())
            .map(|call| median(profiles.iter().map(|calls| calls[call].time.as_secs_f64()).collect()))
            .collect();
        let step: f64 = times.iter().sum();
        output.line(format!("{:<20} {:<34} {:>9} {:>7} {:>9} {:>7}", "layer", "operation", "µs", "% time", "GFLOP/s", "% peak"));
        for (call, seconds) in profiles[0].iter().zip(times) {
            let gflops = 2e-9 * call.multiply_adds as f64 / seconds;
            output.result(&Call {
                layer: call.layer.clone(),
                operation: call.op,
                microseconds: 1e6 * seconds,
                percent_of_time: 100.0 * seconds / step,
                gflops: (call.multiply_adds > 0).then_some(gflops),
                percent_of_peak: (call.multiply_adds > 0).then_some(100.0 * gflops / peak),
            });
        }
        output.line("");
        Ok(())
    }
}

/// Notes the speed of each round, until it has taken too long.
struct Rates {
    rates: Vec<f64>,
    start: Instant,
}

impl Rates {
    fn new() -> Self {
        Self { rates: Vec::new(), start: Instant::now() }
    }

    fn add(&mut self, images_per_second: f64) -> ControlFlow<()> {
        self.rates.push(images_per_second);
        let enough = self.rates.len() >= LEAST && self.start.elapsed() > PATIENCE;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Callback for Rates {
    fn epoch_end(&mut self, _model: &mut Model, log: &mut EpochLog) -> convnet::nn::Result<ControlFlow<()>> {
        Ok(self.add(log.images_per_second))
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The most memory that the process has had, as Linux tells it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Train => "training",
            Mode::Infer => "prediction",
        };
        let threads = count(self.threads, "thread");
        writeln!(f, "{}, {mode}, batches of {}, {threads}, {}", self.model, self.batch, self.isa)?;
        writeln!(f, "  {} {}s/s ({:.3} ms a step)", thousands(self.images_per_second as u64), self.noun, self.step_milliseconds)?;
        write!(f, "  {:.1} GFLOP/s, {:.1} % of the measured peak", self.gflops, self.percent_of_peak)?;
        match self.peak_memory_bytes {
            Some(memory) => write!(f, "\n  {} of memory at most", bytes(memory)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, operation, microseconds, percent_of_time, .. } = self;
        write!(f, "{layer:<20} {operation:<34} {microseconds:>9.1} {percent_of_time:>7.1}")?;
        match self.gflops.zip(self.percent_of_peak) {
            Some((gflops, percent)) => write!(f, " {gflops:>9.1} {percent:>7.1}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: {:.1} GFLOP/s", self.isa, count(self.threads, "thread"), self.gflops)
    }
}
