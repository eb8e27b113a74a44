//! From a file's graph to a model: nodes become layers, and what depends on no input is computed at once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use convnet_nn::{LayerRef, Model, Shape, Symbol};

mod align;
mod along;
mod apart;
mod call;
mod choice;
mod constant;
mod convolution;
mod einsum;
mod elementwise;
mod fold;
mod inputs;
mod logic;
mod matrix;
mod normalization;
mod pick;
mod pooling;
mod quantized;
mod recurrent;
mod reduction;
mod resize;
mod sample;
mod shape;
mod value;

pub(super) use call::Call;
pub(super) use value::{Traced, Value};

use super::external::Beside;
use super::file::check_attributes;
use super::proto::{GraphProto, NodeProto};
use super::tensor::{self, Data, Element, Tensor};
use super::{End, FORMAT, File, Import, Imported};
use crate::{InteropError, Result};

/// An operator of ONNX.
#[derive(Clone, Copy)]
pub(super) struct Operator {
    /// Its name in files.
    pub name: &'static str,
    /// Adds it to the model: one value for each output.
    pub import: fn(&mut Call<'_, '_>) -> Result<Vec<Value>>,
}

/// The operators by family.
pub(super) const OPERATORS: &[(&str, &[Operator])] = &[
    ("convolution", convolution::OPERATORS),
    ("pooling", pooling::OPERATORS),
    ("normalization", normalization::OPERATORS),
    ("matrix", matrix::OPERATORS),
    ("recurrent", recurrent::OPERATORS),
    ("quantized", quantized::OPERATORS),
    ("activation and elementwise", elementwise::OPERATORS),
    ("logic", logic::OPERATORS),
    ("reduction", reduction::OPERATORS),
    ("shape", shape::OPERATORS),
    ("pick", pick::OPERATORS),
    ("places", along::OPERATORS),
    ("choice", choice::OPERATORS),
    ("resize", resize::OPERATORS),
    ("sample", sample::OPERATORS),
    ("constant", constant::OPERATORS),
];

/// The operator of a node.
pub(super) fn operator(node: &NodeProto) -> Option<&'static Operator> {
    if !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return None;
    }
    OPERATORS.iter().flat_map(|(_, family)| *family).find(|operator| operator.name == node.op_type)
}

/// Stands in integers for the size of the batch, which is not known while a file is read.
pub(super) const BATCH: i64 = i64::MIN / 2 + 0x00BA_7C4D;

/// What is computed while a file is read, and what layers keep, may take so many bytes altogether,
const FOLDED: usize = 1 << 29;

/// and so many more for each byte of the file: a byte can be a number, which takes eight, and is often changed on its way to a layer.
const GROWTH: usize = 64;

/// Bytes that an axis of a value that depends on inputs takes: each node that reads the value has some copies of its lists.
const AXIS: usize = 256;

/// Bytes that a layer takes beside its weights, at least.
const LAYER: usize = 5 << 10;

/// In so many ways a graph is read: see [`Samples`].
const WAYS: usize = 3;

/// So many multiplications take as long as to make a byte.
pub(super) const MULTIPLICATIONS: usize = 64;

/// A window of few channels is walked element by element, which takes as long as so many multiplications each,
const STEP: usize = 16;

/// and these are few channels.
const FEW_CHANNELS: usize = 32;

/// What may be computed while a file is read, for a file and constants of so many bytes.
pub(super) fn budget(bytes: usize) -> usize {
    FOLDED.saturating_add(bytes.saturating_mul(GROWTH))
}

/// What all attempts at a file may make together: those that fail have taken their time, too.
pub(super) struct Allowance {
    left: Cell<usize>,
    /// Numbers of files beside the model that an attempt has read.
    beside: Cell<usize>,
}

impl Allowance {
    /// One attempt's budget for each of the ways in which a graph is read, for a file and constants of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: Cell::new(budget(bytes).saturating_mul(WAYS)), beside: Cell::new(0) }
    }

    /// Takes off what an attempt made that began with `budget`.
    fn settle(&self, budget: usize, importer: &Importer<'_>) {
        let new = importer.beside_len.saturating_sub(self.beside.get());
        let more = new.saturating_mul(GROWTH).saturating_mul(WAYS);
        self.beside.set(self.beside.get() + new);
        let had = budget.saturating_add(importer.beside_len.saturating_mul(GROWTH));
        let taken = had.saturating_sub(importer.budget);
        self.left.set(self.left.get().saturating_add(more).saturating_sub(taken));
    }
}

/// What the batch is while a graph is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Samples {
    /// The first axis of every value that depends on inputs.
    First,
    /// One sample stands for all: inputs and outputs have a first axis of one element, which may go anywhere in between.
    One,
    /// None: all sizes are known, and samples may be mixed.
    None,
}

/// A model that grows from a graph.
pub(super) struct Importer<'f> {
    pub options: &'f Import,
    /// Version of the operator set.
    pub opset: i64,
    pub samples: Samples,
    /// Whether the first axis of every value that depends on inputs is the batch.
    pub batched: bool,
    /// With one sample for all, the axis in which it is, by names of values.
    pub places: HashMap<String, usize>,
    /// The batch size that the file asks for, if it does.
    pub file_batch: Option<usize>,
    values: HashMap<String, Value>,
    /// The nodes that read a value.
    readers: HashMap<String, Vec<&'f NodeProto>>,
    outputs: HashSet<String>,
    /// Nodes that became part of another's layer.
    absorbed: HashMap<*const NodeProto, ()>,
    /// Types of tensors in the file, by name.
    pub kinds: HashMap<String, i32>,
    names: HashSet<String>,
    /// How many layers were to have a name.
    namesakes: HashMap<String, usize>,
    weights: HashMap<String, Vec<Vec<f32>>>,
    /// What [`Importer::arranged`] made.
    arranged: HashMap<(*const Shape, Vec<usize>, Vec<usize>), Symbol>,
    /// What layers made, and of what.
    made: HashMap<*const Shape, (Symbol, Vec<Symbol>)>,
    /// What layers are now named after.
    node: String,
    /// Bytes that may still be made.
    budget: usize,
    /// Whether the model is run while the file is read, so that what its layers make counts.
    folds: bool,
    /// How many elements each one of the node's results comes from, and as many of all.
    window: usize,
    /// Whether that is a window of a pool.
    pools: bool,
    work: usize,
    beside: Beside<'f>,
    /// Numbers that were read from files beside the model.
    beside_len: usize,
    anchor: Option<Symbol>,
    /// The placeholders by the names of the file's inputs.
    placeholders: Vec<(String, Symbol)>,
    /// Inputs whose numbers a node must know.
    wanted: RefCell<Vec<String>>,
}

impl<'f> Importer<'f> {
    pub fn new(options: &'f Import, opset: i64, samples: Samples, budget: usize) -> Self {
        Self {
            options,
            opset,
            samples,
            batched: samples == Samples::First,
            places: HashMap::new(),
            file_batch: None,
            values: HashMap::new(),
            readers: HashMap::new(),
            outputs: HashSet::new(),
            absorbed: HashMap::new(),
            kinds: HashMap::new(),
            names: HashSet::new(),
            namesakes: HashMap::new(),
            weights: HashMap::new(),
            arranged: HashMap::new(),
            made: HashMap::new(),
            node: String::new(),
            budget,
            folds: false,
            window: 1,
            pools: false,
            work: 0,
            beside: Beside::default(),
            beside_len: 0,
            anchor: None,
            placeholders: Vec::new(),
            wanted: RefCell::default(),
        }
    }

    /// Notes the inputs that a value depends on, as such whose numbers must be known.
    pub fn want(&self, value: &Traced) {
        let sources = self.sources(std::slice::from_ref(&value.symbol));
        let of_value = self.placeholders.iter().filter(|(_, input)| sources.contains(&id(input)));
        self.wanted.borrow_mut().extend(of_value.map(|(name, _)| name.clone()));
    }

    /// Takes bytes off what may be made while a file is read.
    pub fn spend(&mut self, bytes: usize) -> Result<()> {
        match self.budget.checked_sub(bytes) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => {
                let reason = format!(
                    "node {}: constants of more than what a file of this size may ask for",
                    self.node
                );
                Err(InteropError::too_large(FORMAT, reason))
            }
        }
    }

    /// Takes the bytes of a known tensor, which is about to be made, off the same.
    pub fn spend_on(&mut self, dims: &[usize], element: Element) -> Result<()> {
        let refuse = || {
            let reason = format!("node {}: a constant of {} axes, {dims:?}", self.node, dims.len());
            InteropError::too_large(FORMAT, reason)
        };
        let len = tensor::len(dims).ok_or_else(refuse)?;
        self.spend(len.saturating_mul(element.width()))
    }

    /// The numbers of a known tensor, which are paid for before they are copied.
    pub fn copy_floats(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        self.spend(tensor.len().saturating_mul(size_of::<f32>()))?;
        Ok(tensor.to_floats())
    }

    /// Takes the bytes of a copy of a known tensor off the same, which may become floating point on its way to a layer.
    fn spend_on_copy(&mut self, tensor: &Tensor) -> Result<()> {
        self.spend(tensor.len().saturating_mul(tensor.element().width().max(size_of::<f32>())))
    }

    /// Takes the lists of axes of a value that depends on inputs off the same: a file names it in three bytes, as often as it likes.
    fn spend_on_axes(&mut self, value: &Traced) -> Result<()> {
        self.spend(value.groups.len().saturating_mul(AXIS))
    }

    /// A copy of a known tensor, paid for first.
    pub fn copy(&mut self, tensor: &Tensor) -> Result<Tensor> {
        self.spend_on_copy(tensor)?;
        Ok(tensor.clone())
    }

    /// A known tensor with its axes in another order, paid for first.
    pub fn transposed(&mut self, tensor: &Tensor, order: &[usize]) -> Result<Tensor> {
        self.spend_on_copy(tensor)?;
        Ok(tensor.transposed(order))
    }

    /// The placeholders, and all that layers made, on the way to some symbols.
    fn sources(&self, symbols: &[Symbol]) -> HashSet<*const Shape> {
        let mut seen: HashSet<*const Shape> = symbols.iter().map(id).collect();
        let mut waiting: Vec<*const Shape> = seen.iter().copied().collect();
        while let Some(next) = waiting.pop() {
            let inputs = self.made.get(&next).map_or(&[][..], |(_, inputs)| inputs);
            waiting.extend(inputs.iter().map(id).filter(|&input| seen.insert(input)));
        }
        seen
    }

    /// A name that no other layer has.
    fn unique(&mut self, base: &str) -> String {
        let mut name = base.to_owned();
        while !self.names.insert(name.clone()) {
            let count = self.namesakes.entry(base.to_owned()).or_default();
            *count += 1;
            name = format!("{base}_{count}");
        }
        name
    }

    /// Adds a layer with one output, named after the node, with its weights.
    pub fn layer(
        &mut self,
        suffix: &str,
        layer: impl Into<LayerRef>,
        inputs: &[&Symbol],
        weights: Vec<Vec<f32>>,
    ) -> Result<Symbol> {
        Ok(self.layers(suffix, layer, inputs, weights)?.swap_remove(0))
    }

    /// Adds a layer, which may have several outputs.
    pub fn layers(
        &mut self,
        suffix: &str,
        layer: impl Into<LayerRef>,
        inputs: &[&Symbol],
        weights: Vec<Vec<f32>>,
    ) -> Result<Vec<Symbol>> {
        let layer = layer.into();
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape().clone()).collect();
        let refuse = |reason: String| {
            InteropError::malformed(FORMAT, format!("node {} ({}): {reason}", self.node, layer.name()))
        };
        let specs = layer.layer().weights(&shapes).map_err(|mismatch| {
            refuse(format!("expected {}, received {}", mismatch.expected, mismatch.received))
        })?;
        let lens: Vec<usize> = weights.iter().map(Vec::len).collect();
        let wanted: Option<Vec<usize>> = specs
            .iter()
            .map(|spec| spec.dims.iter().try_fold(1_usize, |len, &size| len.checked_mul(size)))
            .collect();
        if wanted.as_ref() != Some(&lens) {
            let wanted: Vec<String> =
                specs.iter().map(|spec| format!("{} {:?}", spec.name, spec.dims)).collect();
            return Err(refuse(format!(
                "needs weights {}, the file has {lens:?} numbers",
                wanted.join(", ")
            )));
        }
        if inputs.iter().any(|input| input.shape().is_empty()) {
            return Err(self.without_elements());
        }
        self.spend(LAYER.saturating_add(lens.iter().sum::<usize>().saturating_mul(size_of::<f32>())))?;
        let base = match (self.node.as_str(), suffix) {
            (node, "") => node.to_owned(),
            (node, suffix) => format!("{node}_{suffix}"),
        };
        let name = self.unique(&base);
        let symbols = Symbol::call(layer.named(name.clone()), inputs, None)?;
        if symbols.iter().any(|symbol| symbol.shape().is_empty()) {
            return Err(self.without_elements());
        }
        for symbol in &symbols {
            let len = symbol.shape().len();
            let few =
                self.pools && symbol.shape().dims.last().is_none_or(|&channels| channels < FEW_CHANNELS);
            let work = self.window.saturating_sub(1).saturating_mul(if few { STEP } else { 1 });
            self.work = self.work.saturating_add(len.saturating_mul(work));
            if self.folds {
                let bytes = size_of::<f32>().saturating_add(work / MULTIPLICATIONS);
                self.spend(len.saturating_mul(bytes))?;
            }
            let inputs = inputs.iter().map(|&input| input.clone()).collect();
            self.made.insert(id(symbol), (symbol.clone(), inputs));
        }
        if !weights.is_empty() {
            self.weights.insert(name, weights);
        }
        Ok(symbols)
    }

    fn without_elements(&self) -> InteropError {
        InteropError::unsupported(FORMAT, format!("node {}: a value without elements", self.node))
    }

    /// A value whose numbers are known, as a symbol.
    pub fn trace(&mut self, tensor: &Tensor) -> Result<Traced> {
        use convnet_nn::layers::{Operation, Operator};
        let anchor = self.anchor.clone().ok_or_else(without_inputs)?;
        let mut dims = tensor.dims.clone();
        if tensor.is_empty() {
            return Err(self.without_elements());
        }
        if matches!(&tensor.data, Data::Integers(values) if values.contains(&BATCH)) {
            let reason = format!("node {}: the size of the batch as a number {}", self.node, inputs::MIXES);
            return Err(InteropError::unsupported(FORMAT, reason));
        }
        if self.batched {
            match dims.first() {
                Some(1) => dims.remove(0),
                _ => {
                    let reason =
                        format!("node {}: a constant of sizes {dims:?} for a whole batch", self.node);
                    return Err(InteropError::unsupported(FORMAT, reason));
                }
            };
        }
        let layer = Operation::new(Operator::Constant { dims: dims.clone() }).constant(1, dims, false);
        let numbers = self.copy_floats(tensor)?;
        let symbol = self.layer("constant", layer, &[&anchor], vec![numbers])?;
        Ok(Traced::plain(symbol, tensor.element()))
    }

    /// Adds the initial values.
    fn add_initial(&mut self, graph: &GraphProto) -> Result<()> {
        for tensor in &graph.initializer {
            let value = Tensor::of_proto(tensor, &mut self.beside)?;
            if tensor.data_location == 1 {
                // The file is larger by this than it seems.
                self.beside_len = self.beside_len.saturating_add(value.len());
                self.budget = self.budget.saturating_add(value.len().saturating_mul(GROWTH));
            }
            self.kinds.insert(tensor.name.clone(), tensor.data_type);
            self.values.insert(tensor.name.clone(), Value::Known(Arc::new(value)));
        }
        Ok(())
    }

    /// Notes which nodes read which values, those of graphs inside nodes too.
    fn add_readers(&mut self, graph: &'f GraphProto) {
        for node in &graph.node {
            for input in &node.input {
                let readers = self.readers.entry(input.clone()).or_default();
                // Once, however often it names the value.
                if readers.last().is_none_or(|&last| !std::ptr::eq(last, node)) {
                    readers.push(node);
                }
            }
            for inner in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
                self.add_readers(inner);
                // What it gives is read from outside.
                self.outputs.extend(inner.output.iter().map(|output| output.name.clone()));
            }
        }
    }

    /// Adds a graph that is part of a node, and gives its outputs.
    pub fn add_inner(&mut self, graph: &'f GraphProto) -> Result<Vec<(&'f str, Value)>> {
        check_attributes(graph)?;
        let unknown = unsupported(graph);
        if !unknown.is_empty() {
            return Err(cannot_be_read(&unknown));
        }
        self.add_initial(graph)?;
        self.add_nodes(graph)?;
        let mut outputs = Vec::with_capacity(graph.output.len());
        for info in &graph.output {
            let missing = || InteropError::malformed(FORMAT, format!("nothing makes `{}`", info.name));
            let value = self.values.get(&info.name).ok_or_else(missing)?.clone();
            if let Value::Traced(traced) = &value {
                self.spend_on_axes(traced)?;
            }
            outputs.push((info.name.as_str(), value));
        }
        Ok(outputs)
    }

    /// Adds all nodes, which are in an order in which they can be computed.
    fn add_nodes(&mut self, graph: &'f GraphProto) -> Result<()> {
        for node in &graph.node {
            if self.absorbed.contains_key(&std::ptr::from_ref(node)) {
                self.follow_absorbed(node)?;
                continue;
            }
            let outputs = self.add_node(node)?;
            let names = node.output.iter().zip(outputs);
            for (name, value) in names.filter(|(name, _)| !name.is_empty()) {
                self.values.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    fn add_node(&mut self, node: &'f NodeProto) -> Result<Vec<Value>> {
        self.node = layer_name(node);
        (self.window, self.pools) = (1, false);
        let constant = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
        if let (Some(constant), Some(name)) = (constant, node.output.first()) {
            self.kinds.insert(name.clone(), constant.data_type);
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            let missing = || {
                let reason = format!("node {} reads `{name}`, which nothing before it makes", self.node);
                InteropError::malformed(FORMAT, reason)
            };
            let value = match name.as_str() {
                "" => None,
                name => Some(self.values.get(name).ok_or_else(missing)?.clone()),
            };
            if let Some(Value::Traced(traced)) = &value {
                self.spend_on_axes(traced)?;
            }
            inputs.push(value);
        }
        if let Some(outputs) = fold::node(self, node, &inputs)? {
            return Ok(outputs);
        }
        let operator = operator(node)
            .ok_or_else(|| InteropError::unsupported(FORMAT, format!("operator {}", node.op_type)))?;
        let mut call = Call { at: self, node, inputs };
        if call.at.samples != Samples::One {
            return (operator.import)(&mut call);
        }
        apart::check(&call)?;
        let outputs = (operator.import)(&mut call)?;
        apart::follow(&mut call, node, &outputs)?;
        Ok(outputs)
    }

    /// Notes where the batch is in the results of a node that became part of another's layer.
    fn follow_absorbed(&mut self, node: &'f NodeProto) -> Result<()> {
        if self.samples == Samples::One {
            let inputs = node.input.iter().map(|name| self.values.get(name).cloned()).collect();
            let outputs: Vec<Value> =
                node.output.iter().filter_map(|name| self.values.get(name).cloned()).collect();
            apart::follow(&mut Call { at: self, node, inputs }, node, &outputs)?;
        }
        Ok(())
    }

    /// The model, with its weights.
    fn finish(
        mut self,
        inputs: &[(String, Traced)],
        outputs: Vec<(String, Traced)>,
    ) -> Result<(Model, Vec<usize>)> {
        let mut symbols = Vec::new();
        for (_, output) in &outputs {
            // A placeholder is no output by itself.
            let is_made = self.made.contains_key(&id(&output.symbol));
            symbols.push(if is_made { output.symbol.clone() } else { self.identity(&output.symbol)? });
        }
        let all: Vec<Symbol> = inputs.iter().map(|(_, input)| input.symbol.clone()).collect();
        let sources = self.sources(&symbols);
        let used: Vec<usize> = (0..all.len()).filter(|&index| sources.contains(&id(&all[index]))).collect();
        let kept: Vec<Symbol> = used.iter().map(|&index| all[index].clone()).collect();
        let mut model = Model::with_zeros(&kept, &symbols)?;
        let mut by_layer: HashMap<String, std::vec::IntoIter<Vec<f32>>> =
            self.weights.into_iter().map(|(layer, values)| (layer, values.into_iter())).collect();
        for (weight, numbers) in model.weights_mut() {
            if let Some(values) = by_layer.get_mut(&weight.layer).and_then(Iterator::next) {
                // The layer was added with as many numbers.
                numbers.copy_from_slice(&values);
            }
        }
        Ok((model, used))
    }

    fn identity(&mut self, symbol: &Symbol) -> Result<Symbol> {
        use convnet_nn::layers::{Operation, Operator};
        self.layer("output", Operation::new(Operator::Identity {}), &[symbol], Vec::new())
    }
}

/// Tells symbols apart: each has a place for its shape, whose clones share it.
fn id(symbol: &Symbol) -> *const Shape {
    symbol.shape()
}

/// What layers made from a node are called: by its name, or that of its first output, without what names of layers may not have.
pub(super) fn layer_name(node: &NodeProto) -> String {
    let name = if node.name.is_empty() { node.output.first().unwrap_or(&node.op_type) } else { &node.name };
    clean(name)
}

fn clean(name: &str) -> String {
    let clean = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    let name: String = name.trim_matches('/').chars().take(200).map(clean).collect();
    if name.is_empty() { "node".into() } else { name }
}

/// What became of a graph.
#[derive(Debug)]
pub(super) struct Parts {
    /// Computes the outputs that depend on inputs; `None` if none does.
    pub model: Option<Model>,
    /// The model's inputs.
    pub inputs: Vec<End>,
    /// The graph's outputs.
    pub outputs: Vec<Part>,
    /// As [`Imported::has_batch`].
    pub has_batch: bool,
    /// Bytes of the file, and of those beside it that were read.
    pub size: usize,
    /// For a sample, what windows of pools and the like take in.
    pub work: usize,
}

/// Where an output comes from.
#[derive(Debug)]
pub(super) enum Part {
    /// The model's next output.
    OfModel(End),
    /// It depends on no input.
    Known(Arc<Tensor>),
}

/// Why a graph became no model.
pub(super) struct Failure {
    pub problem: InteropError,
    /// Inputs that might help if their numbers were known.
    pub wanted: Vec<String>,
}

/// The model of a file, all of whose outputs it gives.
pub(super) fn import(options: &Import, file: &File) -> Result<Imported> {
    let given: usize = options.constants.iter().map(|(_, tensor)| tensor.len()).sum();
    let allowance = Allowance::new(file.size.saturating_add(given));
    let Parts { model, inputs, outputs, has_batch, .. } =
        parts(options, file, false, &allowance).map_err(|failure| failure.problem)?;
    let of_model = |part| match part {
        Part::OfModel(end) => Some(end),
        Part::Known(..) => None,
    };
    let model = model.ok_or_else(without_inputs)?;
    Ok(Imported { model, inputs, outputs: outputs.into_iter().filter_map(of_model).collect(), has_batch })
}

fn without_inputs() -> InteropError {
    InteropError::unsupported(FORMAT, "a graph without inputs that its outputs depend on")
}

/// Reads a graph; `may_be_known` says whether outputs may be left out of the model that depend on no input.
pub(super) fn parts(
    options: &Import,
    file: &File,
    may_be_known: bool,
    allowance: &Allowance,
) -> std::result::Result<Parts, Failure> {
    let unknown = unsupported(&file.graph);
    if !unknown.is_empty() {
        return Err(Failure { problem: cannot_be_read(&unknown), wanted: Vec::new() });
    }
    let may_be_whole = inputs::may_be_whole(options, &file.graph);
    if may_be_known && may_be_whole && inputs::open(options, &file.graph).next().is_none() {
        return run(options, file, Samples::None, true, allowance);
    }
    let mut failed: Option<Failure> = None;
    let ways = [
        (Samples::First, true),
        (Samples::One, inputs::may_be_one(options, &file.graph)),
        (Samples::None, may_be_whole),
    ];
    for (samples, _) in ways.into_iter().filter(|(_, is_possible)| *is_possible) {
        let failure = match run(options, file, samples, may_be_known, allowance) {
            Ok(parts) => return Ok(parts),
            Err(failure) => failure,
        };
        failed = Some(match failed {
            None => failure,
            Some(first) => first.or(failure),
        });
    }
    Err(failed.expect("the first way is always tried"))
}

impl Failure {
    /// Of two problems the first, unless it only says that samples are mixed and the other one does not.
    fn or(self, other: Self) -> Self {
        let is_mixed = |failure: &Self| failure.problem.to_string().contains(inputs::MIXES);
        let takes_other = is_mixed(&self) && !is_mixed(&other);
        let wanted = if self.wanted.is_empty() { other.wanted } else { self.wanted };
        Self { problem: if takes_other { other.problem } else { self.problem }, wanted }
    }
}

fn cannot_be_read(unknown: &[String]) -> InteropError {
    let count = unknown.len();
    let are = if count == 1 { "is" } else { "are" };
    let reason = format!("{count} of its operators {are} not known here: {}", unknown.join(", "));
    InteropError::unsupported(FORMAT, reason)
}

/// All operators of a graph that are not known, each once, with the number of its nodes and the name of the first.
fn unsupported(graph: &GraphProto) -> Vec<String> {
    let mut found: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for node in graph.node.iter().filter(|node| operator(node).is_none()) {
        let domain = if node.domain.is_empty() { String::new() } else { format!("{}.", node.domain) };
        let name = format!("{domain}{}", node.op_type);
        found.entry(name).or_insert_with(|| (0, layer_name(node))).0 += 1;
    }
    let shown = |(name, (count, first)): (String, (usize, String))| match count {
        1 => format!("{name} (node {first})"),
        _ => format!("{name} ({count} times, first in node {first})"),
    };
    found.into_iter().map(shown).collect()
}

/// Inputs and outputs of a model that is about to be made.
type Ends = (Vec<(String, Traced)>, Vec<(String, Value)>);

fn run(
    options: &Import,
    file: &File,
    samples: Samples,
    may_be_known: bool,
    allowance: &Allowance,
) -> std::result::Result<Parts, Failure> {
    let given: usize = options.constants.iter().map(|(_, tensor)| tensor.len()).sum();
    let budget = budget(file.size.saturating_add(given)).min(allowance.left.get());
    let mut importer = Importer::new(options, file.opset, samples, budget);
    let grown = grow(&mut importer, file, may_be_known);
    allowance.settle(budget, &importer);
    let finished = match grown {
        Ok(ends) => finish(importer, file, ends),
        Err(problem) => return Err(Failure { problem, wanted: importer.wanted.take() }),
    };
    finished.map_err(|problem| Failure { problem, wanted: Vec::new() })
}

/// Adds everything that the graph has.
fn grow<'f>(importer: &mut Importer<'f>, file: &'f File, may_be_known: bool) -> Result<Ends> {
    let graph = &file.graph;
    importer.beside = Beside::of_folder(file.folder());
    importer.add_initial(graph)?;
    for (name, tensor) in &importer.options.constants {
        let value = inputs::as_declared(graph, name, tensor);
        importer.values.insert(name.clone(), Value::Known(Arc::new(value)));
    }
    importer.add_readers(graph);
    importer.outputs.extend(graph.output.iter().map(|output| output.name.clone()));
    let inputs = inputs::placeholders(importer, graph)?;
    importer.add_nodes(graph)?;
    let outputs = inputs::outputs(importer, graph, may_be_known)?;
    Ok((inputs, outputs))
}

fn finish(importer: Importer<'_>, file: &File, (inputs, outputs): Ends) -> Result<Parts> {
    let has_batch = importer.samples != Samples::None;
    let (size, work) = (file.size.saturating_add(importer.beside.taken), importer.work);
    let mut parts = Vec::new();
    let mut traced = Vec::new();
    for (name, output) in outputs {
        match output {
            Value::Known(tensor) => parts.push(Part::Known(tensor)),
            Value::Traced(value) => {
                parts.push(Part::OfModel(inputs::end(&name, &value)));
                traced.push((name, value));
            }
        }
    }
    if traced.is_empty() {
        return Ok(Parts { model: None, inputs: Vec::new(), outputs: parts, has_batch, size, work });
    }
    let (model, used) = importer.finish(&inputs, traced)?;
    let inputs = used.into_iter().map(|index| inputs::end(&inputs[index].0, &inputs[index].1)).collect();
    let model = model.named(clean(&file.graph.name));
    Ok(Parts { model: Some(model), inputs, outputs: parts, has_batch, size, work })
}
