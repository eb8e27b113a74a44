//! The calls of a functional model's layers, each made as soon as its inputs are.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use serde_json::{Map, Value as Json};

use super::config::{TensorName, closed};
use super::{Kind, Symbol};
use crate::error::{Error, Result};
use crate::layer::LayerRef;
use crate::layers;

/// A call of a layer that waits for its inputs.
pub(super) struct Node {
    pub(super) inputs: Vec<TensorName>,
    pub(super) training: Option<bool>,
}

/// A layer, or what makes one.
pub(super) enum Callee<'a> {
    Layer(LayerRef),
    /// A model, by class and arguments, that takes its sizes from what it is called with first.
    Open(&'a str, &'a Map<String, Json>),
}

impl Callee<'_> {
    fn closed(&mut self, name: &str, inputs: &[&Symbol]) -> Result<LayerRef> {
        if let Self::Open(class, config) = self {
            *self = Self::Layer(closed(class, config, inputs)?.named(name));
        }
        match self {
            Self::Layer(layer) => Ok(layer.clone()),
            Self::Open(..) => unreachable!("it was just closed"),
        }
    }
}

/// A layer whose calls are not all made.
pub(super) struct Waiting<'a> {
    name: String,
    callee: Callee<'a>,
    nodes: VecDeque<Node>,
    /// The first inputs of the next call, as far as they are made.
    found: Vec<Symbol>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(name: String, callee: Callee<'a>, nodes: VecDeque<Node>) -> Self {
        Self { name, callee, nodes, found: Vec::new() }
    }
}

/// What the layers of a functional model have made so far, call by call.
#[derive(Default)]
pub(super) struct Symbols {
    pub(super) made: HashMap<String, Vec<Vec<Symbol>>>,
    /// Which of the layers are models.
    pub(super) networks: HashMap<String, Kind>,
    pub(super) is_keras2: bool,
}

impl Symbols {
    /// The tensors of these names, as ends of the model.
    pub(super) fn ends(&self, tensors: &[TensorName]) -> Option<Vec<Symbol>> {
        tensors.iter().map(|tensor| self.find(tensor, true).cloned()).collect()
    }

    fn find(&self, tensor: &TensorName, is_end: bool) -> Option<&Symbol> {
        let (layer, _, output) = tensor;
        self.made.get(layer)?.get(self.place_of(tensor, is_end))?.get(*output)
    }

    /// Which of the calls of its layer makes a tensor, as input of a call or as an end of the model.
    ///
    /// A model has a call of its own before all others. Keras 2 counts it; Keras 3 only of functional models, and only where they are an end.
    fn place_of(&self, (layer, call, _): &TensorName, is_end: bool) -> usize {
        let counts_own = match self.networks.get(layer) {
            None => false,
            Some(kind) => self.is_keras2 || (is_end && *kind == Kind::Functional),
        };
        call.saturating_sub(usize::from(counts_own))
    }

    /// Makes all calls: round by round through the layers as they are listed, each making as many of its calls as it can.
    ///
    /// Layers are mostly listed after those that feed them, but need not be. A round visits only those of which the input was made that they lacked: to
    /// ask all of them each time would take a time that grows with the square of a model's size, or of the inputs of a call.
    pub(super) fn make_all(&mut self, mut layers: Vec<Waiting<'_>>) -> Result<()> {
        // Rounds and layers, and those that wait for a call of a layer.
        let mut visits: BinaryHeap<_> = (0..layers.len()).map(|layer| Reverse((0, layer))).collect();
        let mut asleep: HashMap<(String, usize), Vec<usize>> = HashMap::new();
        while let Some(Reverse((round, index))) = visits.pop() {
            let Waiting { name, callee, nodes, found } = &mut layers[index];
            while let Some(node) = nodes.front() {
                let next = node.inputs[found.len()..].iter().map(|input| self.find(input, false));
                found.extend(next.map_while(|input| input.cloned()));
                if let Some(missing) = node.inputs.get(found.len()) {
                    let call = (missing.0.clone(), self.place_of(missing, false));
                    asleep.entry(call).or_default().push(index);
                    break;
                }
                let inputs: Vec<&Symbol> = found.iter().collect();
                let layer = callee.closed(name, &inputs)?;
                let written = layers::written_training(layer.layer().class_name());
                let training = node.training.filter(|&training| Some(training) != written);
                let outputs = Symbol::call(layer, &inputs, training)?;
                found.clear();
                nodes.pop_front();
                let calls = self.made.entry(name.clone()).or_default();
                calls.push(outputs);
                for woken in asleep.remove(&(name.clone(), calls.len() - 1)).into_iter().flatten() {
                    visits.push(Reverse((round + usize::from(woken < index), woken)));
                }
            }
        }
        match layers.iter().find(|layer| !layer.nodes.is_empty()) {
            None => Ok(()),
            Some(Waiting { name, .. }) => {
                let problem = "its inputs are never made: a layer is missing, or the layers form a circle";
                Err(Error::argument(format!("layer `{name}`"), problem))
            }
        }
    }
}
