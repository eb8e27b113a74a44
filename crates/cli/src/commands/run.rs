//! `convnet run`: arrays in, arrays out.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use convnet::interop::npy;
use ndarray::{ArrayD, Axis};
use serde::Serialize;

use crate::arguments::Threads;
use crate::format::duration;
use crate::models::{self, ForArrays};
use crate::output::Output;

/// Run a model on arrays
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The first axis of an array counts samples, of which there may be any number; the others are those of the model's input. Numbers go
in as they are: nothing is scaled to 0 … 1. A model with several inputs or outputs takes --input or --output as often, in the
model's order. An output file is written whole or not at all. Arrays for an ONNX file have its own order of axes, such as (batch,
channels, height, width).

Example:
  convnet run mnist.keras --input x.npy --output y.npy")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// Samples, a NumPy file
    #[arg(long, required = true, value_name = "X.npy")]
    input: Vec<PathBuf>,
    /// Where to write what the model makes of them
    #[arg(long, required = true, value_name = "Y.npy")]
    output: Vec<PathBuf>,
    #[command(flatten)]
    threads: Threads,
    /// Print an object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    inputs: Vec<Array>,
    outputs: Vec<Array>,
    seconds: f64,
}

#[derive(Serialize)]
struct Array {
    file: String,
    shape: Vec<usize>,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        self.threads.start()?;
        let ForArrays { model, is_whole } = models::open_for_arrays(&self.model)?;
        let wanted = model.output_shapes().len();
        if self.output.len() != wanted {
            bail!("the model has {wanted} outputs, but --output is given {} times", self.output.len());
        }
        let mut inputs = self.input.iter().map(npy::read_file).collect::<Result<Vec<_>, _>>()?;
        if is_whole {
            inputs = inputs.into_iter().map(|input| input.insert_axis(Axis(0))).collect();
        }
        let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
        let start = Instant::now();
        let mut outputs = model.predict_all(&views)?;
        if is_whole {
            outputs = outputs.into_iter().map(|output| output.index_axis_move(Axis(0), 0)).collect();
        }
        let seconds = start.elapsed().as_secs_f64();
        for (path, array) in self.output.iter().zip(&outputs) {
            npy::write_file(path, array.view())?;
        }
        let report = Report {
            inputs: describe(&self.input, &inputs),
            outputs: describe(&self.output, &outputs),
            model: self.model,
            seconds,
        };
        output.result(&report);
        output.finish()
    }
}

fn describe(files: &[PathBuf], arrays: &[ArrayD<f32>]) -> Vec<Array> {
    let describe = |(file, array): (&PathBuf, &ArrayD<f32>)| Array {
        file: file.display().to_string(),
        shape: array.shape().to_vec(),
    };
    files.iter().zip(arrays).map(describe).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |arrays: &[Array]| {
            let arrays: Vec<String> = arrays.iter().map(|array| format!("{} {:?}", array.file, array.shape)).collect();
            arrays.join(", ")
        };
        write!(f, "{} -> {} in {}", list(&self.inputs), list(&self.outputs), duration(self.seconds))
    }
}
