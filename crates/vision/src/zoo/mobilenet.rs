//! MobileNet: each channel filtered by itself, then a 1×1 convolution.

use convnet_nn::layers::{
    Activation as ActivationLayer, BatchNormalization, Conv2D, DepthwiseConv2D, Dropout,
    GlobalAveragePooling2D, Padding, Reshape, ZeroPadding2D,
};
use convnet_nn::{Result, Symbol};

use super::parts::{check_alpha, named, relu6};
use super::{Family, Habits, Network, Top};

/// The network of Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto and Adam, "MobileNets: Efficient Convolutional Neural
/// Networks for Mobile Vision Applications", 2017 ([arXiv:1704.04861](https://arxiv.org/abs/1704.04861)), table 1.
#[derive(Clone, Debug)]
pub struct MobileNet {
    /// Factor of the number of channels.
    alpha: f64,
    /// Whether borders and epsilon are PyTorch's.
    as_in_pytorch: bool,
}

/// Filters and strides of the blocks.
const BLOCKS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// MobileNet: 4,253,864 parameters with 1000 classes. As Keras's
/// [MobileNet](https://keras.io/api/applications/mobilenet/#mobilenet-function).
pub fn mobilenet() -> Network<MobileNet> {
    Network::new(MobileNet { alpha: 1.0, as_in_pytorch: false })
}

impl Network<MobileNet> {
    /// Sets the factor of the number of channels: Keras has weights for 0.25, 0.5, 0.75 and 1.
    pub fn alpha(self, alpha: f64) -> Self {
        Self { family: MobileNet { alpha, ..self.family }, ..self }
    }
}

impl Family for MobileNet {
    fn model_name(&self, [height, ..]: [usize; 3]) -> String {
        format!("mobilenet_{:.2}_{height}", self.alpha)
    }

    fn width(&mut self) -> Option<&mut f64> {
        Some(&mut self.alpha)
    }

    fn as_in_pytorch(&mut self, _habits: Habits) {
        self.as_in_pytorch = true;
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        check_alpha("MobileNet", self.alpha)?;
        let wide = |filters: usize| (filters as f64 * self.alpha) as usize;
        let first = Conv2D::new(wide(32), 3).strides(2).use_bias(false);
        let x = if self.as_in_pytorch {
            image.apply(named("conv1_pad", ZeroPadding2D::new(1)))?.apply(named("conv1", first))?
        } else {
            image.apply(named("conv1", first.padding(Padding::Same)))?
        };
        let mut x = self.normalise(&x, "conv1")?;
        for (block, (filters, strides)) in (1..).zip(BLOCKS) {
            x = self.separable(&x, block, wide(filters), strides)?;
        }
        Ok(x)
    }

    /// The classifier is a 1×1 convolution.
    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        let pool = GlobalAveragePooling2D { keepdims: true, ..Default::default() };
        let x = features.apply(pool)?.apply(named("dropout", Dropout::new(1e-3)))?;
        let x = x.apply(named("conv_preds", Conv2D::new(top.classes, 1).padding(Padding::Same)))?;
        let x = x.apply(named("reshape_2", Reshape::new([top.classes as isize])))?;
        x.apply(named("predictions", ActivationLayer::new(top.activation)))
    }
}

impl MobileNet {
    /// A depthwise convolution and a 1×1 convolution, both normalised and rectified.
    fn separable(&self, x: &Symbol, block: usize, filters: usize, strides: usize) -> Result<Symbol> {
        let filter = DepthwiseConv2D::new(3).use_bias(false);
        let name = format!("conv_dw_{block}");
        let x = if strides == 1 {
            x.apply(named(&name, filter.padding(Padding::Same)))?
        } else {
            let before = if self.as_in_pytorch { 1 } else { 0 };
            let border = ZeroPadding2D::new([(before, 1), (before, 1)]);
            x.apply(named(format!("conv_pad_{block}"), border))?
                .apply(named(&name, filter.strides(strides)))?
        };
        let x = self.normalise(&x, &name)?;
        let name = format!("conv_pw_{block}");
        let pointwise = Conv2D::new(filters, 1).padding(Padding::Same).use_bias(false);
        self.normalise(&x.apply(named(&name, pointwise))?, &name)
    }

    fn normalise(&self, x: &Symbol, name: &str) -> Result<Symbol> {
        let epsilon = if self.as_in_pytorch { 1e-5 } else { 1e-3 };
        let x = x.apply(named(format!("{name}_bn"), BatchNormalization::new().epsilon(epsilon)))?;
        x.apply(relu6(format!("{name}_relu")))
    }
}
