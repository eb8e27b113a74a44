//! Models as Keras writes them down: JSON of layers, wiring, optimizer, loss and metrics.

use std::any::Any;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use convnet_engine::Shape;
use serde_json::{Map, Value as Json, json};

use super::budget::Budget;
use super::calls::{Callee, Node, Symbols, Waiting};
use super::masks::{check_masks, makes_mask};
use super::network::LayerCall;
use super::open_sizes::{is_open, with_input_sizes};
use super::sequential::in_row;
use super::{Compiled, Kind, Model, ModelLayer, Network, Sequential, Symbol, lambdas};
use crate::error::{Error, Result};
use crate::layer::{Layer, LayerKind, LayerRef};
use crate::layers::{self, KerasOperation};
use crate::names;
use crate::schedules;

/// Sizes of a placeholder may not multiply to more than this.
const MAX_INPUT: usize = 1 << 32;

impl Model {
    /// The model without its weights, as it stands in the `config.json` of a Keras 3 file.
    pub fn config(&self) -> Json {
        let mut json = self.network.object();
        json["compile_config"] = self.compiled.as_ref().map_or_else(|| json!({}), Compiled::config);
        let mut own = Map::new();
        if !self.class_names.is_empty() {
            own.insert("class_names".into(), json!(self.class_names));
        }
        if !self.rates.is_empty() {
            own.insert("rates".into(), json!(self.rates));
        }
        if !self.remembered.is_empty() {
            own.insert("remembered".into(), Json::Object(self.remembered.clone()));
        }
        let schedule =
            self.compiled.as_ref().and_then(|compiled| compiled.optimizer.settings().schedule.as_ref());
        if let Some(schedule) = schedule.filter(|schedule| !schedule.is_keras() && schedule.steps().is_some())
        {
            own.insert("learning_rate".into(), schedules::object(&**schedule));
        }
        if !own.is_empty() {
            json["convnet"] = Json::Object(own);
        }
        json
    }
}

impl Network {
    /// The network as an object of Keras's.
    fn object(&self) -> Json {
        let (module, registered) = match self.kind {
            Kind::Sequential => ("keras", Json::Null),
            Kind::Functional => ("keras.src.models.functional", json!("Functional")),
        };
        json!({
            "module": module,
            "class_name": self.class_name(),
            "config": self.model_config(),
            "registered_name": registered,
        })
    }

    /// The arguments of the model, which are its layers.
    pub(crate) fn model_config(&self) -> Map<String, Json> {
        let config = match self.kind {
            Kind::Sequential => self.sequential_config(),
            Kind::Functional => self.functional_config(),
        };
        match config {
            Json::Object(config) => config,
            _ => unreachable!("both make objects"),
        }
    }

    fn sequential_config(&self) -> Json {
        let layers: Vec<Json> =
            self.layers.iter().map(|layer| Json::Object(self.layer_config(layer))).collect();
        json!({ "name": self.name, "trainable": true, "dtype": "float32", "layers": layers })
    }

    fn functional_config(&self) -> Json {
        // For each tensor the layer that makes it, which of the layer's calls does, and which of its outputs it is.
        let mut made = vec![(0, 0, 0); self.tensors.len()];
        let mut calls_of: Vec<usize> = vec![0; self.layers.len()];
        for call in &self.calls {
            for (output, tensor) in call.outputs.clone().enumerate() {
                made[tensor] = (call.layer, calls_of[call.layer], output);
            }
            calls_of[call.layer] += 1;
        }
        let layers: Vec<Json> = (self.layers.iter().enumerate())
            .map(|(index, layer)| {
                let calls = self.calls.iter().filter(|call| call.layer == index && layer.kind.is_some());
                let nodes: Vec<Json> = calls.map(|call| self.node_config(call, &made)).collect();
                let mut object = self.layer_config(layer);
                object.insert("name".into(), json!(layer.name));
                object.insert("inbound_nodes".into(), json!(nodes));
                Json::Object(object)
            })
            .collect();
        let ends = |tensors: &[usize]| {
            let ends: Vec<Json> = tensors
                .iter()
                .map(|&tensor| {
                    let (layer, call, output) = made[tensor];
                    let layer = &self.layers[layer];
                    let offset =
                        usize::from(layer.network().is_some_and(|inner| inner.kind == Kind::Functional));
                    json!([layer.name, call + offset, output])
                })
                .collect();
            if let [only] = &ends[..] { only.clone() } else { json!(ends) }
        };
        json!({
            "name": self.name,
            "trainable": true,
            "layers": layers,
            "input_layers": ends(&self.inputs),
            "output_layers": ends(&self.outputs),
        })
    }

    fn node_config(&self, call: &LayerCall, made: &[(usize, usize, usize)]) -> Json {
        let tensors: Vec<Json> = (call.inputs.iter())
            .map(|&tensor| {
                let (layer, call, output) = made[tensor];
                json!({
                    "class_name": "__keras_tensor__",
                    "config": {
                        "shape": batch_shape(&self.tensors[tensor].dims),
                        "dtype": "float32",
                        "keras_history": [self.layers[layer].name, call, output],
                    },
                })
            })
            .collect();
        if let Some(operation) = operation(&self.layers[call.layer]) {
            return operation.object("", &tensors).1;
        }
        let mut kwargs = Map::new();
        if let Some(training) = call.training {
            kwargs.insert("training".into(), json!(training));
        }
        // Keras hands the states that recurrent layers start from over by name.
        let takes_states = self.layers[call.layer].layer().is_some_and(|layer| {
            matches!(layer.class_name(), "SimpleRNN" | "LSTM" | "GRU" | "Bidirectional")
        });
        let argument = match &tensors[..] {
            [only] => only.clone(),
            [sequence, states @ ..] if takes_states => {
                kwargs.insert("initial_state".into(), json!(states));
                sequence.clone()
            }
            _ => json!(tensors),
        };
        json!({ "args": [argument], "kwargs": kwargs })
    }

    fn layer_config(&self, layer: &ModelLayer) -> Map<String, Json> {
        let mut config = Map::new();
        let object = match &layer.kind {
            None => {
                let call = self.calls.iter().find(|call| self.layers[call.layer].name == layer.name);
                let tensor = call.expect("every layer is called").outputs.start;
                config.insert("batch_shape".into(), batch_shape(&self.tensors[tensor].dims));
                config.insert("dtype".into(), json!("float32"));
                config.insert("name".into(), json!(layer.name));
                layer_object("keras.layers", "InputLayer", config)
            }
            Some(LayerKind::Network(network)) => {
                let mut object = network.object();
                object["config"]["name"] = json!(layer.name);
                object["config"]["trainable"] = json!(layer.trainable);
                object
            }
            Some(LayerKind::Layer(_)) if operation(layer).is_some() => {
                operation(layer).map(|operation| operation.object(&layer.name, &[]).0).unwrap_or_default()
            }
            Some(LayerKind::Layer(kind)) => layer_object(
                kind.module(),
                kind.class_name(),
                arguments(&**kind, &layer.name, layer.trainable),
            ),
        };
        match object {
            Json::Object(object) => object,
            _ => unreachable!("an object was just made"),
        }
    }
}

/// What a layer is if Keras has an operation in its place.
fn operation(layer: &ModelLayer) -> Option<&KerasOperation> {
    let layer: &dyn Any = layer.layer()?;
    layer.downcast_ref()
}

/// A layer as an object of Keras's, which looks for a class that is not its own among registered ones.
fn layer_object(module: &str, class: &str, config: Map<String, Json>) -> Json {
    let own = class == "InputLayer" || layers::REGISTRY.iter().any(|known| known.name == class);
    let registered = (!own).then_some(class);
    json!({ "module": module, "class_name": class, "config": config, "registered_name": registered })
}

/// A layer's own arguments behind those that all layers have.
fn arguments(layer: &dyn Layer, name: &str, trainable: bool) -> Map<String, Json> {
    let mut config = Map::new();
    config.insert("name".into(), json!(name));
    // Keras's classes of these do not take it.
    if !layer.class_name().starts_with("SpatialDropout") {
        config.insert("trainable".into(), json!(trainable));
    }
    config.insert("dtype".into(), json!("float32"));
    config.extend(layer.config());
    config
}

/// A layer, or a model as one, inside another layer, as Keras writes it.
pub(crate) fn inner_object(kind: &LayerKind, name: &str) -> Json {
    match kind {
        LayerKind::Network(network) => network.object(),
        LayerKind::Layer(layer) => {
            layer_object(layer.module(), layer.class_name(), arguments(&**layer, name, true))
        }
    }
}

fn batch_shape(dims: &[usize]) -> Json {
    std::iter::once(Json::Null).chain(dims.iter().map(|&size| json!(size))).collect()
}

/// The model of a configuration that Keras 2 or 3 wrote, or [`Model::config`], compiled if the configuration says how. Its weights
/// are zeros, to be filled from the same file; [`Model::initialize`] gives them fresh values.
///
/// # Errors
/// If the configuration is not one of a model, has layers or arguments that are not known here, or is inconsistent.
pub fn from_config(json: &Json) -> Result<Model> {
    from_config_within(json, usize::MAX)
}

/// As [`from_config`], for configurations from files that may be damaged or made to exhaust memory: a model whose weights have more than
/// `max_numbers` elements together is refused before these take memory.
///
/// # Errors
/// As [`from_config`], and if the weights have more elements.
pub fn from_config_within(json: &Json, max_numbers: usize) -> Result<Model> {
    let class = json.get("class_name").and_then(Json::as_str).unwrap_or_default();
    let config = json.get("config").unwrap_or(&Json::Null);
    let budget = Budget::start();
    let network = network(class, config)?
        .ok_or_else(|| Error::unknown("model class", class, ["Sequential", "Functional"]))?;
    drop(budget);
    check_numbers(&network, max_numbers)?;
    let mut model = Model::of_network(network);
    let own = |key: &str| json.get("convnet").and_then(|own| own.get(key));
    if let Some(names) = own("class_names").and_then(Json::as_array) {
        model.class_names = names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect();
    }
    if let Some(remembered) = own("remembered").and_then(Json::as_object) {
        model.remembered.clone_from(remembered);
    }
    for pair in own("rates").and_then(Json::as_array).into_iter().flatten() {
        if let (Some(path), Some(factor)) =
            (pair.get(0).and_then(Json::as_str), pair.get(1).and_then(Json::as_f64))
        {
            model.set_rate(path, factor as f32)?;
        }
    }
    if let Some(compile) = json.get("compile_config").filter(|compile| compile.get("optimizer").is_some()) {
        let mut compile = compile.clone();
        let own = json.get("convnet").and_then(|own| own.get("learning_rate"));
        if let (Some(own), Some(rate)) = (own, compile.pointer_mut("/optimizer/config/learning_rate")) {
            *rate = own.clone();
        }
        let compiled = Compiled::from_config(&compile, &model.output_names())?;
        model.compile_with(compiled)?;
    }
    Ok(model)
}

/// Refuses a network whose weights have more than `max_numbers` elements together.
fn check_numbers(network: &Network, max_numbers: usize) -> Result<()> {
    let lengths = network.all_weights().into_iter().map(|weight| weight.spec.len());
    let numbers = lengths.fold(0, usize::saturating_add);
    if numbers > max_numbers {
        let problem =
            format!("its weights have {numbers} elements, of which there are {max_numbers} at most");
        return Err(Error::argument("model configuration", problem));
    }
    Ok(())
}

/// The network of a model's class and arguments; `None` if the class is none of a model.
fn network(class: &str, config: &Json) -> Result<Option<Network>> {
    let mut network = match class {
        "Sequential" => sequential(config)?,
        "Functional" | "Model" => functional(config)?,
        _ => return Ok(None),
    };
    if let Some(name) = config.as_object().map(own_name).transpose()?.flatten() {
        network.name = name;
    }
    Ok(Some(network))
}

/// A layer, or a model as one, that stands in the arguments of another layer.
pub(crate) fn inner_layer(object: &Json) -> Result<(LayerKind, Option<String>)> {
    let (class, config) = parts(object)?;
    Ok((layer_kind(class, config)?, own_name(config)?))
}

/// Names may not have more bytes than this.
const MAX_NAME: usize = 1000;

/// The name among the arguments of a layer or model.
fn own_name(config: &Map<String, Json>) -> Result<Option<String>> {
    config.get("name").and_then(Json::as_str).map(|name| checked_name("layer", name)).transpose()
}

/// The name of a layer or metric, unless it is too long.
pub(super) fn checked_name(kind: &str, name: &str) -> Result<String> {
    if name.len() > MAX_NAME {
        let problem = format!("its name has {} bytes; {MAX_NAME} are possible", name.len());
        return Err(Error::argument(format!("{kind} `{}`", names::cut(name)), problem));
    }
    Ok(name.to_owned())
}

fn layer_kind(class: &str, config: &Map<String, Json>) -> Result<LayerKind> {
    if ["Sequential", "Functional", "Model"].contains(&class) {
        let network = network(class, &Json::Object(config.clone()))?.expect("a model's class");
        return Ok(LayerKind::Network(Arc::new(network)));
    }
    Ok(LayerKind::Layer(layers::from_config(class, config.clone())?))
}

/// A row of layers from class names and Keras's arguments, for samples of sizes `input_shape`, whose weights have at most `max_numbers` elements
/// together.
///
/// # Errors
/// If a class or argument is unknown, a layer does not fit the one before it, or the weights have more elements.
pub fn from_layers_within(
    input_shape: &[usize],
    layers: impl IntoIterator<Item = (String, Map<String, Json>)>,
    max_numbers: usize,
) -> Result<Model> {
    check_input(input_shape)?;
    let budget = Budget::start();
    let mut model = Sequential::new(input_shape);
    for (class, config) in layers {
        model = model.add(layer(&class, &config)?);
    }
    let network = model.assemble()?;
    drop(budget);
    check_numbers(&network, max_numbers)?;
    let mut model = Model::of_network(network);
    model.start();
    Ok(model)
}

/// A layer with its name and whether it is trained, from its class and arguments.
fn layer(class: &str, config: &Map<String, Json>) -> Result<LayerRef> {
    let name = own_name(config)?;
    let trainable = config.get("trainable").and_then(Json::as_bool).unwrap_or(true);
    let layer = LayerRef::from_parts(layer_kind(class, config)?, name, true);
    // Keras writes down for each layer of a frozen model that it is frozen.
    Ok(if trainable { layer } else { layer.trainable(false) })
}

/// The parts of a layer's object: class and arguments.
pub(super) fn parts(object: &Json) -> Result<(&str, &Map<String, Json>)> {
    let class = object.get("class_name").and_then(Json::as_str);
    let config = object.get("config").and_then(Json::as_object);
    class
        .zip(config)
        .ok_or_else(|| Error::argument("model configuration", "a layer without class_name or config"))
}

/// The placeholder of an `InputLayer`, or of a first layer that states its input's shape itself.
fn placeholder(config: &Map<String, Json>, named: bool) -> Result<Option<Symbol>> {
    let Some(shape) = config.get("batch_shape").or_else(|| config.get("batch_input_shape")) else {
        return Ok(None);
    };
    let is_empty = shape.as_array().is_none_or(Vec::is_empty);
    let Some(dims) = dims_of(shape).filter(|_| !is_empty) else {
        let problem = format!(
            "the input shape {shape} leaves sizes open; say which they shall be: `convnet convert IN OUT --input-shape 224x224x3`, or `keras::load_model_sized` in Rust (`convnet run` takes those of its arrays)"
        );
        return Err(Error::argument("model configuration", problem));
    };
    check_input(&dims)?;
    Ok(Some(match own_name(config)?.filter(|_| named) {
        Some(name) => Symbol::named_input(name, dims),
        None => Symbol::input(dims),
    }))
}

/// The sizes of a shape, the batch not counted, if all are known.
fn dims_of(shape: &Json) -> Option<Vec<usize>> {
    let sizes = shape.as_array()?.iter().skip(1);
    sizes.map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok())).collect()
}

fn check_input(dims: &[usize]) -> Result<()> {
    if dims.len() > Shape::MAX_AXES {
        let problem = format!("{} sizes, of which {} are possible", dims.len(), Shape::MAX_AXES);
        return Err(Error::argument("input shape", problem));
    }
    let len = dims.iter().try_fold(1_usize, |len, &size| len.checked_mul(size));
    match len {
        Some(1..=MAX_INPUT) => Ok(()),
        _ => Err(Error::argument("input shape", format!("{dims:?} is empty or too large"))),
    }
}

fn sequential(config: &Json) -> Result<Network> {
    // Very old files have the bare list of layers.
    let whole = config;
    let objects = config.get("layers").unwrap_or(config).as_array();
    let objects = objects.ok_or_else(|| Error::argument("model configuration", "no list of layers"))?;
    // The placeholder, and what the last layer so far gives.
    let mut row: Option<(Symbol, Symbol)> = None;
    let begin = |input: Symbol| (input.clone(), input);
    for object in objects {
        let (class, config) = parts(object)?;
        if class == "InputLayer" {
            row = placeholder(config, true)?.map(begin);
            continue;
        }
        if let Some((input, last)) = row.take_if(|_| is_open(config)) {
            let layer = closed(class, config, &[&last])?;
            row = Some((input, last.apply(layer)?));
            continue;
        }
        let layer = match whole.get("build_input_shape").and_then(dims_of).filter(|_| is_open(config)) {
            Some(dims) => closed(class, config, &[&Symbol::input(dims)])?,
            None => file_layer(class, config)?,
        };
        let (input, last) = match row.take() {
            Some(row) => row,
            None => first_input(whole, config, &layer)?.map(begin).ok_or_else(|| {
                Error::argument(
                    "model configuration",
                    "the model was never built: its input shape is not known",
                )
            })?,
        };
        row = Some((input, last.apply(layer)?));
    }
    let (input, last) =
        row.ok_or_else(|| Error::argument("model configuration", "a model without layers"))?;
    in_row(input, last)
}

/// The input of a row of layers that begins without an `InputLayer`: stated by its first layer, which may be a model, or by the row.
fn first_input(row: &Json, first: &Map<String, Json>, layer: &LayerRef) -> Result<Option<Symbol>> {
    if let Some(stated) = placeholder(first, false)? {
        return Ok(Some(stated));
    }
    if let LayerKind::Network(network) = &layer.0.kind {
        return Ok(Some(Symbol::input(network.tensors[network.inputs[0]].dims.clone())));
    }
    let Some(shape) = row.get("build_input_shape").filter(|shape| shape.is_array()) else { return Ok(None) };
    let mut stated = Map::new();
    stated.insert("batch_shape".into(), shape.clone());
    placeholder(&stated, false)
}

/// A tensor: the layer that makes it, which of the layer's calls, and which of the call's outputs.
pub(super) type TensorName = (String, usize, usize);

fn functional(config: &Json) -> Result<Network> {
    let problem = |text: &str| Error::argument("model configuration", text);
    let objects =
        config.get("layers").and_then(Json::as_array).ok_or_else(|| problem("no list of layers"))?;
    let objects = objects
        .iter()
        .map(|object| Ok(lambdas::as_operation(object)?.map_or(Cow::Borrowed(object), Cow::Owned)));
    let objects: Vec<Cow<'_, Json>> = objects.collect::<Result<_>>()?;
    let needed = needed(&objects, config);
    check_masks(&objects)?;
    let has_masks = objects.iter().any(|object| makes_mask(object));
    let mut symbols = Symbols::default();
    let mut waiting = Vec::new();
    for object in objects.iter().map(AsRef::as_ref) {
        let (class, config) = parts(object)?;
        let name = checked_name("layer", name_of(object).ok_or_else(|| problem("a layer without a name"))?)?;
        // Operations that only make masks: here these go from layer to layer by themselves.
        if is_operation(object) && !needed.contains(&*name) {
            continue;
        }
        if class == "InputLayer" {
            let input = placeholder(config, true)?.ok_or_else(|| problem("an input without a shape"))?;
            symbols.made.insert(name, vec![vec![input]]);
        } else {
            let nodes =
                object.get("inbound_nodes").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
            symbols.is_keras2 |= nodes.first().is_some_and(Json::is_array);
            let layer = match nodes {
                _ if is_open(config) => {
                    let kind = if class == "Sequential" { Kind::Sequential } else { Kind::Functional };
                    symbols.networks.insert(name.clone(), kind);
                    let nodes = nodes.iter().map(read_node).collect::<Result<_>>()?;
                    waiting.push(Waiting::new(name, Callee::Open(class, config), nodes));
                    continue;
                }
                [node] if is_operation(object) => operation_of(class, config, node, has_masks)?,
                _ if is_operation(object) => {
                    return Err(Error::argument(
                        format!("layer `{name}`"),
                        "an operation that is called more than once",
                    ));
                }
                _ => file_layer(class, config)?,
            };
            let layer = layer.named(&name);
            let nodes = nodes.iter().map(read_node).collect::<Result<_>>()?;
            if let LayerKind::Network(network) = &layer.0.kind {
                symbols.networks.insert(name.clone(), network.kind);
            }
            waiting.push(Waiting::new(name, Callee::Layer(layer), nodes));
        }
    }
    symbols.make_all(waiting)?;
    let ends = |key: &str| {
        let ends = read_ends(config.get(key).unwrap_or(&Json::Null))?;
        symbols.ends(&ends).ok_or_else(|| problem(&format!("{key} names a tensor that is not there")))
    };
    Network::new(&ends("input_layers")?, &ends("output_layers")?)
}

pub(super) fn name_of(object: &Json) -> Option<&str> {
    object.get("name").or_else(|| object.pointer("/config/name")).and_then(Json::as_str)
}

/// A model as a layer whose open sizes are those of its inputs.
pub(super) fn closed(class: &str, config: &Map<String, Json>, inputs: &[&Symbol]) -> Result<LayerRef> {
    let sizes: Vec<Vec<usize>> = inputs.iter().map(|input| input.shape().dims.clone()).collect();
    let object = with_input_sizes(&json!({ "config": config }), &sizes)?;
    let (_, config) = parts(&json!({ "class_name": class, "config": object["config"] }))
        .map(|(class, config)| (class.to_owned(), config.clone()))?;
    file_layer(class, &config)
}

/// Whether something that is listed among the layers is an operation of `keras.ops`. Legacy files do not say where a class is, but layers
/// have more arguments.
fn is_operation(object: &Json) -> bool {
    let module = object.get("module").and_then(Json::as_str);
    let has = |key: &str| object["config"].get(key).is_some();
    match module {
        Some(module) => module.starts_with("keras.src.ops") || module.starts_with("keras.ops"),
        None => {
            let class = object["class_name"].as_str().unwrap_or_default();
            let named_so = layers::REGISTRY.iter().any(|layer| layer.name == class);
            let is_layer =
                has("trainable") || ((has("dtype") || named_so) && !KerasOperation::is_known(class));
            object.pointer("/inbound_nodes/0/args").is_some() && !is_layer
        }
    }
}

/// The layer that does what a call of an operation does. Where there are masks no layer does: operations lose them.
fn operation_of(class: &str, config: &Map<String, Json>, node: &Json, has_masks: bool) -> Result<LayerRef> {
    if !has_masks && let Some(layer) = with_number(class, node).or_else(|| as_layer(class, config, node)) {
        return layer;
    }
    let arguments = node.get("args").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = node.get("kwargs").and_then(Json::as_object).cloned().unwrap_or_default();
    Ok(LayerRef::new(KerasOperation::read(class, config.clone(), arguments, named)?))
}

/// Names of the layers and operations on whose outputs the model's depend, other than by masks.
fn needed<'a>(objects: &'a [Cow<'_, Json>], config: &Json) -> HashSet<&'a str> {
    let by_name: HashMap<&str, &Json> =
        objects.iter().filter_map(|object| Some((name_of(object)?, object.as_ref()))).collect();
    let mut waiting = Vec::new();
    collect_tensors(config.get("output_layers").unwrap_or(&Json::Null), &mut waiting);
    let mut needed = HashSet::new();
    while let Some((name, ..)) = waiting.pop() {
        let Some((&name, object)) = by_name.get_key_value(&*name) else { continue };
        if needed.insert(name) {
            let nodes = object.get("inbound_nodes").and_then(Json::as_array);
            nodes.into_iter().flatten().for_each(|node| node_tensors(node, &mut waiting));
        }
    }
    needed
}

/// A layer of a file of Keras's.
fn file_layer(class: &str, config: &Map<String, Json>) -> Result<LayerRef> {
    layer(class, config).map_err(|error| match error {
        Error::Unknown { kind: "layer", name: class, nearest, .. } => {
            let name = config.get("name").and_then(Json::as_str).unwrap_or_default();
            let nearest = nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"));
            let problem = format!(
                "`{class}` is none of the layers here{nearest}. If it is Keras's, let Keras write the model as ONNX, \
                 `model.export(\"model.onnx\", format=\"onnx\")`, and open that; a layer of your own can be made known in Rust by \
                 `layers::register`"
            );
            Error::argument(format!("layer `{name}`"), problem)
        }
        other => other,
    })
}

/// A call as Keras 3 writes it, with tensors anywhere in its arguments, or as Keras 2 does, a list of lists.
fn read_node(node: &Json) -> Result<Node> {
    let mut inputs = Vec::new();
    node_tensors(node, &mut inputs);
    let named = node.get("kwargs").unwrap_or(&Json::Null);
    if inputs.is_empty() {
        return Err(Error::argument("model configuration", format!("a call without inputs: {node}")));
    }
    // Keras 2 writes them behind each tensor.
    let training = named.get("training").or_else(|| node.get(0)?.get(3)?.get("training"));
    Ok(Node { inputs, training: training.and_then(Json::as_bool) })
}

/// The tensors that a call works on, masks aside.
pub(super) fn node_tensors(node: &Json, tensors: &mut Vec<TensorName>) {
    collect_tensors(node.get("args").unwrap_or(node), tensors);
    let named = node.get("kwargs").and_then(Json::as_object);
    for (_, argument) in named.into_iter().flatten().filter(|(name, _)| *name != "mask") {
        collect_tensors(argument, tensors);
    }
}

/// The layer of Keras that does what an operation does. Legacy files can hold these only.
fn as_layer(class: &str, config: &Map<String, Json>, node: &Json) -> Option<Result<LayerRef>> {
    let arguments = node.get("args")?.as_array()?;
    let is_tensor = |argument: &Json| argument["class_name"] == "__keras_tensor__";
    let mut own = Map::new();
    let class = match (class, &arguments[..]) {
        ("Add" | "Subtract" | "Multiply" | "Maximum" | "Minimum", [a, b]) if is_tensor(a) && is_tensor(b) => {
            class
        }
        ("Concatenate", [_]) => {
            own.insert("axis".into(), config.get("axis")?.clone());
            class
        }
        ("Relu", [_]) => "ReLU",
        _ => return None,
    };
    Some(layers::from_config(class, own).map(LayerRef::from))
}

/// The layer that does what a tensor plus, minus, times or by a number is. Keras writes an operation without a layer for it.
fn with_number(class: &str, node: &Json) -> Option<Result<LayerRef>> {
    let arguments = node.get("args")?.as_array()?;
    let [Json::Object(_), number] = &arguments[..] else { return None };
    let number = number.as_f64()?;
    Some(Ok(LayerRef::new(match class {
        "Add" => layers::Rescaling::new(1.0).offset(number),
        "Subtract" => layers::Rescaling::new(1.0).offset(-number),
        "Multiply" => layers::Rescaling::new(number),
        "Divide" | "TrueDivide" => layers::Rescaling::new(1.0 / number),
        _ => return None,
    })))
}

pub(super) fn collect_tensors(json: &Json, tensors: &mut Vec<TensorName>) {
    match json {
        Json::Array(items) => match triple(items) {
            Some(tensor) => tensors.push(tensor),
            None => items.iter().for_each(|item| collect_tensors(item, tensors)),
        },
        Json::Object(fields) => match fields.get("config").and_then(|config| config.get("keras_history")) {
            Some(history) => tensors.extend(history.as_array().and_then(|items| triple(items))),
            None => fields.values().for_each(|field| collect_tensors(field, tensors)),
        },
        _ => {}
    }
}

/// Layer, call, and output of a tensor.
fn triple(items: &[Json]) -> Option<TensorName> {
    let number = |index: usize| usize::try_from(items.get(index)?.as_u64()?).ok();
    Some((items.first()?.as_str()?.to_owned(), number(1)?, number(2)?))
}

/// As [`read_ends`], perhaps none. Keras counts those that have names by these, sorted.
pub(super) fn ends_of(json: &Json) -> Vec<TensorName> {
    let mut tensors = Vec::new();
    match json {
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            fields.into_iter().for_each(|(_, tensor)| collect_tensors(tensor, &mut tensors));
        }
        _ => collect_tensors(json, &mut tensors),
    }
    tensors
}

/// Inputs or outputs of a model: one tensor, a list, or an object of them.
fn read_ends(json: &Json) -> Result<Vec<TensorName>> {
    let tensors = ends_of(json);
    if tensors.is_empty() {
        return Err(Error::argument("model configuration", "no input_layers or output_layers"));
    }
    Ok(tensors)
}
