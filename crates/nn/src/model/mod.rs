//! Models: layers wired to each other, their weights, and what can be done with them.

mod budget;
mod build;
mod calls;
mod compile;
mod config;
mod execute;
mod indices;
mod inspect;
mod lambdas;
mod masks;
mod network;
mod open_sizes;
mod order;
mod plot;
mod probe;
mod sequential;
mod steps;
mod summary;
mod symbol;
mod variables;

use std::sync::Mutex;

use convnet_engine::{Precision, Shape};
use serde_json::{Map, Value as Json};

pub(crate) use budget::spend_operations;
pub use build::Symbols;
pub use compile::{Compiled, Objective};
pub use config::{from_config, from_config_within, from_layers_within};
pub(crate) use config::{inner_layer, inner_object};
pub use execute::InferenceGraph;
pub use network::{Kind, ModelLayer, Network};
pub use open_sizes::{StatedInput, stated_ends, with_input_sizes};
pub use probe::{Goal, Probe, Question, Reading, Start};
pub use sequential::Sequential;
pub use summary::{LayerRow, Summary};
pub use symbol::Symbol;
pub use variables::{Slot, Weight};

use crate::error::{Error, Result};
pub(crate) use execute::Purpose;
use execute::Runtime;
use variables::Variables;

/// A network with its weights.
///
/// Made by [`Sequential`], or by [`Model::new`] from symbols:
///
/// ```
/// use convnet_nn::layers::{Conv2D, Dense, Flatten};
/// use convnet_nn::{Activation, Model, Symbol};
///
/// let image = Symbol::input([28, 28, 1]);
/// let maps = image.apply(Conv2D::new(8, 3).activation(Activation::Relu))?;
/// let classes = maps.apply(Flatten::new())?.apply(Dense::new(10).activation(Activation::Softmax))?;
/// let model = Model::new(&[image], &[classes])?;
/// assert_eq!(model.count_params(), 8 * 9 + 8 + 26 * 26 * 8 * 10 + 10);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    pub(crate) network: Network,
    /// All weights, layer by layer.
    pub(crate) weights: Vec<Weight>,
    pub(crate) variables: Variables,
    pub(crate) compiled: Option<Compiled>,
    pub(crate) training: Option<crate::train::TrainingState>,
    pub(crate) runtime: Mutex<Runtime>,
    pub(crate) class_names: Vec<String>,
    /// What programs keep with the model, by name.
    pub(crate) remembered: Map<String, Json>,
    pub(crate) max_memory: Option<usize>,
    pub(crate) precision: Precision,
    pub(crate) notes: Vec<String>,
    /// Paths of layers, and what the step size is multiplied by for them.
    pub(crate) rates: Vec<(String, f32)>,
}

impl Model {
    /// Sets the name, under which files and summaries show it.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.network.name = name.into();
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.network.name
    }

    /// What the classes that it tells apart are called; empty if nobody said. Kept in files, where Keras passes over it.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Says what the classes are called.
    pub fn set_class_names(&mut self, class_names: Vec<String>) {
        self.class_names = class_names;
    }

    /// Plain data that a program keeps with the model, by name: the words of its texts, how its pictures were prepared. Kept in files, where Keras passes
    /// over it.
    pub fn remembered(&self, name: &str) -> Option<&Json> {
        self.remembered.get(name)
    }

    /// Keeps something with the model, under a name.
    pub fn remember(&mut self, name: impl Into<String>, value: Json) {
        self.remembered.insert(name.into(), value);
    }

    /// Takes over the names of classes and what is remembered of another model: for one that was made of its layers.
    pub fn remember_all_of(&mut self, other: &Model) {
        self.class_names.clone_from(&other.class_names);
        self.remembered.clone_from(&other.remembered);
    }

    /// What whoever loaded the model should know: parts of its file that are not known here, and were left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Adds to what whoever loaded the model should know.
    pub fn add_note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Whether it is a row of layers or a graph of them.
    pub fn kind(&self) -> Kind {
        self.network.kind
    }

    /// All layers, in Keras's order. A model in a layer's place is one of them.
    pub fn layers(&self) -> &[ModelLayer] {
        &self.network.layers
    }

    /// The layer of a name, or of a path such as `base/conv2d` into a model in a layer's place.
    ///
    /// # Errors
    /// If there is none; the error has the nearest name.
    pub fn get_layer(&self, path: &str) -> Result<&ModelLayer> {
        self.network.find(path)
    }

    /// Trains a layer from now on, or freezes it, with all that is in it if it is a model. Keras's `layer.trainable = …`.
    ///
    /// A frozen layer keeps its weights, and a frozen batch normalisation acts as in prediction. A layer in a frozen model is frozen
    /// whatever is said of itself: to train the last layers of one, train the whole, then freeze the others. It takes effect at once. The
    /// optimizer goes on with what it remembers of weights that are trained before and after; Keras's `compile` lets it start afresh.
    ///
    /// # Errors
    /// If there is no layer of this path.
    pub fn set_trainable(&mut self, path: &str, trainable: bool) -> Result<()> {
        let before: Vec<_> = self.trainable_slots().collect();
        self.network.set_trainable(path, trainable)?;
        self.retarget(&before);
        Ok(())
    }

    /// Trains or freezes all layers. Keras's `model.trainable = …`.
    pub fn set_all_trainable(&mut self, trainable: bool) {
        let before: Vec<_> = self.trainable_slots().collect();
        self.network.set_all_trainable(trainable);
        self.retarget(&before);
    }

    /// Multiplies the optimizer's step size for a layer, or for all layers of a model in a layer's place, from now on: a factor of 0.1
    /// lets a trained base follow slowly. What is said of `base/conv2d` comes before what is said of `base`. Kept in files, where Keras passes
    /// over it; Keras itself has no such rates.
    ///
    /// # Errors
    /// If there is no layer of this path, or the factor is negative or not finite.
    pub fn set_rate(&mut self, path: &str, factor: f32) -> Result<()> {
        self.network.find(path)?;
        if !(factor.is_finite() && factor >= 0.0) {
            return Err(Error::argument(
                format!("rate of `{path}`"),
                format!("must be at least 0, got {factor}"),
            ));
        }
        self.rates.retain(|(known, _)| known != path);
        self.rates.push((path.to_owned(), factor));
        // Files have rates for thousands of layers, before anything is trained.
        let before: Vec<_> = match self.training {
            Some(_) => self.trainable_slots().collect(),
            None => Vec::new(),
        };
        self.retarget(&before);
        Ok(())
    }

    /// What the step size is multiplied by for a layer of this path: 1, unless [`Model::set_rate`] said otherwise.
    pub fn rate(&self, path: &str) -> f32 {
        let holds = |known: &str| {
            path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let of_path = self.rates.iter().filter(|(known, _)| holds(known));
        of_path.max_by_key(|(known, _)| known.len()).map_or(1.0, |&(_, factor)| factor)
    }

    /// Shapes of the inputs.
    pub fn input_shapes(&self) -> Vec<Shape> {
        self.network.inputs.iter().map(|&tensor| self.network.tensors[tensor].clone()).collect()
    }

    /// Names of the inputs.
    pub fn input_names(&self) -> Vec<&str> {
        self.end_names(&self.network.inputs)
    }

    /// Shapes of the outputs.
    pub fn output_shapes(&self) -> Vec<Shape> {
        self.network.outputs.iter().map(|&tensor| self.network.tensors[tensor].clone()).collect()
    }

    /// Names of the layers that make the outputs.
    pub fn output_names(&self) -> Vec<&str> {
        self.end_names(&self.network.outputs)
    }

    fn end_names(&self, tensors: &[usize]) -> Vec<&str> {
        let name = |&tensor: &usize| &*self.network.layers[self.network.maker_of(tensor).layer].name;
        tensors.iter().map(name).collect()
    }

    /// Number of all weights' elements, moving statistics included.
    pub fn count_params(&self) -> usize {
        self.weights().map(|weight| weight.len()).sum()
    }

    /// Bounds the bytes that training may take for weights, gradients, the optimizer's memory and activations. Where they
    /// would not suffice, activations are computed again in the backward sweep instead of being kept, which takes up to a third more
    /// time. Results are the same to the bit. If that does not suffice either, training fails with the number of bytes that it needs.
    pub fn set_max_memory(&mut self, bytes: Option<usize>) {
        self.max_memory = bytes;
        self.runtime_mut().forget_plans();
    }

    /// In how many bits values are stored while the model is trained or predicts; [`Precision`] says which. Weights have 32 bits in
    /// any case, in files too, so it can be changed at any time. Keras's dtype policies `float32` and `mixed_bfloat16` are
    /// alike; Keras also computes in 16 bits under the latter (<https://keras.io/api/mixed_precision/>).
    pub fn set_precision(&mut self, precision: Precision) {
        self.precision = precision;
        self.runtime_mut().forget_plans();
    }

    /// In how many bits values are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub(crate) fn runtime_mut(&mut self) -> &mut Runtime {
        self.runtime.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
