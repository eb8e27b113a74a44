//! The layers, one file each, and the registry of them that files, help texts and tests iterate.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::layer::Layer;

mod activation;
mod batch_normalization;
mod concatenate;
mod config;
mod conv;
mod conv_transpose;
mod cropping;
mod dense;
mod depthwise_conv;
mod dropout;
mod elu;
mod flatten;
mod global_pooling;
mod leaky_re_lu;
mod merging;
mod operation;
mod p_re_lu;
mod permute;
mod pooling;
mod re_lu;
mod repeat_vector;
mod rescaling;
mod reshape;
mod separable_conv;
mod softmax;
mod up_sampling;
mod zero_padding;

pub use config::{Padding, Sides, Size};
pub use conv::Conv;
pub use conv_transpose::ConvTranspose;
pub use cropping::Cropping;
pub use depthwise_conv::DepthwiseConv;
pub use global_pooling::GlobalPooling;
pub use merging::{Differences, Maxima, Means, Merger, Merging, Minima, Products, Sums};
pub use operation::{Constant, Operator, Windows};
pub use pooling::{Max, Mean, Pooling, Reduction};
pub use separable_conv::SeparableConv;
pub use up_sampling::{Interpolation, UpSampling};
pub use zero_padding::ZeroPadding;

/// A kind of layer that can be made from its configuration.
#[derive(Clone, Copy, Debug)]
pub struct LayerClass {
    /// Keras's class name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Makes one from Keras's arguments.
    pub from_config: fn(Map<String, Json>) -> Result<Arc<dyn Layer>>,
    /// Examples with the shapes of their inputs (without the batch), for tests and documentation.
    pub examples: fn() -> Vec<(Arc<dyn Layer>, Vec<Vec<usize>>)>,
}

/// Re-exports the layers and lists them in [`REGISTRY`].
macro_rules! registry {
    ($($module:ident :: $layer:ident, $about:literal;)*) => {
        $(pub use $module::$layer;)*

        /// All layers that a configuration can name, in alphabetical order.
        pub const REGISTRY: &[LayerClass] = &[$(LayerClass {
            name: stringify!($layer),
            about: $about,
            from_config: |config| Ok(Arc::new(config::parse::<$layer>(stringify!($layer), config)?)),
            examples: || {
                $layer::examples().into_iter().map(|(layer, inputs)| (Arc::new(layer) as Arc<dyn Layer>, inputs)).collect()
            },
        }),*];
    };
}

registry! {
    activation::Activation, "applies an activation function";
    merging::Add, "adds inputs, elementwise";
    merging::Average, "takes the mean of inputs, elementwise";
    pooling::AveragePooling1D, "averages windows of a sequence";
    pooling::AveragePooling2D, "averages windows of an image";
    pooling::AveragePooling3D, "averages windows of a volume";
    batch_normalization::BatchNormalization, "brings each channel to mean 0 and deviation 1, then scales and shifts it";
    concatenate::Concatenate, "joins inputs along an axis";
    conv::Conv1D, "convolves a sequence with trained filters";
    conv_transpose::Conv1DTranspose, "spreads a sequence with trained filters, which makes it larger";
    conv::Conv2D, "convolves an image with trained filters";
    conv_transpose::Conv2DTranspose, "spreads an image with trained filters, which makes it larger";
    conv::Conv3D, "convolves a volume with trained filters";
    conv_transpose::Conv3DTranspose, "spreads a volume with trained filters, which makes it larger";
    cropping::Cropping1D, "cuts borders off a sequence";
    cropping::Cropping2D, "cuts borders off an image";
    cropping::Cropping3D, "cuts borders off a volume";
    dense::Dense, "connects every input with every unit";
    depthwise_conv::DepthwiseConv1D, "convolves each channel of a sequence with trained filters of its own";
    depthwise_conv::DepthwiseConv2D, "convolves each channel of an image with trained filters of its own";
    dropout::Dropout, "zeroes a random share of the inputs during training";
    elu::ELU, "bends what is negative by an exponential";
    flatten::Flatten, "makes each sample one row of numbers";
    global_pooling::GlobalAveragePooling1D, "averages each channel of a sequence";
    global_pooling::GlobalAveragePooling2D, "averages each channel of an image";
    global_pooling::GlobalAveragePooling3D, "averages each channel of a volume";
    global_pooling::GlobalMaxPooling1D, "takes the maximum of each channel of a sequence";
    global_pooling::GlobalMaxPooling2D, "takes the maximum of each channel of an image";
    global_pooling::GlobalMaxPooling3D, "takes the maximum of each channel of a volume";
    leaky_re_lu::LeakyReLU, "makes what is negative smaller";
    pooling::MaxPooling1D, "takes the maxima of windows of a sequence";
    pooling::MaxPooling2D, "takes the maxima of windows of an image";
    pooling::MaxPooling3D, "takes the maxima of windows of a volume";
    merging::Maximum, "takes the largest of several inputs, elementwise";
    merging::Minimum, "takes the smallest of several inputs, elementwise";
    merging::Multiply, "multiplies inputs, elementwise";
    operation::Operation, "applies an operation of the engine, for models of other frameworks";
    p_re_lu::PReLU, "makes what is negative smaller by trained factors";
    permute::Permute, "puts the axes of each sample into another order";
    re_lu::ReLU, "cuts off what is negative, or bends it";
    repeat_vector::RepeatVector, "repeats each sample";
    rescaling::Rescaling, "multiplies by a number and adds another";
    reshape::Reshape, "gives each sample other sizes";
    separable_conv::SeparableConv1D, "convolves each channel of a sequence by itself, then mixes the channels";
    separable_conv::SeparableConv2D, "convolves each channel of an image by itself, then mixes the channels";
    softmax::Softmax, "makes probabilities along an axis";
    merging::Subtract, "takes the difference of two inputs, elementwise";
    up_sampling::UpSampling1D, "makes a sequence longer by repetition";
    up_sampling::UpSampling2D, "makes an image larger by repetition";
    up_sampling::UpSampling3D, "makes a volume larger by repetition";
    zero_padding::ZeroPadding1D, "adds zeros around a sequence";
    zero_padding::ZeroPadding2D, "adds zeros around an image";
    zero_padding::ZeroPadding3D, "adds zeros around a volume";
}

/// Makes a layer from its class name and arguments.
///
/// # Errors
/// If the class is unknown (the error has the nearest name), or an argument is.
pub fn from_config(class: &str, config: Map<String, Json>) -> Result<Arc<dyn Layer>> {
    match REGISTRY.iter().find(|known| known.name == class) {
        Some(known) => (known.from_config)(config),
        None => Err(Error::unknown("layer", class, REGISTRY.iter().map(|known| known.name))),
    }
}
