//! GoogLeNet: inception modules, and classifiers half-way that help gradients through.

use convnet_nn::layers::{AveragePooling2D, Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Padding};
use convnet_nn::{Activation, LayerRef, Result, Symbol};

use super::parts::named;
use super::temporary::LocalResponse;
use super::{End, Family, Network, Top};
use crate::blocks::Inception;

/// The network of Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich, "Going Deeper with Convolutions",
/// 2014 ([arXiv:1409.4842](https://arxiv.org/abs/1409.4842)), table 1, also known as Inception-v1.
///
/// With its top it has three outputs: the classifier at the end, then those behind modules 4a and 4d, which are there for
/// training only and whose losses are weighed by [`AUXILIARY_WEIGHT`].
#[derive(Clone, Debug)]
pub struct GoogLeNet {
    auxiliary: bool,
}

/// What the losses of the classifiers half-way are weighed by.
pub const AUXILIARY_WEIGHT: f64 = 0.3;

/// Names and filters of the modules: 1×1; reduction and 3×3; reduction and 5×5; behind the pool.
const MODULES: [(&str, usize, (usize, usize), (usize, usize), usize); 9] = [
    ("inception_3a", 64, (96, 128), (16, 32), 32),
    ("inception_3b", 128, (128, 192), (32, 96), 64),
    ("inception_4a", 192, (96, 208), (16, 48), 64),
    ("inception_4b", 160, (112, 224), (24, 64), 64),
    ("inception_4c", 128, (128, 256), (24, 64), 64),
    ("inception_4d", 112, (144, 288), (32, 64), 64),
    ("inception_4e", 256, (160, 320), (32, 128), 128),
    ("inception_5a", 256, (160, 320), (32, 128), 128),
    ("inception_5b", 384, (192, 384), (48, 128), 128),
];

/// GoogLeNet: 13,378,280 parameters with 1000 classes, 6,998,552 without the classifiers half-way.
pub fn googlenet() -> Network<GoogLeNet> {
    Network::new(GoogLeNet { auxiliary: true })
}

impl Network<GoogLeNet> {
    /// Says whether there are the two classifiers half-way. Default true.
    pub fn auxiliary(self, auxiliary: bool) -> Self {
        Self { family: GoogLeNet { auxiliary }, ..self }
    }
}

impl Family for GoogLeNet {
    fn model_name(&self, _input_shape: [usize; 3]) -> String {
        "googlenet".into()
    }

    fn features(&self, image: &Symbol) -> Result<Symbol> {
        Ok(trunk(image)?.0)
    }

    fn top(&self, features: &Symbol, top: Top) -> Result<Symbol> {
        let x = self.pool(features, super::Pooling::Avg)?.apply(named("dropout", Dropout::new(0.4)))?;
        x.apply(top.classifier("predictions"))
    }

    fn outputs(&self, image: &Symbol, end: End) -> Result<Vec<Symbol>> {
        let (features, inner) = trunk(image)?;
        match end {
            End::Top(top) => {
                let mut outputs = vec![self.top(&features, top)?];
                for (name, maps) in ["auxiliary1", "auxiliary2"].into_iter().zip(&inner) {
                    if self.auxiliary {
                        outputs.push(classifier(maps, name, top)?);
                    }
                }
                Ok(outputs)
            }
            End::Pooled(pooling) => Ok(vec![self.pool(&features, pooling)?]),
            End::Maps => Ok(vec![features]),
        }
    }
}

/// The maps at the end, and those behind modules 4a and 4d.
fn trunk(image: &Symbol) -> Result<(Symbol, Vec<Symbol>)> {
    let convolution = |filters, size| {
        LayerRef::new(Conv2D::new(filters, size).padding(Padding::Same).activation(Activation::Relu))
    };
    let halve =
        |x: &Symbol, name: &str| x.apply(named(name, MaxPooling2D::new(3).strides(2).padding(Padding::Same)));
    let first = Conv2D::new(64, 7).strides(2).padding(Padding::Same).activation(Activation::Relu);
    let x = halve(&image.apply(named("conv1", first))?, "pool1")?;
    let x = x.apply(named("norm1", LocalResponse::of_caffe()))?;
    let x = x.apply(convolution(64, 1).named("conv2_reduce"))?;
    let x = x.apply(convolution(192, 3).named("conv2"))?;
    let mut x = halve(&x.apply(named("norm2", LocalResponse::of_caffe()))?, "pool2")?;
    let mut inner = Vec::new();
    for (name, one, three, five, pool) in MODULES {
        x = Inception::new(one, three, five, pool).named(name).call(&x)?;
        match name {
            "inception_3b" => x = halve(&x, "pool3")?,
            "inception_4e" => x = halve(&x, "pool4")?,
            "inception_4a" | "inception_4d" => inner.push(x.clone()),
            _ => {}
        }
    }
    Ok((x, inner))
}

/// A classifier half-way: mean of 5×5 windows, 128 1×1 filters, 1024 units, dropout of 70 per cent.
fn classifier(maps: &Symbol, name: &str, top: Top) -> Result<Symbol> {
    let at = |part: &str| format!("{name}_{part}");
    let x = maps.apply(named(at("pool"), AveragePooling2D::new(5).strides(3)))?;
    let x = x.apply(named(at("conv"), Conv2D::new(128, 1).activation(Activation::Relu)))?;
    let x = x.apply(named(at("flatten"), Flatten::new()))?;
    let x = x.apply(named(at("fc"), Dense::new(1024).activation(Activation::Relu)))?;
    x.apply(named(at("dropout"), Dropout::new(0.7)))?.apply(top.classifier(&at("predictions")))
}
