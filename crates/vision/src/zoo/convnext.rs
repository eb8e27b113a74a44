//! ConvNeXt: a residual network rebuilt after transformers, from convolutions alone.

use convnet_nn::layers::{
    Add, Conv2D, Dense, Dropout, GlobalAveragePooling2D, LayerNormalization, Normalization, Padding,
};
use convnet_nn::{Activation, LayerRef, Result, Sequential, Symbol};

use super::parts::{activation, named};
use super::{End, Family, Habits, Network, Top};
use crate::layers::LayerScale;

/// The networks of Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, "A ConvNet for the 2020s", 2022
/// ([arXiv:2201.03545](https://arxiv.org/abs/2201.03545)), section 3.
///
/// They take pixels of 0 … 255, which a `Normalization` in front brings to their range. The stem and the layers between stages are
/// models of their own, as in keras.applications.
#[derive(Clone, Debug)]
pub struct ConvNeXt {
    variant: &'static str,
    /// Blocks in each of the four stages.
    blocks: [usize; 4],
    /// Channels of the stages.
    channels: [usize; 4],
    /// Share of the samples for which the last block is skipped in training.
    drop_path_rate: f64,
    /// Whether pixels are normalised in front.
    preprocesses: bool,
}

/// ConvNeXt tiny: 28,589,128 parameters with 1000 classes. As Keras's
/// [ConvNeXtTiny](https://keras.io/api/applications/convnext/#convnexttiny-function).
pub fn convnext_tiny() -> Network<ConvNeXt> {
    network("tiny", [3, 3, 9, 3], 96)
}

/// ConvNeXt small: 50,223,688 parameters with 1000 classes. As Keras's
/// [ConvNeXtSmall](https://keras.io/api/applications/convnext/#convnextsmall-function).
pub fn convnext_small() -> Network<ConvNeXt> {
    network("small", [3, 3, 27, 3], 96)
}

/// ConvNeXt base: 88,591,464 parameters with 1000 classes. As Keras's
/// [ConvNeXtBase](https://keras.io/api/applications/convnext/#convnextbase-function).
pub fn convnext_base() -> Network<ConvNeXt> {
    network("base", [3, 3, 27, 3], 128)
}

/// ConvNeXt large: 197,767,336 parameters with 1000 classes. As Keras's
/// [ConvNeXtLarge](https://keras.io/api/applications/convnext/#convnextlarge-function).
pub fn convnext_large() -> Network<ConvNeXt> {
    network("large", [3, 3, 27, 3], 192)
}

/// ConvNeXt extra large: 350,196,968 parameters with 1000 classes. As Keras's
/// [ConvNeXtXLarge](https://keras.io/api/applications/convnext/#convnextxlarge-function).
pub fn convnext_xlarge() -> Network<ConvNeXt> {
    network("xlarge", [3, 3, 27, 3], 256)
}

fn network(variant: &'static str, blocks: [usize; 4], channels: usize) -> Network<ConvNeXt> {
    Network::new(ConvNeXt {
        variant,
        blocks,
        channels: [1, 2, 4, 8].map(|factor| factor * channels),
        drop_path_rate: 0.0,
        preprocesses: true,
    })
}

impl Network<ConvNeXt> {
    /// Sets the share of the samples for which the last block is skipped in training (stochastic depth); for those before it
    /// less, down to none. Default 0. The paper trains with 0.1, 0.4 and 0.5 for tiny, small and base.
    pub fn drop_path_rate(mut self, drop_path_rate: f64) -> Self {
        self.family.drop_path_rate = drop_path_rate;
        self
    }
}

/// Factor of a block's result before training.
const FIRST_SCALE: f64 = 1e-6;

/// Mean and variance of ImageNet's colours, in bytes.
const MEAN: [f64; 3] = [0.485 * 255.0, 0.456 * 255.0, 0.406 * 255.0];
const DEVIATION: [f64; 3] = [0.229 * 255.0, 0.224 * 255.0, 0.225 * 255.0];

impl Family for ConvNeXt {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        format!("convnext_{}", self.variant)
    }

    fn as_in_pytorch(&mut self, _habits: Habits) {
        self.preprocesses = false;
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let network = self.model_name([0; 3]);
        let mut x = image.clone();
        if self.preprocesses && x.shape().channels() == 3 {
            let variance = DEVIATION.map(|deviation| deviation * deviation);
            let normalisation = Normalization::with_statistics(MEAN, variance);
            x = x.apply(named(format!("{network}_prestem_normalization"), normalisation))?;
        }
        let steps = (self.blocks.iter().sum::<usize>() - 1) as f64;
        let mut index = 0;
        for (stage, (&blocks, &channels)) in self.blocks.iter().zip(&self.channels).enumerate() {
            x = x.apply(shrinking(&network, stage, channels, x.shape().dims.clone())?)?;
            for block in 0..blocks {
                let skipped = self.drop_path_rate * f64::from(index) / steps;
                x = residual(&x, &format!("{network}_stage_{stage}_block_{block}"), channels, skipped)?;
                index += 1;
            }
        }
        Ok(x)
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        let at = |part: &str| format!("{}_head_{part}", self.model_name([0; 3]));
        let x = features.apply(named(at("gap"), GlobalAveragePooling2D::new()))?;
        x.apply(normalisation(at("layernorm")))?.apply(top.classifier(&at("dense")))
    }

    /// Without the top, what is left is normalised too.
    fn outputs(&self, image: &Symbol, end: End) -> Result<Vec<Symbol>> {
        let features = self.features(image)?;
        let normalised = |x: &Symbol| x.apply(LayerNormalization::new().epsilon(EPSILON));
        Ok(vec![match end {
            End::Top(top) => self.top(&features, top)?,
            End::Pooled(pooling) => normalised(&self.pool(&features, pooling)?)?,
            End::Maps => normalised(&features)?,
        }])
    }
}

/// Keras's epsilon here.
const EPSILON: f64 = 1e-6;

fn normalisation(name: impl Into<String>) -> LayerRef {
    named(name, LayerNormalization::new().epsilon(EPSILON))
}

/// The model before a stage: to a quarter of the size before the first, to half of it before the others.
fn shrinking(network: &str, stage: usize, channels: usize, input: Vec<usize>) -> Result<LayerRef> {
    let convolution = |name: String, size| named(name, Conv2D::new(channels, size).strides(size));
    let model = Sequential::new(input);
    let model = match stage.checked_sub(1) {
        None => {
            let model = model.named(format!("{network}_stem"));
            let model = model.add(convolution(format!("{network}_stem_conv"), 4));
            model.add(normalisation(format!("{network}_stem_layernorm")))
        }
        Some(step) => {
            let model = model.named(format!("{network}_downsampling_block_{step}"));
            let model = model.add(normalisation(format!("{network}_downsampling_layernorm_{step}")));
            model.add(convolution(format!("{network}_downsampling_conv_{step}"), 2))
        }
    };
    Ok(LayerRef::from(&model.build()?))
}

/// 7×7 filters channel by channel, then to four times as many channels and back, added to the input.
fn residual(input: &Symbol, name: &str, channels: usize, skipped: f64) -> Result<Symbol> {
    let at = |part: &str| format!("{name}_{part}");
    let filter = Conv2D::new(channels, 7).padding(Padding::Same).groups(channels);
    let x = input.apply(named(at("depthwise_conv"), filter))?.apply(normalisation(at("layernorm")))?;
    let x = x.apply(named(at("pointwise_conv_1"), Dense::new(4 * channels)))?;
    let x = x.apply(activation(at("gelu"), Activation::Gelu))?;
    let x = x.apply(named(at("pointwise_conv_2"), Dense::new(channels)))?;
    let x = x.apply(named(at("layer_scale"), LayerScale::new(FIRST_SCALE, channels)))?;
    let x = x.apply(if skipped > 0.0 {
        let whole = [None, Some(1), Some(1), Some(1)];
        named(at("stochastic_depth"), Dropout::new(skipped as f32).noise_shape(whole))
    } else {
        activation(at("identity"), Activation::Linear)
    })?;
    Symbol::merge(Add::new(), &[input, &x])
}
