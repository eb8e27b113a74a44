//! U-Net: down to what is there, up again to where it is.

use convnet_nn::layers::{Conv2D, Conv2DTranspose, Cropping2D, Dropout, MaxPooling2D, Padding};
use convnet_nn::{Activation, Initializer, Result, Symbol};

use super::parts::{join, named};
use super::{Family, Network, Top};

/// The network of Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015
/// ([arXiv:1505.04597](https://arxiv.org/abs/1505.04597)), figure 1.
///
/// The output is a class for each pixel, `(batch, height, width, classes)`. Convolutions are not padded, so that it is smaller than
/// the image: 388 × 388 for 572 × 572. With same padding it is as large as the image, if that is a multiple of 16.
#[derive(Clone, Debug)]
pub struct UNet {
    padding: Padding,
}

/// U-Net: 31,030,658 parameters for grey images of 572 × 572 and 2 classes.
pub fn unet() -> Network<UNet> {
    Network::new(UNet { padding: Padding::Valid }).input_shape([572, 572, 1]).classes(2)
}

impl Network<UNet> {
    /// Sets the treatment of the border. Default valid.
    pub fn padding(self, padding: Padding) -> Self {
        Self { family: UNet { padding }, ..self }
    }
}

/// Channels of the levels, from the top of the U to its bottom.
const LEVELS: [usize; 5] = [64, 128, 256, 512, 1024];

impl Family for UNet {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "unet".into()
    }

    fn min_size(&self) -> usize {
        if self.padding == Padding::Valid { 188 } else { 16 }
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let mut x = image.clone();
        let mut levels = Vec::new();
        for (level, &channels) in (1..).zip(&LEVELS) {
            if level > 1 {
                x = x.apply(named(format!("pool{}", level - 1), MaxPooling2D::new(2)))?;
            }
            x = self.convolve(&x, &format!("down{level}"), channels)?;
            if level > 3 {
                x = x.apply(named(format!("drop{level}"), Dropout::new(0.5)))?;
            }
            levels.push(x.clone());
        }
        for (level, &channels) in (1..LEVELS.len()).zip(&LEVELS).rev() {
            let up = Conv2DTranspose::new(channels, 2).strides(2).activation(Activation::Relu);
            let up = x.apply(named(format!("up{level}_conv"), up))?;
            let skip = crop(&levels[level - 1], &up, &format!("crop{level}"))?;
            x = join(format!("join{level}"), &[&skip, &up])?;
            x = self.convolve(&x, &format!("up{level}"), channels)?;
        }
        Ok(x)
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        features.apply(named("predictions", Conv2D::new(top.classes, 1).activation(top.activation)))
    }
}

impl UNet {
    fn convolve(&self, x: &Symbol, name: &str, channels: usize) -> Result<Symbol> {
        let convolution = || {
            let layer = Conv2D::new(channels, 3).padding(self.padding).activation(Activation::Relu);
            layer.kernel_initializer(Initializer::HeNormal)
        };
        let x = x.apply(named(format!("{name}_conv1"), convolution()))?;
        x.apply(named(format!("{name}_conv2"), convolution()))
    }
}

/// The middle of `x`, as high and wide as `model`, which may not be larger.
pub(super) fn crop(x: &Symbol, model: &Symbol, name: &str) -> Result<Symbol> {
    let sides = [0, 1].map(|axis| {
        let more = x.shape().dims[axis].saturating_sub(model.shape().dims[axis]);
        (more / 2, more - more / 2)
    });
    if sides == [(0, 0); 2] { Ok(x.clone()) } else { x.apply(named(name, Cropping2D::new(sides))) }
}
