//! `convnet summary`: a model's layers and costs.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::arguments::{AsObject, positive};
use crate::models;
use crate::output::Output;

/// Show a model's layers, parameters and costs
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Multiplications and memory are counted, not measured: they are known before the model runs. Memory to train holds weights,
gradients, the optimizer's state and activations, for batches of --batch-size.

Examples:
  convnet summary mnist.keras
  convnet summary net.toml --memory --batch 32
  convnet summary net.keras --plot net.svg
  convnet summary mnist-sequential --json")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// Images in a step, for the memory that training takes
    #[arg(long, visible_alias = "batch", value_name = "N", default_value_t = 64, value_parser = positive)]
    batch_size: usize,
    /// Also show what activations weigh
    #[arg(long)]
    memory: bool,
    /// Draw the layers and how they are connected into an SVG file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    object: AsObject,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.object.json);
        let model = models::open(&self.model)?.model;
        let summary = model.summary(self.batch_size).context("cannot plan the model")?;
        if let Some(path) = &self.plot {
            convnet::interop::atomic::write(path, model.plot().as_bytes())?;
        }
        output.object(&summary);
        let summary = if self.memory { summary.with_memory() } else { summary };
        output.line(summary.to_string().trim_end());
        output.finish()
    }
}
