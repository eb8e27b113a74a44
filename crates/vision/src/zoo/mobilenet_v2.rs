//! MobileNetV2: blocks that widen, filter each channel by itself, and narrow again.

use convnet_nn::layers::{Add, BatchNormalization, Conv2D, DepthwiseConv2D, Padding, ReLU, ZeroPadding2D};
use convnet_nn::{LayerRef, Result, Symbol};

use super::{Error, Family, Network};

/// The network of Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018
/// ([arXiv:1801.04381](https://arxiv.org/abs/1801.04381)), table 2.
#[derive(Clone, Debug)]
pub struct MobileNetV2 {
    /// Factor of the number of channels.
    alpha: f64,
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
    Network::new(MobileNetV2 { alpha: 1.0 })
}

impl Network<MobileNetV2> {
    /// Sets the factor of the number of channels: Keras has weights for 0.35, 0.5, 0.75, 1, 1.3 and 1.4.
    pub fn alpha(self, alpha: f64) -> Self {
        Self { family: MobileNetV2 { alpha }, ..self }
    }
}

impl Family for MobileNetV2 {
    fn model_name(&self, [height, ..]: [usize; 3]) -> String {
        format!("mobilenetv2_{:.2}_{height}", self.alpha)
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        if !(self.alpha > 0.0 && self.alpha <= 1000.0) {
            let problem = format!("alpha must be above 0 and at most 1000, got {}", self.alpha);
            return Err(Error::argument("MobileNetV2", problem));
        }
        let first = Conv2D::new(divisible(32.0 * self.alpha), 3).strides(2).padding(Padding::Same);
        let mut x = normalise(&image.apply(named("Conv1", first.use_bias(false)))?, "bn_Conv1")?;
        x = x.apply(relu6("Conv1_relu"))?;
        let mut index = 0;
        for (expansion, channels, blocks, strides) in STAGES {
            let channels = divisible((channels as f64 * self.alpha).floor());
            for block in 0..blocks {
                x = inverted_residual(&x, index, expansion, channels, if block == 0 { strides } else { 1 })?;
                index += 1;
            }
        }
        // The paper widens the last convolution, but never narrows it.
        let last = divisible(1280.0 * self.alpha.max(1.0));
        x = normalise(&x.apply(named("Conv_1", Conv2D::new(last, 1).use_bias(false)))?, "Conv_1_bn")?;
        x.apply(relu6("out_relu"))
    }
}

/// The multiple of 8 that is nearest, but not less than 90 per cent.
fn divisible(channels: f64) -> usize {
    let nearest = ((channels + 4.0) as usize / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * channels { nearest + 8 } else { nearest }
}

/// Widens by a 1×1 convolution, filters channel by channel, narrows by a 1×1 convolution, and adds the input where that has
/// the same shape.
fn inverted_residual(
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
        x = normalise(&x.apply(named(at("expand"), pointwise(wide)))?, &at("expand_BN"))?;
        x = x.apply(relu6(at("expand_relu")))?;
    }
    let mut filter = DepthwiseConv2D::new(3).use_bias(false);
    if strides == 1 {
        filter = filter.padding(Padding::Same);
    } else {
        // A border of one pixel, but none before an even number of pixels.
        let border = |size: usize| (size % 2, 1);
        let sides = [border(x.shape().dims[0]), border(x.shape().dims[1])];
        x = x.apply(named(at("pad"), ZeroPadding2D::new(sides)))?;
        filter = filter.strides(strides);
    }
    x = normalise(&x.apply(named(at("depthwise"), filter))?, &at("depthwise_BN"))?;
    x = x.apply(relu6(at("depthwise_relu")))?;
    x = normalise(&x.apply(named(at("project"), pointwise(channels)))?, &at("project_BN"))?;
    if strides == 1 && input.shape() == x.shape() {
        x = Symbol::merge(named(at("add"), Add::new()), &[input, &x])?;
    }
    Ok(x)
}

fn normalise(x: &Symbol, name: &str) -> Result<Symbol> {
    x.apply(named(name, BatchNormalization::new().momentum(0.999)))
}

fn relu6(name: impl Into<String>) -> LayerRef {
    named(name, ReLU::new().max_value(6.0))
}

fn named(name: impl Into<String>, layer: impl Into<LayerRef>) -> LayerRef {
    layer.into().named(name)
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
