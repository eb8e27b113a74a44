//! VGG: stacks of 3×3 convolutions between max pools, then dense layers.

use convnet_nn::layers::{Conv2D, Dense, Flatten, MaxPooling2D, Padding};
use convnet_nn::{Activation, LayerRef, Result, Symbol};

use super::{Family, Network, Top};

/// The networks of Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014
/// ([arXiv:1409.1556](https://arxiv.org/abs/1409.1556)), table 1, columns D and E.
#[derive(Clone, Debug)]
pub struct Vgg {
    /// Convolutions in each of the five blocks.
    convolutions: [usize; 5],
}

/// Filters of the convolutions of each block.
const FILTERS: [usize; 5] = [64, 128, 256, 512, 512];

/// VGG-16: 138,357,544 parameters for 224 × 224 × 3 and 1000 classes. As Keras's
/// [VGG16](https://keras.io/api/applications/vgg/#vgg16-function).
pub fn vgg16() -> Network<Vgg> {
    Network::new(Vgg { convolutions: [2, 2, 3, 3, 3] })
}

/// VGG-19: 143,667,240 parameters for 224 × 224 × 3 and 1000 classes. As Keras's
/// [VGG19](https://keras.io/api/applications/vgg/#vgg19-function).
pub fn vgg19() -> Network<Vgg> {
    Network::new(Vgg { convolutions: [2, 2, 4, 4, 4] })
}

impl Family for Vgg {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        let dense = 3;
        format!("vgg{}", self.convolutions.iter().sum::<usize>() + dense)
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let mut x = image.clone();
        for ((block, count), filters) in (1..).zip(self.convolutions).zip(FILTERS) {
            for convolution in 1..=count {
                let layer = Conv2D::new(filters, 3).padding(Padding::Same).activation(Activation::Relu);
                x = x.apply(LayerRef::new(layer).named(format!("block{block}_conv{convolution}")))?;
            }
            let pool = MaxPooling2D::new(2).strides(2);
            x = x.apply(LayerRef::new(pool).named(format!("block{block}_pool")))?;
        }
        Ok(x)
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        let dense = |name| LayerRef::new(Dense::new(4096).activation(Activation::Relu)).named(name);
        let x = features.apply(LayerRef::new(Flatten::new()).named("flatten"))?;
        x.apply(dense("fc1"))?.apply(dense("fc2"))?.apply(top.classifier("predictions"))
    }
}
