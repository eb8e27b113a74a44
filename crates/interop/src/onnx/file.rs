//! From a file's bytes to a graph whose form is known to be sound.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use prost::Message;
use prost::bytes::Bytes;

use super::proto::{GraphProto, ModelProto, NodeProto, ValueInfoProto, type_proto};
use super::tensor::Tensor;
use super::{FORMAT, Imported, import};
use crate::error::file_bytes;
use crate::npy::Number;
use crate::{InteropError, Result};

/// How a file is to be read.
///
/// ```no_run
/// use convnet_interop::onnx::Import;
///
/// let imported = Import::new().dimension("height", 480).dimension("width", 640).read("net.onnx")?;
/// println!("{}", imported.model.summary(1)?);
/// # Ok::<(), convnet_interop::InteropError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Import {
    pub(super) keep_layout: bool,
    pub(super) dimensions: Vec<(String, usize)>,
    pub(super) shapes: Vec<(String, Vec<usize>)>,
    pub(super) constants: Vec<(String, Tensor)>,
    /// Sizes of inputs, for those that the file leaves open.
    pub(super) open: Vec<(String, Vec<usize>)>,
}

/// A file that was read and checked, but is no model yet: what it takes and gives can be asked first.
#[derive(Debug)]
pub struct File {
    pub(super) graph: GraphProto,
    pub(super) opset: i64,
    path: Option<PathBuf>,
    /// Bytes that it has.
    pub(super) size: usize,
}

/// An input or output as a file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The kind of its numbers; those that NumPy lacks or that are computed with more bits here are 32-bit floating point.
    pub number: Number,
}

impl Import {
    /// Images with their channels last, sizes as in the file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether inputs and outputs have their axes in the file's order, even those of images.
    pub fn keep_layout(self, keep_layout: bool) -> Self {
        Self { keep_layout, ..self }
    }

    /// Gives an open size that the file has a name for.
    pub fn dimension(mut self, name: impl Into<String>, size: usize) -> Self {
        self.dimensions.push((name.into(), size));
        self
    }

    /// Gives all sizes of an input, the batch first.
    pub fn shape(mut self, input: impl Into<String>, sizes: impl Into<Vec<usize>>) -> Self {
        self.shapes.push((input.into(), sizes.into()));
        self
    }

    /// Makes an input a constant.
    pub fn constant(mut self, input: impl Into<String>, value: Tensor) -> Self {
        self.constants.push((input.into(), value));
        self
    }

    /// Reads the file `path`, and files beside it that it names.
    ///
    /// # Errors
    /// As [`super::load_model`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Imported> {
        File::open(path)?.import(self)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read), without a name.
    pub fn from_bytes(&self, bytes: Vec<u8>) -> Result<Imported> {
        File::from_bytes(bytes)?.import(self)
    }
}

impl File {
    /// Reads the file `path`; files beside it that it names are read when it becomes a model.
    ///
    /// # Errors
    /// With the file's name: it cannot be read, or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = file_bytes(path).and_then(Self::from_bytes).map_err(|error| error.in_file(path))?;
        Ok(Self { path: Some(path.to_owned()), ..file })
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// If they are damaged.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let size = bytes.len();
        let model = decode(bytes)?;
        let opset = opset(&model)?;
        let mut graph = model.graph.ok_or_else(|| InteropError::malformed(FORMAT, "it has no graph"))?;
        check(&graph)?;
        sort(&mut graph)?;
        Ok(Self { graph, opset, path: None, size })
    }

    /// What it takes, without the inputs that have initial values.
    pub fn inputs(&self) -> Vec<Port> {
        let initial: HashSet<&str> = self.graph.initializer.iter().map(|initial| &*initial.name).collect();
        self.graph.input.iter().filter(|input| !initial.contains(&*input.name)).map(port).collect()
    }

    /// What it gives.
    pub fn outputs(&self) -> Vec<Port> {
        self.graph.output.iter().map(port).collect()
    }

    /// The model.
    ///
    /// # Errors
    /// As [`super::load_model`].
    pub fn import(&self, options: &Import) -> Result<Imported> {
        import::import(options, self).map_err(|error| self.name(error))
    }

    /// Where files lie that it names.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.path.as_deref().and_then(Path::parent)
    }

    /// An error with the file's name, if it has one.
    pub(super) fn name(&self, error: InteropError) -> InteropError {
        match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        }
    }
}

fn port(info: &ValueInfoProto) -> Port {
    let number = match info.r#type.as_ref().and_then(|known| known.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => super::tensor::number(tensor.elem_type),
        _ => Number::F32,
    };
    Port { name: info.name.clone(), number }
}

fn decode(bytes: Vec<u8>) -> Result<ModelProto> {
    if bytes.is_empty() {
        return Err(InteropError::malformed(FORMAT, "the file is empty"));
    }
    super::limits::check(&bytes)?;
    ModelProto::decode(Bytes::from(bytes))
        .map_err(|problem| InteropError::malformed(FORMAT, problem.to_string()))
}

/// The version of ONNX's own operators.
fn opset(model: &ModelProto) -> Result<i64> {
    let own = model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    let nodes = model.graph.iter().flat_map(|graph| &graph.node);
    match own.map(|set| set.version) {
        Some(version @ 7..) => Ok(version),
        Some(version @ 1..) => match nodes.clone().find(|node| has_old_meaning(node)) {
            None => Ok(version),
            Some(node) => {
                let reason = format!(
                    "operator {} as sets before 7 have it (the set is {version}); onnx.version_converter changes files",
                    node.op_type
                );
                Err(InteropError::unsupported(FORMAT, reason))
            }
        },
        Some(version) => Err(InteropError::malformed(FORMAT, format!("operator set {version}"))),
        None => Err(InteropError::malformed(FORMAT, "it does not say which operator set it uses")),
    }
}

/// Whether a node of a set before 7 asks for what sets from 7 on do in another way, and what is not read here: comparisons repeated values
/// from an axis on that an attribute gave, and statistics could be those of single pixels.
fn has_old_meaning(node: &NodeProto) -> bool {
    let is = |name: &str, value: i64| {
        node.attribute.iter().any(|attribute| attribute.name == name && attribute.i == value)
    };
    let repeats =
        is("broadcast", 1) && !matches!(node.op_type.as_str(), "Add" | "Sub" | "Mul" | "Div" | "Gemm");
    repeats || is("spatial", 0) || node.op_type == "Upsample"
}

/// A node may have so many attributes: they are searched by name whenever one is asked for.
const ATTRIBUTES: usize = 256;

/// Refuses nodes with more attributes than any operator has.
pub(super) fn check_attributes(graph: &GraphProto) -> Result<()> {
    match graph.node.iter().find(|node| node.attribute.len() > ATTRIBUTES) {
        Some(node) => {
            let (name, count) = (import::layer_name(node), node.attribute.len());
            let reason = format!("node {name}: {count} attributes, {ATTRIBUTES} at most");
            Err(InteropError::too_large(FORMAT, reason))
        }
        None => Ok(()),
    }
}

/// Every input is declared once, every value is made once, and no node has too many attributes.
fn check(graph: &GraphProto) -> Result<()> {
    check_attributes(graph)?;
    let mut declared: HashSet<&str> = HashSet::new();
    if let Some(again) = graph.input.iter().find(|input| !declared.insert(&input.name)) {
        return Err(InteropError::malformed(FORMAT, format!("the input `{}` is declared twice", again.name)));
    }
    let mut made: HashSet<&str> = HashSet::new();
    for node in &graph.node {
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if !made.insert(output) {
                return Err(InteropError::malformed(FORMAT, format!("two nodes make `{output}`")));
            }
        }
    }
    let given = graph
        .input
        .iter()
        .map(|input| &input.name)
        .chain(graph.initializer.iter().map(|tensor| &tensor.name));
    for name in given {
        if made.contains(name.as_str()) {
            return Err(InteropError::malformed(FORMAT, format!("a node makes `{name}`, which is given")));
        }
    }
    Ok(())
}

/// Brings nodes to an order in which they can be computed. Files should have one, but some do not.
fn sort(graph: &mut GraphProto) -> Result<()> {
    let makers: HashMap<String, usize> = (graph.node.iter().enumerate())
        .flat_map(|(index, node)| node.output.iter().map(move |output| (output.clone(), index)))
        .filter(|(name, _)| !name.is_empty())
        .collect();
    let count = graph.node.len();
    let mut missing = vec![0_usize; count];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (index, node) in graph.node.iter().enumerate() {
        for maker in node.input.iter().filter_map(|name| makers.get(name)) {
            missing[index] += 1;
            readers[*maker].push(index);
        }
    }
    let is_sorted =
        (readers.iter().enumerate()).all(|(index, readers)| readers.iter().all(|&reader| reader > index));
    if is_sorted {
        return Ok(());
    }
    let mut ready: std::collections::BTreeSet<usize> =
        (0..count).filter(|&index| missing[index] == 0).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for &reader in &readers[index] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.insert(reader);
            }
        }
    }
    if let Some(stuck) = missing.iter().position(|&missing| missing > 0) {
        let node = &graph.node[stuck];
        let name = node.output.first().unwrap_or(&node.name);
        return Err(InteropError::malformed(
            FORMAT,
            format!("nodes form a circle, in which `{name}` is made"),
        ));
    }
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    graph.node = order.into_iter().filter_map(|index| nodes[index].take()).collect();
    Ok(())
}
