//! ResNet: blocks that add what they compute to their input.

use convnet_nn::layers::{Add, BatchNormalization, Conv2D, MaxPooling2D, Padding, ZeroPadding2D};
use convnet_nn::{Result, Symbol};

use super::parts::{named, pool_named, relu};
use super::{Family, Habits, Network, Pooling};
use crate::blocks::SqueezeExcite;

/// The networks of He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015
/// ([arXiv:1512.03385](https://arxiv.org/abs/1512.03385)), table 1.
///
/// Those of 50 layers and more have the bottleneck blocks and the names of keras.applications, where a block that shrinks
/// does so in its first convolution, and convolutions have a bias. Those of 18 and 34 layers, which Keras has not, are
/// named alike; their convolutions have no bias, and borders are padded alike on both sides, as in PyTorch's.
#[derive(Clone, Debug)]
pub struct ResNet {
    block: Block,
    /// Blocks in each of the four stages.
    blocks: [usize; 4],
    /// Whether channels are weighed by squeeze and excitation at the end of each block.
    excited: bool,
    /// Whether a bottleneck shrinks in its 3×3 convolution, as in torchvision, not in its first.
    shrinks_late: bool,
}

/// What a block consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1 to few channels, 3×3, and 1×1 to four times as many.
    Bottleneck,
}

/// Keras's epsilon here.
const EPSILON: f64 = 1.001e-5;

/// Filters of the 3×3 convolutions of each stage.
const FILTERS: [usize; 4] = [64, 128, 256, 512];

/// ResNet-18: 11,699,112 parameters with 1000 classes.
pub fn resnet18() -> Network<ResNet> {
    Network::new(ResNet { block: Block::Basic, blocks: [2, 2, 2, 2], excited: false, shrinks_late: false })
}

/// ResNet-34: 21,814,696 parameters with 1000 classes, 21,306,826 with 10.
pub fn resnet34() -> Network<ResNet> {
    Network::new(ResNet { block: Block::Basic, blocks: [3, 4, 6, 3], excited: false, shrinks_late: false })
}

/// ResNet-50: 25,636,712 parameters with 1000 classes. As Keras's
/// [ResNet50](https://keras.io/api/applications/resnet/#resnet50-function).
pub fn resnet50() -> Network<ResNet> {
    Network::new(ResNet {
        block: Block::Bottleneck,
        blocks: [3, 4, 6, 3],
        excited: false,
        shrinks_late: false,
    })
}

/// ResNet-101: 44,707,176 parameters with 1000 classes. As Keras's
/// [ResNet101](https://keras.io/api/applications/resnet/#resnet101-function).
pub fn resnet101() -> Network<ResNet> {
    Network::new(ResNet {
        block: Block::Bottleneck,
        blocks: [3, 4, 23, 3],
        excited: false,
        shrinks_late: false,
    })
}

/// ResNet-152: 60,419,944 parameters with 1000 classes. As Keras's
/// [ResNet152](https://keras.io/api/applications/resnet/#resnet152-function).
pub fn resnet152() -> Network<ResNet> {
    Network::new(ResNet {
        block: Block::Bottleneck,
        blocks: [3, 8, 36, 3],
        excited: false,
        shrinks_late: false,
    })
}

/// As [`super::se_resnet50`] documents.
pub(super) fn excited_resnet50() -> Network<ResNet> {
    Network::new(ResNet {
        block: Block::Bottleneck,
        blocks: [3, 4, 6, 3],
        excited: true,
        shrinks_late: false,
    })
}

impl Family for ResNet {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        let convolutions = if self.block == Block::Basic { 2 } else { 3 };
        let ends = 2;
        let kind = if self.excited { "se_resnet" } else { "resnet" };
        format!("{kind}{}", self.blocks.iter().sum::<usize>() * convolutions + ends)
    }

    /// Keras's limit for the networks that it has; the others shrink to a single pixel without harm.
    fn min_size(&self) -> usize {
        if self.block == Block::Basic { 1 } else { 32 }
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let x = image.apply(named("conv1_pad", ZeroPadding2D::new(3)))?;
        let x = self.convolve(&x, "conv1", Conv2D::new(64, 7).strides(2))?;
        let x = x.apply(relu("conv1_relu"))?;
        let x = x.apply(named("pool1_pad", ZeroPadding2D::new(1)))?;
        let mut x = x.apply(named("pool1_pool", MaxPooling2D::new(3).strides(2)))?;
        for ((stage, count), filters) in (2..).zip(self.blocks).zip(FILTERS) {
            for block in 1..=count {
                let strides = if block == 1 && stage > 2 { 2 } else { 1 };
                x = self.block(&x, &format!("conv{stage}_block{block}"), filters, strides)?;
            }
        }
        Ok(x)
    }

    fn pool(&self, features: &Symbol, pooling: Pooling) -> Result<Symbol> {
        pool_named(features, pooling)
    }

    fn as_in_pytorch(&mut self, _habits: Habits) {
        self.shrinks_late = true;
    }
}

impl ResNet {
    /// Two or three convolutions, added to the input. The input is brought to the size of the result by a 1×1 convolution
    /// where it has another one.
    fn block(&self, input: &Symbol, name: &str, filters: usize, strides: usize) -> Result<Symbol> {
        let at = |part: &str| format!("{name}_{part}");
        let channels = if self.block == Block::Basic { filters } else { 4 * filters };
        let shortcut = if strides == 1 && input.shape().channels() == channels {
            input.clone()
        } else {
            self.convolve(input, &at("0"), Conv2D::new(channels, 1).strides(strides))?
        };
        let x = match self.block {
            Block::Basic => {
                let x = self.convolve_3x3(input, &at("1"), filters, strides)?;
                let x = x.apply(relu(at("1_relu")))?;
                self.convolve(&x, &at("2"), Conv2D::new(filters, 3).padding(Padding::Same))?
            }
            Block::Bottleneck => {
                let (early, late) = if self.shrinks_late { (1, strides) } else { (strides, 1) };
                let x = self.convolve(input, &at("1"), Conv2D::new(filters, 1).strides(early))?;
                let x = x.apply(relu(at("1_relu")))?;
                let x = self.convolve_3x3(&x, &at("2"), filters, late)?;
                let x = x.apply(relu(at("2_relu")))?;
                self.convolve(&x, &at("3"), Conv2D::new(channels, 1))?
            }
        };
        let x = if self.excited { SqueezeExcite::new().named(at("se")).call(&x)? } else { x };
        Symbol::merge(named(at("add"), Add::new()), &[&shortcut, &x])?.apply(relu(at("out")))
    }

    /// A 3×3 convolution with borders alike on both sides.
    fn convolve_3x3(&self, x: &Symbol, name: &str, filters: usize, strides: usize) -> Result<Symbol> {
        let convolution = Conv2D::new(filters, 3);
        if strides == 1 {
            return self.convolve(x, name, convolution.padding(Padding::Same));
        }
        // Same padding would put the only zero to the end.
        let padded = x.apply(named(format!("{name}_pad"), ZeroPadding2D::new(1)))?;
        self.convolve(&padded, name, convolution.strides(strides))
    }

    /// A convolution and its batch normalisation.
    fn convolve(&self, x: &Symbol, name: &str, convolution: Conv2D) -> Result<Symbol> {
        let convolution = convolution.use_bias(self.block == Block::Bottleneck && !self.excited);
        let x = x.apply(named(format!("{name}_conv"), convolution))?;
        x.apply(named(format!("{name}_bn"), BatchNormalization::new().epsilon(EPSILON)))
    }
}
