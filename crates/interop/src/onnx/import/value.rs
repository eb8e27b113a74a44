//! Values on their way from a file's graph to layers, and where the axes of each of them lie.

use std::sync::Arc;

use convnet_nn::layers::{Flatten, Permute, Reshape};
use convnet_nn::{LayerRef, Symbol};

use super::{Importer, Samples};
use crate::Result;
use crate::onnx::tensor::{Element, Tensor};

/// A value of the file's graph.
#[derive(Clone, Debug)]
pub(in crate::onnx) enum Value {
    /// Its numbers are known while the file is read.
    Known(Arc<Tensor>),
    /// It depends on the model's inputs.
    Traced(Traced),
}

/// A value that depends on inputs: a symbol of the model, and where the file's axes lie in it.
///
/// The model has the axes of images in another order than files. To move them at each operation would cost much, so each of
/// the file's axes has a list of the symbol's axes that make it, the outermost first: none for an axis of one element, several
/// for an axis that was flattened. Transpositions and most reshapes then change lists only.
#[derive(Clone, Debug)]
pub(in crate::onnx) struct Traced {
    /// The symbol.
    pub symbol: Symbol,
    /// The symbol's axes (0 being the first after the batch) that make each of the file's axes (after the batch, if it is one).
    pub groups: Vec<Vec<usize>>,
    /// What the elements are.
    pub element: Element,
    /// Whether no element is negative, as far as is known.
    pub not_negative: bool,
}

impl Traced {
    /// A symbol whose axes are the file's.
    pub fn plain(symbol: Symbol, element: Element) -> Self {
        let groups = (0..symbol.shape().dims.len()).map(|axis| vec![axis]).collect();
        Self { symbol, groups, element, not_negative: false }
    }

    /// Another symbol with the axes in the same places.
    pub fn with(&self, symbol: Symbol) -> Self {
        Self { symbol, not_negative: false, ..self.clone() }
    }

    /// Sizes of the symbol.
    pub fn physical(&self) -> &[usize] {
        &self.symbol.shape().dims
    }

    /// Sizes of the file's axes after the batch.
    pub fn dims(&self) -> Vec<usize> {
        let dims = self.physical();
        self.groups.iter().map(|group| group.iter().map(|&axis| dims[axis]).product()).collect()
    }

    /// Whether each of the file's axes is one of the symbol's, or has one element.
    pub fn is_simple(&self) -> bool {
        self.groups.iter().all(|group| group.len() < 2)
    }

    /// The file's axes in the order in which they lie in the symbol, those that do not lie there at all first.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|&axis| self.groups[axis].first().map_or(0, |&place| place + 1));
        order
    }
}

/// The order of the axes of images: spatial ones, then channels.
pub(in crate::onnx) fn channels_last(rank: usize) -> Vec<usize> {
    (1..rank).chain((rank > 0).then_some(0)).collect()
}

/// Places of axes after they were brought into an order.
pub(in crate::onnx) fn groups_of(order: &[usize]) -> Vec<Vec<usize>> {
    let mut groups = vec![Vec::new(); order.len()];
    for (place, &axis) in order.iter().enumerate() {
        groups[axis] = vec![place];
    }
    groups
}

impl Importer<'_> {
    /// A symbol that has the file's axes in this order, each as one axis.
    pub fn arranged(&mut self, value: &Traced, order: &[usize]) -> Result<Symbol> {
        let physical = value.physical().to_vec();
        let mut wanted: Vec<usize> =
            order.iter().flat_map(|&axis| value.groups[axis].iter().copied()).collect();
        // Axes of one element that no group has kept.
        wanted.extend((0..physical.len()).filter(|axis| !wanted.contains(axis)).collect::<Vec<_>>());
        let sizes = value.dims();
        let dims: Vec<usize> = order.iter().map(|&axis| sizes[axis]).collect();
        let key = (super::id(&value.symbol), wanted.clone(), dims.clone());
        if let Some(symbol) = self.arranged.get(&key) {
            return Ok(symbol.clone());
        }
        let mut symbol = value.symbol.clone();
        let moved = wanted.iter().filter(|&&axis| physical[axis] != 1);
        if !moved.is_sorted() {
            let axes: Vec<usize> = wanted.iter().map(|axis| axis + 1).collect();
            symbol = self.layer("permute", Permute::new(axes), &[&symbol], Vec::new())?;
        }
        symbol = self.reshaped(&symbol, &dims)?;
        self.arranged.insert(key, symbol.clone());
        Ok(symbol)
    }

    /// A symbol that has the file's axes in the file's order.
    pub fn canonical(&mut self, value: &Traced) -> Result<Symbol> {
        let order: Vec<usize> = (0..value.groups.len()).collect();
        self.arranged(value, &order)
    }

    /// The same numbers under other sizes.
    pub fn reshaped(&mut self, symbol: &Symbol, dims: &[usize]) -> Result<Symbol> {
        if symbol.shape().dims == dims {
            return Ok(symbol.clone());
        }
        if dims.len() == 1 && self.samples != Samples::None {
            return self.layer("flatten", Flatten::new(), &[symbol], Vec::new());
        }
        let target: Vec<isize> = dims.iter().map(|&size| size as isize).collect();
        self.layer("reshape", Reshape::new(target), &[symbol], Vec::new())
    }

    /// A value with the axes in an order, and the places that they then have.
    pub fn arrange(&mut self, value: &Traced, order: &[usize]) -> Result<Traced> {
        let symbol = self.arranged(value, order)?;
        Ok(Traced { symbol, groups: groups_of(order), ..value.clone() })
    }

    /// A value with the channels last.
    pub fn channels_last(&mut self, value: &Traced) -> Result<Traced> {
        self.arrange(value, &channels_last(value.groups.len()))
    }

    /// A value as operations on single axes want it: as it is if every axis is one of the symbol's, else in the file's order.
    pub fn simple(&mut self, value: &Traced) -> Result<Traced> {
        let whole =
            value.groups.iter().all(|group| group.len() == 1) && value.groups.len() == value.physical().len();
        if whole {
            return Ok(value.clone());
        }
        let order = if value.is_simple() { value.order() } else { (0..value.groups.len()).collect() };
        self.arrange(value, &order)
    }

    /// Applies a layer that keeps the shape.
    pub fn map(&mut self, value: &Traced, layer: impl Into<LayerRef>) -> Result<Traced> {
        let symbol = self.layer("", layer, &[&value.symbol], Vec::new())?;
        Ok(value.with(symbol))
    }
}
