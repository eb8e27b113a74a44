//! The layers, one file each, and the registry of them that files, help texts and tests iterate.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::layer::Layer;

mod activation;
mod activity_regularization;
mod adaptive_pooling;
mod batch_normalization;
mod bidirectional;
mod channel_pooling;
mod concatenate;
mod config;
mod conv;
mod conv_transpose;
mod cropping;
mod dense;
mod depthwise_conv;
mod dot;
mod dropout;
mod einsum_dense;
mod elu;
mod embedding;
mod filters;
mod flatten;
mod global_pooling;
mod group_normalization;
mod identity;
mod keras_operation;
mod lambda;
mod layer_normalization;
mod leaky_re_lu;
mod masking;
mod masks;
mod merging;
mod noise;
mod normalization;
mod operation;
mod p_re_lu;
mod permute;
mod pooling;
mod random_colour;
mod random_crop;
mod random_warp;
mod re_lu;
mod recurrent;
mod repeat_vector;
mod resampling;
mod rescaling;
mod reshape;
mod resizing;
mod ruled;
mod separable_conv;
mod softmax;
mod spectral_normalization;
mod time_distributed;
mod up_sampling;
mod wrapped;
mod zero_padding;

pub use adaptive_pooling::AdaptivePooling;
pub use bidirectional::MergeMode;
pub use config::{Padding, Sides, Size};
pub use conv::Conv;
pub use conv_transpose::ConvTranspose;
pub use cropping::Cropping;
pub use depthwise_conv::DepthwiseConv;
pub use global_pooling::GlobalPooling;
pub use keras_operation::KerasOperation;
pub use lambda::Lambda;
pub use layer_normalization::Axes;
pub use merging::{Differences, Maxima, Means, Merger, Merging, Minima, Products, Sums};
pub use noise::SpatialDropout;
pub use operation::{Constant, Operator, Windows};
pub use pooling::{Max, Mean, Pooling, Reduction};
pub use random_warp::{Factor, FillMode, FlipMode};
pub use recurrent::{Cell, GatedCell, LongShortTermCell, PlainCell, Recurrent, StepWeights};
pub use resampling::Interpolation;
pub use rescaling::PerChannel;
pub use ruled::{Ruled, WithRules};
pub use separable_conv::SeparableConv;
pub(crate) use spectral_normalization::normalise as normalise_spectrum;
pub use up_sampling::UpSampling;
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
    activity_regularization::ActivityRegularization, "makes large activations cost something";
    adaptive_pooling::AdaptiveAveragePooling1D, "averages a sequence down to a given length";
    adaptive_pooling::AdaptiveAveragePooling2D, "averages an image down to a given size";
    adaptive_pooling::AdaptiveAveragePooling3D, "averages a volume down to a given size";
    adaptive_pooling::AdaptiveMaxPooling1D, "takes maxima of a sequence down to a given length";
    adaptive_pooling::AdaptiveMaxPooling2D, "takes maxima of an image down to a given size";
    adaptive_pooling::AdaptiveMaxPooling3D, "takes maxima of a volume down to a given size";
    merging::Add, "adds inputs, elementwise";
    noise::AlphaDropout, "brings a random share of the inputs to where SELU saturates, during training";
    merging::Average, "takes the mean of inputs, elementwise";
    pooling::AveragePooling1D, "averages windows of a sequence";
    pooling::AveragePooling2D, "averages windows of an image";
    pooling::AveragePooling3D, "averages windows of a volume";
    batch_normalization::BatchNormalization, "brings each channel to mean 0 and deviation 1, then scales and shifts it";
    bidirectional::Bidirectional, "reads a sequence from both ends with a recurrent layer";
    resizing::CenterCrop, "cuts the middle out of images";
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
    channel_pooling::DepthwiseMaxPooling, "takes the maxima of groups of channels";
    dot::Dot, "sums the products of two inputs along an axis of each";
    dropout::Dropout, "zeroes a random share of the inputs during training";
    elu::ELU, "bends what is negative by an exponential";
    einsum_dense::EinsumDense, "multiplies with a kernel and sums along axes that an equation names";
    embedding::Embedding, "looks up a trained vector for each whole number";
    flatten::Flatten, "makes each sample one row of numbers";
    recurrent::GRU, "reads a sequence with a gated recurrent unit";
    noise::GaussianDropout, "multiplies by noise during training";
    noise::GaussianNoise, "adds noise during training";
    global_pooling::GlobalAveragePooling1D, "averages each channel of a sequence";
    global_pooling::GlobalAveragePooling2D, "averages each channel of an image";
    global_pooling::GlobalAveragePooling3D, "averages each channel of a volume";
    global_pooling::GlobalMaxPooling1D, "takes the maximum of each channel of a sequence";
    global_pooling::GlobalMaxPooling2D, "takes the maximum of each channel of an image";
    global_pooling::GlobalMaxPooling3D, "takes the maximum of each channel of a volume";
    group_normalization::GroupNormalization, "brings groups of channels of each sample to mean 0 and deviation 1, then scales and shifts each channel";
    identity::Identity, "does nothing";
    recurrent::LSTM, "reads a sequence with a long short-term memory";
    layer_normalization::LayerNormalization, "brings each position to mean 0 and deviation 1, then scales and shifts each channel";
    leaky_re_lu::LeakyReLU, "makes what is negative smaller";
    channel_pooling::LocalResponseNormalization, "holds each channel down by what its neighbours say";
    masking::Masking, "tells recurrent layers which time steps to pass over";
    pooling::MaxPooling1D, "takes the maxima of windows of a sequence";
    pooling::MaxPooling2D, "takes the maxima of windows of an image";
    pooling::MaxPooling3D, "takes the maxima of windows of a volume";
    merging::Maximum, "takes the largest of several inputs, elementwise";
    merging::Minimum, "takes the smallest of several inputs, elementwise";
    merging::Multiply, "multiplies inputs, elementwise";
    normalization::Normalization, "subtracts the data's mean and divides by its deviation";
    operation::Operation, "applies an operation of the engine, for models of other frameworks";
    p_re_lu::PReLU, "makes what is negative smaller by trained factors";
    permute::Permute, "puts the axes of each sample into another order";
    layer_normalization::RMSNormalization, "divides each position by its root mean square, then scales each channel";
    random_colour::RandomBrightness, "makes images brighter or darker during training";
    random_colour::RandomContrast, "makes the contrast of images larger or smaller during training";
    random_crop::RandomCrop, "cuts a part out of images, at a random place during training";
    random_warp::RandomFlip, "mirrors images during training";
    random_warp::RandomRotation, "turns images during training";
    random_warp::RandomTranslation, "moves images during training";
    random_warp::RandomZoom, "makes what is on images larger or smaller during training";
    re_lu::ReLU, "cuts off what is negative, or bends it";
    repeat_vector::RepeatVector, "repeats each sample";
    rescaling::Rescaling, "multiplies by a number and adds another";
    reshape::Reshape, "gives each sample other sizes";
    resizing::Resizing, "brings images to a size";
    separable_conv::SeparableConv1D, "convolves each channel of a sequence by itself, then mixes the channels";
    separable_conv::SeparableConv2D, "convolves each channel of an image by itself, then mixes the channels";
    recurrent::SimpleRNN, "reads a sequence, step by step";
    softmax::Softmax, "makes probabilities along an axis";
    noise::SpatialDropout1D, "zeroes a random share of the channels of a sequence during training";
    noise::SpatialDropout2D, "zeroes a random share of the channels of an image during training";
    noise::SpatialDropout3D, "zeroes a random share of the channels of a volume during training";
    spectral_normalization::SpectralNormalization, "keeps the kernel of a layer at spectral norm 1";
    merging::Subtract, "takes the difference of two inputs, elementwise";
    time_distributed::TimeDistributed, "calls a layer on each time step";
    layer_normalization::UnitNormalization, "brings each position to length 1";
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
pub fn from_config(class: &str, mut config: Map<String, Json>) -> Result<Arc<dyn Layer>> {
    if class == "Lambda" && !registered().iter().any(|known| known.name == class) {
        let problem = "it holds code, which no file can bring along; register a layer of this name first";
        return Err(Error::argument("layer Lambda", problem));
    }
    let registered = registered().iter().find(|known| known.name == class).copied();
    let Some(known) = registered.or_else(|| REGISTRY.iter().find(|known| known.name == class).copied())
    else {
        return Err(Error::unknown("layer", class, REGISTRY.iter().map(|known| known.name)));
    };
    let rules = Ruled::take(&mut config)?;
    let layer = (known.from_config)(config)?;
    Ok(match rules {
        Some(rules) => Arc::new(rules.with_layer(layer)),
        None => layer,
    })
}

/// Whether a class is one of the layers that change images at random in training.
pub(crate) fn is_augmentation(class: &str) -> bool {
    const CLASSES: [&str; 7] = [
        "RandomBrightness",
        "RandomContrast",
        "RandomCrop",
        "RandomFlip",
        "RandomRotation",
        "RandomTranslation",
        "RandomZoom",
    ];
    CLASSES.contains(&class)
}

/// What Keras writes for each call of a class with such a default, whether it was asked for or not: that it trains, or does not. Fitting trains all the same.
pub(crate) fn written_training(class: &str) -> Option<bool> {
    const CLASSES: [&str; 11] = [
        "AlphaDropout",
        "Dropout",
        "GRU",
        "GaussianDropout",
        "GaussianNoise",
        "LSTM",
        "SimpleRNN",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "SpectralNormalization",
    ];
    CLASSES.contains(&class).then_some(false).or(is_augmentation(class).then_some(true))
}

/// Kinds of layers that user code has made known.
static REGISTERED: RwLock<Vec<LayerClass>> = RwLock::new(Vec::new());

fn registered() -> std::sync::RwLockReadGuard<'static, Vec<LayerClass>> {
    REGISTERED.read().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a kind of layer known by its name for the rest of the program, so that files and descriptions that name it can be read. One of the same
/// name that was known before is replaced. Keras's `register_keras_serializable`.
pub fn register(class: LayerClass) {
    let mut known = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    known.retain(|other| other.name != class.name);
    known.push(class);
}
