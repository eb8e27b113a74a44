//! Mixtures of the pictures of a batch.

use convnet_nn::Error;
use serde_json::{Map, Value as Json};

use super::Draw;

/// A kind of mixture. Targets, rows of a number for each class, are mixed in the same proportion λ, which is drawn from the beta distribution
/// whose parameters are both `alpha`, for each picture by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mix {
    /// λ of the one picture and 1 − λ of another (Zhang et al., "mixup: Beyond empirical risk minimization", 2017).
    MixUp {
        /// Above 0; the smaller, the less is mixed. Default 0.2.
        alpha: f64,
    },
    /// A rectangle that has 1 − λ of the area is taken from another picture (Yun et al., "CutMix", 2019).
    CutMix {
        /// Above 0. Default 1: all proportions alike often.
        alpha: f64,
    },
}

/// The step of [`Draw`] that mixtures take their numbers from; no pipeline is so long.
const STEP: u64 = u32::MAX as u64;

impl Mix {
    /// What the kinds are called in texts.
    pub const NAMES: [&'static str; 2] = ["mixup", "cutmix"];

    /// One of [`Self::NAMES`] with its argument `alpha`.
    ///
    /// # Errors
    /// If the name or an argument is wrong.
    pub fn from_config(name: &str, mut arguments: Map<String, Json>) -> Result<Self, Error> {
        let place = || format!("augmentation {name}");
        let given = arguments.remove("alpha");
        if let Some(key) = arguments.keys().next() {
            return Err(Error::argument(place(), format!("unknown argument `{key}`; it takes alpha")));
        }
        let usual = if name == "mixup" { 0.2 } else { 1.0 };
        let alpha = given.as_ref().map_or(Some(usual), Json::as_f64);
        match (name, alpha.filter(|alpha| (0.001..=1000.0).contains(alpha))) {
            (_, None) => Err(Error::argument(place(), "alpha must be 0.001 to 1000")),
            ("mixup", Some(alpha)) => Ok(Self::MixUp { alpha }),
            ("cutmix", Some(alpha)) => Ok(Self::CutMix { alpha }),
            _ => Err(Error::unknown("mixture", name, Self::NAMES)),
        }
    }

    /// What it is called in texts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MixUp { .. } => Self::NAMES[0],
            Self::CutMix { .. } => Self::NAMES[1],
        }
    }

    /// Its arguments.
    pub fn config(&self) -> Map<String, Json> {
        let (Self::MixUp { alpha } | Self::CutMix { alpha }) = *self;
        Map::from_iter([("alpha".to_owned(), Json::from(alpha))])
    }

    /// One of several, drawn for the batch whose first sample has this number.
    pub fn draw(mixes: &[Self], (seed, epoch): (u64, u64), first: usize) -> Option<Self> {
        mixes.get(Draw::new(seed, epoch, first as u64, STEP - 2).below(mixes.len())).copied()
    }

    /// Mixes each picture of a batch with that which stands a random distance behind it.
    ///
    /// `indices` are the samples' numbers, from which with seed and epoch all randomness follows. `images` are `(count, height, width, channels)` of these
    /// `sizes`, `targets` are `(count, classes)`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn apply(
        &self,
        (seed, epoch): (u64, u64),
        indices: &[usize],
        images: &mut [f32],
        sizes: [usize; 3],
        targets: &mut [f32],
    ) {
        let count = indices.len();
        if count < 2 {
            return;
        }
        let (image, classes) = (sizes.iter().product::<usize>(), targets.len() / count);
        assert_eq!(images.len(), count * image, "a batch has a picture for each number");
        let (before, labels) = (images.to_vec(), targets.to_vec());
        let distance = 1 + Draw::new(seed, epoch, indices[0] as u64, STEP).below(count - 1);
        for (at, &index) in indices.iter().enumerate() {
            let other = (at + distance) % count;
            let mut random = Draw::new(seed, epoch, index as u64, STEP - 1);
            let picture = &mut images[at * image..][..image];
            let from = &before[other * image..][..image];
            let own = match *self {
                Self::MixUp { alpha } => {
                    let own = random.beta(alpha) as f32;
                    blend(picture, from, own);
                    own
                }
                Self::CutMix { alpha } => {
                    let share = random.beta(alpha) as f32;
                    paste(&mut random, share, picture, from, sizes)
                }
            };
            let (row, from) =
                (&mut targets[at * classes..][..classes], &labels[other * classes..][..classes]);
            blend(row, from, own);
        }
    }
}

fn blend(values: &mut [f32], others: &[f32], own: f32) {
    values.iter_mut().zip(others).for_each(|(value, other)| *value = own * *value + (1.0 - own) * other);
}

/// Takes a rectangle from another picture; its middle is anywhere, and what would be outside is cut off. Returns the share of the area that stays.
fn paste(random: &mut Draw, share: f32, picture: &mut [f32], from: &[f32], sizes: [usize; 3]) -> f32 {
    let [height, width, channels] = sizes;
    let mut range = |side: usize| {
        let length = (side as f32 * (1.0 - share).max(0.0).sqrt()) as usize;
        let middle = random.below(side);
        middle.saturating_sub(length / 2)..(middle + length.div_ceil(2)).min(side)
    };
    let (rows, columns) = (range(height), range(width));
    for row in rows.clone() {
        let part = (row * width + columns.start) * channels..(row * width + columns.end) * channels;
        picture[part.clone()].copy_from_slice(&from[part]);
    }
    1.0 - (rows.len() * columns.len()) as f32 / (height * width).max(1) as f32
}
