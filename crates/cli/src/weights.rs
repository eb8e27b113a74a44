//! `--weights`: numbers for a network, from Keras's files or PyTorch's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use convnet::interop::{keras, pytorch, safetensors};
use convnet::prelude::*;
use convnet::vision::zoo::{self, Family, Habits, Network};
use ndarray::ArrayD;

use crate::models::{self, ForArrays, Opened};
use crate::output::note;
use crate::published;

/// `--weights`, for the commands that run a model.
#[derive(Clone, Debug, Default, Args)]
pub struct Weights {
    /// Weights for the model: .h5, .weights.h5 or .keras of Keras; .pth, .pt or .safetensors of PyTorch, by torchvision's or timm's names;
    /// `imagenet`: those published for the network of the zoo, fetched once into the cache
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Whose network weights of PyTorch are for, where the names in the file do not tell (timm's EfficientNets and MobileNetV3 pad as TensorFlow's
    /// if they are called tf_…, and as PyTorch's if not)
    #[arg(long, value_name = "tensorflow|torchvision|timm")]
    pub weights_from: Option<Habits>,
}

/// Whose habits a model's weights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Keras's, or our own.
    Keras,
    /// PyTorch's.
    PyTorch(Habits),
}

/// A file of weights that has been opened.
enum Source {
    Keras,
    PyTorch(Vec<(String, ArrayD<f32>)>),
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
        let source = if are_pytorch(path)? { Source::PyTorch(read_pytorch(path)?) } else { Source::Keras };
        let origin = match &source {
            Source::Keras => Origin::Keras,
            Source::PyTorch(tensors) => match &network {
                Some(network) if has_own_names(network, tensors)? => Origin::Keras,
                _ => Origin::PyTorch(self.habits(network.as_ref(), tensors)),
            },
        };
        let mut opened = match network {
            Some(network) => models::compiled(as_of(network, origin).build_empty()?)?,
            None => models::open(name)?,
        };
        let context = || format!("the weights of {} do not fit {name}", path.display());
        match source {
            Source::Keras => keras::load_weights(&mut opened.model, path).with_context(context)?,
            Source::PyTorch(tensors) => {
                fill(&mut opened.model, &tensors, path).with_context(context)?;
            }
        }
        opened.trained = true;
        Ok((opened, origin))
    }

    /// Whose network tensors of PyTorch are for.
    fn habits(
        &self,
        network: Option<&Network<Box<dyn Family>>>,
        tensors: &[(String, ArrayD<f32>)],
    ) -> Habits {
        let told =
            self.weights_from.or_else(|| Habits::of_names(tensors.iter().map(|(name, _)| name.as_str())));
        if told.is_none() && network.is_some_and(|network| network.family.has_twins_in_pytorch()) {
            note(
                "note: taken for timm's network tf_…, which pads as TensorFlow's; of the one without tf_ say --weights-from timm",
            );
        }
        told.unwrap_or(Habits::TensorFlow)
    }

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

/// Whether tensors are called as the layers are in Keras's form of the network, from which they were then saved.
fn has_own_names(network: &Network<Box<dyn Family>>, tensors: &[(String, ArrayD<f32>)]) -> Result<bool> {
    let model = network.build_empty()?;
    let Some(first) = model.weights().next() else { return Ok(false) };
    let module = first.layer.replace('/', ".");
    let there = tensors.iter().any(|(name, _)| name.rsplit_once('.').is_some_and(|(of, _)| of == module));
    Ok(there && zoo::pytorch_modules(&model).is_empty())
}

/// The network as the makers of its weights built it.
pub fn as_of(network: Network<Box<dyn Family>>, origin: Origin) -> Network<Box<dyn Family>> {
    match origin {
        Origin::Keras => network,
        Origin::PyTorch(habits) => network.as_in_pytorch(habits),
    }
}

/// Whether a file of this name holds weights without a network.
pub fn are_alone(path: &Path) -> bool {
    keras::Format::is_weights(path) || are_pytorch(path).unwrap_or(false)
}

/// Whether a file's weights are PyTorch's, not Keras's, by its ending.
///
/// # Errors
/// If its ending is of no format that is known.
pub fn are_pytorch(path: &Path) -> Result<bool> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("h5" | "hdf5" | "keras") => Ok(false),
        Some("pth" | "pt" | "bin" | "ckpt" | "safetensors") => Ok(true),
        _ => bail!(
            "{} has none of the endings of weights that are known: .h5, .weights.h5, .keras, .pth, .pt, .safetensors",
            path.display()
        ),
    }
}

/// The tensors of a state dict.
fn read_pytorch(path: &Path) -> Result<Vec<(String, ArrayD<f32>)>> {
    let safe = path.extension().is_some_and(|extension| extension == "safetensors");
    Ok(if safe { safetensors::read(path)? } else { pytorch::read(path)? })
}

/// Fills a model from a state dict.
fn fill(model: &mut Model, tensors: &[(String, ArrayD<f32>)], path: &Path) -> Result<()> {
    let known = zoo::pytorch_modules(model);
    let modules = |layer: &str| {
        let mut names = known.get(layer).cloned().unwrap_or_default();
        names.push(layer.to_owned());
        names.push(layer.replace('/', "."));
        names
    };
    let unused = pytorch::load_state_dict(model, tensors, &modules)?;
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
