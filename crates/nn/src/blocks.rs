//! Groups of layers that famous networks are made of, as functions of symbols.

use crate::activation::Activation;
use crate::error::Result;
use crate::layers::{
    Activation as ActivationLayer, Add, BatchNormalization, Concatenate, Conv2D, Dense,
    GlobalAveragePooling2D, MaxPooling2D, Multiply, Padding, Reshape,
};
use crate::model::Symbol;

/// Weighs the channels of an image by what all of it shows: global average → dense of a `ratio`-th of the channels with ReLU → dense with sigmoid → rescaling.
/// Output as the input. The paper's ratio is 16. (Hu, Shen, Sun, 2018, [arXiv:1709.01507](https://arxiv.org/abs/1709.01507).)
///
/// # Errors
/// If `x` is not an image.
pub fn squeeze_excite(x: &Symbol, ratio: usize) -> Result<Symbol> {
    let channels = x.shape().channels();
    let weights = x
        .apply(GlobalAveragePooling2D::new())?
        .apply(Dense::new((channels / ratio.max(1)).max(1)).activation(Activation::Relu))?
        .apply(Dense::new(channels).activation(Activation::Sigmoid))?
        .apply(Reshape::new([1, 1, channels as isize]))?;
    Symbol::merge(Multiply::new(), &[x, &weights])
}

/// Two 3 × 3 convolutions with batch normalisation, added to the input, which a 1 × 1 convolution brings to the same size if need be; ReLU after the
/// first and after the sum. Output `(batch, ⌈height / strides⌉, ⌈width / strides⌉, filters)`.
/// (He, Zhang, Ren, Sun, 2015, [arXiv:1512.03385](https://arxiv.org/abs/1512.03385).)
///
/// ```
/// use convnet_nn::{Symbol, blocks};
///
/// let maps = Symbol::input([56, 56, 64]);
/// assert_eq!(blocks::residual_unit(&maps, 128, 2)?.shape().dims, [28, 28, 128]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
///
/// # Errors
/// If `x` is not an image.
pub fn residual_unit(x: &Symbol, filters: usize, strides: usize) -> Result<Symbol> {
    let convolve = |x: &Symbol, size: usize, strides: usize| {
        let convolution = Conv2D::new(filters, size).strides(strides).padding(Padding::Same).use_bias(false);
        x.apply(convolution)?.apply(BatchNormalization::new())
    };
    let first = convolve(x, 3, strides)?.apply(ActivationLayer::new(Activation::Relu))?;
    let second = convolve(&first, 3, 1)?;
    let shortcut = match strides == 1 && x.shape().channels() == filters {
        true => x.clone(),
        false => convolve(x, 1, strides)?,
    };
    Symbol::merge(Add::new(), &[&second, &shortcut])?.apply(ActivationLayer::new(Activation::Relu))
}

/// Filters of the four branches of an [`inception`] module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inception {
    /// Of the 1 × 1 convolution.
    pub one: usize,
    /// Of the 1 × 1 convolution before the 3 × 3 one, and of that.
    pub three: [usize; 2],
    /// Of the 1 × 1 convolution before the 5 × 5 one, and of that.
    pub five: [usize; 2],
    /// Of the 1 × 1 convolution after the pool.
    pub pool: usize,
}

/// Convolutions of three sizes and a pool side by side, all with ReLU, joined along the channels. Output
/// `(batch, height, width, one + three + five + pool)`. (Szegedy et al., 2014, [arXiv:1409.4842](https://arxiv.org/abs/1409.4842).)
///
/// # Errors
/// If `x` is not an image.
pub fn inception(x: &Symbol, filters: Inception) -> Result<Symbol> {
    let convolve = |x: &Symbol, filters: usize, size: usize| {
        x.apply(Conv2D::new(filters, size).padding(Padding::Same).activation(Activation::Relu))
    };
    let one = convolve(x, filters.one, 1)?;
    let three = convolve(&convolve(x, filters.three[0], 1)?, filters.three[1], 3)?;
    let five = convolve(&convolve(x, filters.five[0], 1)?, filters.five[1], 5)?;
    let pool = x.apply(MaxPooling2D::new(3).strides(1).padding(Padding::Same))?;
    let pool = convolve(&pool, filters.pool, 1)?;
    Symbol::merge(Concatenate::new(), &[&one, &three, &five, &pool])
}
