//! Pieces that architectures are put together from: each is a few layers, called on a symbol.
//!
//! ```
//! use convnet_nn::Symbol;
//! use convnet_vision::blocks::{Inception, ResidualUnit, SqueezeExcite};
//!
//! let maps = Symbol::input([28, 28, 192]);
//! assert_eq!(ResidualUnit::new(256).strides(2).call(&maps)?.shape().dims, [14, 14, 256]);
//! assert_eq!(SqueezeExcite::new().call(&maps)?.shape().dims, [28, 28, 192]);
//! assert_eq!(Inception::new(64, (96, 128), (16, 32), 32).call(&maps)?.shape().dims, [28, 28, 256]);
//! # Ok::<(), convnet_vision::zoo::Error>(())
//! ```

use convnet_nn::layers::{
    Activation as ActivationLayer, Add, BatchNormalization, Concatenate, Conv2D, Dense,
    GlobalAveragePooling2D, MaxPooling2D, Multiply, Padding,
};
use convnet_nn::{Activation, LayerRef, Result, Symbol};

/// A name for a part of a block that has one; without, layers are named as always.
fn part(block: Option<&String>, part: &str, layer: impl Into<LayerRef>) -> LayerRef {
    match block {
        Some(block) => layer.into().named(format!("{block}_{part}")),
        None => layer.into(),
    }
}

/// Two 3×3 convolutions with batch normalisation, added to the input: relu(x + f(x)).
///
/// Input `(batch, height, width, channels)`, output `(batch, ⌈height / strides⌉, ⌈width / strides⌉, filters)`. Where the
/// result has another shape than the input, the input goes through a 1×1 convolution. Convolutions have no bias. He, Zhang, Ren,
/// Sun, 2015 ([arXiv:1512.03385](https://arxiv.org/abs/1512.03385)).
#[derive(Clone, Debug)]
pub struct ResidualUnit {
    filters: usize,
    strides: usize,
    activation: Activation,
    name: Option<String>,
}

impl ResidualUnit {
    /// A unit that keeps the size of the image.
    pub fn new(filters: usize) -> Self {
        Self { filters, strides: 1, activation: Activation::Relu, name: None }
    }

    /// Sets the steps of the first convolution.
    pub fn strides(self, strides: usize) -> Self {
        Self { strides, ..self }
    }

    /// Sets the function behind the first convolution and the sum.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Sets what the names of its layers begin with.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The result for `x`.
    ///
    /// # Errors
    /// If `x` is not an image, or there are no filters.
    pub fn call(&self, x: &Symbol) -> Result<Symbol> {
        let at = |name, layer: LayerRef| part(self.name.as_ref(), name, layer);
        let convolution = |size, strides| -> LayerRef {
            let convolution = Conv2D::new(self.filters, size).strides(strides);
            convolution.padding(Padding::Same).use_bias(false).into()
        };
        let normalisation = || LayerRef::new(BatchNormalization::new());
        let function = || LayerRef::new(ActivationLayer::new(self.activation));
        let y = x.apply(at("1_conv", convolution(3, self.strides)))?.apply(at("1_bn", normalisation()))?;
        let y = y.apply(at("1_act", function()))?;
        let y = y.apply(at("2_conv", convolution(3, 1)))?.apply(at("2_bn", normalisation()))?;
        let shortcut = if y.shape() == x.shape() {
            x.clone()
        } else {
            x.apply(at("0_conv", convolution(1, self.strides)))?.apply(at("0_bn", normalisation()))?
        };
        Symbol::merge(at("add", Add::new().into()), &[&shortcut, &y])?.apply(at("out", function()))
    }
}

/// Weighs channels by what all of the image shows: global average → dense, `reduction` times fewer units, relu → dense,
/// sigmoid → factor of each channel.
///
/// Input `(batch, height, width, channels)`, output the same. Hu, Shen, Albanie, Sun, Wu, 2017
/// ([arXiv:1709.01507](https://arxiv.org/abs/1709.01507)).
#[derive(Clone, Debug)]
pub struct SqueezeExcite {
    reduction: usize,
    name: Option<String>,
}

impl Default for SqueezeExcite {
    fn default() -> Self {
        Self::new()
    }
}

impl SqueezeExcite {
    /// The paper's reduction by 16.
    pub fn new() -> Self {
        Self { reduction: 16, name: None }
    }

    /// Sets by how much the channels are reduced in between; at least one unit stays.
    pub fn reduction(self, reduction: usize) -> Self {
        Self { reduction, ..self }
    }

    /// Sets what the names of its layers begin with.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The result for `x`.
    ///
    /// # Errors
    /// If `x` is not an image.
    pub fn call(&self, x: &Symbol) -> Result<Symbol> {
        let at = |name, layer: LayerRef| part(self.name.as_ref(), name, layer);
        let channels = x.shape().channels();
        let few = Dense::new((channels / self.reduction.max(1)).max(1)).activation(Activation::Relu);
        let all = Dense::new(channels).activation(Activation::Sigmoid);
        let squeezed =
            x.apply(at("squeeze", GlobalAveragePooling2D { keepdims: true, ..Default::default() }.into()))?;
        let weights = squeezed.apply(at("reduce", few.into()))?.apply(at("expand", all.into()))?;
        Symbol::merge(at("scale", Multiply::new().into()), &[x, &weights])
    }
}

/// GoogLeNet's inception module: 1×1, 3×3 and 5×5 convolutions and a max pool side by side, their channels joined.
///
/// The larger convolutions see fewer channels through a 1×1 convolution first, and the pool is followed by one. All end in a
/// rectifier. Input `(batch, height, width, channels)`, output the same size with all filters' channels. Szegedy et al., 2014
/// ([arXiv:1409.4842](https://arxiv.org/abs/1409.4842)).
#[derive(Clone, Debug)]
pub struct Inception {
    one: usize,
    three: (usize, usize),
    five: (usize, usize),
    pool: usize,
    name: Option<String>,
}

impl Inception {
    /// Filters: of the 1×1 convolution; of the reduction and the 3×3 convolution; of the reduction and the 5×5 convolution;
    /// of the convolution behind the pool.
    pub fn new(one: usize, three: (usize, usize), five: (usize, usize), pool: usize) -> Self {
        Self { one, three, five, pool, name: None }
    }

    /// Sets what the names of its layers begin with.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The result for `x`.
    ///
    /// # Errors
    /// If `x` is not an image, or a convolution has no filters.
    pub fn call(&self, x: &Symbol) -> Result<Symbol> {
        let at = |name, layer: LayerRef| part(self.name.as_ref(), name, layer);
        let convolution = |filters, size| -> LayerRef {
            Conv2D::new(filters, size).padding(Padding::Same).activation(Activation::Relu).into()
        };
        let one = x.apply(at("1x1", convolution(self.one, 1)))?;
        let three = x.apply(at("3x3_reduce", convolution(self.three.0, 1)))?;
        let three = three.apply(at("3x3", convolution(self.three.1, 3)))?;
        let five = x.apply(at("5x5_reduce", convolution(self.five.0, 1)))?;
        let five = five.apply(at("5x5", convolution(self.five.1, 5)))?;
        let pool = MaxPooling2D::new(3).strides(1).padding(Padding::Same);
        let pool = x.apply(at("pool", pool.into()))?.apply(at("pool_proj", convolution(self.pool, 1)))?;
        Symbol::merge(at("output", Concatenate::new().into()), &[&one, &three, &five, &pool])
    }
}
