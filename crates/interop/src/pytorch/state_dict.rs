//! From PyTorch's names and axes to those of a model, and back.

use std::collections::{HashMap, HashSet};

use convnet_nn::{Model, Weight};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::pickle::FORMAT;
use crate::{InteropError, Result};

/// How many names an error lists.
const LISTED: usize = 8;
/// How many names it shows of what is there instead.
const SHOWN: usize = 3;

/// Fills a model with the tensors of a state dict, and gives the names of those that it has no place for.
///
/// `modules` gives for a layer's name the names that its module may have in the file, of which the first one found is taken, or for a layer
/// that scales channels its tensor's name; a file that [`to_state_dict`] wrote has the layers' own. Axes are reordered: kernels of convolutions from (out, in, height,
/// width) to (height, width, in, out), matrices from (out, in) to (in, out), and behind a `Flatten` from channels first to channels last.
/// A bias that the file has not, because a batch normalisation follows there, becomes 0.
///
/// # Errors
/// When tensors are missing, or have other sizes; the model is then partly filled.
pub fn load_state_dict(
    model: &mut Model,
    tensors: &[(String, ArrayD<f32>)],
    modules: &dyn Fn(&str) -> Vec<String>,
) -> Result<Vec<String>> {
    // Trained on several devices, all modules are inside one that is called `module`.
    let plain = |name: &str| name.strip_prefix("module.").unwrap_or(name).to_owned();
    let known: HashMap<String, &ArrayD<f32>> =
        tensors.iter().map(|(name, values)| (plain(name), values)).collect();
    let (mut used, mut missing) = (HashSet::new(), Vec::new());
    for weight in model.weights().cloned().collect::<Vec<Weight>>() {
        let layer = weight.layer.as_str();
        let place = Place::of(model, &weight)?;
        let candidates = modules(layer);
        // A weight that is in no module has the name of a tensor.
        let bare = candidates.iter().filter(|_| place.alone).cloned();
        let in_modules = candidates.iter().map(|module| format!("{module}.{}", place.suffix));
        let names: Vec<String> = bare.chain(in_modules).collect();
        let Some(name) = names.iter().find(|name| known.contains_key(*name)) else {
            let beside = candidates.iter().any(|module| known.contains_key(&format!("{module}.weight")));
            if place.suffix == "bias" && beside && weight.name == "bias" {
                model.set_weight(&weight.path, ArrayD::zeros(weight.dims.as_slice()).view())?;
            } else {
                missing.push(names.into_iter().next().unwrap_or_default());
            }
            continue;
        };
        let values = place.to_keras(known[name].view()).map_err(|reason| {
            InteropError::malformed(FORMAT, format!("{name} does not fit {}: {reason}", weight.path))
        })?;
        model.set_weight(&weight.path, values.view())?;
        used.insert(name.clone());
    }
    if !missing.is_empty() {
        let more = missing.len().saturating_sub(LISTED);
        missing.truncate(LISTED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let mut unused: Vec<&str> =
            known.keys().filter(|name| !used.contains(*name)).map(String::as_str).collect();
        unused.sort_unstable();
        let others = if unused.len() > SHOWN { ", …" } else { "" };
        let instead = match unused.len() {
            0 => String::new(),
            _ => format!("; it has {}{others}", unused[..unused.len().min(SHOWN)].join(", ")),
        };
        let missing = missing.join(", ");
        let reason = format!("{} has weights that are not in it: {missing}{more}{instead}", model.name());
        return Err(InteropError::malformed(FORMAT, reason));
    }
    let counters = |name: &String| name.ends_with("num_batches_tracked");
    Ok(known.into_keys().filter(|name| !used.contains(name) && !counters(name)).collect())
}

/// The weights of a model as a PyTorch state dict, in the model's order. `module` names a layer's module.
///
/// # Errors
/// When a layer's weights have no counterpart there, as those of separable convolutions.
pub fn to_state_dict(model: &Model, module: &dyn Fn(&str) -> String) -> Result<Vec<(String, ArrayD<f32>)>> {
    let tensor = |weight: &Weight| {
        let layer = weight.layer.as_str();
        let place = Place::of(model, weight)?;
        let module = module(layer);
        // Elsewhere such weights have names of their own.
        let name = if place.alone && module != layer { module } else { format!("{module}.{}", place.suffix) };
        Ok((name, place.to_torch(model.weight_values(weight))))
    };
    model.weights().map(tensor).collect()
}

/// What a weight is called in PyTorch, and how its axes lie there.
struct Place {
    suffix: &'static str,
    /// Whether it may stand in the file without a module: the only weight of a layer that scales channels.
    alone: bool,
    layout: Layout,
    dims: Vec<usize>,
}

/// How axes differ.
enum Layout {
    Same,
    /// (spatial…, in, out) here, (out, in, spatial…) there. Of transposed convolutions, in and out change places in both.
    Kernel,
    /// (spatial…, channels, multiplier) here, (channels · multiplier, 1, spatial…) there.
    Depthwise,
    /// (height · width · channels, out) here, (out, channels · height · width) there.
    Flattened(Vec<usize>),
}

impl Place {
    fn of(model: &Model, weight: &Weight) -> Result<Self> {
        let layer = weight.layer.as_str();
        let suffix = match weight.name {
            "kernel" | "gamma" | "alpha" | "embeddings" => "weight",
            "bias" | "beta" => "bias",
            "moving_mean" => "running_mean",
            "moving_variance" => "running_var",
            // Of a normalisation by statistics, which PyTorch has not.
            "count" => "count",
            "mean" => "mean",
            "variance" => "variance",
            name => {
                let reason = format!("the weight {name:?} of {layer:?} has no counterpart in PyTorch");
                return Err(InteropError::unsupported(FORMAT, reason));
            }
        };
        let class = model.get_layer(layer).map_or("", |layer| layer.class_name());
        let layout = match weight.name {
            "kernel" if class.starts_with("DepthwiseConv") => Layout::Depthwise,
            "kernel" if weight.dims.len() == 2 => {
                let maps = model
                    .flattened_maps(layer)
                    .filter(|maps| maps.iter().product::<usize>() == weight.dims[0]);
                maps.map_or(Layout::Kernel, Layout::Flattened)
            }
            "kernel" => Layout::Kernel,
            _ => Layout::Same,
        };
        Ok(Self { suffix, alone: class == "LayerScale", layout, dims: weight.dims.clone() })
    }

    /// Sizes in PyTorch, with all axes that the reordering tells apart, and where each goes here.
    fn order(&self) -> (Vec<usize>, Vec<usize>) {
        let rank = self.dims.len();
        match &self.layout {
            Layout::Same => (self.dims.clone(), (0..rank).collect()),
            Layout::Kernel => {
                let order: Vec<usize> = (2..rank).chain([1, 0]).collect();
                let mut there = vec![0; rank];
                order.iter().zip(&self.dims).for_each(|(&axis, &size)| there[axis] = size);
                (there, order)
            }
            Layout::Depthwise => {
                let spatial = &self.dims[..rank - 2];
                let there = [&self.dims[rank - 2..], spatial].concat();
                (there, (2..rank).chain([0, 1]).collect())
            }
            Layout::Flattened(maps) => {
                let channels = maps.len() - 1;
                let there = [&[self.dims[1], maps[channels]], &maps[..channels]].concat();
                (there, (2..=maps.len()).chain([1, 0]).collect())
            }
        }
    }

    fn to_keras(&self, values: ArrayViewD<'_, f32>) -> std::result::Result<ArrayD<f32>, String> {
        let (there, order) = self.order();
        let solid = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
        let expected = match &self.layout {
            Layout::Flattened(_) => vec![self.dims[1], self.dims[0]],
            Layout::Depthwise => [&[there[0] * there[1]], &there[2..]].concat(),
            _ => there.clone(),
        };
        // Axes of length 1 come and go: a 1 × 1 convolution can be a matrix there. What stands behind a `Flatten` can be a convolution as large as
        // the maps.
        if solid(&expected) != solid(values.shape()) && values.shape() != there {
            return Err(format!("it has sizes {:?}, {expected:?} are wanted", values.shape()));
        }
        let wrong = |error: ndarray::ShapeError| error.to_string();
        let split = values.to_shape(IxDyn(&there)).map_err(wrong)?;
        let ordered = split.view().permuted_axes(IxDyn(&order)).as_standard_layout().into_owned();
        ordered.into_shape_with_order(IxDyn(&self.dims)).map_err(wrong)
    }

    fn to_torch(&self, values: ArrayViewD<'_, f32>) -> ArrayD<f32> {
        let (there, order) = self.order();
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(here, &axis)| back[axis] = here);
        let split: Vec<usize> = order.iter().map(|&axis| there[axis]).collect();
        let sizes = match &self.layout {
            Layout::Flattened(_) => vec![self.dims[1], self.dims[0]],
            Layout::Depthwise => [&[there[0] * there[1], 1], &there[2..]].concat(),
            _ => there,
        };
        let split = values.to_shape(IxDyn(&split)).expect("the same numbers in more axes");
        let ordered = split.view().permuted_axes(IxDyn(&back)).as_standard_layout().into_owned();
        ordered.into_shape_with_order(IxDyn(&sizes)).expect("the same numbers in fewer axes")
    }
}
