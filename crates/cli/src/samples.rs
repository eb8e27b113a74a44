//! Data sets, brought to what a model takes.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use convnet::data::{Collection, DataError, Labelled, OnBroken, Opening, SampleSet, Shares, images};
use convnet::prelude::*;

use crate::models;
use crate::output::note;
use crate::remembered;

/// What can stand for a data set, for help texts.
pub const HELP: &str = "mnist, fashion-mnist, a folder with a folder of pictures or texts for each class, a folder of IDX files, or a .csv, .npz or .h5 file";

/// Share that is kept for validation where data has no images for tests and nobody said otherwise.
const USUAL_SHARE: f64 = 0.2;

/// How picture files are read for a model of this image size, as `convnet predict` does.
pub fn opening(size: Option<[usize; 3]>, seed: u64) -> Opening {
    use convnet::data::ColorMode::{Grayscale, Rgb, Rgba};
    let color_mode = size.map(|[_, _, channels]| match channels {
        1 => Grayscale,
        4 => Rgba,
        _ => Rgb,
    });
    Opening {
        image_size: size.map(|[height, width, _]| (height, width)),
        color_mode,
        interpolation: images::Resampling::Bilinear,
        seed: seed as u32,
        ..Opening::default()
    }
}

/// How data is read for a model: pictures of its size, texts by the words that it learnt from, or as many as it has room for.
///
/// # Errors
/// If what it keeps of its texts is damaged.
pub fn opening_for(model: &Model, seed: u64) -> Result<Opening> {
    let size = models::image_shape(model).ok().map(|shape| [shape.height, shape.width, shape.channels]);
    let mut how = opening(size, seed);
    how.words = remembered::words(model)?;
    if let Some((words, length)) = models::text_sizes(model) {
        (how.max_tokens, how.sequence_length) = (words, length);
    }
    Ok(how)
}

/// Lets pictures that cannot be read be named and passed over.
pub fn skip_broken(how: &mut Opening) {
    how.on_broken = OnBroken::Skip;
    how.report = Some(Arc::new(|problem: &DataError| {
        note(format!("skipped: {problem}; the next of its class stands in for it"));
    }));
}

/// What samples are called in texts for people.
pub fn noun(collection: &Collection) -> &'static str {
    match (collection.image_shape(), collection.kind, &collection.words) {
        (Some(_), ..) => "image",
        (None, "IMDB", _) | (None, _, Some(_)) => "text",
        _ => "sample",
    }
}

/// Reads a data set by name, file or folder, saying on standard error what takes long and what was passed over.
///
/// # Errors
/// If there is none, or its files are not what they should be.
pub fn open(name: &str, how: &Opening) -> Result<Collection> {
    let collection = convnet::data::open_with(name, how, &mut |text| note(text))
        .with_context(|| format!("cannot load the data set `{name}`"))?;
    collection.notes.iter().for_each(|text| note(format!("note: {text}")));
    Ok(collection)
}

/// Whether a data set is one of the built-in ones or of their form, whose last images are kept back for validation.
pub fn is_plain(collection: &Collection) -> bool {
    matches!(collection.kind, "named" | "IDX folder")
}

/// Whether samples are files of pictures.
pub fn is_pictures(collection: &Collection) -> bool {
    !is_plain(collection) && collection.image_shape().is_some()
}

/// Takes a share for validation off what there is to train on, class by class where there are classes. Nothing if the data set brings its own,
/// or is cut by `fit`.
///
/// # Errors
/// If too little is left.
pub fn keep_back(collection: &mut Collection, share: Option<f64>, seed: u64) -> Result<()> {
    if is_plain(collection) || collection.validation.is_some() && share.is_none() {
        return Ok(());
    }
    let share = share.unwrap_or(if collection.test.is_some() { 0.0 } else { USUAL_SHARE });
    if share == 0.0 {
        return Ok(());
    }
    let shares = Shares::new(&[1.0 - share, share])?.seed(seed);
    let shares = if collection.train.labels().is_some() { shares.stratified() } else { shares };
    let parts = collection.train.split(shares).context("cannot keep back images for validation")?;
    let [train, validation] = &parts[..] else { bail!("cannot keep back images for validation") };
    (collection.train, collection.validation) = (train.clone(), Some(validation.clone()));
    Ok(())
}

/// Samples in the form that a compiled model wants: pixels of 0 … 1 or 0 … 255, labels as numbers or one-hot.
///
/// # Errors
/// If the images have another size than the model takes, or there are more classes than outputs.
pub fn fit(set: &SampleSet, model: &Model, collection: &Collection) -> Result<SampleSet> {
    fitted(set, model, collection).with_context(|| {
        format!("the model `{}` does not fit the data set `{}`", model.name(), collection.name)
    })
}

fn fitted(set: &SampleSet, model: &Model, collection: &Collection) -> Result<SampleSet> {
    if let Some(given) = collection.image_shape() {
        let wanted = models::image_shape(model)?;
        if wanted != given {
            bail!(
                "the model takes images of {wanted}, the data has {given} (height, width, channels); \
                 a model with input_shape = [{}, {}, {}] would fit",
                given.height,
                given.width,
                given.channels
            );
        }
    }
    let compiled = model.compiled().context("the model has no loss")?;
    let [output] = &model.output_shapes()[..] else { bail!("the model has several outputs") };
    let classes = collection.class_names.len();
    let enough = |outputs: usize| match outputs {
        1 if classes > 2 => bail!("one output tells 2 classes apart, the data has {classes}"),
        outputs if outputs > 1 && classes > outputs => {
            bail!("the model tells {outputs} classes apart, the data has {classes}")
        }
        _ => Ok(()),
    };
    let objective = compiled.objectives.first().context("the model has no loss")?;
    let wanted = objective.target_shape(output).dims;
    let set = match (&wanted[..], set.labels().is_some()) {
        // Numbers to be guessed, not classes.
        (_, false) => set.clone(),
        ([], _) => {
            // An embedding has room for any number of classes.
            objective.classes(output).map_or(Ok(()), enough)?;
            set.clone()
        }
        ([1], _) => enough(1).and_then(|()| Ok(set.binary()?))?,
        (&[outputs], _) => enough(outputs).and_then(|()| Ok(set.one_hot(outputs)?))?,
        _ => bail!("the model gives {output} for an image, the data has one label"),
    };
    if !models::takes_bytes(model) || set.white() != Some(1.0) {
        return Ok(set);
    }
    if is_plain(collection) {
        // Exactly the bytes of the file.
        let bytes = |x: &mut f32| *x = (*x * 255.0).round();
        return Ok(set.map(move |_, _, sample| sample.inputs[0].iter_mut().for_each(bytes)));
    }
    Ok(set.with_white(255.0))
}

/// The images to judge a model by: those for tests, or where there are none those for validation, or else those for training; and what they
/// are called.
pub fn judged(collection: &Collection) -> (&SampleSet, &'static str) {
    match (&collection.test, &collection.validation) {
        (Some(test), _) => (test, "test"),
        (None, Some(validation)) => (validation, "validation"),
        (None, None) => (&collection.train, "train"),
    }
}
