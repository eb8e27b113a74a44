//! Models by the name of a built-in one or of one of the zoo, from a TOML description, or from a saved file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use convnet::interop::keras;
use convnet::interop::npy::{self, Number};
use convnet::interop::onnx::{self, Port, Tensor};
use convnet::nn::layers::{Conv1D, Embedding, GlobalMaxPooling1D, MaxPooling1D};
use convnet::nn::model::Compiled;
use convnet::nn::schedules::ScheduleChoice;
use convnet::nn::{losses, names, optimizers};
use convnet::prelude::*;
use convnet::vision::zoo::{self, Family, Network};
use ndarray::{ArrayD, IxDyn};

use crate::description;
use crate::output::note;

/// A model that has a name.
pub struct Builtin {
    /// What to call it.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    build: fn() -> convnet::nn::Result<Model>,
}

/// The models that can be named instead of giving a file.
pub const BUILTIN: &[Builtin] = &[
    Builtin {
        name: "fashion-cnn",
        about: "5 convolutions and 3 dense layers for 28×28 grey images, class numbers as targets",
        build: fashion_cnn,
    },
    Builtin {
        name: "mnist-functional",
        about: "3 convolutions and a dense layer for 28×28 grey images, class numbers as targets",
        build: mnist_functional,
    },
    Builtin {
        name: "mnist-sequential",
        about: "3 convolutions and 2 dense layers for 28×28 grey images, one-hot targets",
        build: mnist_sequential,
    },
    Builtin {
        name: TEXT_CNN,
        about: "an embedding and 2 convolutions for texts of two classes; --max-tokens and --sequence-length size it",
        build: || text_cnn(10_000, 500),
    },
];

/// The built-in network for texts, which takes the sizes of the data.
pub const TEXT_CNN: &str = "text-cnn";

/// All names that stand for a model, each with a line about it.
fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    let builtin = BUILTIN.iter().map(|known| (known.name, known.about));
    builtin.chain(zoo::REGISTRY.iter().map(|known| (known.name, known.about)))
}

/// The names, in a sentence.
fn names_of_all() -> String {
    known().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

/// What `--model` and `MODEL` take, for help texts.
pub fn help() -> String {
    let builtin: Vec<&str> = BUILTIN.iter().map(|known| known.name).collect();
    let builtin = builtin.join(", ");
    format!(
        "A .keras, .h5 or .onnx file, a .toml description, or a name: {builtin}, or of the zoo (`convnet zoo`)"
    )
}

/// As [`help`], with a line for each built-in model.
pub fn long_help() -> String {
    let lines: String = known().map(|(name, about)| format!("\n{name:<17} {about}")).collect();
    format!(
        "A .keras, .h5 or .onnx file, a .toml description (see `convnet layers --help`), or a built-in name:{lines}"
    )
}

fn fashion_cnn() -> convnet::nn::Result<Model> {
    let conv = |filters, size| Conv2D::new(filters, size).padding(Padding::Same).activation(Activation::Relu);
    let mut model = Sequential::new([28, 28, 1])
        .add(conv(64, 7))
        .add(MaxPooling2D::new(2))
        .add(conv(128, 3))
        .add(conv(128, 3))
        .add(MaxPooling2D::new(2))
        .add(conv(256, 3))
        .add(conv(256, 3))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dense::new(128).activation(Activation::Relu))
        .add(Dropout::new(0.5))
        .add(Dense::new(64).activation(Activation::Relu))
        .add(Dropout::new(0.5))
        .add(Dense::new(10).activation(Activation::Softmax))
        .build()?;
    model.compile(Adam::default(), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    Ok(model)
}

fn mnist_functional() -> convnet::nn::Result<Model> {
    let image = Symbol::input([28, 28, 1]);
    let x = image.apply(Conv2D::new(32, 3).activation(Activation::Relu))?;
    let x = x.apply(MaxPooling2D::new(2))?;
    let x = x.apply(Conv2D::new(64, 3).activation(Activation::Relu))?;
    let x = x.apply(MaxPooling2D::new(2))?;
    let x = x.apply(Conv2D::new(128, 3).activation(Activation::Relu))?;
    let x = x.apply(Flatten::new())?;
    let classes = x.apply(Dense::new(10).activation(Activation::Softmax))?;
    let mut model = Model::new(&[image], &[classes])?;
    model.compile(RmsProp::default(), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    Ok(model)
}

fn mnist_sequential() -> convnet::nn::Result<Model> {
    let mut model = Sequential::new([28, 28, 1])
        .add(Conv2D::new(32, 3).activation(Activation::Relu))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(64, 3).activation(Activation::Relu))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(64, 3).activation(Activation::Relu))
        .add(Flatten::new())
        .add(Dense::new(64).activation(Activation::Relu))
        .add(Dense::new(10).activation(Activation::Softmax))
        .build()?;
    model.compile(RmsProp::default(), CategoricalCrossentropy::default(), [Metric::Accuracy])?;
    Ok(model)
}

/// F. Chollet, 2017, Deep Learning with Python, 6.4: what a convolution of 7 words finds twice, on texts of `length` words of `words`.
///
/// # Errors
/// If the texts are too short for it.
pub fn text_cnn(words: usize, length: usize) -> convnet::nn::Result<Model> {
    let mut model = Sequential::new([length])
        .add(Embedding::new(words, 128))
        .add(Conv1D::new(32, 7).activation(Activation::Relu))
        .add(MaxPooling1D::new(5))
        .add(Conv1D::new(32, 7).activation(Activation::Relu))
        .add(GlobalMaxPooling1D::new())
        .add(Dense::new(1))
        .build()?
        .named(TEXT_CNN.replace('-', "_"));
    let loss = BinaryCrossentropy { from_logits: true, ..BinaryCrossentropy::default() };
    // It gives scores, of which those above 0 are for the second class.
    model.compile(RmsProp::new(1e-4), loss, [Metric::BinaryAccuracy { threshold: 0.0 }.named("accuracy")])?;
    Ok(model)
}

/// How many words a model for texts knows, and how many it takes of each.
pub fn text_sizes(model: &Model) -> Option<(usize, usize)> {
    let [input] = &model.input_shapes()[..] else { return None };
    let &[length] = &input.dims[..] else { return None };
    let first = model.layers().iter().find_map(|layer| layer.layer())?;
    let words = first.config().get("input_dim").and_then(serde_json::Value::as_u64)?;
    (first.class_name() == "Embedding").then_some((usize::try_from(words).ok()?, length))
}

/// A model, and whether its weights are worth keeping.
pub struct Opened {
    /// The model; compiled, unless it comes from a file that does not say how.
    pub model: Model,
    /// Whether its weights come from a file, rather than from an initializer.
    pub trained: bool,
}

/// The model that `name` stands for.
///
/// # Errors
/// If it is neither a built-in name nor a file, or the file is not what its name says.
pub fn open(name: &str) -> Result<Opened> {
    if let Some(known) = BUILTIN.iter().find(|known| known.name == name) {
        return Ok(Opened { model: (known.build)()?.named(known.name.replace('-', "_")), trained: false });
    }
    let path = Path::new(name);
    if let Some(network) = zoo_network(name).filter(|_| !path.exists()) {
        return of_zoo(&network);
    }
    if !path.exists() {
        bail!("{}", not_found(name));
    }
    if path.extension().is_some_and(|extension| extension == "toml") {
        let mut model = description::read(path)?;
        if model.compiled().is_none() {
            compile_default(&mut model)
                .with_context(|| format!("{name} has no [compile], and the default fails"))?;
        }
        return Ok(Opened { model, trained: false });
    }
    convnet::vision::layers::register();
    // Files without an ending of their own are Keras's, whose content tells which of its formats it is.
    let known = convnet::interop::model_format(path).is_ok();
    let model = if known { convnet::interop::load(path) } else { load_model(path) };
    let model = model.map_err(|problem| {
        let text = problem.to_string();
        let open = ["open sizes beside the batch", "mixes the samples of a batch"].iter().any(|part| text.contains(part));
        let hint = "cannot open the model; `convnet convert IN.onnx OUT.keras --input-shape 1x3x224x224` writes it for such sizes alone, the batch among them";
        anyhow::Error::new(problem).context(if open { hint } else { "cannot open the model" })
    })?;
    for text in model.notes() {
        note(format!("warning: {name}: {text}"));
    }
    Ok(Opened { model, trained: true })
}

/// A model for arrays as its file describes them.
pub enum ForArrays {
    /// One that takes and gives 32-bit floating point.
    Model(Box<Model>),
    /// A file of Keras's whose model's inputs have open sizes, which are those of the arrays: names of inputs and outputs.
    Open(PathBuf, Vec<String>, Vec<String>),
    /// A file that becomes a model for arrays that are given, with the axes and the kinds of numbers that it has.
    Onnx(Box<onnx::File>),
}

/// The model that `name` stands for, with the axes of an ONNX file as they are there.
///
/// # Errors
/// As [`open`].
pub fn open_for_arrays(name: &str) -> Result<ForArrays> {
    let path = Path::new(name);
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) && path.exists() {
        return Ok(ForArrays::Onnx(Box::new(onnx::File::open(path).context("cannot open the model")?)));
    }
    match open(name) {
        Ok(opened) => Ok(ForArrays::Model(Box::new(opened.model))),
        Err(problem) => match keras::stated_ends(path) {
            Ok((inputs, outputs)) if inputs.iter().any(|input| input.dims.contains(&None)) => {
                let inputs = inputs.into_iter().map(|input| input.name).collect();
                Ok(ForArrays::Open(path.to_owned(), inputs, outputs))
            }
            _ => Err(problem),
        },
    }
}

impl ForArrays {
    /// Names of what it takes.
    pub fn inputs(&self) -> Vec<String> {
        match self {
            Self::Model(model) => model.input_names().into_iter().map(str::to_owned).collect(),
            Self::Open(_, inputs, _) => inputs.clone(),
            Self::Onnx(file) => file.inputs().into_iter().map(|port| port.name).collect(),
        }
    }

    /// Names of what it gives, and the kinds of its numbers.
    pub fn outputs(&self) -> Vec<Port> {
        match self {
            Self::Model(model) => {
                let port = |name: &str| Port { name: name.to_owned(), number: Number::F32 };
                model.output_names().into_iter().map(port).collect()
            }
            Self::Open(_, _, outputs) => {
                outputs.iter().map(|name| Port { name: name.clone(), number: Number::F32 }).collect()
            }
            Self::Onnx(file) => file.outputs(),
        }
    }

    /// Reads the array of an input: whole numbers exactly where a file wants such.
    ///
    /// # Errors
    /// If it cannot be read, or is no array.
    pub fn read(&self, input: usize, path: &Path) -> Result<Tensor> {
        let number = match self {
            Self::Model(_) | Self::Open(..) => Number::F32,
            Self::Onnx(file) => file.inputs().get(input).map_or(Number::F32, |port| port.number),
        };
        if !matches!(number, Number::F32 | Number::F64) {
            return Ok(Tensor::read_npy(path)?);
        }
        let array = npy::read_file(path)?;
        Ok(Tensor::floats(array.shape().to_vec(), array.into_raw_vec_and_offset().0))
    }

    /// Makes it ready for arrays, one for each input.
    ///
    /// # Errors
    /// If the arrays do not fit, or a file's operators cannot be read.
    pub fn with_arrays(self, arrays: Vec<Tensor>) -> Result<ReadyForArrays> {
        match self {
            Self::Model(model) => {
                let array = |tensor: Tensor| {
                    let dims = IxDyn(&tensor.dims);
                    ArrayD::from_shape_vec(dims, tensor.into_floats()).context("an array without its numbers")
                };
                Ok(ReadyForArrays::Model(model, arrays.into_iter().map(array).collect::<Result<_>>()?))
            }
            Self::Open(path, ..) => {
                let sizes: Vec<Vec<usize>> =
                    arrays.iter().map(|array| array.dims.iter().skip(1).copied().collect()).collect();
                let model = keras::load_model_sized(path, &sizes).context("cannot open the model")?;
                Self::Model(Box::new(model)).with_arrays(arrays)
            }
            Self::Onnx(file) => {
                let names = file.inputs().into_iter().map(|port| port.name);
                let evaluation = file.with_values(names.zip(arrays).collect());
                Ok(ReadyForArrays::Onnx(Box::new(evaluation.context("cannot open the model")?)))
            }
        }
    }
}

/// A model, and the arrays that it is to be run on.
pub enum ReadyForArrays {
    /// With its inputs.
    Model(Box<Model>, Vec<ArrayD<f32>>),
    /// With its inputs.
    Onnx(Box<onnx::Evaluation>),
}

impl ReadyForArrays {
    /// The outputs.
    ///
    /// # Errors
    /// If an array has sizes that its input does not have.
    pub fn run(&self) -> Result<Vec<Tensor>> {
        match self {
            Self::Model(model, arrays) => {
                let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
                let tensor =
                    |array: ArrayD<f32>| Tensor::floats(array.shape().to_vec(), array.into_iter().collect());
                Ok(model.predict_all(&views)?.into_iter().map(tensor).collect())
            }
            Self::Onnx(evaluation) => Ok(evaluation.run()?),
        }
    }
}

/// The network of the zoo that `name` stands for, with its default arguments.
pub fn zoo_network(name: &str) -> Option<Network<Box<dyn Family>>> {
    zoo::find(name)
}

/// A network of the zoo, compiled, if it tells classes of images apart, as such networks are usually trained: SGD with
/// momentum 0.9. Others (several classifiers, a class for each pixel) need a loss of their own.
///
/// # Errors
/// If its arguments are not possible.
pub fn of_zoo(network: &Network<Box<dyn Family>>) -> Result<Opened> {
    compiled(network.build()?)
}

/// A network of the zoo; if it tells classes apart, with what such networks are usually trained with.
///
/// # Errors
/// If the loss does not fit its output.
pub fn compiled(mut model: Model) -> Result<Opened> {
    if matches!(&model.output_shapes()[..], [shape] if shape.dims.len() == 1) {
        let optimizer = Sgd::default().momentum(0.9);
        model.compile(optimizer, SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    }
    Ok(Opened { model, trained: false })
}

fn not_found(name: &str) -> String {
    let looks_like_file = Path::new(name).extension().is_some() || name.contains(std::path::is_separator);
    if looks_like_file {
        return format!("there is no file `{name}`");
    }
    let nearest = names::nearest(name, known().map(|(name, _)| name));
    let hint = nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"));
    format!("no model file and no built-in model is called `{name}`{hint}; built in are {}", names_of_all())
}

/// Compiles with what suits a classifier of the model's output shape: RMSprop, cross-entropy, accuracy.
///
/// # Errors
/// If the output does not fit these.
pub fn compile_default(model: &mut Model) -> Result<()> {
    let binary = model.output_shapes().first().is_some_and(|shape| shape.dims == [1]);
    let loss = if binary { "binary_crossentropy" } else { "sparse_categorical_crossentropy" };
    let compiled =
        Compiled::new(optimizers::from_name("rmsprop")?, losses::from_name(loss)?, vec![Metric::Accuracy]);
    Ok(model.compile_with(compiled)?)
}

/// Trains on with another optimizer, step size or schedule, in epochs of so many steps; loss and metrics stay.
///
/// # Errors
/// If the optimizer is unknown.
pub fn change_optimizer(
    model: &mut Model,
    optimizer: Option<&str>,
    rate: Option<&ScheduleChoice>,
    (steps, epochs): (u64, u64),
) -> Result<()> {
    let Some(compiled) = model.compiled().filter(|_| optimizer.is_some() || rate.is_some()) else {
        return Ok(());
    };
    let mut compiled = Compiled::from_config(&compiled.config(), &model.output_names())?;
    if let Some(name) = optimizer {
        compiled.optimizer = optimizers::from_name(name)?;
    }
    if let Some(rate) = rate {
        compiled.optimizer = rate.set(compiled.optimizer, steps, epochs);
    }
    Ok(model.compile_with(compiled)?)
}

/// Whether the model brings pixels of 0 … 255 to its own range itself, by a first layer that makes them small or subtracts a mean of
/// that range; all other models take pixels of 0 … 1.
pub fn takes_bytes(model: &Model) -> bool {
    let Some(first) =
        model.layers().iter().find_map(|layer| layer.layer().map(|known| (layer.name(), known)))
    else {
        return false;
    };
    let (name, layer) = first;
    let config = layer.config();
    let numbers = |key: &str| -> Vec<f64> {
        match config.get(key) {
            Some(serde_json::Value::Array(items)) => {
                items.iter().filter_map(serde_json::Value::as_f64).collect()
            }
            Some(number) => number.as_f64().into_iter().collect(),
            None => Vec::new(),
        }
    };
    match layer.class_name() {
        "Rescaling" => {
            let scale = numbers("scale");
            !scale.is_empty() && scale.iter().all(|scale| scale.abs() < 0.1)
        }
        // As before ConvNeXt: means of 0 … 1 lie below 1.
        "Normalization" => numbers("mean").iter().any(|mean| *mean > 2.0),
        _ => name == convnet::vision::imagenet::SWAP,
    }
}

/// The size of the images that the model takes.
///
/// # Errors
/// If it takes something else than one image.
pub fn image_shape(model: &Model) -> Result<convnet::data::ImageShape> {
    match &model.input_shapes()[..] {
        [shape] if shape.dims.len() == 3 => {
            Ok(convnet::data::ImageShape::new(shape.dims[0], shape.dims[1], shape.dims[2]))
        }
        shapes => {
            let shapes: Vec<String> = shapes.iter().map(ToString::to_string).collect();
            bail!("the model takes {}, not one image (None, height, width, channels)", shapes.join(" and "))
        }
    }
}
