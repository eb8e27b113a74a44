//! MobileNetV2: blocks that widen, filter each channel by itself, and narrow again.

use convnet_nn::layers::{Add, BatchNormalization, Conv2D, DepthwiseConv2D, Padding, ZeroPadding2D};
use convnet_nn::{Result, Symbol};

use super::parts::{border, check_alpha, divisible, named, relu6};
use super::{Family, Habits, Network};

/// The network of Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018
/// ([arXiv:1801.04381](https://arxiv.org/abs/1801.04381)), table 2.
#[derive(Clone, Debug)]
pub struct MobileNetV2 {
    /// Factor of the number of channels.
    alpha: f64,
    /// Whether borders and epsilon are torchvision's.
    as_in_pytorch: bool,
}

/// The stages: expansion, channels, blocks, strides of the first block.
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// MobileNetV2: 3,538,984 parameters with 1000 classes. As Keras's
/// [MobileNetV2](https://keras.io/api/applications/mobilenet/#mobilenetv2-function).
pub fn mobilenet_v2() -> Network<MobileNetV2> {
    Network::new(MobileNetV2 { alpha: 1.0, as_in_pytorch: false })
}

impl Network<MobileNetV2> {
    /// Sets the factor of the number of channels: Keras has weights for 0.35, 0.5, 0.75, 1, 1.3 and 1.4.
    pub fn alpha(self, alpha: f64) -> Self {
        Self { family: MobileNetV2 { alpha, ..self.family }, ..self }
    }
}

impl Family for MobileNetV2 {
    fn model_name(&self, [height, ..]: [usize; 3]) -> String {
        format!("mobilenetv2_{:.2}_{height}", self.alpha)
    }

    fn width(&mut self) -> Option<&mut f64> {
        Some(&mut self.alpha)
    }

    fn as_in_pytorch(&mut self, _habits: Habits) {
        self.as_in_pytorch = true;
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        check_alpha("MobileNetV2", self.alpha)?;
        let first = Conv2D::new(divisible(32.0 * self.alpha), 3).strides(2).use_bias(false);
        let first = if self.as_in_pytorch {
            image.apply(named("Conv1_pad", ZeroPadding2D::new(1)))?.apply(named("Conv1", first))?
        } else {
            image.apply(named("Conv1", first.padding(Padding::Same)))?
        };
        let mut x = self.normalise(&first, "bn_Conv1")?;
        x = x.apply(relu6("Conv1_relu"))?;
        let mut index = 0;
        for (expansion, channels, blocks, strides) in STAGES {
            let channels = divisible((channels as f64 * self.alpha).floor());
            for block in 0..blocks {
                x = self.inverted_residual(
                    &x,
                    index,
                    expansion,
                    channels,
                    if block == 0 { strides } else { 1 },
                )?;
                index += 1;
            }
        }
        // The paper widens the last convolution, but never narrows it.
        let last = divisible(1280.0 * self.alpha.max(1.0));
        x = self.normalise(&x.apply(named("Conv_1", Conv2D::new(last, 1).use_bias(false)))?, "Conv_1_bn")?;
        x.apply(relu6("out_relu"))
    }
}

impl MobileNetV2 {
    /// Widens by a 1×1 convolution, filters channel by channel, narrows by a 1×1 convolution, and adds the input where that has
    /// the same shape.
    fn inverted_residual(
        &self,
        input: &Symbol,
        index: usize,
        expansion: usize,
        channels: usize,
        strides: usize,
    ) -> Result<Symbol> {
        let block = if index == 0 { "expanded_conv".to_owned() } else { format!("block_{index}") };
        let at = |part: &str| format!("{block}_{part}");
        let pointwise = |filters| Conv2D::new(filters, 1).padding(Padding::Same).use_bias(false);
        let mut x = input.clone();
        if index > 0 {
            let wide = expansion * input.shape().channels();
            x = self.normalise(&x.apply(named(at("expand"), pointwise(wide)))?, &at("expand_BN"))?;
            x = x.apply(relu6(at("expand_relu")))?;
        }
        let mut filter = DepthwiseConv2D::new(3).use_bias(false);
        if strides == 1 {
            filter = filter.padding(Padding::Same);
        } else {
            x = x.apply(named(at("pad"), border(&x, 3, self.as_in_pytorch)))?;
            filter = filter.strides(strides);
        }
        x = self.normalise(&x.apply(named(at("depthwise"), filter))?, &at("depthwise_BN"))?;
        x = x.apply(relu6(at("depthwise_relu")))?;
        x = self.normalise(&x.apply(named(at("project"), pointwise(channels)))?, &at("project_BN"))?;
        if strides == 1 && input.shape() == x.shape() {
            x = Symbol::merge(named(at("add"), Add::new()), &[input, &x])?;
        }
        Ok(x)
    }

    fn normalise(&self, x: &Symbol, name: &str) -> Result<Symbol> {
        let epsilon = if self.as_in_pytorch { 1e-5 } else { 1e-3 };
        x.apply(named(name, BatchNormalization::new().momentum(0.999).epsilon(epsilon)))
    }
}
