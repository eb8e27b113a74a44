//! AlexNet: the network with which deep convolutional networks won the ImageNet challenge.

use convnet_nn::layers::{Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Padding};
use convnet_nn::{Activation, Result, Symbol};

use super::parts::named;
use super::temporary::LocalResponse;
use super::{Family, Network, Top};

/// The network of Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012
/// ([NIPS 25](https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks)), figure 2.
///
/// Convolutions 2, 4 and 5 have two groups, which lay on two graphics cards. Local response normalisation as in section 3.3:
/// yₙ = xₙ / (k + α Σ x²)^β over the channels at most `depth_radius` away.
#[derive(Clone, Debug)]
pub struct AlexNet {
    response: LocalResponse,
}

/// AlexNet: 60,965,224 parameters with 1000 classes. The images are 227 × 227: the paper says 224, from which its layers'
/// sizes do not follow.
pub fn alexnet() -> Network<AlexNet> {
    Network::new(AlexNet { response: LocalResponse::of_paper() }).of_size(227)
}

impl Network<AlexNet> {
    /// Sets how many channels on each side count in the normalisation. Default 2.
    pub fn depth_radius(mut self, depth_radius: usize) -> Self {
        self.family.response.depth_radius = depth_radius;
        self
    }

    /// Sets the summand k of the normalisation's divisor. Default 2.
    pub fn k(mut self, k: f64) -> Self {
        self.family.response.bias = k;
        self
    }

    /// Sets the factor α of the squares. Default 10⁻⁴.
    pub fn lrn_alpha(mut self, alpha: f64) -> Self {
        self.family.response.alpha = alpha;
        self
    }

    /// Sets the exponent β. Default 0.75.
    pub fn beta(mut self, beta: f64) -> Self {
        self.family.response.beta = beta;
        self
    }
}

impl Family for AlexNet {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "alexnet".into()
    }

    fn min_size(&self) -> usize {
        67
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let convolution = |filters, size, groups| {
            let layer = Conv2D::new(filters, size).groups(groups).padding(Padding::Same);
            layer.activation(Activation::Relu)
        };
        let pool = |x: &Symbol, name| x.apply(named(name, MaxPooling2D::new(3).strides(2)));
        let first = convolution(96, 11, 1).strides(4).padding(Padding::Valid);
        let x = image.apply(named("conv1", first))?.apply(named("norm1", self.response.clone()))?;
        let x = pool(&x, "pool1")?.apply(named("conv2", convolution(256, 5, 2)))?;
        let x = pool(&x.apply(named("norm2", self.response.clone()))?, "pool2")?;
        let x = x.apply(named("conv3", convolution(384, 3, 1)))?;
        let x = x.apply(named("conv4", convolution(384, 3, 2)))?;
        pool(&x.apply(named("conv5", convolution(256, 3, 2)))?, "pool5")
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        dense_top(features, top)
    }
}

/// Two dense layers of 4096 units, half of which are dropped in training, and the classifier. ZF Net has the same.
pub(super) fn dense_top(features: &Symbol, top: Top) -> Result<Symbol> {
    let mut x = features.apply(named("flatten", Flatten::new()))?;
    for layer in 6..=7 {
        x = x.apply(named(format!("fc{layer}"), Dense::new(4096).activation(Activation::Relu)))?;
        x = x.apply(named(format!("drop{layer}"), Dropout::new(0.5)))?;
    }
    x.apply(top.classifier("predictions"))
}
