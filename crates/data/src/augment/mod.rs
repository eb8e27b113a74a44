//! Augmentation: other pictures of the same things.
//!
//! - A kind of change, a file each, is a structure of plain data that implements [`Augment`]; [`KINDS`] lists them with the names that
//!   texts, TOML files and `convnet augment` know them by.
//! - A [`Pipeline`] applies several, one after another: `"standard"`, or `"flip,rotate=15,zoom=0.2"`. Neighbours that only move pixels
//!   become one warp.
//! - [`Augmented`] gives a model augmented [`Samples`](convnet_nn::Samples); [`Mixed`] mixes pictures of a batch ([`Mix`]);
//!   [`Standardize`] brings samples to mean 0 and deviation 1.
//! - What is marked on a picture ([`Annotated`]) moves with its pixels.
//! - The functions behind the kinds, which take what is otherwise drawn, are in [`apply`].
//!
//! Randomness comes from counters ([`Draw`]): the same seed gives the same pictures, on any number of threads.
//!
//! ```
//! use convnet_data::augment::{Annotated, BoxF, Pipeline};
//! use ndarray::Array3;
//!
//! let pipeline: Pipeline = "flip,rotate=15,zoom=0.2".parse()?;
//! let mut photo = Annotated::new(Array3::zeros((64, 48, 3)));
//! photo.boxes.push(BoxF::new(10.0, 20.0, 30.0, 40.0));
//! let (seed, epoch, index) = (7, 1, 1234);
//! pipeline.apply(seed, epoch, index, &mut photo);
//! assert_eq!(photo.size(), [64, 48]);
//! # Ok::<(), convnet_nn::Error>(())
//! ```

use std::fmt::Debug;
use std::sync::Arc;

use convnet_nn::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

mod affine;
mod annotated;
mod autocontrast;
mod blur;
mod brightness;
mod channel_shift;
mod colour;
mod contrast;
mod crop;
mod cut;
mod cutout;
mod draw;
mod equalize;
mod erase;
mod fill;
mod flip;
mod grayscale;
mod hue;
mod invert;
mod mix;
mod pipeline;
mod posterize;
mod rand_augment;
mod resized_crop;
mod rotation;
mod samples;
mod saturation;
mod sharpness;
mod shear;
mod shift;
mod size;
mod solarize;
mod sometimes;
mod standardize;
mod zoom;

pub use affine::{Matrix, Warp};
pub use annotated::{Annotated, BoxF};
pub use draw::Draw;
pub use fill::{Fill, Interpolation};
pub use mix::Mix;
pub use pipeline::{PRESETS, Pipeline, Preset};
pub use samples::{Augmented, Mixed, Standardized};
pub use size::Size;
pub use sometimes::Sometimes;
pub use standardize::Standardize;

/// What the kinds do, with numbers of the caller's in the place of random ones.
pub mod apply {
    pub use super::autocontrast::autocontrast;
    pub use super::blur::gaussian_blur;
    pub use super::brightness::adjust_brightness;
    pub use super::channel_shift::shift_channels;
    pub use super::contrast::adjust_contrast;
    pub use super::cut::{Part, crop, middle, paint, resize};
    pub use super::equalize::equalize;
    pub use super::flip::mirror;
    pub use super::grayscale::grayscale;
    pub use super::hue::adjust_hue;
    pub use super::invert::invert;
    pub use super::posterize::posterize;
    pub use super::saturation::adjust_saturation;
    pub use super::sharpness::adjust_sharpness;
    pub use super::solarize::solarize;
}

/// A kind of change. The built-in ones and a user's own implement this alike.
pub trait Augment: Debug + Send + Sync {
    /// Its name, as in [`KINDS`].
    fn name(&self) -> &'static str;

    /// Its arguments.
    fn config(&self) -> Map<String, Json>;

    /// Says what is wrong with the arguments.
    ///
    /// # Errors
    /// If they are out of range.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Changes a sample. Kinds that have a [`warp`](Self::warp) need not say more.
    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        if let Some(warp) = self.warp(random, sample.size()) {
            warp.apply(sample);
        }
    }

    /// The warp of a picture of this height and width, if that is all that is done: then it can be joined with that of the next kind.
    fn warp(&self, _random: &mut Draw, _size: [usize; 2]) -> Option<Warp> {
        None
    }

    /// Height and width that pictures of this height and width come to have.
    fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        size
    }

    /// What is done to a sample that is not to be augmented: only what gives it the right size.
    fn rest(&self, _sample: &mut Annotated) {}
}

/// What texts, help and tests know of a kind of change.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The argument that `name=VALUE` sets.
    pub main: Option<&'static str>,
    /// With which probability it happens if nothing is said: the argument `p`.
    pub chance: f32,
    /// An example that shows well, in which it always happens.
    pub example: &'static str,
    make: fn(&str, Map<String, Json>) -> Result<Arc<dyn Augment>, Error>,
}

impl Kind {
    /// Makes one from arguments; those that are missing have their defaults.
    ///
    /// # Errors
    /// If an argument is unknown or out of range.
    pub fn make(&self, mut arguments: Map<String, Json>) -> Result<Arc<dyn Augment>, Error> {
        let place = || format!("augmentation {}", self.name);
        let chance = match arguments.remove("p") {
            None => self.chance,
            Some(given) => match given.as_f64() {
                Some(p) if (0.0..=1.0).contains(&p) => p as f32,
                _ => return Err(Error::argument(place(), format!("p must be 0 to 1, received {given}"))),
            },
        };
        let made = (self.make)(&place(), arguments)?;
        let always = chance == 1.0 && self.chance == 1.0;
        Ok(if always { made } else { Arc::new(Sometimes { chance, inner: made }) })
    }
}

fn build<T: Augment + DeserializeOwned + 'static>(
    place: &str,
    arguments: Map<String, Json>,
) -> Result<Arc<dyn Augment>, Error> {
    let made: T = serde_json::from_value(Json::Object(arguments))
        .map_err(|problem| Error::argument(place, problem.to_string()))?;
    made.check().map_err(|problem| Error::argument(place, problem))?;
    Ok(Arc::new(made))
}

/// Re-exports the kinds and lists them in [`KINDS`]: module, type, name, main argument, probability, example, description.
macro_rules! registry {
    ($($module:ident :: $kind:ident, $name:literal, $main:expr, $chance:literal, $example:literal, $about:literal;)*) => {
        $(pub use $module::$kind;)*

        /// All kinds of change to single pictures, in alphabetical order. Those that mix pictures are [`Mix::NAMES`].
        pub const KINDS: &[Kind] = &[$(Kind {
            name: $name,
            about: $about,
            main: $main,
            chance: $chance,
            example: $example,
            make: build::<$kind>,
        }),*];
    };
}

registry! {
    autocontrast::Autocontrast, "autocontrast", None, 0.5, "autocontrast:p=1", "stretches each channel to black and white";
    blur::Blur, "blur", Some("sigma"), 0.5, "blur=4:p=1", "blurs by a Gaussian window";
    brightness::Brightness, "brightness", Some("share"), 1.0, "brightness=0.6", "multiplies by a factor";
    channel_shift::ChannelShift, "channel-shift", Some("range"), 1.0, "channel-shift=80", "adds a number, kept between the least and the largest value";
    contrast::Contrast, "contrast", Some("share"), 1.0, "contrast=0.8", "brings values nearer to their mean or away from it";
    crop::Crop, "crop", Some("size"), 1.0, "crop:padding=40", "cuts a part of fixed size out at a random place";
    cutout::Cutout, "cutout", Some("share"), 0.5, "cutout=0.4:p=1", "paints a square";
    equalize::Equalize, "equalize", None, 0.5, "equalize:p=1", "spreads values so that all shades are alike often";
    erase::Erase, "erase", Some("area"), 0.5, "erase:p=1", "covers a rectangle with noise";
    flip::Flip, "flip", None, 0.5, "flip:p=1", "exchanges left and right";
    flip::FlipVertical, "flip-vertical", None, 0.5, "flip-vertical:p=1", "exchanges top and bottom";
    grayscale::Grayscale, "grayscale", None, 0.2, "grayscale:p=1", "takes the colours away";
    hue::Hue, "hue", Some("turn"), 1.0, "hue=0.5", "turns the circle of colours";
    invert::Invert, "invert", None, 0.5, "invert:p=1", "exchanges dark and bright";
    posterize::Posterize, "posterize", Some("bits"), 0.5, "posterize=2:p=1", "keeps only the upper bits of values";
    rand_augment::RandAugment, "randaugment", Some("magnitude"), 1.0, "randaugment=15", "applies a few of fourteen changes, all of one strength";
    resized_crop::ResizedCrop, "resized-crop", Some("area"), 1.0, "resized-crop=0.2", "cuts out a part of random size and proportions and resizes it";
    rotation::Rotation, "rotate", Some("degrees"), 1.0, "rotate=40:fill=constant", "turns by an angle";
    saturation::Saturation, "saturation", Some("share"), 1.0, "saturation=1", "makes colours paler or stronger";
    sharpness::Sharpness, "sharpness", Some("share"), 0.5, "sharpness=8:p=1", "makes sharper or softer";
    shear::Shear, "shear", Some("degrees"), 1.0, "shear=40:fill=nearest", "slants columns by an angle";
    shift::Shift, "shift", Some("share"), 1.0, "shift=0.4:fill=wrap", "moves up or down and to a side";
    solarize::Solarize, "solarize", Some("threshold"), 0.5, "solarize=128:p=1", "inverts what is bright";
    zoom::Zoom, "zoom", Some("share"), 1.0, "zoom=0.5:fill=reflect", "makes larger or smaller, each axis by itself";
}

/// The arguments of a kind as a map.
fn to_map(kind: &impl Serialize) -> Map<String, Json> {
    match serde_json::to_value(kind) {
        Ok(Json::Object(mut map)) => {
            map.values_mut().for_each(shorten);
            map
        }
        _ => unreachable!("kinds are structures of plain data"),
    }
}

/// A number of single precision with its own digits: 0.2 instead of 0.20000000298.
fn shorten(value: &mut Json) {
    if value.is_f64()
        && let Some(short) = value.as_f64().and_then(|number| (number as f32).to_string().parse::<f64>().ok())
    {
        *value = short.into();
    }
}

/// Refuses an argument that is out of range or no number.
fn within(argument: &str, value: f32, least: f32, most: f32) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{argument} must be {least} to {most}, received {value}"))
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
