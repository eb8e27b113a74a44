//! `convnet convert`: a model's file in another format.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use convnet::interop;
use serde::Serialize;

use crate::models;
use crate::output::Output;

/// Write a model in another format
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The endings of the names tell the formats: .keras and .h5 of Keras, .onnx. What a format cannot express is refused. Images have
their channels last in all of them; an ONNX file with channels first is read so that its inputs have them last.

Examples:
  convnet convert resnet50.onnx resnet50.keras
  convnet convert mnist.keras mnist.onnx")]
pub struct Args {
    #[arg(value_name = "IN", help = models::help(), long_help = models::long_help())]
    input: String,
    /// The file to write
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Print an object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    input: String,
    output: String,
    layers: usize,
    parameters: usize,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        // An ending that no format has is refused before a large file is read.
        interop::model_format(&self.output)?;
        let model = models::open(&self.input)?.model;
        interop::save(&model, &self.output).context("cannot write the model")?;
        let report = Report {
            input: self.input,
            output: self.output.display().to_string(),
            layers: model.layers().len(),
            parameters: model.count_params(),
        };
        output.result(&report);
        output.finish()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, output, layers, parameters } = self;
        write!(f, "{input} -> {output}: {layers} layers, {parameters} parameters")
    }
}
