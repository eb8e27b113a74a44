//! Weights without a model: `.weights.h5` of Keras 3 and the `.h5` of `save_weights` before it.

use std::collections::HashSet;
use std::path::Path;

use convnet_nn::{Model, Weight};

use super::fill::fill_some;
use super::model::matched;
use super::{FORMAT, File, Format, KerasFile, LayerWeights, native};
use crate::h5::{Group, H5File, StoredArray};
use crate::{InteropError, Result, atomic};

/// Fills a model with the weights of a file whose model has the same layers in the same order; of the files of Keras 3, layers of each
/// class. Keras's [load_weights](https://keras.io/api/models/model_saving_apis/weights_saving_and_loading/).
///
/// The file is `.weights.h5`, a whole model, or weights as they were saved before Keras 3; its content tells which.
///
/// # Errors
/// With the file's name: it cannot be read or is damaged, or its weights are not those of the model. The model may then be
/// partly filled.
pub fn load_weights(model: &mut Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let mut load = || match Source::read(path)? {
        Source::Layers { root, .. } => {
            let layers = native::layers(&root.root(), &model.config())?;
            fill_layers(model, &layers)
        }
        Source::Groups(groups) => {
            let wanted = outer_groups(model);
            if groups.len() != wanted.len() {
                let reason =
                    format!("it has {} layers with weights, the model has {}", groups.len(), wanted.len());
                return Err(InteropError::malformed(FORMAT, reason));
            }
            let mut pairs = Vec::new();
            for (group, wanted) in groups.iter().zip(wanted) {
                pairs.extend(paired(wanted, &group.1)?);
            }
            fill_some(model, pairs)
        }
    };
    load().map_err(|error| error.in_file(path))
}

/// Fills those layers of a model whose names are in the file, and gives the names of the model's layers that were left as they
/// were. Keras's `load_weights(by_name=True)`, for files with names: those before Keras 3, and whole models.
///
/// With `skip_mismatch`, layers of other sizes are left as they were, too.
///
/// # Errors
/// With the file's name: as [`load_weights`], or it has no names.
pub fn load_weights_by_name(
    model: &mut Model,
    path: impl AsRef<Path>,
    skip_mismatch: bool,
) -> Result<Vec<String>> {
    let path = path.as_ref();
    let mut load = || {
        let groups = match Source::read(path)? {
            Source::Groups(groups) => groups,
            Source::Layers { layers: Some(layers), .. } => {
                return fill_by_path(model, &layers, skip_mismatch);
            }
            Source::Layers { .. } => {
                let reason = "a .weights.h5 file of Keras 3 has no layer names; weights by name need an .h5 or .keras file";
                return Err(InteropError::unsupported(FORMAT, reason));
            }
        };
        let (mut left, mut pairs) = (Vec::new(), Vec::new());
        for wanted in outer_groups(model) {
            match groups.iter().find(|group| group.0 == wanted.0) {
                Some(group) if !skip_mismatch || fits(&wanted, &group.1) => {
                    pairs.extend(paired(wanted, &group.1)?);
                }
                _ => left.push(wanted.0),
            }
        }
        fill_some(model, pairs)?;
        Ok(left)
    };
    load().map_err(|error| error.in_file(path))
}

/// Writes a model's weights as the `.weights.h5` file `path`, which the model's twin in Keras 3 loads.
///
/// # Errors
/// When the file cannot be written.
pub fn save_weights(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    let file = KerasFile { optimizer: None, ..KerasFile::of_model(model) };
    atomic::write(path, &native::weights(&file)?.to_file()?)
}

/// A layer, or a nested model, and its arrays.
type ArrayGroup = (String, Vec<StoredArray>);

/// Arrays of a file by what they can be found with.
enum Source {
    /// The place in the model's structure: the file, and its own model's layers if it has a model.
    Layers { root: H5File, layers: Option<Vec<LayerWeights<StoredArray>>> },
    /// The name and the order of the outermost layers that have weights.
    Groups(Vec<ArrayGroup>),
}

impl Source {
    fn read(path: &Path) -> Result<Self> {
        let file = match File::open(path)? {
            File::Hdf5(file) => file,
            File::Archive(bytes) => {
                let (config, root) = native::open(bytes)?;
                let layers = native::layers(&root.root(), &config)?;
                return Ok(Self::Layers { root, layers: Some(layers) });
            }
        };
        let root = file.root();
        let group = root.group("model_weights")?;
        let names = group.as_ref().unwrap_or(&root).texts("layer_names")?;
        if !names.is_empty() {
            return Ok(Self::Groups(legacy_groups(group.as_ref().unwrap_or(&root), names)?));
        }
        Ok(Self::Layers { root: file, layers: None })
    }
}

fn legacy_groups(weights: &Group<'_>, names: Vec<String>) -> Result<Vec<ArrayGroup>> {
    let mut groups = Vec::new();
    for name in names {
        let group = weights.required_group(&name)?;
        let arrays =
            group.texts("weight_names")?.iter().map(|path| group.stored(path)).collect::<Result<Vec<_>>>()?;
        if !arrays.is_empty() {
            groups.push((name, arrays));
        }
    }
    Ok(groups)
}

/// The model's outermost layers that have weights, with these in the order of legacy files: what trains comes first.
fn outer_groups(model: &Model) -> Vec<(String, Vec<Weight>)> {
    let mut groups: Vec<(String, Vec<Weight>)> = Vec::new();
    // Keras 2 has layers whose own names have slashes.
    let layers = model.layers();
    let is_inside = |layer: &str, path: &str| {
        path.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for weight in model.weights() {
        let around = layers.iter().map(|layer| layer.name()).filter(|name| is_inside(name, &weight.layer));
        let outer = around.max_by_key(|name| name.len()).unwrap_or(&weight.layer);
        match groups.last_mut().filter(|group| group.0 == outer) {
            Some(group) => group.1.push(weight.clone()),
            None => groups.push((outer.to_owned(), vec![weight.clone()])),
        }
    }
    // `Model::is_trained` goes through the whole model for each weight.
    let trained: HashSet<&str> = model.trainable_weights().map(|weight| &*weight.path).collect();
    for (_, weights) in &mut groups {
        weights.sort_by_key(|weight| !trained.contains(&*weight.path));
    }
    groups
}

fn fits(wanted: &(String, Vec<Weight>), arrays: &[StoredArray]) -> bool {
    wanted.1.len() == arrays.len()
        && wanted.1.iter().zip(arrays).all(|(weight, array)| weight.dims == array.shape())
}

/// The weights of a layer, each with its array.
fn paired(
    (name, weights): (String, Vec<Weight>),
    arrays: &[StoredArray],
) -> Result<Vec<(Weight, &StoredArray)>> {
    if weights.len() != arrays.len() {
        let reason =
            format!("layer {name:?} has {} arrays, the file has {} for it", weights.len(), arrays.len());
        return Err(InteropError::malformed(FORMAT, reason));
    }
    Ok(weights.into_iter().zip(arrays).collect())
}

/// The model's layers that have weights, with these.
fn layers_of(model: &Model) -> Vec<Vec<Weight>> {
    let weights: Vec<&Weight> = model.weights().collect();
    weights
        .chunk_by(|a, b| a.layer == b.layer)
        .map(|weights| weights.iter().copied().cloned().collect())
        .collect()
}

/// Fills layers by their paths; each layer of the model must be there.
fn fill_layers(model: &mut Model, layers: &[LayerWeights<StoredArray>]) -> Result<()> {
    let mut pairs = Vec::new();
    for wanted in layers_of(model) {
        let name = &wanted[0].layer;
        let found = layers.iter().find(|layer| layer.path == *name).map_or(&[][..], |layer| &layer.weights);
        if found.len() != wanted.len() {
            let reason =
                format!("layer {name:?} has {} arrays, the file has {} for it", wanted.len(), found.len());
            return Err(InteropError::malformed(FORMAT, reason));
        }
        let arrays = matched(model, &wanted.iter().collect::<Vec<_>>(), found)?;
        pairs.extend(wanted.into_iter().zip(arrays));
    }
    fill_some(model, pairs)
}

/// Fills the layers whose paths are there, and gives those of the others.
fn fill_by_path(
    model: &mut Model,
    layers: &[LayerWeights<StoredArray>],
    skip_mismatch: bool,
) -> Result<Vec<String>> {
    let (mut left, mut pairs) = (Vec::new(), Vec::new());
    for wanted in layers_of(model) {
        let name = &wanted[0].layer;
        let found = layers.iter().find(|layer| layer.path == *name).map(|layer| &layer.weights[..]);
        match found.filter(|found| found.len() == wanted.len()) {
            Some(found) => {
                let arrays = matched(model, &wanted.iter().collect::<Vec<_>>(), found)?;
                let fits = wanted.iter().zip(&arrays).all(|(weight, array)| weight.dims == array.shape());
                if fits || !skip_mismatch {
                    pairs.extend(wanted.into_iter().zip(arrays));
                } else {
                    left.push(name.clone());
                }
            }
            None if found.is_some() && !skip_mismatch => {
                let reason = format!("layer {name:?} has other arrays in the file");
                return Err(InteropError::malformed(FORMAT, reason));
            }
            None => left.push(name.clone()),
        }
    }
    fill_some(model, pairs)?;
    Ok(left)
}

impl Format {
    /// Whether a file of this name holds weights alone.
    pub fn is_weights(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".weights.h5"))
    }
}
