//! What a model keeps of the data that it learnt from, so that other data are brought to it in the same way.

use anyhow::{Context, Result};
use convnet::data::images::Background;
use convnet::data::text::TextVectorization;
use convnet::data::{Collection, ImageShape};
use convnet::prelude::*;
use serde_json::{Value as Json, json};

use crate::samples;

/// Keras's configuration of a `TextVectorization`.
const WORDS: &str = "text_vectorization";

/// What is behind the things on pictures: `any`, or `dark`.
const BACKGROUND: &str = "background";

/// Names of the layers that were made for the classes.
const HEAD: &str = "head";

/// Keeps with a model what it is trained on.
pub fn keep(model: &mut Model, collection: &Collection) {
    if let Some(words) = &collection.words {
        model.remember(WORDS, Json::Object(words.config()));
    }
    if collection.image_shape().is_some() {
        // The named sets are bright on dark, and files of their form as a rule. Others are trained on as they come.
        let background = if samples::is_plain(collection) { "dark" } else { "any" };
        model.remember(BACKGROUND, background.into());
    }
}

/// The words that a model for texts learnt from.
///
/// # Errors
/// If they were kept and are damaged.
pub fn words(model: &Model) -> Result<Option<TextVectorization>> {
    let Some(config) = model.remembered(WORDS) else { return Ok(None) };
    TextVectorization::from_config(config).map(Some).context("the words that the model knows are damaged")
}

/// What is behind the things on the pictures that a model learnt from; of a model that does not say, what is usual for its images.
pub fn background(model: &Model, shape: ImageShape) -> Background {
    match model.remembered(BACKGROUND).and_then(Json::as_str) {
        Some("any") => Background::Any,
        Some("dark") if shape.channels == 1 => Background::Dark,
        _ => Background::for_shape(shape),
    }
}

/// Says which layers were made for the classes, in front of a base that had learnt before.
pub fn keep_head(model: &mut Model, layers: &[String]) {
    model.remember(HEAD, json!(layers));
}

/// The layers that were made for the classes, if that is known and they are still there.
pub fn head(model: &Model) -> Option<Vec<String>> {
    let names = model.remembered(HEAD)?.as_array()?.iter();
    let names: Vec<String> = names.filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    let is_there = !names.is_empty() && names.iter().all(|name| model.get_layer(name).is_ok());
    is_there.then_some(names)
}
