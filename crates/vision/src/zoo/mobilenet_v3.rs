//! MobileNetV3: inverted residual blocks, found by search, some with squeeze and excitation.

use convnet_nn::layers::{
    Activation as ActivationLayer, Add, BatchNormalization, Conv2D, DepthwiseConv2D, Dropout, Flatten,
    GlobalAveragePooling2D, Multiply, Padding, ReLU, Rescaling,
};
use convnet_nn::names::Counters;
use convnet_nn::{Activation, Result, Symbol};

use super::parts::{border, check_alpha, divisible, named, pool_named};
use super::{End, Family, Habits, Network, Pooling, Top};

/// The networks of Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le and Adam, "Searching for MobileNetV3", 2019
/// ([arXiv:1905.02244](https://arxiv.org/abs/1905.02244)), tables 1 and 2.
///
/// They take pixels of 0 … 255. `hard_sigmoid` is relu6(x + 3) / 6, of three layers; where Keras adds and multiplies without a
/// layer, the layer here is a `Rescaling`.
#[derive(Clone, Debug)]
pub struct MobileNetV3 {
    large: bool,
    /// Factor of the number of channels.
    alpha: f64,
    minimalistic: bool,
    /// Whose network of PyTorch it is, if it is one. Those do not preprocess pixels.
    habits: Option<Habits>,
}

/// A block: expansion, channels, filter size, strides, whether it squeezes and excites, whether it has the hard swish.
type Block = (f64, usize, usize, usize, bool, bool);

const SMALL: [Block; 11] = [
    (1.0, 16, 3, 2, true, false),
    (72.0 / 16.0, 24, 3, 2, false, false),
    (88.0 / 24.0, 24, 3, 1, false, false),
    (4.0, 40, 5, 2, true, true),
    (6.0, 40, 5, 1, true, true),
    (6.0, 40, 5, 1, true, true),
    (3.0, 48, 5, 1, true, true),
    (3.0, 48, 5, 1, true, true),
    (6.0, 96, 5, 2, true, true),
    (6.0, 96, 5, 1, true, true),
    (6.0, 96, 5, 1, true, true),
];

const LARGE: [Block; 15] = [
    (1.0, 16, 3, 1, false, false),
    (4.0, 24, 3, 2, false, false),
    (3.0, 24, 3, 1, false, false),
    (3.0, 40, 5, 2, true, false),
    (3.0, 40, 5, 1, true, false),
    (3.0, 40, 5, 1, true, false),
    (6.0, 80, 3, 2, false, true),
    (2.5, 80, 3, 1, false, true),
    (2.3, 80, 3, 1, false, true),
    (2.3, 80, 3, 1, false, true),
    (6.0, 112, 3, 1, true, true),
    (6.0, 112, 3, 1, true, true),
    (6.0, 160, 5, 2, true, true),
    (6.0, 160, 5, 1, true, true),
    (6.0, 160, 5, 1, true, true),
];

/// MobileNetV3 small: 2,554,968 parameters with 1000 classes. As Keras's
/// [MobileNetV3Small](https://keras.io/api/applications/mobilenet/#mobilenetv3small-function).
pub fn mobilenet_v3_small() -> Network<MobileNetV3> {
    Network::new(MobileNetV3 { large: false, alpha: 1.0, minimalistic: false, habits: None })
}

/// MobileNetV3 large: 5,507,432 parameters with 1000 classes. As Keras's
/// [MobileNetV3Large](https://keras.io/api/applications/mobilenet/#mobilenetv3large-function).
pub fn mobilenet_v3_large() -> Network<MobileNetV3> {
    Network::new(MobileNetV3 { large: true, alpha: 1.0, minimalistic: false, habits: None })
}

impl Network<MobileNetV3> {
    /// Sets the factor of the number of channels: Keras has weights for 0.75 and 1.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.family.alpha = alpha;
        self
    }

    /// Says whether to do without what costs much on some devices: 5×5 filters, squeeze and excitation, hard swish.
    pub fn minimalistic(mut self, minimalistic: bool) -> Self {
        self.family.minimalistic = minimalistic;
        self
    }
}

impl Family for MobileNetV3 {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        if self.large { "MobileNetV3Large" } else { "MobileNetV3Small" }.into()
    }

    fn width(&mut self) -> Option<&mut f64> {
        Some(&mut self.alpha)
    }

    fn as_in_pytorch(&mut self, habits: Habits) {
        self.habits = Some(habits);
    }

    fn has_twins_in_pytorch(&self) -> bool {
        true
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        Wiring::new(self).features(image)
    }

    fn pool(&self, features: &Symbol, pooling: Pooling) -> Result<Symbol> {
        pool_named(features, pooling)
    }

    fn outputs(&self, image: &Symbol, end: End) -> Result<Vec<Symbol>> {
        // Layers of the top are counted on from those before it.
        let mut wiring = Wiring::new(self);
        let features = wiring.features(image)?;
        Ok(vec![match end {
            End::Top(top) => wiring.top(&features, top)?,
            End::Pooled(pooling) => self.pool(&features, pooling)?,
            End::Maps => features,
        }])
    }
}

/// The network being put together, and how many layers without a name of their own it has.
struct Wiring<'n> {
    network: &'n MobileNetV3,
    counters: Counters,
}

impl<'n> Wiring<'n> {
    fn new(network: &'n MobileNetV3) -> Self {
        Self { network, counters: Counters::default() }
    }

    fn features(&mut self, image: &Symbol) -> Result<Symbol> {
        let MobileNetV3 { large, alpha, minimalistic, .. } = *self.network;
        check_alpha("MobileNetV3", alpha)?;
        let first = Conv2D::new(16, 3).strides(2).use_bias(false);
        let x = match self.network.habits {
            None => image.apply(named("rescaling", Rescaling::new(1.0 / 127.5).offset(-1.0)))?,
            Some(_) => image.clone(),
        };
        let x = if self.pads_alike() {
            x.apply(named("conv_pad", border(&x, 3, true)))?.apply(named("conv", first))?
        } else {
            x.apply(named("conv", first.padding(Padding::Same)))?
        };
        let x = self.normalise(&x, "conv_bn")?;
        let mut x = self.activate(&x, !minimalistic)?;
        let blocks: &[Block] = if large { &LARGE } else { &SMALL };
        for (index, &block) in blocks.iter().enumerate() {
            x = self.block(&x, index, block)?;
        }
        let wide = Conv2D::new(divisible(6.0 * x.shape().channels() as f64), 1);
        let x = x.apply(named("conv_1", wide.padding(Padding::Same).use_bias(false)))?;
        self.activate(&self.normalise(&x, "conv_1_bn")?, !minimalistic)
    }

    /// Whether borders are alike on all sides, not as TensorFlow's.
    fn pads_alike(&self) -> bool {
        matches!(self.network.habits, Some(Habits::Torchvision | Habits::Timm))
    }

    fn normalise(&self, x: &Symbol, name: &str) -> Result<Symbol> {
        let epsilon = if self.network.habits == Some(Habits::Timm) { 1e-5 } else { 1e-3 };
        x.apply(named(name, BatchNormalization::new().momentum(0.999).epsilon(epsilon)))
    }

    /// The rectifier, or the hard swish.
    fn activate(&mut self, x: &Symbol, swish: bool) -> Result<Symbol> {
        if swish {
            x.apply(named(self.counters.next("activation"), ActivationLayer::new(Activation::HardSilu)))
        } else {
            x.apply(named(self.counters.next("re_lu"), ReLU::new()))
        }
    }

    fn block(
        &mut self,
        input: &Symbol,
        index: usize,
        (expansion, channels, size, strides, excited, swish): Block,
    ) -> Result<Symbol> {
        let MobileNetV3 { alpha, minimalistic, .. } = *self.network;
        let (size, excited, swish) = if minimalistic { (3, false, false) } else { (size, excited, swish) };
        let block = if index == 0 { "expanded_conv".to_owned() } else { format!("expanded_conv_{index}") };
        let at = |part: &str| format!("{block}_{part}");
        let pointwise = |filters| Conv2D::new(filters, 1).padding(Padding::Same).use_bias(false);
        let (before, channels) = (input.shape().channels(), divisible(channels as f64 * alpha));
        let wide = divisible(before as f64 * expansion);
        let mut x = input.clone();
        if index > 0 {
            x = self.normalise(&x.apply(named(at("expand"), pointwise(wide)))?, &at("expand_bn"))?;
            x = self.activate(&x, swish)?;
        }
        let mut filter = DepthwiseConv2D::new(size).use_bias(false).strides(strides);
        if strides == 1 {
            filter = filter.padding(Padding::Same);
        } else {
            x = x.apply(named(at("depthwise_pad"), border(&x, size, self.pads_alike())))?;
        }
        x = self.normalise(&x.apply(named(at("depthwise"), filter))?, &at("depthwise_bn"))?;
        x = self.activate(&x, swish)?;
        if excited {
            x = self.excite(&x, &at("squeeze_excite"))?;
        }
        x = self.normalise(&x.apply(named(at("project"), pointwise(channels)))?, &at("project_bn"))?;
        if strides == 1 && before == channels {
            x = Symbol::merge(named(at("add"), Add::new()), &[input, &x])?;
        }
        Ok(x)
    }

    /// Squeeze and excitation by a quarter, with a hard sigmoid.
    fn excite(&mut self, x: &Symbol, name: &str) -> Result<Symbol> {
        let at = |part: &str| format!("{name}_{part}");
        let channels = x.shape().channels();
        let pointwise = |filters| Conv2D::new(filters, 1).padding(Padding::Same);
        let pool = GlobalAveragePooling2D { keepdims: true, ..Default::default() };
        let y = x.apply(named(at("avg_pool"), pool))?;
        let y = y.apply(named(at("conv"), pointwise(divisible(channels as f64 / 4.0))))?;
        let y = y.apply(named(at("relu"), ReLU::new()))?;
        let y = y.apply(named(at("conv_1"), pointwise(channels)))?;
        let y = y.apply(named(self.counters.next("add"), Rescaling::new(1.0).offset(3.0)))?;
        let y = y.apply(named(self.counters.next("re_lu"), ReLU::new().max_value(6.0)))?;
        let y = y.apply(named(self.counters.next("multiply"), Rescaling::new(1.0 / 6.0)))?;
        Symbol::merge(named(at("mul"), Multiply::new()), &[x, &y])
    }

    /// The classifier is of 1×1 convolutions.
    fn top(&mut self, features: &Symbol, top: Top) -> Result<Symbol> {
        let MobileNetV3 { large, alpha, minimalistic, .. } = *self.network;
        let wide = if large { 1280 } else { 1024 };
        let wide = if alpha > 1.0 { divisible(wide as f64 * alpha) } else { wide };
        let x = features.apply(GlobalAveragePooling2D { keepdims: true, ..Default::default() })?;
        let x = x.apply(named("conv_2", Conv2D::new(wide, 1).padding(Padding::Same)))?;
        let x = self.activate(&x, !minimalistic)?.apply(Dropout::new(0.2))?;
        let x = x.apply(named("logits", Conv2D::new(top.classes, 1).padding(Padding::Same)))?;
        x.apply(Flatten::new())?.apply(named("predictions", ActivationLayer::new(top.activation)))
    }
}
