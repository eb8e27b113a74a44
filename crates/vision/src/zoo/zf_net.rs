//! ZF Net: AlexNet with smaller filters and strides in front, found by looking at what its layers see.

use convnet_nn::layers::{Conv2D, MaxPooling2D, Padding, ZeroPadding2D};
use convnet_nn::{Activation, Result, Symbol};

use super::alexnet::dense_top;
use super::parts::named;
use super::temporary::LocalResponse;
use super::{Family, Network, Top};

/// The network of Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2013
/// ([arXiv:1311.2901](https://arxiv.org/abs/1311.2901)), figure 3. Its contrast normalisation is AlexNet's.
#[derive(Clone, Debug)]
pub struct ZfNet;

/// ZF Net: 62,357,608 parameters with 1000 classes.
pub fn zf_net() -> Network<ZfNet> {
    Network::new(ZfNet)
}

impl Family for ZfNet {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "zf_net".into()
    }

    fn min_size(&self) -> usize {
        64
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        let convolution = |filters, size| Conv2D::new(filters, size).activation(Activation::Relu);
        let halve =
            |x: &Symbol, name| x.apply(named(name, MaxPooling2D::new(3).strides(2).padding(Padding::Same)));
        let x = image.apply(named("conv1_pad", ZeroPadding2D::new(1)))?;
        let x = halve(&x.apply(named("conv1", convolution(96, 7).strides(2)))?, "pool1")?;
        let x = x.apply(named("norm1", LocalResponse::of_paper()))?;
        let x = halve(&x.apply(named("conv2", convolution(256, 5).strides(2)))?, "pool2")?;
        let mut x = x.apply(named("norm2", LocalResponse::of_paper()))?;
        for (layer, filters) in [(3, 384), (4, 384), (5, 256)] {
            x = x.apply(named(format!("conv{layer}"), convolution(filters, 3).padding(Padding::Same)))?;
        }
        x.apply(named("pool5", MaxPooling2D::new(3).strides(2)))
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        dense_top(features, top)
    }
}
