//! What networks trained on ImageNet expect and say: how pixels are scaled for them, and the names of the 1000 classes.

use std::str::FromStr;
use std::sync::LazyLock;

use convnet_nn::layers::{Conv2D, Rescaling};
use convnet_nn::{Error, LayerRef, Model, Result, Symbol};
use ndarray::{Array1, Array4};

/// A class of ImageNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its WordNet id, `n03877845`.
    pub synset: &'static str,
    /// Its name, words joined by `_`: `great_white_shark`.
    pub name: &'static str,
}

/// The 1000 classes, in the order of the networks' outputs.
pub static CLASSES: LazyLock<Vec<Class>> = LazyLock::new(|| {
    let lines = include_str!("../data/imagenet.txt").lines();
    lines.filter_map(|line| line.split_once(' ')).map(|(synset, name)| Class { synset, name }).collect()
});

/// The likeliest `top` classes of 1000 probabilities, the likeliest first. Keras's `decode_predictions`.
///
/// ```
/// let mut probabilities = vec![0.0; 1000];
/// (probabilities[698], probabilities[0]) = (0.4287, 0.2);
/// for (class, probability) in convnet_vision::imagenet::decode_predictions(&probabilities, 2)? {
///     println!("{} {} {:.2} %", class.synset, class.name, 100.0 * probability); // n03877845 palace 42.87 %
/// }
/// # Ok::<(), convnet_nn::Error>(())
/// ```
///
/// # Errors
/// If there are not 1000 of them.
pub fn decode_predictions(probabilities: &[f32], top: usize) -> Result<Vec<(Class, f32)>> {
    if probabilities.len() != CLASSES.len() {
        let problem = format!("{} classes are known, got {} numbers", CLASSES.len(), probabilities.len());
        return Err(Error::argument("decode_predictions", problem));
    }
    let mut classes: Vec<(Class, f32)> = CLASSES.iter().copied().zip(probabilities.iter().copied()).collect();
    classes.sort_by(|a, b| b.1.total_cmp(&a.1));
    classes.truncate(top);
    Ok(classes)
}

/// How a network wants its pixels, which lie in 0 … 255 before. Keras's modes of `preprocess_input`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocessing {
    /// As they are: the network scales them itself.
    None,
    /// 0 … 1.
    Unit,
    /// −1 … 1.
    Tf,
    /// 0 … 1, then ImageNet's mean of each channel subtracted and divided by its deviation.
    Torch,
    /// Blue first, ImageNet's mean of each channel subtracted.
    Caffe,
}

/// ImageNet's mean of red, green and blue in 0 … 1.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// Their deviations.
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// ImageNet's mean of blue, green and red in 0 … 255.
const CAFFE: [f32; 3] = [103.939, 116.779, 123.68];

/// The layer that swaps red and blue and subtracts the mean, before networks whose weights want that.
pub const SWAP: &str = "caffe_preprocessing";

/// Names of [`Preprocessing`], as they are parsed.
const NAMES: [(&str, Preprocessing); 5] = [
    ("none", Preprocessing::None),
    ("unit", Preprocessing::Unit),
    ("tf", Preprocessing::Tf),
    ("torch", Preprocessing::Torch),
    ("caffe", Preprocessing::Caffe),
];

impl FromStr for Preprocessing {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = NAMES.iter().find(|known| known.0 == name);
        found
            .map(|known| known.1)
            .ok_or_else(|| Error::unknown("preprocessing", name, NAMES.map(|known| known.0)))
    }
}

impl Preprocessing {
    /// What the weights of keras.applications were trained with, by the name of a network: `resnet50`, `mobilenet-v2`. `None` for
    /// names that it has not.
    pub fn of_keras(network: &str) -> Option<Self> {
        let name = network.replace(['-', '_'], "").to_lowercase();
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        Some(match () {
            () if starts(&["efficientnetlite", "nasnet", "xception", "inception"]) => Self::Tf,
            () if starts(&["efficientnet", "convnext", "mobilenetv3"]) => Self::None,
            () if starts(&["mobilenet"]) => Self::Tf,
            () if starts(&["densenet"]) => Self::Torch,
            () if starts(&["resnet"]) && name.ends_with("v2") => Self::Tf,
            () if starts(&["resnet", "vgg"]) => Self::Caffe,
            () => return None,
        })
    }

    /// What weights from torchvision and timm were trained with; those of EfficientNet-Lite and the inception networks come from TensorFlow.
    pub fn of_pytorch(network: &str) -> Self {
        let of_tensorflow = ["efficientnet-lite", "inception"].iter().any(|start| network.starts_with(start));
        if of_tensorflow { Self::Tf } else { Self::Torch }
    }

    /// The same as layers, for a model that takes pixels of 0 … 255 as they are. Pictures that are not of three colours are brought to 0 … 1,
    /// whatever the mode. [`Preprocessing::initialize`] has to be called on the model.
    ///
    /// # Errors
    /// Never for an image.
    pub fn layers(self, image: &Symbol) -> Result<Symbol> {
        match self {
            Self::None => Ok(image.clone()),
            _ if image.shape().channels() != 3 => image.apply(Rescaling::new(1.0 / 255.0)),
            Self::Unit => image.apply(Rescaling::new(1.0 / 255.0)),
            Self::Tf => image.apply(Rescaling::new(1.0 / 127.5).offset(-1.0)),
            Self::Torch => {
                let scale: [f64; 3] = DEVIATION.map(|deviation| 1.0 / (255.0 * f64::from(deviation)));
                let offset: [f64; 3] =
                    std::array::from_fn(|at| -f64::from(MEAN[at]) / f64::from(DEVIATION[at]));
                image.apply(Rescaling::new(scale).offset(offset))
            }
            // Keras has no layer that swaps channels; a convolution of one pixel does.
            Self::Caffe => image.apply(LayerRef::new(Conv2D::new(3, 1)).named(SWAP).trainable(false)),
        }
    }

    /// Sets the weights of what [`Preprocessing::layers`] added.
    ///
    /// # Errors
    /// If the model has a layer of that name that is something else.
    pub fn initialize(self, model: &mut Model) -> Result<()> {
        if self != Self::Caffe || model.get_layer(SWAP).is_err() {
            return Ok(());
        }
        let swap = Array4::from_shape_fn((1, 1, 3, 3), |(_, _, from, to)| f32::from(from + to == 2));
        model.set_weight(&format!("{SWAP}/kernel"), swap.view().into_dyn())?;
        model.set_weight(
            &format!("{SWAP}/bias"),
            Array1::from(CAFFE.map(|mean| -mean).to_vec()).view().into_dyn(),
        )
    }

    /// Keras's `preprocess_input`, in place. `pixels` are (…, red, green, blue) in 0 … 255.
    pub fn apply(self, pixels: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Unit => pixels.iter_mut().for_each(|value| *value /= 255.0),
            Self::Tf => pixels.iter_mut().for_each(|value| *value = *value / 127.5 - 1.0),
            Self::Torch => {
                for pixel in pixels.chunks_exact_mut(3) {
                    for ((value, mean), deviation) in pixel.iter_mut().zip(MEAN).zip(DEVIATION) {
                        *value = (*value / 255.0 - mean) / deviation;
                    }
                }
            }
            Self::Caffe => {
                for pixel in pixels.chunks_exact_mut(3) {
                    pixel.swap(0, 2);
                    pixel.iter_mut().zip(CAFFE).for_each(|(value, mean)| *value -= mean);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_thousand_classes() {
        assert_eq!(CLASSES.len(), 1000);
        assert_eq!(CLASSES[698], Class { synset: "n03877845", name: "palace" });
        assert!(CLASSES.iter().all(|class| class.synset.len() == 9 && !class.name.contains(' ')));
    }

    #[test]
    fn keras_scales_alike() {
        // Keras 3.15: imagenet_utils.preprocess_input([[[[10, 100, 200]]]], mode=…)
        let scaled = |mode: Preprocessing| {
            let mut pixel = [10.0, 100.0, 200.0];
            mode.apply(&mut pixel);
            pixel
        };
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(near(scaled(Preprocessing::Tf), [-0.921_568_6, -0.215_686_26, 0.568_627_5]));
        assert!(near(scaled(Preprocessing::Caffe), [96.061, -16.779, -113.68]));
        assert!(near(scaled(Preprocessing::Torch), [-1.9466565, -0.28501397, 1.6813945]));
    }
}
