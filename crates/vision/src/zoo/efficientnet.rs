//! EfficientNet: width, depth and image size scaled together; and the lite form for small devices.

use convnet_nn::layers::{
    Add, BatchNormalization, Conv2D, DepthwiseConv2D, Dropout, GlobalAveragePooling2D, Multiply,
    Normalization, Padding, Rescaling, Reshape,
};
use convnet_nn::{Activation, Result, Symbol};

use super::parts::{activation, border, named, pool_named, relu6};
use super::{Family, Habits, Network, Pooling, Top};

/// The networks of Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019
/// ([arXiv:1905.11946](https://arxiv.org/abs/1905.11946)), table 1 and its compound scaling.
///
/// B0 to B7 are those of keras.applications and take pixels of 0 … 255, which a `Rescaling` and a `Normalization` in front bring to
/// their range. Lite 0 to 4 have no squeeze and excitation, relu6 for swish, and stem and head that are not scaled
/// ([announcement](https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html)); they take
/// normalised pixels.
#[derive(Clone, Debug)]
pub struct EfficientNet {
    /// What stands behind the family's name.
    variant: &'static str,
    /// Factor of the number of channels.
    width: f64,
    /// Factor of the number of blocks.
    depth: f64,
    /// Share of the features that is dropped before the classifier.
    dropout: f32,
    lite: bool,
    rescaled: bool,
    /// Whose network of PyTorch it is, if it is one. Those do not preprocess pixels.
    habits: Option<Habits>,
}

/// The stages: filter size, blocks, channels, expansion, strides of the first block.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
];

/// Share of the samples for which the last block is skipped in training; for those before it less.
const SKIPPED: f64 = 0.2;

/// Standard deviations of ImageNet's colours.
const DEVIATIONS: [f64; 3] = [0.229, 0.224, 0.225];

/// Declares the functions of the variants.
macro_rules! variants {
    ($($(#[$doc:meta])* $name:ident, $variant:literal, $lite:literal, $width:literal, $depth:literal, $size:literal, $dropout:literal;)*) => {
        $($(#[$doc])*
        pub fn $name() -> Network<EfficientNet> {
            let (width, depth, dropout) = ($width, $depth, $dropout);
            Network::new(EfficientNet { variant: $variant, width, depth, dropout, lite: $lite, rescaled: false, habits: None })
                .of_size($size)
        })*
    };
}

variants! {
    /// EfficientNet-B0: 5,330,571 parameters with 1000 classes. As Keras's
    /// [EfficientNetB0](https://keras.io/api/applications/efficientnet/#efficientnetb0-function).
    efficientnet_b0, "b0", false, 1.0, 1.0, 224, 0.2;
    /// EfficientNet-B1: 7,856,239 parameters with 1000 classes, images of 240 × 240.
    efficientnet_b1, "b1", false, 1.0, 1.1, 240, 0.2;
    /// EfficientNet-B2: 9,177,569 parameters with 1000 classes, images of 260 × 260.
    efficientnet_b2, "b2", false, 1.1, 1.2, 260, 0.3;
    /// EfficientNet-B3: 12,320,535 parameters with 1000 classes, images of 300 × 300.
    efficientnet_b3, "b3", false, 1.2, 1.4, 300, 0.3;
    /// EfficientNet-B4: 19,466,823 parameters with 1000 classes, images of 380 × 380.
    efficientnet_b4, "b4", false, 1.4, 1.8, 380, 0.4;
    /// EfficientNet-B5: 30,562,527 parameters with 1000 classes, images of 456 × 456.
    efficientnet_b5, "b5", false, 1.6, 2.2, 456, 0.4;
    /// EfficientNet-B6: 43,265,143 parameters with 1000 classes, images of 528 × 528.
    efficientnet_b6, "b6", false, 1.8, 2.6, 528, 0.5;
    /// EfficientNet-B7: 66,658,687 parameters with 1000 classes, images of 600 × 600.
    efficientnet_b7, "b7", false, 2.0, 3.1, 600, 0.5;
    /// EfficientNet-Lite0: 4,694,024 parameters with 1000 classes, 4,652,008 of them trained.
    efficientnet_lite0, "_lite0", true, 1.0, 1.0, 224, 0.2;
    /// EfficientNet-Lite1: 5,470,344 parameters with 1000 classes, 5,416,680 of them trained; images of 240 × 240.
    efficientnet_lite1, "_lite1", true, 1.0, 1.1, 240, 0.2;
    /// EfficientNet-Lite2: 6,150,168 parameters with 1000 classes, 6,092,072 of them trained; images of 260 × 260.
    efficientnet_lite2, "_lite2", true, 1.1, 1.2, 260, 0.3;
    /// EfficientNet-Lite3: 8,273,768 parameters with 1000 classes, 8,197,096 of them trained; images of 280 × 280.
    efficientnet_lite3, "_lite3", true, 1.2, 1.4, 280, 0.3;
    /// EfficientNet-Lite4: 13,118,936 parameters with 1000 classes, 13,006,568 of them trained; images of 300 × 300.
    efficientnet_lite4, "_lite4", true, 1.4, 1.8, 300, 0.3;
}

impl Network<EfficientNet> {
    /// Says whether normalised pixels are divided by the root of the deviation once more, as Keras's weights for ImageNet want
    /// it. Default false, as in Keras for random weights.
    pub fn rescaled(mut self, rescaled: bool) -> Self {
        self.family.rescaled = rescaled;
        self
    }
}

/// A block: filter size, channels, expansion, strides, the share of samples for which it is skipped in training.
struct Block {
    size: usize,
    channels: usize,
    expansion: usize,
    strides: usize,
    skipped: f64,
}

impl Family for EfficientNet {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        format!("efficientnet{}", self.variant)
    }

    fn as_in_pytorch(&mut self, habits: Habits) {
        self.habits = Some(habits);
    }

    fn has_twins_in_pytorch(&self) -> bool {
        true
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let channels = if self.lite { 32 } else { self.scaled(32) };
        let stem = Conv2D::new(channels, 3).strides(2).use_bias(false);
        let x = if self.lite && !self.pads_alike() {
            image.apply(named("stem_conv", stem.padding(Padding::Same)))?
        } else {
            let x = if self.lite || self.habits.is_some() { image.clone() } else { self.preprocess(image)? };
            let border = border(&x, 3, self.pads_alike());
            x.apply(named("stem_conv_pad", border))?.apply(named("stem_conv", stem))?
        };
        let mut x = self.activate(&self.normalise(&x, "stem_bn")?, "stem_activation")?;
        let counts: Vec<usize> = (STAGES.iter().enumerate())
            .map(|(stage, &(_, blocks, ..))| {
                let fixed = self.lite && (stage == 0 || stage == STAGES.len() - 1);
                if fixed { blocks } else { (self.depth * blocks as f64).ceil() as usize }
            })
            .collect();
        let total: usize = counts.iter().sum();
        let mut index = 0;
        for (stage, (&(size, _, channels, expansion, strides), &count)) in
            (1..).zip(STAGES.iter().zip(&counts))
        {
            for (letter, first) in
                ('a'..).zip(std::iter::once(true).chain(std::iter::repeat(false))).take(count)
            {
                let block = Block {
                    size,
                    channels: self.scaled(channels),
                    expansion,
                    strides: if first { strides } else { 1 },
                    skipped: SKIPPED * index as f64 / total as f64,
                };
                x = self.block(&x, &format!("block{stage}{letter}"), &block)?;
                index += 1;
            }
        }
        let channels = if self.lite { 1280 } else { self.scaled(1280) };
        let last = Conv2D::new(channels, 1).padding(Padding::Same).use_bias(false);
        let x = self.normalise(&x.apply(named("top_conv", last))?, "top_bn")?;
        self.activate(&x, "top_activation")
    }

    fn pool(&self, features: &Symbol, pooling: Pooling) -> Result<Symbol> {
        pool_named(features, pooling)
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        let x = self.pool(features, Pooling::Avg)?;
        x.apply(named("top_dropout", Dropout::new(self.dropout)))?.apply(top.classifier("predictions"))
    }
}

impl EfficientNet {
    /// So many channels times the width, brought to a multiple of 8.
    fn scaled(&self, channels: usize) -> usize {
        super::parts::divisible(channels as f64 * self.width)
    }

    fn preprocess(&self, image: &Symbol) -> Result<Symbol> {
        let x = image.apply(Rescaling::new(1.0 / 255.0))?.apply(Normalization::new())?;

        if self.rescaled {
            x.apply(Rescaling::new(DEVIATIONS.map(|deviation| 1.0 / deviation.sqrt())))
        } else {
            Ok(x)
        }
    }

    /// Whether borders are alike on all sides, not as TensorFlow's.
    fn pads_alike(&self) -> bool {
        matches!(self.habits, Some(Habits::Torchvision | Habits::Timm))
    }

    fn normalise(&self, x: &Symbol, name: &str) -> Result<Symbol> {
        let epsilon = match self.habits {
            Some(Habits::Timm) => 1e-5,
            // torchvision took over the weights of the three largest.
            Some(Habits::Torchvision) if !matches!(self.variant, "b5" | "b6" | "b7") => 1e-5,
            _ => 1e-3,
        };
        x.apply(named(name, BatchNormalization::new().epsilon(epsilon)))
    }

    fn activate(&self, x: &Symbol, name: &str) -> Result<Symbol> {
        x.apply(if self.lite { relu6(name) } else { activation(name, Activation::Silu) })
    }

    /// Widens by a 1×1 convolution, filters channel by channel, weighs channels, narrows by a 1×1 convolution, and adds the
    /// input where that has the same shape.
    fn block(&self, input: &Symbol, name: &str, block: &Block) -> Result<Symbol> {
        let at = |part: &str| format!("{name}_{part}");
        let pointwise = |filters| Conv2D::new(filters, 1).padding(Padding::Same).use_bias(false);
        let before = input.shape().channels();
        let mut x = input.clone();
        if block.expansion > 1 {
            x = x.apply(named(at("expand_conv"), pointwise(block.expansion * before)))?;
            x = self.activate(&self.normalise(&x, &at("expand_bn"))?, &at("expand_activation"))?;
        }
        let filter = DepthwiseConv2D::new(block.size).strides(block.strides).use_bias(false);
        x = if block.strides == 1 || self.lite && !self.pads_alike() {
            x.apply(named(at("dwconv"), filter.padding(Padding::Same)))?
        } else {
            let border = border(&x, block.size, self.pads_alike());
            let padded = x.apply(named(at("dwconv_pad"), border))?;
            padded.apply(named(at("dwconv"), filter))?
        };
        x = self.activate(&self.normalise(&x, &at("bn"))?, &at("activation"))?;
        if !self.lite {
            x = excite(&x, (before / 4).max(1), &at("se"))?;
        }
        x = x.apply(named(at("project_conv"), pointwise(block.channels)))?;
        x = self.normalise(&x, &at("project_bn"))?;
        if block.strides == 1 && before == block.channels {
            if block.skipped > 0.0 {
                let skip =
                    Dropout::new(block.skipped as f32).noise_shape(vec![None, Some(1), Some(1), Some(1)]);
                x = x.apply(named(at("drop"), skip))?;
            }
            x = Symbol::merge(named(at("add"), Add::new()), &[&x, input])?;
        }
        Ok(x)
    }
}

/// Squeeze and excitation with `few` channels in between.
fn excite(x: &Symbol, few: usize, name: &str) -> Result<Symbol> {
    let at = |part: &str| format!("{name}_{part}");
    let channels = x.shape().channels();
    let pointwise = |filters, function| Conv2D::new(filters, 1).padding(Padding::Same).activation(function);
    let y = x.apply(named(at("squeeze"), GlobalAveragePooling2D::new()))?;
    let y = y.apply(named(at("reshape"), Reshape::new([1, 1, channels as isize])))?;
    let y = y.apply(named(at("reduce"), pointwise(few, Activation::Silu)))?;
    let y = y.apply(named(at("expand"), pointwise(channels, Activation::Sigmoid)))?;
    Symbol::merge(named(at("excite"), Multiply::new()), &[x, &y])
}
