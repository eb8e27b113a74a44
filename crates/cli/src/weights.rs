//! `--weights`: numbers for a network, from Keras's files or PyTorch's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use convnet::interop::{keras, pytorch, safetensors};
use convnet::prelude::*;
use convnet::vision::zoo::{self, Family, Network};

use crate::models::{self, ForArrays, Opened};
use crate::output::note;
use crate::published;

/// `--weights`, for the commands that run a model.
#[derive(Clone, Debug, Args)]
pub struct Weights {
    /// Weights for the model: .h5, .weights.h5 or .keras of Keras; .pth, .pt or .safetensors of PyTorch, by torchvision's or timm's names;
    /// `imagenet`: those published for the network of the zoo, fetched once into the cache
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
}

/// Whose habits a model's weights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Keras's, or our own.
    Keras,
    /// PyTorch's.
    PyTorch,
}

impl Weights {
    /// The model of a name or file, with these weights if there are any.
    ///
    /// # Errors
    /// As [`models::open`]; if the file cannot be read, or its weights are not those of the model.
    pub fn open(&self, name: &str) -> Result<(Opened, Origin)> {
        let Some(path) = &self.weights else { return Ok((models::open(name)?, Origin::Keras)) };
        let path = &published::resolve(name, path)?;
        let network = models::zoo_network(name).filter(|_| !Path::new(name).exists());
        let origin = origin(path)?;
        let mut opened = match network {
            Some(network) => of_zoo(network, origin)?,
            None => models::open(name)?,
        };
        let context = || format!("the weights of {} do not fit {name}", path.display());
        match origin {
            Origin::Keras => keras::load_weights(&mut opened.model, path).with_context(context)?,
            Origin::PyTorch => load_pytorch(&mut opened.model, path).with_context(context)?,
        }
        opened.trained = true;
        Ok((opened, origin))
    }
}

impl Weights {
    /// As [`Weights::open`], for arrays as the model's file describes them.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn open_for_arrays(&self, name: &str) -> Result<ForArrays> {
        match self.weights {
            None => models::open_for_arrays(name),
            Some(_) => Ok(ForArrays::Model(Box::new(self.open(name)?.0.model))),
        }
    }
}

/// The network without random weights, as its weights' makers built it.
fn of_zoo(network: Network<Box<dyn Family>>, origin: Origin) -> Result<Opened> {
    let network = if origin == Origin::PyTorch { network.as_in_pytorch() } else { network };
    models::compiled(network.build_empty()?)
}

/// Whether a file of this name holds weights without a network.
pub fn are_alone(path: &Path) -> bool {
    keras::Format::is_weights(path) || origin(path).is_ok_and(|origin| origin == Origin::PyTorch)
}

/// Whose weights a file has, by its ending.
///
/// # Errors
/// If its ending is of no format that is known.
pub fn origin(path: &Path) -> Result<Origin> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("h5" | "hdf5" | "keras") => Ok(Origin::Keras),
        Some("pth" | "pt" | "bin" | "ckpt" | "safetensors") => Ok(Origin::PyTorch),
        _ => bail!(
            "{} has none of the endings of weights that are known: .h5, .weights.h5, .keras, .pth, .pt, .safetensors",
            path.display()
        ),
    }
}

/// Fills a model from a state dict.
///
/// # Errors
/// If the file cannot be read, or has not the model's weights.
pub fn load_pytorch(model: &mut Model, path: &Path) -> Result<()> {
    let safe = path.extension().is_some_and(|extension| extension == "safetensors");
    let tensors = if safe { safetensors::read(path)? } else { pytorch::read(path)? };
    let known = zoo::pytorch_modules(model);
    let modules = |layer: &str| {
        let mut names = known.get(layer).cloned().unwrap_or_default();
        names.push(layer.to_owned());
        names.push(layer.replace('/', "."));
        names
    };
    let unused = pytorch::load_state_dict(model, &tensors, &modules)?;
    if !unused.is_empty() {
        let mut unused = unused;
        unused.sort();
        let more = if unused.len() > 4 { ", …" } else { "" };
        note(format!(
            "note: {} of the tensors in {} are not used: {}{more}",
            unused.len(),
            path.display(),
            unused[..unused.len().min(4)].join(", ")
        ));
    }
    Ok(())
}

/// Writes a model's weights as a state dict, modules of the zoo's networks by the first of the names that they have elsewhere.
///
/// # Errors
/// If a layer's weights have no counterpart in PyTorch, or the file cannot be written.
pub fn save_pytorch(model: &Model, path: &Path) -> Result<()> {
    let known = zoo::pytorch_modules(model);
    let module = |layer: &str| match known.get(layer).and_then(|names| names.first()) {
        Some(name) => name.clone(),
        // Layers of nested models have paths; modules of modules have points between their names.
        None => layer.replace('/', "."),
    };
    let tensors = pytorch::to_state_dict(model, &module)?;
    let safe = path.extension().is_some_and(|extension| extension == "safetensors");
    if safe {
        safetensors::write(path, &tensors)?;
    } else {
        pytorch::write(path, &tensors)?;
    }
    Ok(())
}
