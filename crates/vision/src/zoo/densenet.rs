//! DenseNet: each layer sees the maps of all layers before it.

use convnet_nn::layers::{
    AveragePooling2D, BatchNormalization, Concatenate, Conv2D, MaxPooling2D, Padding, ZeroPadding2D,
};
use convnet_nn::{Result, Symbol};

use super::parts::{named, pool_named, relu};
use super::{Family, Network, Pooling};

/// The networks of Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", 2016
/// ([arXiv:1608.06993](https://arxiv.org/abs/1608.06993)), table 1: growth rate 32, bottlenecks, and half of the channels kept between
/// the stages.
#[derive(Clone, Debug)]
pub struct DenseNet {
    /// Layers in each of the four stages.
    layers: [usize; 4],
}

/// Channels that a layer adds.
const GROWTH: usize = 32;

/// DenseNet-121: 8,062,504 parameters with 1000 classes. As Keras's
/// [DenseNet121](https://keras.io/api/applications/densenet/#densenet121-function).
pub fn densenet121() -> Network<DenseNet> {
    Network::new(DenseNet { layers: [6, 12, 24, 16] })
}

/// DenseNet-169: 14,307,880 parameters with 1000 classes. As Keras's
/// [DenseNet169](https://keras.io/api/applications/densenet/#densenet169-function).
pub fn densenet169() -> Network<DenseNet> {
    Network::new(DenseNet { layers: [6, 12, 32, 32] })
}

/// DenseNet-201: 20,242,984 parameters with 1000 classes. As Keras's
/// [DenseNet201](https://keras.io/api/applications/densenet/#densenet201-function).
pub fn densenet201() -> Network<DenseNet> {
    Network::new(DenseNet { layers: [6, 12, 48, 32] })
}

impl Family for DenseNet {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        let (ends, transitions, convolutions) = (2, 3, 2);
        format!("densenet{}", self.layers.iter().sum::<usize>() * convolutions + transitions + ends)
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let x = image.apply(ZeroPadding2D::new(3))?;
        let x = x.apply(named("conv1_conv", Conv2D::new(64, 7).strides(2).use_bias(false)))?;
        let x = normalised(&x, "conv1_bn", "conv1_relu")?;
        let mut x = x.apply(ZeroPadding2D::new(1))?.apply(named("pool1", MaxPooling2D::new(3).strides(2)))?;
        for (stage, count) in (2..).zip(self.layers) {
            for layer in 1..=count {
                x = grown(&x, &format!("conv{stage}_block{layer}"))?;
            }
            if stage < 5 {
                x = halved(&x, &format!("pool{stage}"))?;
            }
        }
        normalised(&x, "bn", "relu")
    }

    fn pool(&self, features: &Symbol, pooling: Pooling) -> Result<Symbol> {
        pool_named(features, pooling)
    }
}

/// The input and what one more layer makes of it.
fn grown(x: &Symbol, name: &str) -> Result<Symbol> {
    let at = |part: &str| format!("{name}_{part}");
    let y = normalised(x, &at("0_bn"), &at("0_relu"))?;
    let y = y.apply(named(at("1_conv"), Conv2D::new(4 * GROWTH, 1).use_bias(false)))?;
    let y = normalised(&y, &at("1_bn"), &at("1_relu"))?;
    let filter = Conv2D::new(GROWTH, 3).padding(Padding::Same).use_bias(false);
    let y = y.apply(named(at("2_conv"), filter))?;
    Symbol::merge(named(at("concat"), Concatenate::new()), &[x, &y])
}

/// Half of the channels, half of the height and width.
fn halved(x: &Symbol, name: &str) -> Result<Symbol> {
    let x = normalised(x, &format!("{name}_bn"), &format!("{name}_relu"))?;
    let convolution = Conv2D::new(x.shape().channels() / 2, 1).use_bias(false);
    let x = x.apply(named(format!("{name}_conv"), convolution))?;
    x.apply(named(format!("{name}_pool"), AveragePooling2D::new(2).strides(2)))
}

fn normalised(x: &Symbol, normalisation: &str, rectifier: &str) -> Result<Symbol> {
    x.apply(named(normalisation, BatchNormalization::new().epsilon(1.001e-5)))?.apply(relu(rectifier))
}
