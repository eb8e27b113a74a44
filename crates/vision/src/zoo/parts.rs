//! What several families have in common.

use convnet_nn::layers::{
    Activation as ActivationLayer, AveragePooling2D, BatchNormalization, Concatenate, Conv2D, MaxPooling2D,
    Padding, ReLU, Size, ZeroPadding2D,
};
use convnet_nn::names::Counters;
use convnet_nn::{Activation, LayerRef, Result, Symbol};

use super::{Error, Pooling};

/// A layer under a name.
pub(super) fn named(name: impl Into<String>, layer: impl Into<LayerRef>) -> LayerRef {
    layer.into().named(name)
}

/// A layer that is an activation function.
pub(super) fn activation(name: impl Into<String>, function: Activation) -> LayerRef {
    named(name, ActivationLayer::new(function))
}

pub(super) fn relu(name: impl Into<String>) -> LayerRef {
    activation(name, Activation::Relu)
}

pub(super) fn relu6(name: impl Into<String>) -> LayerRef {
    named(name, ReLU::new().max_value(6.0))
}

/// Keras's names of pools at the end.
pub(super) fn pool_named(features: &Symbol, pooling: Pooling) -> Result<Symbol> {
    let name = if pooling == Pooling::Avg { "avg_pool" } else { "max_pool" };
    features.apply(pooling.layer().named(name))
}

/// The border with which a valid convolution of stride 2 does what same padding does. Keras writes it as a layer.
pub(super) fn same_border(x: &Symbol, kernel_size: usize) -> ZeroPadding2D {
    let half = kernel_size / 2;
    let border = |size: usize| (half - (1 - size % 2), half);
    ZeroPadding2D::new([border(x.shape().dims[0]), border(x.shape().dims[1])])
}

/// The border before a valid convolution of stride 2: alike on all sides, as in PyTorch, or that of [`same_border`].
pub(super) fn border(x: &Symbol, kernel_size: usize, alike: bool) -> ZeroPadding2D {
    if alike { ZeroPadding2D::new(kernel_size / 2) } else { same_border(x, kernel_size) }
}

/// The multiple of 8 that is nearest, but not less than 90 per cent.
pub(super) fn divisible(channels: f64) -> usize {
    let nearest = ((channels + 4.0) as usize / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * channels { nearest + 8 } else { nearest }
}

/// Refuses factors of the number of channels that make no sense.
pub(super) fn check_alpha(network: &str, alpha: f64) -> Result<()> {
    if alpha > 0.0 && alpha <= 1000.0 {
        return Ok(());
    }
    Err(Error::argument(network, format!("alpha must be above 0 and at most 1000, got {alpha}")))
}

/// What inception networks are made of, named as Keras names layers that got no name: class and number, in the order in
/// which they are made.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    counters: Counters,
    /// Whether normalisations have a factor for each channel; before a rectifier and another convolution they can do without.
    scale: bool,
    /// Whether means of windows at the border count it as zeros.
    counts_border: bool,
}

impl Numbered {
    /// Convolutions whose normalisations have a factor for each channel.
    pub(super) fn scaled() -> Self {
        Self { scale: true, ..Self::default() }
    }

    /// As torchvision's: a factor for each channel, and means that count the border.
    pub(super) fn as_in_torchvision() -> Self {
        Self { scale: true, counts_border: true, ..Self::default() }
    }

    /// The next name for a class in snake case.
    pub(super) fn name(&mut self, class: &str) -> String {
        self.counters.next(class)
    }

    /// A convolution of stride 1 that keeps the size, normalised and rectified.
    pub(super) fn same(
        &mut self,
        x: &Symbol,
        filters: usize,
        kernel_size: impl Into<Size<2>>,
    ) -> Result<Symbol> {
        self.convolve(x, Conv2D::new(filters, kernel_size).padding(Padding::Same))
    }

    /// Several of them in a row.
    pub(super) fn chain(&mut self, x: &Symbol, layers: &[(usize, [usize; 2])]) -> Result<Symbol> {
        layers.iter().try_fold(x.clone(), |x, &(filters, size)| self.same(&x, filters, size))
    }

    /// A convolution whose windows stay within the image, normalised and rectified.
    pub(super) fn valid(
        &mut self,
        x: &Symbol,
        filters: usize,
        kernel_size: usize,
        strides: usize,
    ) -> Result<Symbol> {
        self.convolve(x, Conv2D::new(filters, kernel_size).strides(strides))
    }

    /// A convolution without bias, normalised and rectified.
    pub(super) fn convolve(&mut self, x: &Symbol, layer: Conv2D) -> Result<Symbol> {
        let x = x.apply(named(self.name("conv2d"), layer.use_bias(false)))?;
        let normalisation = BatchNormalization::new().scale(self.scale);
        let x = x.apply(named(self.name("batch_normalization"), normalisation))?;
        x.apply(relu(self.name("activation")))
    }

    /// A max pool of 3×3 windows that halves the size.
    pub(super) fn halve(&mut self, x: &Symbol) -> Result<Symbol> {
        x.apply(named(self.name("max_pooling2d"), MaxPooling2D::new(3).strides(2)))
    }

    /// The mean of 3×3 windows, and a 1×1 convolution.
    pub(super) fn smooth(&mut self, x: &Symbol, filters: usize) -> Result<Symbol> {
        let pool = AveragePooling2D::new(3).strides(1);
        let name = self.name("average_pooling2d");
        let x = if self.counts_border {
            x.apply(named(format!("{name}_pad"), ZeroPadding2D::new(1)))?.apply(named(name, pool))?
        } else {
            x.apply(named(name, pool.padding(Padding::Same)))?
        };
        self.same(&x, filters, 1)
    }
}

/// Joins channels.
pub(super) fn join(name: impl Into<String>, branches: &[&Symbol]) -> Result<Symbol> {
    Symbol::merge(named(name, Concatenate::new()), branches)
}

#[cfg(test)]
mod tests {
    use super::divisible;

    #[test]
    fn channels_are_multiples_of_eight_and_not_much_fewer() {
        let found: Vec<usize> = [1.0, 11.2, 12.0, 16.8, 24.0, 33.6, 41.6].map(divisible).to_vec();
        assert_eq!(found, [8, 16, 16, 16, 24, 32, 40]);
    }
}
