//! `convnet convert`: a model's file in another format.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::interop::{self, keras};
use convnet::prelude::*;
use serde::Serialize;

use crate::models;
use crate::arguments::AsObject;
use crate::output::Output;
use crate::weights::{self, Weights};

/// Write a model, or its weights, in another format
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The endings of the names tell the formats. Whole models: .keras and .h5 of Keras, .onnx. Weights alone: .weights.h5 of Keras 3,
.pth, .pt and .safetensors with PyTorch's axes (a network of the zoo has torchvision's or timm's names if it is theirs, layer for layer; Keras's
ResNet-50, MobileNets and others pad or stride otherwise, and keep their own); `torch.load(FILE, weights_only=True)` opens the first two. Weights say nothing of their network, so as IN they need --model. What a format cannot
express is refused. Images have their channels last in all formats but ONNX's, which is read so that its inputs have them last.

Examples:
  convnet convert resnet50.onnx resnet50.keras
  convnet convert mnist.keras mnist.onnx
  convnet convert mnist.keras mnist.pth
  convnet convert efficientnet-lite0.pth lite0.keras --model efficientnet-lite0
  convnet convert resnet50 resnet50.onnx --weights resnet50.h5")]
pub struct Args {
    #[arg(value_name = "IN", help = "A model or weights", long_help = in_help())]
    input: String,
    /// The file to write: .keras, .h5, .onnx, .weights.h5, .pth, .pt or .safetensors
    #[arg(value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    weights: Weights,
    /// The network whose weights IN has: a file or a built-in name
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "weights")]
    model: Option<String>,
    /// Sizes of an input that a file of Keras's leaves open, such as 224x224x3; once for each input
    #[arg(long, value_name = "SIZES", value_parser = sizes, conflicts_with_all = ["weights", "model"])]
    input_sizes: Vec<Sizes>,
    #[command(flatten)]
    object: AsObject,
}

fn in_help() -> String {
    format!(
        "Weights for --model (.pth, .pt, .safetensors, .weights.h5, .h5), or a model.\n{}",
        models::long_help()
    )
}

/// Sizes of a sample.
#[derive(Clone, Debug)]
struct Sizes(Vec<usize>);

fn sizes(text: &str) -> Result<Sizes, String> {
    let sizes: Option<Vec<usize>> = text.split('x').map(|size| size.parse().ok().filter(|&size| size > 0)).collect();
    sizes.map(Sizes).ok_or_else(|| format!("expected sizes such as 224x224x3, got `{text}`"))
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
        let mut output = Output::new(self.object.json);
        // An ending that no format has is refused before a large file is read.
        let target = Target::of(&self.output)?;
        let model = self.open()?;
        target.write(&model, &self.output).context("cannot write the model")?;
        let report = Report {
            input: self.input,
            output: self.output.display().to_string(),
            layers: model.layers().len(),
            parameters: model.count_params(),
        };
        output.result(&report);
        output.finish()
    }

    fn open(&self) -> Result<Model> {
        let path = Path::new(&self.input);
        let opened = match &self.model {
            Some(model) => Weights { weights: Some(path.to_owned()), ..self.weights.clone() }.open(model)?,
            None if weights::are_alone(path) && path.exists() => {
                bail!("{} holds weights without a network; --model NAME|FILE says whose they are", path.display())
            }
            None if !self.input_sizes.is_empty() => {
                convnet::vision::layers::register();
                let sizes: Vec<Vec<usize>> = self.input_sizes.iter().map(|sizes| sizes.0.clone()).collect();
                return keras::load_model_sized(path, &sizes).context("cannot open the model");
            }
            None => self.weights.open(&self.input)?,
        };
        Ok(opened.0.model)
    }
}

/// What is written.
enum Target {
    Model,
    KerasWeights,
    StateDict,
}

impl Target {
    fn of(path: &Path) -> Result<Self> {
        if keras::Format::is_weights(path) {
            return Ok(Self::KerasWeights);
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        if ending.is_some_and(|ending| ["safetensors", "pth", "pt"].contains(&&*ending)) {
            return Ok(Self::StateDict);
        }
        if interop::model_format(path).is_err() {
            bail!(
                "{} has none of the endings that can be written: .keras, .h5, .onnx for models, .weights.h5, .pth, .pt, \
                 .safetensors for weights alone",
                path.display()
            );
        }
        Ok(Self::Model)
    }

    fn write(&self, model: &Model, path: &Path) -> Result<()> {
        match self {
            Self::Model => Ok(interop::save(model, path)?),
            Self::KerasWeights => Ok(keras::save_weights(model, path)?),
            Self::StateDict => weights::save_pytorch(model, path),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, output, layers, parameters } = self;
        write!(f, "{input} -> {output}: {layers} layers, {parameters} parameters")
    }
}
