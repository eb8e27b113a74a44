//! The model that is trained: by name or file, with others' weights, for the classes of the data, frozen in parts.

use std::path::Path;

use anyhow::{Context, Result, bail};
use convnet::data::{Collection, Opening};
use convnet::interop::keras;
use convnet::nn::model::Compiled;
use convnet::prelude::*;
use convnet::vision::imagenet::Preprocessing;
use convnet::vision::transfer::{self, Unfreeze};
use convnet::vision::zoo::{Family, Network};
use serde_json::{Value as Json, json};

use super::settings::Settings;
use crate::arguments::image_size;
use crate::models::{self, Opened};
use crate::output::note;
use crate::remembered;
use crate::samples;
use crate::weights::{self, Origin, Weights};

/// The step size for what was frozen before, as a part of the one for new layers.
const FINE: f32 = 0.1;

/// A model on its way, or the network of the zoo that it will be.
pub enum Beginning {
    /// From a file, or built in.
    Model(Box<Opened>),
    /// Takes the sizes of the data.
    Zoo(Network<Box<dyn Family>>),
}

impl Beginning {
    /// By the name that was given.
    ///
    /// # Errors
    /// If there is no such model.
    pub fn open(settings: &Settings) -> Result<Self> {
        let name = &settings.model;
        if name == models::TEXT_CNN && !Path::new(name).exists() {
            let usual = Opening::default();
            let words = settings.max_tokens.unwrap_or(usual.max_tokens);
            let length = settings.sequence_length.unwrap_or(usual.sequence_length);
            let model = models::text_cnn(words, length)
                .with_context(|| format!("{name} with texts of {length} words"))?;
            return Ok(Self::Model(Box::new(Opened { model, trained: false })));
        }
        if let Some(network) = models::zoo_network(name).filter(|_| !Path::new(name).exists()) {
            return Ok(Self::Zoo(network));
        }
        let weights = weights_of(settings)?;
        Ok(Self::Model(Box::new(weights.open(name)?.0)))
    }

    /// Height, width and channels that pictures are brought to.
    ///
    /// # Errors
    /// If the size that was asked for is none.
    fn image_size(&self, settings: &Settings) -> Result<Option<[usize; 3]>> {
        if let Some(text) = &settings.image_size {
            return image_size(text).map(Some).map_err(anyhow::Error::msg);
        }
        Ok(match self {
            Self::Zoo(network) => Some(network.input_shape),
            Self::Model(opened) => models::image_shape(&opened.model)
                .ok()
                .map(|shape| [shape.height, shape.width, shape.channels]),
        })
    }

    /// How the data is read for the model.
    ///
    /// # Errors
    /// If the size of pictures that was asked for is none, or what the model keeps of its texts is damaged.
    pub fn opening(&self, settings: &Settings) -> Result<Opening> {
        let mut how = match self {
            Self::Zoo(_) => samples::opening(None, settings.seed),
            Self::Model(opened) => samples::opening_for(&opened.model, settings.seed)?,
        };
        let size = samples::opening(self.image_size(settings)?, settings.seed);
        (how.image_size, how.color_mode) = (size.image_size, size.color_mode);
        if how.words.is_none() {
            how.max_tokens = settings.max_tokens.unwrap_or(how.max_tokens);
            how.sequence_length = settings.sequence_length.unwrap_or(how.sequence_length);
        }
        if settings.skip_broken {
            samples::skip_broken(&mut how);
        }
        Ok(how)
    }

    /// The model for this data, compiled, initialised, and frozen as asked.
    ///
    /// # Errors
    /// If model, weights and data do not fit each other.
    pub fn prepare(self, settings: &Settings, collection: &Collection, steps: usize) -> Result<Model> {
        let Opened { mut model, trained } = match self {
            Self::Model(opened) => for_classes(*opened, collection)?,
            Self::Zoo(network) => of_zoo(network, settings, collection).with_context(|| {
                format!("{} does not fit the data set `{}`", settings.model, collection.name)
            })?,
        };
        if !trained {
            model.initialize(settings.seed);
        }
        if model.compiled().is_none() {
            models::compile_default(&mut model)?;
        }
        freeze(&mut model, settings)?;
        compile(&mut model, settings, steps)?;
        model.set_max_memory(settings.max_memory);
        if let Some(precision) = &settings.precision {
            model.set_precision(precision.parse()?);
        }
        if model.output_shapes()[0].channels() == collection.class_names.len().max(1)
            || collection.class_names.len() == 2
        {
            model.set_class_names(collection.class_names.clone());
        }
        Ok(model)
    }
}

/// A trained model of other classes gets a new classifier, if its data are pictures; all else stays as it is.
fn for_classes(opened: Opened, collection: &Collection) -> Result<Opened> {
    let classes = collection.class_names.len();
    let outputs = opened.model.output_shapes()[0].channels();
    if !opened.trained
        || !samples::is_pictures(collection)
        || classes == outputs
        || outputs == 1 && classes == 2
    {
        return Ok(opened);
    }
    let compiled = opened.model.compiled().map(Compiled::config);
    let mut model = transfer::replace_classifier(&opened.model, classes)?;
    let old = opened.model;
    let new = transfer::copy_weights(&old, &mut model)?;
    note(format!(
        "note: the classifier of {outputs} classes is replaced by one of {classes} ({})",
        new.join(", ")
    ));
    remembered::keep_head(&mut model, &new);
    if let Some(compiled) = compiled {
        let compiled = Compiled::from_config(&compiled, &model.output_names())?;
        model.compile_with(compiled)?;
    }
    Ok(Opened { model, trained: true })
}

/// A network of the zoo for the images and classes of the data.
fn of_zoo(network: Network<Box<dyn Family>>, settings: &Settings, collection: &Collection) -> Result<Opened> {
    let shape =
        collection.image_shape().context("a network of the zoo takes images, and these samples are none")?;
    let classes = collection.class_names.len();
    let ours = network.input_shape([shape.height, shape.width, shape.channels]).classes(classes);
    let chosen = settings.preprocess.as_deref().map(str::parse::<Preprocessing>).transpose()?;
    let Some(file) = &settings.weights else {
        if samples::is_plain(collection) {
            return models::of_zoo(&ours);
        }
        let usual = Preprocessing::of_keras(&settings.model).unwrap_or(Preprocessing::Unit);
        let mut opened = models::compiled(transfer::with_preprocessing(&ours, chosen.unwrap_or(usual))?)?;
        opened.model.initialize(settings.seed);
        chosen.unwrap_or(usual).initialize(&mut opened.model)?;
        return Ok(Opened { trained: true, ..opened });
    };
    let (donor, origin) = donor(settings, file)?;
    let ours = weights::as_of(ours, origin);
    let preprocessing = chosen.unwrap_or_else(|| match origin {
        Origin::PyTorch(_) => Preprocessing::of_pytorch(&settings.model),
        Origin::Keras => Preprocessing::of_keras(&settings.model).unwrap_or(Preprocessing::Unit),
    });
    let mut model = transfer::on_base(&ours, preprocessing)?;
    model.initialize(settings.seed);
    preprocessing.initialize(&mut model)?;
    let missing = transfer::copy_weights(&donor, &mut model)?;
    let new: Vec<&str> = missing
        .iter()
        .map(String::as_str)
        .filter(|layer| *layer != CLASSIFIER && !layer.contains("preprocessing"))
        .collect();
    if !new.is_empty() {
        bail!("{} has no weights for {}", file.display(), new.join(", "));
    }
    remembered::keep_head(&mut model, &[CLASSIFIER.to_owned()]);
    model.compile(Adam::default(), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    Ok(Opened { model, trained: true })
}

/// The layer that `transfer::on_base` puts behind a base.
const CLASSIFIER: &str = "predictions";

/// The weights that training begins with, if any were named.
fn weights_of(settings: &Settings) -> Result<Weights> {
    let from = settings.weights_from.as_deref().map(str::parse).transpose()?;
    Ok(Weights { weights: settings.weights.clone(), weights_from: from })
}

/// The network as its weights' makers had it, with their weights: whole, or without its top.
fn donor(settings: &Settings, file: &Path) -> Result<(Model, Origin)> {
    let whole = weights_of(settings)?.open(&settings.model);
    match whole {
        Ok((opened, origin)) => Ok((opened.model, origin)),
        Err(problem) if weights::are_pytorch(file).unwrap_or(false) => Err(problem),
        Err(problem) => {
            let Some(network) = models::zoo_network(&settings.model) else { return Err(problem) };
            let mut base = network.include_top(false).build_empty()?;
            keras::load_weights(&mut base, file).map_err(|_| problem)?;
            Ok((base, Origin::Keras))
        }
    }
}

/// Freezes and unfreezes layers.
fn freeze(model: &mut Model, settings: &Settings) -> Result<()> {
    for name in &settings.freeze {
        if name == "base" {
            match remembered::head(model) {
                Some(head) => transfer::freeze_all_but(model, &head)?,
                None => transfer::freeze_base(model)?,
            };
            continue;
        }
        let matching: Vec<String> = match name.strip_suffix('*') {
            None => vec![name.clone()],
            Some(start) => {
                let names = model.layers().iter().map(|layer| layer.name().to_owned());
                names.filter(|layer| layer.starts_with(start)).collect()
            }
        };
        if matching.is_empty() {
            bail!("--freeze {name}: no layer's name begins so; `convnet summary` lists them");
        }
        for layer in matching {
            model.set_trainable(&layer, false).context("--freeze")?;
        }
    }
    if let Some(which) = &settings.unfreeze {
        transfer::unfreeze(model, &which.parse::<Unfreeze>()?).context("--unfreeze")?;
    }
    if model.trainable_weights().next().is_none() {
        bail!("all layers are frozen, so there is nothing to train; --unfreeze all trains them again");
    }
    Ok(())
}

/// Optimizer, step size and loss as asked; the optimizer begins anew if one of them is.
fn compile(model: &mut Model, settings: &Settings, steps: usize) -> Result<()> {
    let asked = settings.rate()?;
    let finer = settings.unfreeze.is_some() && asked.is_none() && settings.optimizer.is_none();
    let before = model.compiled().map(|compiled| compiled.optimizer.learning_rate()).filter(|_| finer);
    // A schedule that rises from 0 says nothing here.
    let rate = match before.map(|rate| rate * FINE).filter(|rate| *rate > 0.0) {
        Some(rate) => {
            note(format!(
                "note: layers that were frozen are trained at a tenth of the model's step size, {rate}; --learning-rate sets another"
            ));
            Some(rate.to_string().parse()?)
        }
        None => asked,
    };
    let course = (steps as u64, settings.epochs() as u64);
    models::change_optimizer(model, settings.optimizer.as_deref(), rate.as_ref(), course)?;
    // Mixtures of pictures have targets between classes, which a loss of class numbers does not know.
    let mixes = settings.pipeline()?.is_some_and(|pipeline| !pipeline.mixes().is_empty());
    let smoothing = settings.label_smoothing.or(mixes.then_some(0.0));
    let (Some(compiled), Some(smoothing)) = (model.compiled(), smoothing) else { return Ok(()) };
    let mut config = compiled.config();
    smooth(&mut config, smoothing)?;
    let compiled = Compiled::from_config(&config, &model.output_names())?;
    model.compile_with(compiled).context("--label-smoothing")
}

/// Gives a cross-entropy soft targets; that of class numbers becomes that of one-hot rows.
fn smooth(config: &mut Json, smoothing: f64) -> Result<()> {
    let loss = &mut config["loss"];
    let class = loss["class_name"].as_str().unwrap_or_default().to_owned();
    let logits = loss["config"]["from_logits"] == true;
    match class.as_str() {
        "SparseCategoricalCrossentropy" | "CategoricalCrossentropy" => {
            loss["class_name"] = "CategoricalCrossentropy".into();
            loss["config"] = json!({ "from_logits": logits, "label_smoothing": smoothing });
        }
        "BinaryCrossentropy" if smoothing == 0.0 => {}
        "BinaryCrossentropy" => {
            loss["config"] = json!({ "from_logits": logits, "label_smoothing": smoothing })
        }
        other => bail!("--label-smoothing is for cross-entropies; the model's loss is {other}"),
    }
    Ok(())
}
