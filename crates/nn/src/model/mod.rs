//! Models: layers wired to each other, their weights, and what can be done with them.

mod build;
mod config;
mod execute;
mod order;
mod sequential;
mod summary;
mod symbol;
mod variables;

use std::sync::{Arc, Mutex};

use convnet_engine::Shape;

pub use config::{from_config, from_layers};
pub use execute::InferenceGraph;
pub use sequential::Sequential;
pub use summary::{LayerRow, Summary};
pub use symbol::Symbol;
pub use variables::{Slot, Weight};

use crate::error::{Error, Result};
use crate::layer::Layer;
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::optimizers::Optimizer;
pub(crate) use execute::Purpose;
use execute::Runtime;
use variables::Variables;

/// How a model was put together, which is how it is written to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Layers in a row.
    Sequential,
    /// Layers called on symbols.
    Functional,
}

/// A layer of a model.
#[derive(Clone, Debug)]
pub struct ModelLayer {
    pub(crate) name: String,
    /// `None` for a placeholder.
    pub(crate) layer: Option<Arc<dyn Layer>>,
    pub(crate) trainable: bool,
    pub(crate) weights: Vec<Weight>,
}

impl ModelLayer {
    /// Its name, unique in the model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keras's class name.
    pub fn class_name(&self) -> &'static str {
        self.layer.as_ref().map_or("InputLayer", |layer| layer.class_name())
    }

    /// Its kind and arguments; `None` for a placeholder.
    pub fn layer(&self) -> Option<&dyn Layer> {
        self.layer.as_deref()
    }

    /// Whether its weights are trained.
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// Its weights, in Keras's order.
    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }
}

/// A layer at work: which tensors go in, which comes out.
#[derive(Clone, Debug)]
pub(crate) struct LayerCall {
    pub(crate) layer: usize,
    pub(crate) inputs: Vec<usize>,
    pub(crate) output: usize,
}

/// Optimizer, loss and metrics of a model that can be trained.
#[derive(Debug)]
pub struct Compiled {
    /// The optimizer.
    pub optimizer: Box<dyn Optimizer>,
    /// The loss.
    pub loss: Box<dyn Loss>,
    /// The metrics.
    pub metrics: Vec<Metric>,
}

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
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) layers: Vec<ModelLayer>,
    /// In an order in which they can be run.
    pub(crate) calls: Vec<LayerCall>,
    /// Shapes of all tensors.
    pub(crate) tensors: Vec<Shape>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) variables: Variables,
    pub(crate) compiled: Option<Compiled>,
    pub(crate) training: Option<crate::train::TrainingState>,
    pub(crate) runtime: Mutex<Runtime>,
    pub(crate) class_names: Vec<String>,
    pub(crate) max_memory: Option<usize>,
}

impl Model {
    /// Sets the name, under which files and summaries show it.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the classes that it tells apart are called; empty if nobody said. Kept in files, where Keras passes over it.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Says what the classes are called.
    pub fn set_class_names(&mut self, class_names: Vec<String>) {
        self.class_names = class_names;
    }

    /// Whether it is a row of layers or a graph of them.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// All layers, in Keras's order.
    pub fn layers(&self) -> &[ModelLayer] {
        &self.layers
    }

    /// The layer of a name.
    ///
    /// # Errors
    /// If there is none; the error has the nearest name.
    pub fn get_layer(&self, name: &str) -> Result<&ModelLayer> {
        let found = self.layers.iter().find(|layer| layer.name == name);
        found
            .ok_or_else(|| Error::unknown("layer", name, self.layers.iter().map(|layer| layer.name.as_str())))
    }

    /// Shapes of the inputs.
    pub fn input_shapes(&self) -> Vec<Shape> {
        self.inputs.iter().map(|&tensor| self.tensors[tensor].clone()).collect()
    }

    /// Shapes of the outputs.
    pub fn output_shapes(&self) -> Vec<Shape> {
        self.outputs.iter().map(|&tensor| self.tensors[tensor].clone()).collect()
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

    /// Gives the model what it needs to be trained and evaluated, as Keras's `compile`. Restarts the optimizer.
    ///
    /// # Errors
    /// If predictions do not fit the loss or a metric.
    pub fn compile(
        &mut self,
        optimizer: impl Optimizer,
        loss: impl Loss,
        metrics: impl IntoIterator<Item = Metric>,
    ) -> Result<()> {
        let metrics = metrics.into_iter().collect();
        self.compile_with(Compiled { optimizer: Box::new(optimizer), loss: Box::new(loss), metrics })
    }

    /// As [`Model::compile`], with an optimizer and a loss that were chosen at run time.
    ///
    /// # Errors
    /// If predictions do not fit the loss or a metric.
    pub fn compile_with(&mut self, compiled: Compiled) -> Result<()> {
        self.compiled = Some(compiled);
        self.training = None;
        self.runtime_mut().forget_plans();
        if let Err(problem) = self.training_program() {
            self.compiled = None;
            return Err(problem);
        }
        Ok(())
    }

    /// The optimizer, loss and metrics.
    pub fn compiled(&self) -> Option<&Compiled> {
        self.compiled.as_ref()
    }

    pub(crate) fn runtime_mut(&mut self) -> &mut Runtime {
        self.runtime.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
