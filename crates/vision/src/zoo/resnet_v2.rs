//! ResNet V2: residual blocks whose normalisation and rectifier come before the convolutions.

use convnet_nn::layers::{Add, BatchNormalization, Conv2D, MaxPooling2D, ZeroPadding2D};
use convnet_nn::{Result, Symbol};

use super::parts::{named, pool_named, relu};
use super::{Family, Network, Pooling};

/// The networks of He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", 2016
/// ([arXiv:1603.05027](https://arxiv.org/abs/1603.05027)), as keras.applications has them: the last block of a stage shrinks.
#[derive(Clone, Debug)]
pub struct ResNetV2 {
    /// Blocks in each of the four stages.
    blocks: [usize; 4],
}

/// ResNet-50 V2: 25,613,800 parameters with 1000 classes. As Keras's
/// [ResNet50V2](https://keras.io/api/applications/resnet/#resnet50v2-function).
pub fn resnet50_v2() -> Network<ResNetV2> {
    Network::new(ResNetV2 { blocks: [3, 4, 6, 3] })
}

/// ResNet-101 V2: 44,675,560 parameters with 1000 classes. As Keras's
/// [ResNet101V2](https://keras.io/api/applications/resnet/#resnet101v2-function).
pub fn resnet101_v2() -> Network<ResNetV2> {
    Network::new(ResNetV2 { blocks: [3, 4, 23, 3] })
}

/// ResNet-152 V2: 60,380,648 parameters with 1000 classes. As Keras's
/// [ResNet152V2](https://keras.io/api/applications/resnet/#resnet152v2-function).
pub fn resnet152_v2() -> Network<ResNetV2> {
    Network::new(ResNetV2 { blocks: [3, 8, 36, 3] })
}

impl Family for ResNetV2 {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        format!("resnet{}v2", 3 * self.blocks.iter().sum::<usize>() + 2)
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let x = image.apply(named("conv1_pad", ZeroPadding2D::new(3)))?;
        let x = x.apply(named("conv1_conv", Conv2D::new(64, 7).strides(2)))?;
        let x = x.apply(named("pool1_pad", ZeroPadding2D::new(1)))?;
        let mut x = x.apply(named("pool1_pool", MaxPooling2D::new(3).strides(2)))?;
        for ((stage, count), filters) in (2..).zip(self.blocks).zip([64, 128, 256, 512]) {
            for block in 1..=count {
                let strides = if block == count && stage < 5 { 2 } else { 1 };
                x = residual(&x, &format!("conv{stage}_block{block}"), filters, strides, block == 1)?;
            }
        }
        normalised(&x, "post")
    }

    fn pool(&self, features: &Symbol, pooling: Pooling) -> Result<Symbol> {
        pool_named(features, pooling)
    }
}

/// Three convolutions, added to the input, which is widened by a convolution, shrunk by a pool, or left as it is.
fn residual(x: &Symbol, name: &str, filters: usize, strides: usize, widens: bool) -> Result<Symbol> {
    let at = |part: &str| format!("{name}_{part}");
    let activated = normalised(x, &at("preact"))?;
    let shortcut = if widens {
        activated.apply(named(at("0_conv"), Conv2D::new(4 * filters, 1).strides(strides)))?
    } else if strides > 1 {
        x.apply(MaxPooling2D::new(1).strides(strides))?
    } else {
        x.clone()
    };
    let y = activated.apply(named(at("1_conv"), Conv2D::new(filters, 1).use_bias(false)))?;
    let y = normalised(&y, &at("1"))?.apply(named(at("2_pad"), ZeroPadding2D::new(1)))?;
    let y = y.apply(named(at("2_conv"), Conv2D::new(filters, 3).strides(strides).use_bias(false)))?;
    let y = normalised(&y, &at("2"))?.apply(named(at("3_conv"), Conv2D::new(4 * filters, 1)))?;
    Symbol::merge(named(at("out"), Add::new()), &[&shortcut, &y])
}

fn normalised(x: &Symbol, name: &str) -> Result<Symbol> {
    let layer = BatchNormalization::new().epsilon(1.001e-5);
    x.apply(named(format!("{name}_bn"), layer))?.apply(relu(format!("{name}_relu")))
}
