//! The order of a model's layers, which is Keras's, since weights in files are found by it.

use std::collections::HashMap;

use super::symbol::{Origin, Symbol, SymbolNode};
use crate::error::{Error, Result};
use crate::layer::Instance;

/// What makes a tensor: the same pointer for all calls of a shared layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    Input(*const SymbolNode),
    Layer(*const Instance),
}

pub(super) fn maker(symbol: &Symbol) -> Maker {
    match &symbol.0.origin {
        Origin::Input { .. } => Maker::Input(symbol.id()),
        Origin::Call { layer, .. } => Maker::Layer(std::sync::Arc::as_ptr(&layer.0)),
    }
}

/// Symbols in an order in which they can be computed, and the layers in Keras's.
pub(super) struct Order {
    pub(super) symbols: Vec<Symbol>,
    pub(super) makers: Vec<Maker>,
}

/// Orders all that `outputs` need.
///
/// Layers are sorted by their distance from the outputs, those farthest away first, and among equals by the order in which a
/// walk from the outputs back to the inputs meets them.
pub(super) fn order(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Order> {
    let mut walk = Walk::default();
    for output in outputs {
        walk.visit(output);
    }
    for symbol in &walk.finished {
        let is_input = matches!(symbol.0.origin, Origin::Input { .. });
        if is_input && !inputs.iter().any(|input| input.id() == symbol.id()) {
            return Err(Error::argument(
                "Model",
                "an output depends on an input that is not among the inputs",
            ));
        }
    }
    for input in inputs {
        if !matches!(input.0.origin, Origin::Input { .. }) {
            return Err(Error::argument("Model", "inputs must be placeholders made by Symbol::input"));
        }
        if !walk.met.contains_key(&maker(input)) {
            return Err(Error::argument("Model", "no output depends on one of the inputs"));
        }
    }
    let mut symbol_depth: HashMap<*const SymbolNode, usize> = HashMap::new();
    let mut maker_depth: HashMap<Maker, usize> = HashMap::new();
    for symbol in walk.finished.iter().rev() {
        let own = symbol_depth.get(&symbol.id()).copied().unwrap_or(0);
        let depth = own.max(maker_depth.get(&maker(symbol)).copied().unwrap_or(0));
        maker_depth.insert(maker(symbol), depth);
        if let Origin::Call { inputs, .. } = &symbol.0.origin {
            for input in inputs {
                let entry = symbol_depth.entry(input.id()).or_default();
                *entry = (*entry).max(depth + 1);
            }
        }
    }
    let mut makers: Vec<Maker> = maker_depth.keys().copied().collect();
    makers.sort_by_key(|maker| (std::cmp::Reverse(maker_depth[maker]), walk.met[maker]));
    Ok(Order { symbols: walk.finished, makers })
}

/// A walk from the outputs back to the inputs.
#[derive(Default)]
struct Walk {
    seen: std::collections::HashSet<*const SymbolNode>,
    met: HashMap<Maker, usize>,
    finished: Vec<Symbol>,
}

impl Walk {
    /// Visits a symbol after all that it needs. Without recursion, since networks can be thousands of layers deep.
    fn visit(&mut self, output: &Symbol) {
        let mut stack = vec![(output.clone(), false)];
        while let Some((symbol, done)) = stack.pop() {
            if done {
                self.finished.push(symbol);
                continue;
            }
            if !self.seen.insert(symbol.id()) {
                continue;
            }
            let next = self.met.len();
            self.met.entry(maker(&symbol)).or_insert(next);
            stack.push((symbol.clone(), true));
            if let Origin::Call { inputs, .. } = &symbol.0.origin {
                stack.extend(inputs.iter().rev().map(|input| (input.clone(), false)));
            }
        }
    }
}
