//! Weights: named parts of flat slabs.

use convnet_engine::Slab;
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::Model;
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::regularizers::Regularizer;

/// The slab and the place in it where a weight lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Trained by the optimizer: in the slab of parameters, from this element.
    Parameter(usize),
    /// Kept by the layer itself (moving statistics): in the slab of states, from this element.
    State(usize),
}

/// A weight of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Keras's name within the layer: `kernel`.
    pub name: &'static str,
    /// Layer and name: `conv2d/kernel`, `lstm/cell/kernel`, in a model in a layer's place `base/conv2d/kernel`.
    pub path: String,
    /// The layer, with the models that it is in: `base/conv2d`.
    pub layer: String,
    /// The part of the layer: `cell`; mostly empty.
    pub group: String,
    /// Sizes.
    pub dims: Vec<usize>,
    /// Where it lies.
    pub slot: Slot,
    /// How it is filled at first.
    pub initializer: Initializer,
    /// What large values cost while it is trained.
    pub regularizer: Option<Regularizer>,
    /// What it is brought back to after each step.
    pub constraint: Option<Constraint>,
    /// If it is the vector of a power iteration, how many of these are made before each step.
    pub power_iterations: Option<usize>,
}

impl Weight {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// That an array of these sizes can take its place.
    ///
    /// # Errors
    /// If the sizes differ.
    pub fn check_dims(&self, dims: &[usize]) -> Result<()> {
        if dims == self.dims {
            return Ok(());
        }
        let problem = format!("the model has sizes {:?}, the new values {dims:?}", self.dims);
        Err(Error::argument(format!("weight `{}`", self.path), problem))
    }

    /// First element in its slab.
    pub(crate) fn start(&self) -> usize {
        match self.slot {
            Slot::Parameter(start) | Slot::State(start) => start,
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The slabs of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    pub(crate) parameters: Slab,
    pub(crate) states: Slab,
    /// Counts changes, so that what was computed from the variables is known to be out of date.
    pub(crate) version: u64,
}

impl Variables {
    fn get(&self, weight: &Weight) -> &[f32] {
        match weight.slot {
            Slot::Parameter(start) => &self.parameters[start..start + weight.len()],
            Slot::State(start) => &self.states[start..start + weight.len()],
        }
    }

    pub(super) fn get_mut(&mut self, weight: &Weight) -> &mut [f32] {
        self.version += 1;
        match weight.slot {
            Slot::Parameter(start) => &mut self.parameters[start..start + weight.len()],
            Slot::State(start) => &mut self.states[start..start + weight.len()],
        }
    }
}

impl Model {
    /// All weights, layer by layer in Keras's order.
    pub fn weights(&self) -> impl Iterator<Item = &Weight> {
        self.weights.iter()
    }

    /// For each weight, whether training changes it.
    pub(crate) fn trained(&self) -> Vec<bool> {
        self.network.all_weights().into_iter().map(|weight| weight.trained).collect()
    }

    /// The weights that training changes, in the order of [`Model::weights`].
    pub fn trainable_weights(&self) -> impl Iterator<Item = &Weight> {
        self.weights.iter().zip(self.trained()).filter_map(|(weight, trained)| trained.then_some(weight))
    }

    /// The weight of a path such as `conv2d/kernel`.
    ///
    /// # Errors
    /// If there is none; the error has the nearest name.
    pub fn weight(&self, path: &str) -> Result<&Weight> {
        let found = self.weights().find(|weight| weight.path == path);
        found.ok_or_else(|| Error::unknown("weight", path, self.weights().map(|weight| weight.path.as_str())))
    }

    /// The numbers of a weight.
    pub fn weight_values(&self, weight: &Weight) -> ArrayViewD<'_, f32> {
        ArrayViewD::from_shape(IxDyn(&weight.dims), self.variables.get(weight))
            .expect("a weight has its own sizes")
    }

    /// Copies of all weights, in the order of [`Model::weights`]. Keras's `get_weights`.
    pub fn get_weights(&self) -> Vec<ArrayD<f32>> {
        self.weights().map(|weight| self.weight_values(weight).to_owned()).collect()
    }

    /// Replaces the numbers of a weight.
    ///
    /// # Errors
    /// If there is no such weight, or the sizes differ.
    pub fn set_weight(&mut self, path: &str, values: ArrayViewD<'_, f32>) -> Result<()> {
        let weight = self.weight(path)?.clone();
        weight.check_dims(values.shape())?;
        let own = self.variables.get_mut(&weight);
        match values.as_slice() {
            // Weights of files are all this way, and those of a large network are much to copy one by one.
            Some(values) => own.copy_from_slice(values),
            None => own.iter_mut().zip(values.iter()).for_each(|(to, from)| *to = *from),
        }
        Ok(())
    }

    /// All weights with the memory that their numbers lie in, which several threads can write at once.
    pub fn weights_mut(&mut self) -> Vec<(&Weight, &mut [f32])> {
        self.variables.version += 1;
        let (mut parameters, mut states) = (&mut *self.variables.parameters, &mut *self.variables.states);
        let (mut parameters_at, mut states_at) = (0, 0);
        let mut weights = Vec::with_capacity(self.weights.len());
        for weight in &self.weights {
            let (slab, at) = match weight.slot {
                Slot::Parameter(_) => (&mut parameters, &mut parameters_at),
                Slot::State(_) => (&mut states, &mut states_at),
            };
            // Places grow in the order of the weights.
            let (_, rest) = std::mem::take(slab).split_at_mut(weight.start() - *at);
            let (values, rest) = rest.split_at_mut(weight.len());
            (*slab, *at) = (rest, weight.start() + weight.len());
            weights.push((weight, values));
        }
        weights
    }

    /// Replaces the numbers of all weights, which come in the order of [`Model::weights`]. Keras's `set_weights`.
    ///
    /// # Errors
    /// If there are more or fewer, or the sizes of one differ.
    pub fn set_weights(&mut self, values: &[ArrayD<f32>]) -> Result<()> {
        let paths: Vec<String> = self.weights().map(|weight| weight.path.clone()).collect();
        if paths.len() != values.len() {
            let problem = format!("the model has {}, but {} were given", paths.len(), values.len());
            return Err(Error::argument("weights", problem));
        }
        for (path, values) in paths.iter().zip(values) {
            self.set_weight(path, values.view())?;
        }
        Ok(())
    }

    /// Fills all weights anew, as their initializers say. The same seed gives the same numbers.
    pub fn initialize(&mut self, seed: u64) {
        let weights: Vec<Weight> = self.weights().cloned().collect();
        for (stream, weight) in weights.iter().enumerate() {
            weight.initializer.fill(&weight.dims, seed, stream as u64, self.variables.get_mut(weight));
        }
        self.training = None;
    }
}
