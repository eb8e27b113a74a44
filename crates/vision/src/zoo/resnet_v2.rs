//! ResNet V2: residual blocks whose normalisation and rectifier come before the convolutions.

use convnet_nn::layers::{
    Add, BatchNormalization, Conv2D, MaxPooling2D, Operation, Operator, Padding, Windows, ZeroPadding2D,
};
use convnet_nn::{LayerRef, Result, Symbol};

use super::parts::{named, pool_named, relu};
use super::{Family, Habits, Network, Pooling};

/// The networks of He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", 2016
/// ([arXiv:1603.05027](https://arxiv.org/abs/1603.05027)).
///
/// Those of 50 layers and more are as keras.applications has them: the last block of a stage shrinks. Those of 18 and 34 layers, which
/// Keras has not, are named alike; the first block of a stage shrinks, convolutions have no bias, and borders are padded alike on both
/// sides, as in timm's.
#[derive(Clone, Debug)]
pub struct ResNetV2 {
    /// Whether a block has two 3×3 convolutions, and none that narrows and widens.
    basic: bool,
    /// Blocks in each of the four stages.
    blocks: [usize; 4],
    as_in_pytorch: bool,
}

/// ResNet-18 V2: 11,695,528 parameters with 1000 classes.
pub fn resnet18_v2() -> Network<ResNetV2> {
    network(true, [2, 2, 2, 2])
}

/// ResNet-34 V2: 21,811,112 parameters with 1000 classes.
pub fn resnet34_v2() -> Network<ResNetV2> {
    network(true, [3, 4, 6, 3])
}

/// ResNet-50 V2: 25,613,800 parameters with 1000 classes. As Keras's
/// [ResNet50V2](https://keras.io/api/applications/resnet/#resnet50v2-function).
pub fn resnet50_v2() -> Network<ResNetV2> {
    network(false, [3, 4, 6, 3])
}

/// ResNet-101 V2: 44,675,560 parameters with 1000 classes. As Keras's
/// [ResNet101V2](https://keras.io/api/applications/resnet/#resnet101v2-function).
pub fn resnet101_v2() -> Network<ResNetV2> {
    network(false, [3, 4, 23, 3])
}

/// ResNet-152 V2: 60,380,648 parameters with 1000 classes. As Keras's
/// [ResNet152V2](https://keras.io/api/applications/resnet/#resnet152v2-function).
pub fn resnet152_v2() -> Network<ResNetV2> {
    network(false, [3, 8, 36, 3])
}

fn network(basic: bool, blocks: [usize; 4]) -> Network<ResNetV2> {
    Network::new(ResNetV2 { basic, blocks, as_in_pytorch: false })
}

impl Family for ResNetV2 {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        let convolutions = if self.basic { 2 } else { 3 };
        format!("resnet{}v2", convolutions * self.blocks.iter().sum::<usize>() + 2)
    }

    /// Keras's limit for the networks that it has; the others shrink to a single pixel without harm.
    fn min_size(&self) -> usize {
        if self.basic { 1 } else { 32 }
    }

    fn as_in_pytorch(&mut self, _habits: Habits) {
        self.as_in_pytorch = true;
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let first = Conv2D::new(64, 7).strides(2).use_bias(!self.basic);
        let x = image.apply(named("conv1_pad", ZeroPadding2D::new(3)))?.apply(named("conv1_conv", first))?;
        let mut x = self.pool_first(&x)?;
        let shrinks_first = self.basic || self.as_in_pytorch;
        for ((stage, count), filters) in (2..).zip(self.blocks).zip([64, 128, 256, 512]) {
            for block in 1..=count {
                let shrinks =
                    if shrinks_first { block == 1 && stage > 2 } else { block == count && stage < 5 };
                let strides = if shrinks { 2 } else { 1 };
                x = self.block(&x, &format!("conv{stage}_block{block}"), filters, strides)?;
            }
        }
        normalised(&x, "post")
    }

    fn pool(&self, features: &Symbol, pooling: Pooling) -> Result<Symbol> {
        pool_named(features, pooling)
    }
}

impl ResNetV2 {
    /// The pool in front. Keras pads with zeros, which win over what is negative; PyTorch's border never wins.
    fn pool_first(&self, x: &Symbol) -> Result<Symbol> {
        let pool: LayerRef = if self.as_in_pytorch {
            let windows = Windows {
                sizes: vec![3; 2],
                strides: vec![2; 2],
                dilations: vec![1; 2],
                pads: vec![(1, 1); 2],
            };
            Operation::new(Operator::MaxPool(windows)).into()
        } else {
            MaxPooling2D::new(3).strides(2).into()
        };
        let x =
            if self.as_in_pytorch { x.clone() } else { x.apply(named("pool1_pad", ZeroPadding2D::new(1)))? };
        x.apply(named("pool1_pool", pool))
    }

    /// Two or three convolutions, added to the input, which is widened by a convolution, shrunk by a pool, or left as it is.
    fn block(&self, x: &Symbol, name: &str, filters: usize, strides: usize) -> Result<Symbol> {
        let at = |part: &str| format!("{name}_{part}");
        let channels = if self.basic { filters } else { 4 * filters };
        let activated = normalised(x, &at("preact"))?;
        let shortcut = if x.shape().channels() != channels {
            let widening = Conv2D::new(channels, 1).strides(strides).use_bias(!self.basic);
            activated.apply(named(at("0_conv"), widening))?
        } else if strides > 1 {
            x.apply(MaxPooling2D::new(1).strides(strides))?
        } else {
            x.clone()
        };
        let y = if self.basic {
            let y = convolve_3x3(&activated, &at("1"), filters, strides)?;
            convolve_3x3(&normalised(&y, &at("1"))?, &at("2"), filters, 1)?
        } else {
            let y = activated.apply(named(at("1_conv"), Conv2D::new(filters, 1).use_bias(false)))?;
            let y = normalised(&y, &at("1"))?.apply(named(at("2_pad"), ZeroPadding2D::new(1)))?;
            let y = y.apply(named(at("2_conv"), Conv2D::new(filters, 3).strides(strides).use_bias(false)))?;
            normalised(&y, &at("2"))?.apply(named(at("3_conv"), Conv2D::new(channels, 1)))?
        };
        Symbol::merge(named(at("out"), Add::new()), &[&shortcut, &y])
    }
}

/// A 3×3 convolution without bias, with borders alike on both sides.
fn convolve_3x3(x: &Symbol, name: &str, filters: usize, strides: usize) -> Result<Symbol> {
    let convolution = Conv2D::new(filters, 3).use_bias(false);
    if strides == 1 {
        return x.apply(named(format!("{name}_conv"), convolution.padding(Padding::Same)));
    }
    let padded = x.apply(named(format!("{name}_pad"), ZeroPadding2D::new(1)))?;
    padded.apply(named(format!("{name}_conv"), convolution.strides(strides)))
}

fn normalised(x: &Symbol, name: &str) -> Result<Symbol> {
    let layer = BatchNormalization::new().epsilon(1.001e-5);
    x.apply(named(format!("{name}_bn"), layer))?.apply(relu(format!("{name}_relu")))
}
