//! `convnet convert`: a model's file in another format.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::interop::{self, keras, onnx};
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
  convnet convert resnet50 resnet50.onnx --weights resnet50.h5
  convnet convert base.keras base.onnx --input-shape 224x224x3
  convnet convert detector.onnx detector.keras --input-shape 1x3x320x320")]
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
    /// Sizes of an input that a file leaves open, in the order of the inputs, or by name: of Keras's without the batch, of ONNX's as the file orders them
    #[arg(long, value_name = "[NAME=]224x224x3", conflicts_with_all = ["weights", "model"])]
    input_shape: Vec<String>,
    #[command(flatten)]
    object: AsObject,
}

fn in_help() -> String {
    format!(
        "Weights for --model (.pth, .pt, .safetensors, .weights.h5, .h5), or a model.\n{}",
        models::long_help()
    )
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
        if !self.input_shape.is_empty() {
            return self.of_shape(path);
        }
        let opened = match &self.model {
            Some(model) => Weights { weights: Some(path.to_owned()), ..self.weights.clone() }.open(model)?,
            None if weights::are_alone(path) && path.exists() => {
                bail!("{} holds weights without a network; --model NAME|FILE says whose they are", path.display())
            }
            None => self.weights.open(&self.input)?,
        };
        Ok(opened.0.model)
    }
}

impl Args {
    /// A file with sizes for what it leaves open.
    fn of_shape(&self, path: &Path) -> Result<Model> {
        let context = "cannot open the model";
        if path.extension().is_some_and(|extension| extension == "onnx") {
            let file = onnx::File::open(path).context(context)?;
            let names: Vec<String> = file.inputs().into_iter().map(|port| port.name).collect();
            let given = names.iter().zip(self.sizes(&names)?);
            let import = given.fold(onnx::Import::new(), |import, (name, sizes)| match sizes {
                Some(sizes) => import.shape(name, sizes),
                None => import,
            });
            return Ok(file.import(&import).context(context)?.model);
        }
        let (inputs, _) = keras::stated_ends(path).context(context)?;
        let names: Vec<String> = inputs.iter().map(|input| input.name.clone()).collect();
        let stated = inputs.iter().map(|input| input.dims.iter().copied().collect::<Option<Vec<usize>>>());
        let shapes = self.sizes(&names)?.into_iter().zip(stated).zip(&names).map(|((given, stated), name)| {
            given.or(stated).with_context(|| format!("the input {name} has open sizes, too; give --input-shape {name}=SIZES"))
        });
        let shapes: Vec<Vec<usize>> = shapes.collect::<Result<_>>()?;
        convnet::vision::layers::register();
        keras::load_model_sized(path, &shapes).context(context)
    }

    /// The sizes that were given for each input.
    fn sizes(&self, names: &[String]) -> Result<Vec<Option<Vec<usize>>>> {
        let mut shapes = vec![None; names.len()];
        for (index, given) in self.input_shape.iter().enumerate() {
            // A name can have an equals sign in it.
            let named = given.rsplit_once('=');
            let place = match named {
                Some((name, _)) => names.iter().position(|known| known == name),
                None => Some(index).filter(|index| *index < names.len()),
            };
            let Some(place) = place else {
                bail!("--input-shape {given}: the inputs of {} are {}", self.input, names.join(", "));
            };
            let sizes = named.map_or(given.as_str(), |(_, sizes)| sizes).split('x');
            let sizes: Option<Vec<usize>> =
                sizes.map(|size| size.parse().ok().filter(|&size| size > 0)).collect();
            let Some(sizes) = sizes else { bail!("--input-shape {given}: sizes are written like 224x224x3") };
            shapes[place] = Some(sizes);
        }
        Ok(shapes)
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
